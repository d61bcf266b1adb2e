"""The reference of a model: equations that are those of the file, assumptions weighed by stored draws."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.small_project import Workspace
from trilemma.content import list_models
from trilemma.reporting.reference import FILE, assumptions, reference, spread_parts
from trilemma.translation.model import Model, load_model

MODEL = """{UTF-8}
r: A, B ~~|
goal[r]= 1, 2 ~ Unit [0,9] ~ What is wanted. |
time to adjust= 3 ~ Year ~ Its pace. |
Level[r]= INTEG((seen goal[r] - Level[r])/time to adjust, 0) ~ Unit [0,?] ~ What is there. |
seen goal[r]= SMOOTH(goal[r]*push(Time), 2) ~ Unit ~ What is known. |
push((0,1),(9,2)) ~ Dmnl ~ A series. |
INITIAL TIME= 0 ~ Year ~|
FINAL TIME= 4 ~ Year ~|
TIME STEP= 0.5 ~ Year ~|
SAVEPER= TIME STEP ~ Year ~|
"""
PARAMETERS = """name,unit,central,low,high,prior,role,source,note
goal[A],Unit,1,0.5,2,uniform,parameter,assumption,
goal[B],Unit,2,1,3,uniform,parameter,A paper (2024),table 3
time to adjust,Year,3,3,3,,parameter,assumption,
"""


@pytest.fixture
def model(tmp_path: Path) -> Model:
    (tmp_path / "small.mdl").write_text(MODEL, encoding="utf-8")
    (tmp_path / "parameters.csv").write_text(PARAMETERS, encoding="utf-8")
    return load_model(tmp_path / "small.mdl")


def test_every_variable_stands_with_equation_unit_range_source_and_use(model: Model) -> None:
    text = reference(model)
    assert "**Level** (stock, Unit, at least 0): What is there." in text
    assert "Level[r] = INTEG((seen goal[r] - Level[r])/time to adjust, 0)" in text
    assert "seen goal[r] = SMOOTH(goal[r]*push(Time), 2)" in text
    assert "push((0,1),(9,2))" in text
    assert "Used by [seen goal](#seen_goal)." in text
    assert "goal[B] | 2 | 1 to 3 uniform | Unit | A paper (2024); table 3 |" in text
    assert text.index("## ") == text.index("## Control")  # a file without views has one part


def test_links_of_the_reference_lead_to_entries(model: Model) -> None:
    text = reference(model)
    anchors = re.findall(r'<a id="([^"]+)">', text)
    assert sorted(anchors) == sorted(variable.key for variable in model.variables.values())
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= set(anchors)


REFERRED = [path for path in list_models() if (path.parent / FILE).is_file()]


@pytest.mark.parametrize("path", REFERRED, ids=lambda path: path.parent.name)
def test_the_reference_of_a_shipped_model_is_current(path: Path) -> None:
    stored = path.parent / FILE
    assert stored.read_text(encoding="utf-8") == reference(load_model(path)), f"run: trilemma reference {path.stem}"


def _results(draws: int = 400) -> xr.Dataset:
    random = np.random.default_rng(0)
    a, b, idle = random.random((3, draws))
    level = (a**3 * 4)[None, :, None, None] + np.zeros((1, draws, 2, 1))
    other = (a - 2 * b)[None, :, None, None] + np.zeros((1, draws, 2, 1))
    dims = ("scenario", "draw", "time", "r")
    return xr.Dataset(
        {
            "Level": (dims, level),
            "other": (dims, other),
            "parameter:goal[A]": ("draw", a),
            "parameter:goal[B]": ("draw", b),
            "parameter:idle": ("draw", idle),
        },
        coords={"scenario": ["base"], "time": [0.0, 4.0], "r": ["A"]},
    )


def test_parts_in_the_spread_are_squared_rank_correlations_in_order() -> None:
    parts = spread_parts(_results(), ["Level[A]", "other[A]"], scenario="base", year=4)
    assert list(parts.index) == ["goal[A]", "goal[B]", "idle"]
    table = parts.to_numpy(dtype=float)
    np.testing.assert_allclose(table[0, 0], 1.0)
    assert table[2].max() < 0.02
    np.testing.assert_allclose(table[:, 1].sum(), 1.0, atol=0.1)


def test_assumptions_are_ranked_among_all_parameters(model: Model) -> None:
    text = assumptions(model, _results(), ["Level[A]"], scenario="base", year=4)
    assert "Of 3 uncertain parameters 1 are assumptions" in text
    assert "| 1 | goal[A] | 1 | 0.5 to 2 uniform | Unit | 100.0 % |" in text
    assert "| goal[B] |" not in text
    assert "Held at their value, without a prior: time to adjust = 3." in text


def test_the_command_writes_both(workspace: Workspace) -> None:
    folder = workspace.folder / "models" / "small"
    assert workspace.run("reference", "small").succeeded().strip().endswith(FILE)
    assert "fleet ratio = Fleet[US]/Fleet[CN]" in (folder / FILE).read_text(encoding="utf-8")
    assert "names no headline" in workspace.run("reference", "small", "--assumptions", "trial").failed()
    (folder / "model.toml").write_text('headline = ["fleet ratio"]\n', encoding="utf-8")
    workspace.run("reference", "small", "--assumptions", "trial", "--at", "2024").succeeded()
    assert "growth[US]" in (folder / "ASSUMPTIONS.md").read_text(encoding="utf-8")
    (folder / "model.toml").write_text('headline = "fleet ratio"\n', encoding="utf-8")
    assert "expected a list of names" in workspace.run("reference", "small").failed()

"""A small project on disk: one model with a range, a lever and two uncertain parameters, and a forecast of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.small_project import MODEL, OUTCOMES, PARAMETERS, SCENARIOS
from trilemma.content import set_project

FORECAST = """title = "A small forecast"
sentence = "Four policies."
model = "small"
baseline = "as_is"
scenarios = ["as_is", "tight", "fast", "never"]
outcomes = ["fleet ratio", "Fleet", "fleet lag"]
[design]
method = "latin_hypercube"
draws = 8
seed = 7
[horizon]
save_every = 0.5
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a project that is in force for one test."""
    folder = tmp_path / "models" / "small"
    folder.mkdir(parents=True)
    (folder / "small.mdl").write_text(MODEL)
    (folder / "parameters.csv").write_text(PARAMETERS)
    (folder / "outcomes.toml").write_text(OUTCOMES)
    (tmp_path / "forecasts").mkdir()
    (tmp_path / "forecasts" / "scenarios.toml").write_text(SCENARIOS)
    (tmp_path / "forecasts" / "trial.toml").write_text(FORECAST)
    set_project(tmp_path)
    yield tmp_path
    set_project(None)


@pytest.fixture
def edit(project: Path) -> Callable[[str, str, str], None]:
    """Return a function that replaces a text in one of the project's files."""

    def replace(file: str, old: str, new: str) -> None:
        path = project / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return replace

"""Hidden stocks are written back as the functions that they come from: read again, they give the same hidden stocks."""

from __future__ import annotations

from pathlib import Path

import pytest

from trilemma.translation.inspection import equations
from trilemma.translation.model import Model, load_model

MODEL = """{{UTF-8}}
r: A, B ~~|
a= 3+Time ~~|
t= 3 ~~|
v[r]= 1, 2 ~~|
{definition} ~~|
INITIAL TIME= 0 ~~|
FINAL TIME= 9 ~~|
TIME STEP= 0.25 ~~|
SAVEPER= 1 ~~|
"""
CASES = (
    "x = SMOOTH(a*2, t)",
    "x = SMOOTHI(a, t, 5)",
    "x = 1 + SMOOTH3(a + 1, t + 1)",
    "x = SMOOTH3I(a, t, 5)",
    "x = DELAY1(a, t)",
    "x = DELAY1I(a, t, 2)",
    "x = DELAY3(a, t)*2",
    "x = DELAY3I(SMOOTH(a, 2), t, 5)",
    "x = SMOOTH N(a, t, 5, 4)",
    "x = DELAY N(a, t, 5, 2)",
    "x = INITIAL(a + 1)",
    "x[r] = SMOOTH(v[r]*a, t)",
    "x = DELAY FIXED(a, t, 1)",
    "x = INTEG(SMOOTH(a, t) - x/t, 3)",
)


def _load(folder: Path, definition: str) -> Model:
    path = folder / "unwound.mdl"
    path.write_text(MODEL.format(definition=definition), encoding="utf-8")
    return load_model(path)


@pytest.mark.parametrize("definition", CASES)
def test_a_function_with_hidden_stocks_reads_as_it_was_written(tmp_path: Path, definition: str) -> None:
    model = _load(tmp_path, definition)
    assert equations(model, model.variables["x"]) == [definition]


@pytest.mark.parametrize("definition", ["x = TREND(a, t, 0)", "x = FORECAST(a, t, 2)"])
def test_what_is_written_out_reads_as_what_it_does(tmp_path: Path, definition: str) -> None:
    model = _load(tmp_path, definition)
    [shown] = equations(model, model.variables["x"])
    again = _load(tmp_path, shown)
    assert equations(again, again.variables["x"]) == [shown]
    assert "|" not in shown


def test_definitions_by_element_are_listed_each(tmp_path: Path) -> None:
    model = _load(tmp_path, "x[A] = v[A] + 1 ~~|\nx[B] = SMOOTH(v[B], t)")
    assert equations(model, model.variables["x"]) == ["x[A] = v[A] + 1", "x[B] = SMOOTH(v[B], t)"]


def test_a_part_of_a_range_is_named_by_its_elements(tmp_path: Path) -> None:
    model = _load(tmp_path, "x[r] :EXCEPT: [A] = v[r]*2 ~~|\nx[A] = SUM(v[r!])")
    assert equations(model, model.variables["x"]) == ["x[B] = v[B]*2", "x[A] = SUM(v[r!])"]
    text = MODEL.replace("r: A, B", "r: A, B, C").replace("v[r]= 1, 2", "v[r]= 1, 2, 3")
    path = tmp_path / "wider.mdl"
    path.write_text(text.format(definition="x[r] :EXCEPT: [A] = v[r]*2 ~~|\nx[A] = 1"), encoding="utf-8")
    wider = load_model(path)
    assert equations(wider, wider.variables["x"]) == ["x[r] :EXCEPT: [A] = v[r]*2", "x[A] = 1"]

"""The list of corners and jumps: every construct, where it lies, what it depends on."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from tests.engine.conftest import Loader
from trilemma.cli import app
from trilemma.engine.kinks import list_kinks
from trilemma.errors import UnknownNameError

BASE = "x = INTEG(1, 0.0)~~|\na = 2~~|\nb = a + Time~~|\n"


@pytest.mark.parametrize(
    ("expression", "construct", "condition", "depends"),
    [
        ("IF THEN ELSE(x > a :AND: Time < 3, 1, 2)", "IF THEN ELSE", "x > a :AND: Time < 3", "state"),
        ("MIN(x, a*2)", "MIN", "x = a*2", "state"),
        ("MAX(b, 0)", "MAX", "b = 0", "parameters and time"),
        ("ABS(a - 1)", "ABS", "a - 1 = 0", "parameters"),
        ("INTEGER(Time)", "INTEGER", "Time = a multiple of 1", "time"),
        ("MODULO(x, a)", "MODULO", "x = a multiple of a", "state"),
        ("QUANTUM(3, 2)", "QUANTUM", "3 = a multiple of 2", "nothing"),
        ("PULSE(a, 1)", "PULSE", "Time = a, a + 1", "parameters and time"),
        ("PULSE TRAIN(1, 0.5, 2, 4)", "PULSE TRAIN", "Time = 1, then every 2", "time"),
        ("STEP(3, 1)", "STEP", "Time = 1", "time"),
        ("RAMP(2, 1, a)", "RAMP", "Time = 1, a", "parameters and time"),
        ("(x > a)*3", "comparison", "x > a", "state"),
        ("ZIDZ(1, x - a)", "ZIDZ", "x - a = 0", "state"),
        ("XIDZ(1, a, 3)", "XIDZ", "a = 0", "parameters"),
        ("WITH LOOKUP(Time/a, ((0,0),(1.5,2)))", "lookup", "Time/a = 0, 1.5", "parameters and time"),
        ("DELAY FIXED(x, a, 0)", "DELAY FIXED", "a = a multiple of TIME STEP", "parameters"),
    ],
)
def test_a_kink_is_listed(load: Loader, expression: str, construct: str, condition: str, depends: str) -> None:
    found = [k for k in list_kinks(load(f"{BASE}y = {expression}~~|")) if k["construct"] == construct]
    assert [(k["condition"], k["depends on"]) for k in found] == [(condition, depends)]
    assert found[0]["line"] == 5


def test_largest_elements(load: Loader) -> None:
    model = load("seg: A, B ~~|\nx = INTEG(1, 0.0)~~|\nv[seg] = x~~|\ny = VMAX(v[seg!]) + VMIN(v[seg!])~~|")
    assert [k["condition"] for k in list_kinks(model, "y")] == ["two elements of v[seg!] are equal"] * 2


def test_kinks_inside_kinks_are_listed_once(load: Loader) -> None:
    found = list_kinks(load(f"{BASE}y = IF THEN ELSE(MAX(x, 1) > 2, MIN(x, 3), MIN(x, 3))~~|"))
    assert [k["construct"] for k in found] == ["IF THEN ELSE", "MIN", "MAX"]


def test_a_smooth_model_has_none(load: Loader) -> None:
    assert list_kinks(load("x = INTEG(EXP(-x)*SIN(Time), 1.0)~~|")) == []


def test_a_view_or_a_variable_alone() -> None:
    runner = CliRunner()
    answer = runner.invoke(app, ["show", "export_controls", "transaction cost", "--kinks", "--json"])
    assert answer.exit_code == 0
    assert {record["variable"] for record in json.loads(answer.stdout)} == {"transaction cost"}


def test_unknown_names_are_answered(load: Loader) -> None:
    with pytest.raises(UnknownNameError, match="view 'nowhere'"):
        list_kinks(load("x = 1~~|"), view="nowhere")

"""The unit check finds errors of every kind that it should, each planted by itself in a model that is clean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import simlin

from trilemma.content import list_models
from trilemma.translation import ir
from trilemma.translation.model import Model, load_model
from trilemma.validation.units import UnitMessage, unit_messages

CLEAN = """{UTF-8}
actor: US, CN ~~|
Money[actor]= INTEG(income[actor] - spending[actor], start[actor]) ~ BUSD ~|
start[actor]= 10, 5 ~ BUSD ~|
income[actor]= 2, 1 ~ BUSD/Year ~|
spending[actor]= Money[actor]/spending time ~ BUSD/Year ~|
spending time= 4 ~ Year ~|
Cash= INTEG(total income, 1) ~ BUSD ~|
total income= SUM(income[actor!]) ~ BUSD/Year ~|
relative income= total income/reference income ~ Dmnl ~|
reference income= 3 ~ BUSD/Year ~|
Mood= INTEG((relative income - Mood)/spending time, 1) ~ Dmnl ~|
seen income= SMOOTH(total income, spending time) ~ BUSD/Year ~|
effect table([(0,0)-(2,2)],(0,0),(2,2)) ~ Dmnl ~|
effect= effect table(relative income) ~ Dmnl ~|
strength= relative income^elasticity*EXP(-Mood) ~ Dmnl ~|
elasticity= 0.5 ~ Dmnl ~|
chosen income= IF THEN ELSE(effect > 1, total income, MAX(0, seen income)) ~ BUSD/Year ~|
INITIAL TIME= 2018 ~ Year ~|
FINAL TIME= 2020 ~ Year ~|
TIME STEP= 0.25 ~ Year ~|
SAVEPER= TIME STEP ~ Year ~|
"""

PLANTED = {
    "a wrong unit": ("reference income= 3 ~ BUSD/Year", "reference income= 3 ~ BUSD", "relative income"),
    "an unnamed factor": ("SUM(income[actor!]) ~ BUSD", "SUM(income[actor!])*1000 ~ MUSD", "total income"),
    "a sum of unlike things": ("income[actor] - spending[actor]", "income[actor] - Money[actor]", "Money"),
    "a flow that is no rate": ("(relative income - Mood)/spending time", "relative income - Mood", "Mood"),
    "a flow of another name that is no rate": ("INTEG(total income, 1)", "INTEG(relative income, 1)", "Cash"),
    "an initial value of another unit": ("spending[actor], start[actor])", "spending[actor], income[actor])", "Money"),
    "a smoothing time that is none": (
        "SMOOTH(total income, spending time)",
        "SMOOTH(total income, elasticity)",
        "seen",
    ),
    "a table of another unit": ("(2,2)) ~ Dmnl ~|", "(2,2)) ~ BUSD ~|", "effect"),
    "unlike branches": ("total income, MAX(0, seen income)", "total income, MAX(0, effect)", "chosen income"),
    "unlike limits": ("MAX(0, seen income)", "MAX(Mood, seen income)", "chosen income"),
    "an exponential of money": ("EXP(-Mood)", "EXP(-Cash)", "strength"),
    "no unit": ("elasticity= 0.5 ~ Dmnl", "elasticity= 0.5 ~", "elasticity"),
    "a function that the check does not know": ("EXP(-Mood)", "GAMMA LN(2)", "strength"),
}


def _checked(folder: Path, text: str) -> list[UnitMessage]:
    path = folder / "planted.mdl"
    path.write_text(text, encoding="utf-8")
    return unit_messages(path)


def test_a_clean_model_has_no_message(tmp_path: Path) -> None:
    assert _checked(tmp_path, CLEAN) == []


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_error_is_found_where_it_stands(tmp_path: Path, kind: str) -> None:
    before, after, variable = PLANTED[kind]
    assert CLEAN.count(before) == 1
    found = _checked(tmp_path, CLEAN.replace(before, after))
    assert variable in {message.variable for message in found} or any(m.variable.startswith(variable) for m in found)
    text = CLEAN.replace(before, after).splitlines()
    for message in found:
        assert message.line is not None
        assert text[message.line - 1].startswith(message.variable)


def test_two_wrong_flows_are_both_found(tmp_path: Path) -> None:
    text = CLEAN
    for kind in (
        "a flow that is no rate",
        "a flow of another name that is no rate",
        "an initial value of another unit",
    ):
        before, after, _ = PLANTED[kind]
        text = text.replace(before, after)
    assert {message.variable for message in _checked(tmp_path, text)} >= {"Mood", "Cash", "Money"}


def test_a_file_that_the_check_cannot_read_is_a_message_with_its_line(tmp_path: Path) -> None:
    text = CLEAN.replace("spending time= 4 ~ Year", "spending time= 4 ~ Year^1")
    [message] = _checked(tmp_path, text)
    assert text.splitlines()[(message.line or 0) - 1].startswith("spending time")


MODELS = pytest.mark.parametrize("path", list_models(), ids=lambda path: path.parent.name)


@MODELS
def test_nothing_that_pysimlin_says_is_lost(path: Path) -> None:
    model = load_model(path)
    said = simlin.load(path).check()
    told = unit_messages(model)
    assert len(told) >= len(said)
    for issue in said:
        last = " ".join(issue.message.split()).rsplit(" -- ", 1)[-1]
        assert any(last in " ".join(message.message.split()) for message in told)


def test_every_equation_of_the_model_balances() -> None:
    assert unit_messages("export_controls") == []


@MODELS
def test_foreign_units_in_a_shipped_model_are_all_found(path: Path, tmp_path: Path) -> None:
    model, text = load_model(path), path.read_text(encoding="utf-8")
    chosen = _one_of_each_kind_a_view(model)
    for number, variable in enumerate(chosen):
        text = _with_unit(text, variable, f"zork{number}a")
    planted = tmp_path / "planted.mdl"
    planted.write_text(text, encoding="utf-8")
    said = " ".join(message.message for message in unit_messages(replace(model, path=planted)))
    assert len(chosen) > 2
    assert [variable.name for number, variable in enumerate(chosen) if f"zork{number}a" not in said] == []


@MODELS
def test_an_added_factor_in_a_shipped_model_is_found(path: Path, tmp_path: Path) -> None:
    model, text = load_model(path), path.read_text(encoding="utf-8")
    planted = "planted= Time*Time ~ Year ~|\nplanted too= INTEG(Time, 1) ~ Year ~|\n"
    before = set(unit_messages(model))
    found = {message.variable for message in _checked(tmp_path, text.replace("{UTF-8}\n", "{UTF-8}\n" + planted))}
    assert {"planted", "planted too"} <= found - {message.variable for message in before}


def _one_of_each_kind_a_view(model: Model) -> list[ir.Variable]:
    """Return a stock and an auxiliary of each view; what they come from is added, subtracted, multiplied, divided."""
    chosen: dict[tuple[str, str], ir.Variable] = {}
    for variable in model.variables.values():
        parts = [part for c in variable.components for part in ir.walk(c.expression)]
        operators = {part.operator for part in parts if isinstance(part, ir.Operation)}
        alone = len(variable.components) == 1
        if alone and variable.kind in ("stock", "auxiliary") and operators and operators <= {"+", "-", "*", "/"}:
            chosen.setdefault((variable.view, variable.kind), variable)
    return list(chosen.values())


def _with_unit(text: str, variable: ir.Variable, unit: str) -> str:
    """Return the text of a model file with another unit for a variable; no line moves."""
    lines = text.splitlines(keepends=True)
    first = (variable.components[0].line or 0) - 1
    equation, _, after = "".join(lines[first:]).partition("~")
    return "".join(lines[:first]) + equation + "~\t" + unit + after[after.index("\n") :]

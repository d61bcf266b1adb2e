"""Every category passes on a sound model and fails on one with a fault planted; the sentence says what came out."""

from __future__ import annotations

from pathlib import Path

import pytest

import trilemma
from tests.validation.conftest import Fault, Score, write_model
from trilemma.errors import TrilemmaError, TrilemmaWarning, UnknownNameError
from trilemma.validation.result import Check
from trilemma.validation.scorecard import CATEGORIES, check

MDL, TOML = "workshop.mdl", "checks.toml"


def failed(checks: list[Check]) -> list[Check]:
    return [one for one in checks if not one.passes]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> list[Check]:
    """Return the whole scorecard of the sound model."""
    return trilemma.check(write_model(tmp_path_factory.mktemp("sound") / "workshop"), only=OWN)


OWN = ("sign", "extreme", "conservation", "exogenous", "mechanisms", "sectors", "numerics")


def test_a_sound_model_passes_in_every_category(sound: list[Check]) -> None:
    assert [one.sentence for one in failed(sound)] == []
    assert list(dict.fromkeys(one.category for one in sound)) == [name for name in CATEGORIES if name in OWN]
    assert all(one.expected and one.measured and one.sentence.endswith(".") for one in sound)


def test_a_weak_lever_is_explained_by_what_binds_and_acts_when_freed(sound: list[Check]) -> None:
    lever = next(one for one in sound if one.name == "cloud law")
    assert lever.verdict == "explained"
    assert "binding = 1; it acts in the case 'much packaging'" in lever.sentence
    assert [one.verdict for one in sound if one.name == "chip law"] == ["passed"] * 3


PLANTED: dict[str, tuple[str, tuple[Fault, ...], str, str]] = {
    "a lever of the wrong sign": (
        "sign",
        ((MDL, "share of CN*(1-Effective Control[CHIP])", "share of CN*(1+Effective Control[CHIP])"),),
        "chip law",
        "'fleet ratio' was expected to rise by at least 0.5; it moves the other way: ",
    ),
    "a lever that turns back": (
        "sign",
        ((MDL, "(1-Effective Control[CHIP])", "(1-Effective Control[CHIP]*(1.2-Effective Control[CHIP]))"),),
        "chip law",
        "it turns back on the way: ",
    ),
    "a lever cut off": (
        "sign",
        ((MDL, "(1-Effective Control[CHIP])", "(1-0.5)"),),
        "chip law",
        "it hardly moves: 10.94 → 10.94 → 10.94 (+0, +0 %). No equation leads from the one to the other.",
    ),
    "a weak lever whose explanation is false": (
        "sign",
        ((TOML, "binding = 1", "binding = 2"),),
        "cloud law",
        "The explanation binding = 2 does not hold: 1 against 2 at 2020.",
    ),
    "a weak lever that nothing frees": (
        "sign",
        ((TOML, 'freed_by = "much packaging"', 'freed_by = "no law"'),),
        "cloud law",
        "Nor does it act in the case 'no law', which should free it",
    ),
    "a lever without a test": (
        "sign",
        ((TOML, 'off = { "history switch" = 0 }', "off = { delay = 9 }"),),
        "every lever is tested",
        "2 of 3 levers and switches are moved by a test; not by any: history switch.",
    ),
    "a clamp at an extreme": (
        "extreme",
        ((MDL, "INTEG(shipped[actor]-Fleet[actor]/life, 5)", "INTEG(MAX(0, shipped[actor]-Fleet[actor]/life), 5)"),),
        "no demand",
        "Without demand fleets wear out. Expected at(Fleet, 2030) < 0.1 * at(Fleet, 2020); got 5 against 0.5.",
    ),
    "a leak": (
        "conservation",
        ((MDL, "shipped[US]= demand-shipped[CN]", "shipped[US]= 0.99*demand-shipped[CN]"),),
        "units",
        "Expected sum(shipped[actor!]) = demand; in the run 'base' at ",
    ),
    "a stock that gains from nowhere": (
        "conservation",
        ((MDL, "Fleet[actor]/life, 5)", "Fleet[actor]/life+0.000001, 5)"),),
        "fleets",
        "Expected change of sum(Fleet[actor!]) = demand",
    ),
    "a table that outweighs policy": (
        "exogenous",
        (
            (MDL, "(1-Effective Control[CHIP])", "(1-0.01*Effective Control[CHIP])"),
            (MDL, "Fleet[US]/(Fleet[CN]+leased)", "Fleet[US]/(Fleet[CN]+leased)*demand"),
        ),
        "ratio: demand",
        "'demand' 20 % down and up moves 'fleet ratio' by ",
    ),
    "a table of time inside another equation": (
        "exogenous",
        ((MDL, "Fleet[US]/(Fleet[CN]+leased)", "Fleet[US]/Fleet[CN]*WITH LOOKUP(Time, ((2020,1),(2030,2)))"),),
        "fleet ratio",
        "give the table a variable of its own.",
    ),
    "a mechanism that does nothing": (
        "mechanisms",
        ((MDL, "control lever[layer]*history switch", "control lever[layer]+0*history switch"),),
        "M1",
        "Without it 'fleet ratio' was expected to fall by at least 10 %",
    ),
    "a mechanism with a side effect": (
        "mechanisms",
        ((TOML, 'unaffected = ["demand"]', 'unaffected = ["Fleet[CN]"]'),),
        "M1",
        "'Fleet[CN]' was expected to stay within 1 %; it moves by 92 %.",
    ),
    "a statement about a view alone that is false": (
        "sectors",
        ((TOML, "at(Fleet[US], 2030) > at(Fleet[US], 2028)", "at(Fleet[US], 2030) < at(Fleet[US], 2028)"),),
        "Trade",
        "Expected at(Fleet[US], 2030) < at(Fleet[US], 2028)",
    ),
    "a step that is too coarse": (
        "numerics",
        ((TOML, 'method = "rk4"', 'method = "euler"'), (MDL, "TIME STEP = 0.0625", "TIME STEP = 0.25")),
        "time step: fleet ratio",
        "Half the time step (0.125 instead of 0.25, euler) changes 'fleet ratio' by ",
    ),
    "a stock that falls below 0": (
        "numerics",
        ((MDL, "Fleet[actor]= INTEG(shipped[actor]-", "Fleet[actor]= INTEG(shipped[actor]-9-"),),
        "no stock is negative",
        "In 20 draws from the priors these stocks fall below 0: Fleet.",
    ),
    "a run that is not finite": (
        "numerics",
        ((MDL, "fleet ratio= Fleet[US]/(Fleet[CN]+leased)", "fleet ratio= LN(4.5-life)"),),
        "every draw is finite",
        "'fleet ratio' is not finite at 2020",
    ),
    "a variable out of its range": (
        "numerics",
        (
            (
                MDL,
                "law[layer]= control lever[layer]*history switch",
                "law[layer]= 3*control lever[layer]*history switch",
            ),
        ),
        "every draw stays in the declared ranges",
        "leaves the range that the model file declares for it (0 to 1)",
    ),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_fails_with_its_sentence(score: Score, fault: str) -> None:
    category, faults, name, sentence = PLANTED[fault]
    found = failed(score(*faults, only=category))
    assert name in [one.name for one in found], found
    assert any(sentence in one.sentence for one in found if one.name == name), [one.sentence for one in found]


def test_a_stock_may_be_negative_where_the_file_says_so(score: Score) -> None:
    minus: Fault = (MDL, "Fleet[actor]= INTEG(shipped[actor]-", "Fleet[actor]= INTEG(shipped[actor]-9-")
    allowed: Fault = (TOML, "draws = 20", 'draws = 20\nmay_be_negative = ["fleet"]')
    assert "no stock is negative" not in [one.name for one in failed(score(minus, allowed, only="numerics"))]


def test_a_view_fed_by_another_one_runs_alone(sound: list[Check]) -> None:
    views = [one for one in sound if one.category == "sectors" and one.expected == "runs alone as in the base run"]
    assert [one.name for one in views] == ["Law", "Trade"]
    assert "with 0 inputs" in views[0].sentence
    assert "with 1 inputs" in views[1].sentence


def test_without_a_file_only_what_needs_no_statement_is_tested(tmp_path: Path) -> None:
    model = write_model(tmp_path / "workshop")
    (tmp_path / "workshop" / TOML).unlink()
    with pytest.warns(TrilemmaWarning, match=r"no checks.toml beside 'workshop.mdl'"):
        checks = check(model, only=["sign", "sectors", "numerics"])
    assert {one.category for one in checks} == {"sectors", "numerics"}


def test_an_unknown_category_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown category 'signs': did you mean 'sign'"):
        check(write_model(tmp_path / "workshop"), only=["signs"])


MISTAKES: list[tuple[str, str, str]] = [
    ('method = "rk4"', 'method = "rk5"', r"workshop/checks.toml: 'method' is 'rk5', expected one of 'euler' or 'rk4'"),
    ("[numerics]", "[numeric]", r"unknown key 'numeric' in workshop/checks.toml: did you mean 'numerics'"),
    ("draws = 20", "drwas = 20", r"unknown key 'drwas' in workshop/checks.toml, 'numerics': did you mean 'draws'"),
    (
        'rises = { "fleet',
        'raises = { "fleet',
        r"unknown key 'raises' in workshop/checks.toml, 'sign.chip law': .*'rises'",
    ),
    ("at = 2028", "at = 2040", r"workshop/checks.toml: 'at' is 2040, but the model runs from 2020 to 2030"),
    ('"Fleet[US]" = "10 %"', '"Fleet[US]" = "ten"', r"\[sign.chip law\]: 'ten' is no amount: expected .*'5 %'"),
    ("[0, 0.5, 1]", "[0]", r"\[sign.chip law\]: 'values' must be lists of one length, of two values at least"),
    (
        '{ "control lever[CHIP]" = [0, 0.5, 1] }',
        '{ "control levr" = [0, 1] }',
        r"unknown variable 'control levr' in workshop/checks.toml, \[sign.chip law\]",
    ),
    ('"control lever[CHIP]" = [', '"control lever[CHP]" = [', r"unknown element of 'layer' 'CHP'"),
    (
        'rises = { "fleet ratio" = 0.5',
        'rises = { "flet ratio" = 0.5',
        r"unknown outcome 'flet ratio' in workshop/checks.toml, \[sign.chip law\]: did you mean 'fleet ratio'",
    ),
    ('"binding = 1"', '"binding"', r"\[sign.cloud law\]: the condition 'binding' has 0 of the signs < <= = >= >"),
    ('"binding = 1"', '"0 < binding < 2"', r"has 2 of the signs"),
    (
        'freed_by = "much',
        'freed_by = "more',
        r"unknown case 'more packaging' in .*\[sign.cloud law\]: did you mean 'much packaging'",
    ),
    ("fleet ratio, 2020), base)", "fleet ratio, 2020), bace)", r"unknown case 'bace' in .*\[extreme.no demand\]"),
    ('[cases."no law"]', "[cases.base]", r"\[cases.base\]: 'base' is the run that changes nothing"),
    ("scale = 2", "scales = 2", r"'demand' is a single number"),
    (
        '"sum(shipped[actor!]) = demand"',
        '"sum(shipped[actor!]) < demand"',
        r"\[conservation.units\]: a balance has the sign =, got '<'",
    ),
    ('flow = "demand', 'flw = "demand', r"unknown key 'flw'.*'conservation.fleets'.*'flow'"),
    ("[sectors.Trade]", "[sectors.Trad]", r"unknown view 'Trad' in workshop/checks.toml, \[sectors\]: .*'Trade'"),
    (
        'outcomes = ["fleet ratio"',
        'outcomes = ["flet ratio"',
        r"unknown outcome 'flet ratio' in workshop/checks.toml, \[numerics\]",
    ),
    (
        'loosest = "no law"',
        'loosest = "no lwa"',
        r"unknown case 'no lwa' in .*\[exogenous.ratio\]: did you mean 'no law'",
    ),
    ('falls = { "fleet ratio" = "10 %" }\n', "", r"\[mechanisms.M1\]: nothing is stated"),
]


@pytest.mark.parametrize(("old", "new", "sentence"), MISTAKES)
def test_a_mistake_in_the_file_is_one_sentence(score: Score, old: str, new: str, sentence: str) -> None:
    with pytest.raises(TrilemmaError, match=sentence) as caught:
        score((TOML, old, new), only="sign,extreme,conservation,exogenous,mechanisms,numerics")
    assert "\n" not in str(caught.value)


def test_cases_that_stand_on_each_other_in_a_circle_are_refused(score: Score) -> None:
    sentence = "Nothing is controlled."
    circle: Fault = (TOML, f'"{sentence}"', f'"{sentence}"\nunder = "full law"')
    back: Fault = (TOML, '"All is controlled."', '"All is controlled."\nunder = "no law"')
    with pytest.raises(TrilemmaError, match=r"in a circle \(no law -> full law -> no law\); remove one 'under'"):
        score(circle, back, only="sign")

"""Every category passes on a sound model and fails on one with a fault planted; the sentence says what came out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import trilemma
from tests.validation.conftest import Fault, Score, write_model
from trilemma.calibration import measurement
from trilemma.cli import app
from trilemma.errors import TrilemmaError, TrilemmaWarning, UnknownNameError
from trilemma.reporting.scorecard import mechanism_table
from trilemma.validation.result import Check
from trilemma.validation.scorecard import CATEGORIES, check
from trilemma.validation.spec import read_checks

MDL, TOML = "workshop.mdl", "checks.toml"


def failed(checks: list[Check]) -> list[Check]:
    return [one for one in checks if not one.passes]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> list[Check]:
    """Return the whole scorecard of the sound model."""
    return trilemma.check(write_model(tmp_path_factory.mktemp("sound") / "workshop"))


def test_a_sound_model_passes_in_every_category(sound: list[Check]) -> None:
    assert [one.sentence for one in failed(sound)] == []
    assert list(dict.fromkeys(one.category for one in sound)) == [name for name in CATEGORIES if name != "evidence"]
    assert all(one.expected and one.measured and one.sentence.endswith(".") for one in sound)


def test_a_weak_lever_is_explained_by_what_binds_and_acts_when_freed(sound: list[Check]) -> None:
    lever = next(one for one in sound if one.name == "cloud law")
    assert lever.verdict == "explained"
    assert "binding = 1; it acts in the case 'much packaging'" in lever.sentence
    assert [one.verdict for one in sound if one.name == "chip law"] == ["passed"] * 3


PLANTED: dict[str, tuple[str, tuple[Fault, ...], str, str]] = {
    "a unit that does not fit": (
        "units",
        (
            (
                MDL,
                "leased= MIN(packaging, lease limit)\n\t~\tKunit/Year",
                "leased= MIN(packaging, lease limit)\n\t~\tKunit",
            ),
        ),
        "leased",
        "'leased', line ",
    ),
    "a loop of the other polarity": (
        "loops",
        ((MDL, "shipped[actor]-Fleet[actor]/life", "shipped[actor]+Fleet[actor]/life"),),
        "B1 Wear",
        "The polarity is the opposite one.",
    ),
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
        (
            (
                MDL,
                "INTEG(shipped[actor]-Fleet[actor]/life, start fleet)",
                "INTEG(MAX(0, shipped[actor]-Fleet[actor]/life), start fleet)",
            ),
        ),
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
        ((MDL, "Fleet[actor]/life, start fleet)", "Fleet[actor]/life+0.000001, start fleet)"),),
        "fleets",
        "Expected change of sum(Fleet[actor!]) = demand",
    ),
    "a table that outweighs policy": (
        "exogenous",
        (
            (MDL, "(1-Effective Control[CHIP])", "(1-0.01*Effective Control[CHIP])"),
            (MDL, "Fleet[US]/(Fleet[CN]+leased*years leased)", "Fleet[US]/(Fleet[CN]+leased*years leased)*demand"),
        ),
        "ratio: demand",
        "'demand' 20 % down and up moves 'fleet ratio' by ",
    ),
    "a table inside another equation that outweighs policy": (
        "exogenous",
        (
            (MDL, "(1-Effective Control[CHIP])", "(1-0.01*Effective Control[CHIP])"),
            (MDL, "Fleet[US]/(", "WITH LOOKUP(Time, ((2020,1),(2030,2)))*Fleet[US]/("),
        ),
        "ratio: fleet ratio",
        "'fleet ratio' 20 % down and up moves 'fleet ratio' by ",
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
        "In 20 draws from the priors these stocks fall below 0: Fleet (to -",
    ),
    "a run that is not finite": (
        "numerics",
        ((MDL, "fleet ratio= Fleet[US]/(Fleet[CN]+leased*years leased)", "fleet ratio= LN(4.5-life)"),),
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


OBSERVED = """series,period_start,period_end,value,unit,low,high,grade,kind,source,url,note
sales,2021-01-01,2021-12-31,13.1,thousand units,,,A,observation,annual report,,
sales,2022-01-01,2022-12-31,30,thousand units,,,A,observation,annual report,,
"""
MEASURED = f"{','.join(measurement.COLUMNS)}\nyearly sales,sales,thousand units,demand,1,,log,total,0.1,,0,,no,sales,\n"


@pytest.mark.parametrize(
    ("stated", "verdict", "sentence"),
    [
        ("", "failed", "1 of 2 observations of sales lie within 35 % or 2 standard deviations. Not so 2022-12-31: 15 "),
        ('missed = 1\nwhy = "a fair was held."', "explained", "Known: 1 at most, since a fair was held."),
    ],
)
def test_evidence_is_missed_openly(tmp_path: Path, stated: str, verdict: str, sentence: str) -> None:
    folder = tmp_path / "workshop"
    write_model(folder, (TOML, "[numerics]", f"[evidence.sales]\n{stated}\n[numerics]" if stated else "[numerics]"))
    (folder / "observations.csv").write_text(OBSERVED, encoding="utf-8")
    (folder / "measurements.csv").write_text(MEASURED, encoding="utf-8")
    (one,) = check(folder / MDL, only=["evidence"])
    assert (one.name, one.verdict, one.measured) == ("sales", verdict, "1 of 2")
    assert sentence in one.sentence


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


def test_a_known_fault_still_fails_and_says_so(score: Score) -> None:
    cut: Fault = (MDL, "(1-Effective Control[CHIP])", "(1-0.5)")
    known: Fault = (TOML, "[numerics]", '[known]\n"sign.chip law" = "the lever is cut off."\n[numerics]')
    found = failed(score(cut, known, only="sign"))
    assert {one.name for one in found} == {"chip law"}
    assert all(one.sentence.endswith("A known fault: the lever is cut off.") for one in found)


def test_cases_that_stand_on_each_other_in_a_circle_are_refused(score: Score) -> None:
    sentence = "Nothing is controlled."
    circle: Fault = (TOML, f'"{sentence}"', f'"{sentence}"\nunder = "full law"')
    back: Fault = (TOML, '"All is controlled."', '"All is controlled."\nunder = "no law"')
    with pytest.raises(TrilemmaError, match=r"in a circle \(no law -> full law -> no law\); remove one 'under'"):
        score(circle, back, only="sign")


def test_the_command_prints_the_scorecard_and_fails_with_status_1(tmp_path: Path) -> None:
    write_model(tmp_path / "workshop", (TOML, '"fleet ratio" = 0.5', '"fleet ratio" = 500'))
    answer = CliRunner().invoke(app, ["check", str(tmp_path / "workshop" / MDL), "--only", "sign"])
    assert answer.exit_code == 1
    assert "fleet ratio rises by at least 500" in answer.stdout
    assert answer.stdout.splitlines()[-1] == "5 tests: 3 passed, 1 explained, 1 failed."


def test_json_holds_all_that_is_known_of_each_test(tmp_path: Path) -> None:
    write_model(tmp_path / "workshop")
    answer = CliRunner().invoke(app, ["check", str(tmp_path / "workshop" / MDL), "--only", "mechanisms", "--json"])
    assert answer.exit_code == 0
    first, second = json.loads(answer.stdout)
    assert set(first) == {"category", "name", "expected", "measured", "verdict", "sentence"}
    assert (first["name"], first["verdict"], second["expected"]) == ("M1", "passed", "demand moves by less than 1 %")


def test_the_table_of_mechanisms_says_how_each_is_switched_off_and_what_that_does(tmp_path: Path) -> None:
    model = write_model(tmp_path / "workshop")
    table = mechanism_table(read_checks(model).mechanisms, check(model, only=["mechanisms"]))
    row = next(line for line in table.splitlines() if line.startswith("| M1 |"))
    assert "Control of chips. The law keeps chips from China. | `history switch` = 0 |" in row
    assert "| ✓ `fleet ratio` " in row
    assert row.endswith("| ✓ `demand` 0 % |")

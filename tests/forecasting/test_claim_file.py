"""The file of claims: what it may say, and one sentence for each mistake."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from trilemma.errors import TrilemmaError
from trilemma.forecasting.claim_file import choose, read_claims

CLAIMS = """[H1]
title = "Tight levers slow both fleets"
says = "A lever slows."
tested = "By the fleets at the end."
change = "Another brake."
[[H1.condition]]
title = "Fleet lost"
metric = "sum(Fleet[actor!])"
scenario = "tight"
against = "as_is"
paired = "shortfall"
over = [2023, 2024]
above = 0.05
[[H1.condition]]
title = "Ratio"
metric = "fleet ratio"
scenario = ["tight", "as_is"]
at = 2024
below = 3

[H2]
title = "As the record says"
says = "Stocks rise before a rule."
tested = "By sales."
change = "Other sales."
[[H2.record]]
title = "Sales"
series = "sales"
during = [2024-01-01, 2024-12-31]
against = [2023-01-01, 2023-12-31]
above = 1.5
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small" / "claims.toml"
    path.parent.mkdir()
    path.write_text(CLAIMS)
    return path


def test_claims_are_read_in_their_order(file: Path) -> None:
    first, second = read_claims(file)
    assert (first.name, first.by_data, second.by_data) == ("H1", False, True)
    lost, ratio = first.condition
    assert (lost.scenarios, lost.against, lost.paired, lost.over) == (("tight",), "as_is", "shortfall", (2023, 2024))
    assert ratio.scenarios == ("tight", "as_is")
    assert ratio.paired == "difference"
    assert second.record[0].during == (date(2024, 1, 1), date(2024, 12, 31))


def test_terms_stand_for_expressions(file: Path) -> None:
    terms = """{ "all fleets" = "under(Fleet[US], tight)", share = "All Fleets / under(Fleet[CN], as_is)" }"""
    text = f'metric = "at(share - 1, 2024)"\nterms = {terms}'
    file.write_text(CLAIMS.replace('metric = "fleet ratio"\nscenario = ["tight", "as_is"]\nat = 2024', text))
    expression = read_claims(file)[0].condition[1].expression
    assert expression.names == {("Fleet", "US"), ("Fleet", "CN")}
    assert expression.scenarios == {"tight": {"Fleet"}, "as_is": {"Fleet"}}


def test_claims_are_chosen_by_name(file: Path) -> None:
    claims = read_claims(file)
    assert [claim.name for claim in choose(claims, ["h2"])] == ["H2"]
    assert choose(claims, None) == claims
    with pytest.raises(TrilemmaError, match=r"unknown claim 'H3' in claims.toml: did you mean 'H2' or 'H1'"):
        choose(claims, ["H3"])


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[H1]", "[H1", r"claims.toml is not valid TOML"),
        ("[H1]\n", "H3 = 1\n[H1]\n", r"small/claims.toml: 'H3' is 1, expected a table \[H3\]"),
        ('says = "A lever slows."', "", r"small/claims.toml: the key 'H1.says' is missing"),
        ('tested = "By the fleets', 'test = "By the fleets', r"unknown key 'test' .*'H1'.*'tested'"),
        ('metric = "fleet ratio"', 'metrik = "fleet ratio"', r"unknown key 'metrik' .*'H1.condition 2'.*'metric'"),
        (
            'paired = "shortfall"',
            'paired = "short"',
            r"'H1.condition 1.paired' is 'short', expected one of 'difference'",
        ),
        ("above = 0.05", 'above = "5 %"', r"'H1.condition 1.above' is '5 %', expected"),
        ("above = 0.05", "", r"\[\[H1.condition\]\] 1: give 'above', 'below' or both"),
        ("below = 3", "above = 4\nbelow = 3", r"\[\[H1.condition\]\] 2: nothing is above 4 and below 3"),
        ("at = 2024", "at = 2024\nover = [2023, 2024]", r"2: give 'at' or 'over', not both"),
        ("over = [2023, 2024]", "over = [2024, 2023]", r"'over' is \[2024.*in order"),
        ('against = "as_is"', "", r"paired = 'shortfall' needs 'against'"),
        ('scenario = "tight"', "", r"'against' needs a 'scenario'"),
        ('scenario = ["tight", "as_is"]', "", r"'fleet ratio' is in no scenario; give 'scenario', or write under"),
        ('"fleet ratio"', '"under(fleet ratio, tight)"', r"a scenario of its own; so a 'scenario' would do nothing"),
        ('"fleet ratio"', '"3"', r"names no outcome"),
        ('"fleet ratio"', '"fleet ratio"\nterms = { x = "Fleet[US]" }', r"uses the term 'x'; remove it"),
        ('"fleet ratio"', '"x"\nterms = { x = "Fleet[US" }', r"2, term 'x': expression 'Fleet\[US': expected"),
        ('"fleet ratio"', '"x[US]"\nterms = { x = "Fleet[US]" }', r"'x' is an expression of its own, it is used whole"),
        ('"fleet ratio"', '"fleet ratio +"', r"\[\[H1.condition\]\] 2: expression 'fleet ratio \+': expected a number"),
        ("during = [2024-01-01, 2024-12-31]", 'during = "2024"', r"'H2.record 1.during' is '2024', expected"),
        (
            "during = [2024-01-01, 2024-12-31]",
            "during = [2024-12-31, 2024-01-01]",
            r"'during' is .* in order",
        ),
        ("[[H2.record]]", "[[H2.condition]]", r"unknown key 'series' .*'H2.condition 1'"),
        ('metric = "fleet ratio"', 'where = "x"\nmetric = "fleet ratio"', r"unknown key 'where' .*'H1.condition 2'"),
        ("above = 1.5", "", r"\[\[H2.record\]\] 1: give 'above', 'below' or both"),
    ],
)
def test_a_mistake_is_one_sentence(file: Path, old: str, new: str, sentence: str) -> None:
    assert old in CLAIMS
    file.write_text(CLAIMS.replace(old, new, 1))
    with pytest.raises(TrilemmaError, match=sentence) as caught:
        read_claims(file)
    assert "\n" not in str(caught.value)


def test_a_claim_has_conditions_or_a_record(file: Path) -> None:
    file.write_text('[H1]\ntitle = "t"\nsays = "s"\ntested = "t"\nchange = "c"\n')
    with pytest.raises(
        TrilemmaError, match=r"\[H1\]: give \[\[H1.condition\]\], or \[\[H1.record\]\] where data decide"
    ):
        read_claims(file)


def test_a_model_without_claims_says_so(tmp_path: Path) -> None:
    with pytest.raises(TrilemmaError, match="has no claims.toml: write one"):
        read_claims(tmp_path / "claims.toml")

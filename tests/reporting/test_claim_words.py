"""Words and tables on claims: verdicts with their error, thresholds, regions, variants."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from trilemma.forecasting.claim_file import Claim, Condition, Record
from trilemma.forecasting.claim_metrics import Measured
from trilemma.forecasting.claim_records import Compared, RecordFinding
from trilemma.forecasting.claims import Finding, Verdict, verdict
from trilemma.forecasting.regions import Bound, Flip, Region
from trilemma.reporting import claim_tables, claim_words
from trilemma.reporting.claim_study import ClaimStudy

YEAR = (date(2023, 1, 1), date(2023, 12, 31))
TITLES = {"as_is": "As it is", "tight": "Tight"}
CONDITION = Condition(
    title="R&D lost", metric="RD", scenario="tight", against="as_is", paired="shortfall", over=(2024, 2030), above=0.05
)
ABOVE = Region((Bound("armington", above=3.912),), size=0.34, share=0.86, verdict="supported")
BELOW = Region((Bound("armington", below=3.912),), size=0.66, share=0.41, verdict="undecided")


def finding(holding: int, draws: int = 1000, flip: Flip | None = None, **variants: tuple[Verdict, float]) -> Finding:
    holds = np.arange(draws) < holding
    measured = Measured(CONDITION, np.linspace(0, 0.2, draws), holds, "", (0.01, 0.1, 0.19))
    claim = Claim(
        name="H2", title="Lost sales starve research", says="s", tested="t", change="c", condition=(CONDITION,)
    )
    return Finding(claim, verdict(holds, ~holds), holds, ~holds, (measured,), variants, flip, draws)


def study(one: Finding) -> ClaimStudy:
    data = xr.Dataset(coords={"scenario": list(TITLES), "scenario_title": ("scenario", list(TITLES.values()))})
    return ClaimStudy(data, (one.claim,), {one.claim.name: one}, {})


def recorded() -> ClaimStudy:
    record = Record(title="Sales", series="sales", during=YEAR, against=YEAR, above=1.5)
    claim = Claim(name="H11", title="Buying ahead", says="s", tested="t", change="c", record=(record,))
    found = RecordFinding(claim, "supported", (Compared(record, 2.487, 3, True),))
    return ClaimStudy(xr.Dataset(), (claim,), {}, {"H11": found})


@pytest.mark.parametrize(
    ("holding", "draws", "text"), [(630, 1000, "63 % ± 2"), (1000, 1000, "all"), (0, 50, "none"), (1, 1, "one draw")]
)
def test_a_verdict_says_how_sure_it_is(holding: int, draws: int, text: str) -> None:
    assert claim_words.verdict_text(finding(holding, draws)) == text


def test_a_shortfall_is_told_in_per_cent() -> None:
    assert claim_words.value_texts(finding(1).conditions[0]) == ("10.0 %", "1.0–19.0")
    assert claim_words.asked_text(CONDITION) == "above 5 %"
    assert claim_words.setting_text(CONDITION, TITLES) == "‘Tight’ short of ‘As it is’, mean 2024–2030"


def test_other_settings_are_told_as_they_are() -> None:
    plain = Condition(title="t", metric="gap", scenario="every", at=2030, above=-0.5, below=1)
    assert claim_words.asked_text(plain) == "−0.5 to 1"
    assert claim_words.setting_text(plain, TITLES) == "each scenario, 2030"
    many = plain.model_copy(update={"scenario": ("a", "b", "c")})
    assert claim_words.setting_text(many, TITLES) == "each of 3 scenarios, 2030"
    year = Measured(plain, np.zeros(1), np.zeros(1, dtype=bool), "Year", (2025.25, 2030, 2035))
    assert claim_words.value_texts(year) == ("2030.0", "2025.2–2035.0")


def test_a_region_where_the_verdict_flips_is_told_with_its_share() -> None:
    (sentence,) = claim_words.flip_sentences(finding(500, flip=Flip((ABOVE,), (BELOW, ABOVE))), {})
    assert sentence == "Supported where ‘armington’ is above 3.91: holds in 86 % of the draws there (34 % of all)."


def test_where_nothing_flips_the_strongest_assumption_is_named() -> None:
    (sentence,) = claim_words.flip_sentences(finding(500, flip=Flip((), (BELOW, ABOVE))), {})
    assert sentence.startswith("No assumption turns it; what moves it most: it holds in 86 % of the draws where")
    assert sentence.endswith("‘armington’ is above 3.91, and in 41 % of the draws elsewhere.")
    assert claim_words.flip_sentences(finding(500, flip=Flip((), None)), {}) == [
        "No single assumption, and no two together, move it clearly."
    ]
    assert "Too few draws" in claim_words.flip_sentences(finding(1, draws=2), {})[0]


def test_a_variant_with_another_verdict_is_named() -> None:
    rival = finding(500, flip=Flip((), (BELOW, ABOVE)), bound=("supported", 0.93), free=("undecided", 0.5))
    first, second = claim_words.flip_sentences(rival, {"bound": "Research lives on revenue"})
    assert first == "Supported under ‘Research lives on revenue’: holds in 93 % of the draws."
    assert second.startswith("No other assumption turns it")


def test_variants_that_agree_are_told_together() -> None:
    agreed = finding(500, flip=Flip((), None), a=("undecided", 0.4), b=("undecided", 0.6))
    first, second = claim_words.flip_sentences(agreed, {})
    assert first == "The same under each of the 2 structures: holds in 40 % to 60 % of the draws."
    assert second.startswith("No single assumption")


def test_undefined_draws_are_told() -> None:
    found = finding(500)
    assert claim_words.undefined_text(found) == ""
    gappy = replace(found, fails=found.fails & (np.arange(found.draws) < 900))
    assert claim_words.undefined_text(gappy) == "Undefined in 10 % of the draws, which count for neither side."
    console = Console(width=180, record=True, file=io.StringIO())
    console.print(claim_tables.claims_table(study(gappy)))
    assert "Undefined in 10 %" in console.export_text()


def test_bounds_are_told_in_words() -> None:
    region = Region(
        (Bound("x", above=0.00012, below=12.3456), Bound("v", is_in_force=False), Bound("w", is_in_force=True)),
        1,
        1,
        "s",
    )
    text = claim_words.region_text(region, {"v": "Weak"})
    assert text == "‘x’ is between 0.00012 and 12.3 and not under ‘Weak’ and under ‘w’"


def test_the_table_has_the_verdict_the_numbers_and_the_flip() -> None:
    console = Console(width=180, record=True, file=io.StringIO())
    console.print(claim_tables.claims_table(study(finding(500, flip=Flip((ABOVE,), (BELOW, ABOVE))))))
    text = console.export_text()
    for part in ("H2", "undecided", "50 % ± 2", "Lost sales starve research", "10.0 %", "above 5 %", "Supported where"):
        assert part in text


def test_what_the_record_says_has_no_probability() -> None:
    console = Console(width=180, record=True, file=io.StringIO())
    console.print(claim_tables.claims_table(recorded()))
    text = console.export_text()
    for part in ("H11", "supported", "record", "3 observations of sales", "2.49", "above 1.5", "holds"):
        assert part in text
    (row,) = json.loads(claim_tables.to_json(recorded()))
    assert (row["verdict"], row["probability"]) == ("supported", None)
    assert row["comparisons"][0]["during"] == ["2023-01-01", "2023-12-31"]


def test_json_is_complete_and_unrounded() -> None:
    (row,) = json.loads(
        claim_tables.to_json(study(finding(500, flip=Flip((ABOVE,), (BELOW, ABOVE)), v=("rejected", 0.1))))
    )
    assert (row["claim"], row["verdict"], row["probability"], row["draws"]) == ("H2", "undecided", 0.5, 1000)
    assert row["conditions"][0]["p50"] == 0.1
    assert row["conditions"][0]["scenario"] == "tight"
    assert row["flips"] == [
        {"verdict": "supported", "share": 0.86, "size": 0.34, "bounds": [{"name": "armington", "above": 3.912}]}
    ]
    assert row["variants"] == {"v": {"verdict": "rejected", "share": 0.1}}

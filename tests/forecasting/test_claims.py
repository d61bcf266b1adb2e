"""Claims on results: paired metrics, verdicts, what is undefined, variants, and what the results lack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from trilemma.errors import StoreError, TrilemmaError
from trilemma.forecasting.claim_file import Claim, Condition
from trilemma.forecasting.claims import Finding, judge, judge_claims
from trilemma.forecasting.spec import load_forecast
from trilemma.forecasting.sweep import sweep

DRAWS = 400


@pytest.fixture(scope="module")
def results() -> xr.Dataset:
    """Return results in which a policy raises the gap by `effect`, whatever the wide spread of levels."""
    rng = np.random.default_rng(3)
    level, effect, idle = rng.normal(10, 5, DRAWS), rng.uniform(0, 1, DRAWS), rng.uniform(0, 1, DRAWS)
    time = np.arange(2020.0, 2031.0)
    base = level[:, None] + 0 * time
    rise = effect[:, None] * np.clip(time - 2024, 0, 3)
    spend = np.stack([base + 100, base + 100 - rise, (base + 100) / 2])
    return xr.Dataset(
        {
            "gap": (("scenario", "draw", "time"), np.stack([base, base + rise, base - 1]), {"units": "OOM"}),
            "Spend": (
                ("scenario", "draw", "time", "actor"),
                np.stack([spend, 2 * spend], axis=-1).astype(np.float32),
                {"units": "BUSD"},
            ),
            "lag": (
                ("scenario", "draw", "time"),
                np.where(np.arange(DRAWS) < 100, np.nan, 1.0)[None, :, None] * np.ones((3, 1, 11)),
                {"units": "Month"},
            ),
            "size": (("scenario", "draw"), np.ones((3, DRAWS)), {"units": "Dmnl"}),
            "parameter:effect": ("draw", effect, {"name": "effect", "units": "OOM"}),
            "parameter:idle": ("draw", idle, {"name": "idle", "units": "Dmnl"}),
        },
        {
            "scenario": np.array(["base", "policy", "half"], dtype=object),
            "draw": np.arange(DRAWS),
            "time": time,
            "actor": np.array(["US", "CN"], dtype=object),
        },
        {"forecast": "trial"},
    )


def finding(results: xr.Dataset, *conditions: dict[str, Any]) -> Finding:
    made = tuple(Condition.model_validate({"title": "t", "where": "claims.toml, H1", **one}) for one in conditions)
    (found,) = judge(results, [Claim(name="H1", title="t", says="s", tested="t", change="c", condition=made)])
    return found


def effect(results: xr.Dataset) -> np.ndarray:
    return results["parameter:effect"].to_numpy()


def test_a_difference_is_taken_within_each_draw(results: xr.Dataset) -> None:
    found = finding(results, {"metric": "gap", "scenario": "policy", "against": "base", "at": 2027, "above": 0.3})
    (measured,) = found.conditions
    np.testing.assert_allclose(measured.values, 3 * effect(results), atol=1e-12)
    np.testing.assert_array_equal(found.holds, 3 * effect(results) > 0.3)
    assert measured.unit == "OOM"
    assert measured.band == pytest.approx(tuple(np.quantile(3 * effect(results), [0.05, 0.5, 0.95])))
    assert found.verdict == "supported"
    assert found.share == pytest.approx((effect(results) > 0.1).mean())
    assert found.error == pytest.approx(np.sqrt(found.share * (1 - found.share) / DRAWS))


def test_ratios_and_shortfalls_are_paired_too(results: xr.Dataset) -> None:
    asked = {"scenario": "half", "against": "base", "at": 2030, "above": 0}
    ratio = finding(results, {"metric": "Spend[US]", "paired": "ratio", **asked}).conditions[0]
    shortfall = finding(results, {"metric": "Spend[US]", "paired": "shortfall", **asked}).conditions[0]
    assert ratio.values == pytest.approx(0.5, abs=1e-6)
    assert shortfall.values == pytest.approx(0.5, abs=1e-6)
    assert (ratio.unit, shortfall.unit) == ("", "")


def test_a_span_is_averaged_before_scenarios_are_held_against_each_other(results: xr.Dataset) -> None:
    asked = {"scenario": "policy", "against": "base", "over": (2024, 2030), "paired": "ratio", "above": 0}
    measured = finding(results, {"metric": "Spend[CN]", **asked}).conditions[0]
    spend = results["Spend"].sel(actor="CN", time=slice(2024, 2030)).to_numpy().astype(float)
    means = np.trapezoid(spend, axis=-1) / 6
    np.testing.assert_allclose(measured.values, means[1] / means[0], rtol=1e-6)


def test_one_metric_may_compare_many_scenarios(results: xr.Dataset) -> None:
    metric = "at((under(gap, policy) - under(gap, base)) / (under(gap, policy) - under(gap, half)), 2030)"
    measured = finding(results, {"metric": metric, "above": 0.5, "unit": "share"}).conditions[0]
    rise = 3 * effect(results)
    np.testing.assert_allclose(measured.values, rise / (rise + 1))
    assert measured.unit == "share"


def test_ranges_reduce_and_elements_are_found_whatever_their_case(results: xr.Dataset) -> None:
    total = finding(results, {"metric": "sum(spend[ACTOR!])", "scenario": "base", "at": 2020, "above": 0}).conditions[0]
    one = finding(results, {"metric": "Spend[us]", "scenario": "base", "at": 2020, "above": 0}).conditions[0]
    np.testing.assert_allclose(total.values, 3 * one.values, rtol=1e-6)


def test_it_must_hold_in_every_scenario_and_the_nearest_to_failing_is_shown(results: xr.Dataset) -> None:
    rise = 3 * effect(results)
    asked = {"metric": "gap - under(gap, base)", "at": 2030}
    below = finding(results, {**asked, "scenario": "every", "below": 1})
    np.testing.assert_allclose(below.conditions[0].values, np.maximum(rise, 0), atol=1e-12)
    np.testing.assert_array_equal(below.holds, rise < 1)
    above = finding(results, {**asked, "scenario": ("policy", "half"), "above": -0.5})
    assert above.verdict == "rejected"
    assert above.conditions[0].values == pytest.approx(-1)


def test_a_claim_holds_where_all_its_conditions_do(results: xr.Dataset) -> None:
    asked = {"metric": "gap", "scenario": "policy", "against": "base", "at": 2027}
    found = finding(results, {**asked, "above": 0.6}, {**asked, "below": 2.4})
    np.testing.assert_array_equal(found.holds, (effect(results) > 0.2) & (effect(results) < 0.8))
    assert found.verdict == "undecided"


def test_a_threshold_itself_is_neither_above_nor_below(results: xr.Dataset) -> None:
    for side in ("above", "below"):
        found = finding(results, {"metric": "size", "scenario": "base", side: 1})
        assert (found.verdict, found.share) == ("rejected", 0)


def test_what_is_undefined_counts_for_neither_side(results: xr.Dataset) -> None:
    holds = finding(results, {"metric": "lag", "scenario": "base", "at": 2025, "above": 0})
    fails = finding(results, {"metric": "lag", "scenario": "base", "at": 2025, "above": 2})
    assert (holds.share, holds.undefined, holds.verdict) == (0.75, 0.25, "undecided")
    assert (fails.share, fails.undefined, fails.verdict) == (0, 0.25, "undecided")
    rejected = finding(
        results,
        {"metric": "lag", "scenario": "base", "at": 2025, "above": 0},
        {"metric": "size", "scenario": "base", "above": 2},
    )
    assert (rejected.undefined, rejected.verdict) == (0, "rejected")  # one condition fails, whatever the other is
    in_one_scenario = finding(
        results, {"metric": "lag * under(size, base)", "scenario": "every", "at": 2025, "above": 2}
    )
    assert in_one_scenario.share == 0


def test_the_verdict_is_given_by_variant_as_well(results: xr.Dataset) -> None:
    strong = effect(results) > 0.5
    named = results.assign_coords(
        variant=("draw", np.where(strong, "strong", "weak").astype(object)), design_draw=("draw", np.arange(DRAWS))
    )
    asked = {"metric": "gap", "scenario": "policy", "against": "base", "at": 2027, "above": 1.5}
    found = finding(named, asked)
    assert found.verdict == "undecided"
    assert found.by_variant["strong"] == ("supported", 1)
    assert found.by_variant["weak"] == ("rejected", 0)
    assert found.independent == DRAWS
    assert found.flip is not None
    assert {region.verdict for region in found.flip.regions} == {"supported", "rejected"}
    assert finding(results, asked).by_variant == {}


def test_the_region_where_it_flips_is_found_among_the_assumptions(results: xr.Dataset) -> None:
    found = finding(results, {"metric": "gap", "scenario": "policy", "against": "base", "at": 2027, "above": 1.5})
    assert found.flip is not None
    below, above = sorted(found.flip.regions, key=lambda region: region.share)
    assert (below.verdict, above.verdict) == ("rejected", "supported")
    assert below.bounds[0].name == above.bounds[0].name == "effect"
    assert below.bounds[0].below == pytest.approx(0.5, abs=0.02)
    assert above.bounds[0].above == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        (
            {"metric": "gap", "scenario": "base"},
            "claims.toml, H1: the metric 'gap' varies over time; give 'at' or 'over'",
        ),
        ({"metric": "Spend", "scenario": "base", "at": 2025}, r"has a value for each actor.*sum\(x\[actor!\]\)"),
        ({"metric": "Spend[UK]", "scenario": "base", "at": 2025}, r"claims.toml, H1: unknown element of 'actor' 'UK'"),
        ({"metric": "Spend[US,CN]", "scenario": "base", "at": 2025}, r"H1: 'Spend\[US,CN\]' names 2 element"),
        (
            {"metric": "gap", "scenario": "base", "at": 2050},
            "H1: the time 2050 is outside the saved times, 2020 to 2030",
        ),
        ({"metric": "mean(gap, 2010, 2020)", "scenario": "base"}, "the time 2010 is outside the saved times"),
    ],
)
def test_a_metric_that_cannot_be_worked_out_is_one_sentence(
    results: xr.Dataset, condition: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(TrilemmaError, match=sentence) as caught:
        finding(results, {"above": 0, **condition})
    assert "\n" not in str(caught.value)


CLAIM = """[H1]
title = "t"
says = "s"
tested = "t"
change = "c"
[[H1.condition]]
title = "Lost"
metric = "sum(Fleet[actor!])"
scenario = "tight"
against = "as_is"
paired = "shortfall"
at = 2024
above = 0.05
"""


@pytest.fixture
def claims(project: Path) -> Path:
    file = project / "models" / "small" / "claims.toml"
    file.write_text(CLAIM)
    return file


def test_claims_of_a_model_are_judged_on_the_stored_results(claims: Path) -> None:
    forecast = load_forecast("trial")
    with pytest.raises(StoreError, match="run 'trilemma sweep trial' first"):
        judge_claims(forecast)
    data = sweep(forecast)
    (found,) = judge_claims(forecast)
    total = data["Fleet"].sum("actor").sel(time=2024).to_numpy().astype(float)
    np.testing.assert_allclose(found.conditions[0].values, 1 - total[1] / total[0], rtol=1e-5)
    assert found.verdict == "supported"
    assert found.flip is None  # eight draws are too few


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            '"tight"',
            '"tigth"',
            r"unknown scenario 'tigth' in small/claims.toml, \[\[H1.condition\]\] 1: did you mean 'tight'",
        ),
        ("Fleet[", "Flet[", r"unknown outcome 'Flet' in small/claims.toml.*'Fleet'"),
        (
            '"tight"',
            '"never"',
            "results of 'trial' lack the scenario 'never', which H1 needs: add .* to 'scenarios' in "
            "forecasts/trial.toml, then run 'trilemma sweep trial'",
        ),
        ("sum(Fleet[actor!])", "brake", "lack the outcome 'brake', which H1 needs: add .* to 'outcomes'"),
        (
            "sum(Fleet[actor!])",
            "brake + under(growth[US], never)",
            "lack the scenario 'never' and the outcomes 'brake' and "
            r"'growth\[US\]', which H1 needs: add them to 'scenarios' and 'outcomes'",
        ),
    ],
)
def test_results_that_lack_what_a_claim_needs_say_what_to_add_where(
    claims: Path, edit: Callable[[str, str, str], None], old: str, new: str, sentence: str
) -> None:
    edit("forecasts/trial.toml", ', "never"]', "]")
    forecast = load_forecast("trial")
    sweep(forecast)
    claims.write_text(CLAIM.replace(old, new, 1))
    with pytest.raises(TrilemmaError, match=sentence) as caught:
        judge_claims(forecast)
    assert "\n" not in str(caught.value)

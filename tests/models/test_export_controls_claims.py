"""The shipped claims: everything they name exists, is stored by the default forecast, and is on record."""

from __future__ import annotations

import pytest

from trilemma.calibration.evidence import load_evidence
from trilemma.forecasting.claim_file import CLAIM_FILE, EVERY, Claim, read_claims
from trilemma.forecasting.claim_records import judge_records
from trilemma.forecasting.spec import Forecast, load_forecast
from trilemma.translation.ir import normalise


@pytest.fixture(scope="module", params=["policy_comparison", "rival_structures"])
def forecast(request: pytest.FixtureRequest) -> Forecast:
    return load_forecast(str(request.param))


@pytest.fixture(scope="module")
def claims(forecast: Forecast) -> tuple[Claim, ...]:
    return read_claims(forecast.load_model().path.parent / CLAIM_FILE)


def test_every_hypothesis_is_there(claims: tuple[Claim, ...]) -> None:
    names = [claim.name for claim in claims]
    assert [f"H{number}" for number in range(1, 12)] == [name for name in names if name[-1].isdigit()]


def test_forecasts_store_all_that_claims_need(forecast: Forecast, claims: tuple[Claim, ...]) -> None:
    scenarios = {scenario.name for scenario in forecast.scenarios}
    outcomes = {normalise(outcome) for outcome in forecast.outcomes}
    for claim in claims:
        for condition in claim.condition:
            named = {*condition.scenarios, condition.against, *condition.expression.scenarios} - {None, EVERY}
            assert named <= scenarios, condition.where
            for name, _ in condition.expression.names:
                assert normalise(name) in outcomes, condition.where


def test_indices_are_stored_with_their_components() -> None:
    forecast = load_forecast("policy_comparison")
    derived = forecast.load_model().derived
    indices = [name for name in forecast.outcomes if name in derived and derived[name].components]
    assert len(indices) == 3
    for index in indices:
        assert {name for name, _ in derived[index].components} <= set(forecast.outcomes)


def test_what_the_record_decides_is_on_record(forecast: Forecast, claims: tuple[Claim, ...]) -> None:
    found = judge_records(claims, load_evidence(forecast.load_model()).observations)
    assert [finding.claim.name for finding in found] == ["H11"]
    assert all(compared.observations >= 2 for compared in found[0].comparisons)


def test_variants_change_one_thing_each() -> None:
    variants = load_forecast("rival_structures").variants
    assert [len(variant.overrides) for variant in variants] == [0] + [1] * (len(variants) - 1)

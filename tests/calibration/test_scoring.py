from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from tests.calibration.conftest import Case
from trilemma.calibration.naive import NAMES, Normal
from trilemma.calibration.predictions import compare_with_evidence
from trilemma.calibration.predictive import Shown, foretell, past_of, with_errors
from trilemma.calibration.scoring import Columns, columns_of, score_observations, score_series, theil

MANY = 400
DRAWS = 2000


def many(case: Case, values: np.ndarray, sd: float) -> None:
    """Write observations of one series, a day each, whose only error is that of the expression."""
    days = pd.date_range("2021-01-01", periods=len(values)).strftime("%Y-%m-%d")
    rows = [
        f"stock,{day},{day},{value!r},thousand units,,,B,observation,s,,"
        for day, value in zip(days, values.tolist(), strict=True)
    ]
    case.write(tuple(rows), (f"level,stock,thousand units,Level,1,,none,end,{sd},0,0,,yes,,",))


def scores(shown: Shown, naive: dict[str, list[Normal | None]] | None = None) -> Columns:
    """Return the scores of one series."""
    return columns_of(score_series(rows_of(shown, naive)))


def rows_of(shown: Shown, naive: dict[str, list[Normal | None]] | None = None) -> pd.DataFrame:
    """Return the scores of observations, without naive forecasts by default."""
    count = len(shown.comparison.data)
    return score_observations(foretell(shown, range(count)), naive or none(count))


def none(count: int) -> dict[str, list[Normal | None]]:
    """Return no naive forecasts."""
    return {name: [None] * count for name in NAMES}


def test_the_crps_of_a_normal_is_the_closed_form(case: Case) -> None:
    many(case, np.array([0.3, 2.0]), sd=0.5)
    comparison = compare_with_evidence(case.model)
    rows = columns_of(rows_of(with_errors(comparison, np.zeros((20000, 2)))))
    for z, crps in zip((0.6, 4.0), rows["crps"], strict=True):
        density = math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        expected = 0.5 * (z * math.erf(z / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))
        assert crps == pytest.approx(expected, rel=0.02)
    assert rows["log_score"][0] == pytest.approx(0.6**2 / 2 + math.log(0.5 * math.sqrt(2 * math.pi)), rel=1e-9)
    # the interval score of an observation outside: the width, and 2 / 0.1 for what it is beyond
    assert rows["interval_90"][1] == pytest.approx(2 * 0.5 * 1.645 + 20 * (2.0 - 0.5 * 1.645), rel=0.02)


def test_a_calibrated_ensemble_covers_what_it_says_and_a_narrow_one_does_not(case: Case) -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(5.0, 1.0, MANY)
    many(case, truth + rng.normal(0.0, 0.5, MANY), sd=0.5)
    comparison = compare_with_evidence(case.model)
    series = scores(with_errors(comparison, rng.normal(5.0, 1.0, (DRAWS, MANY))))
    assert series["coverage_50"][0] == pytest.approx(0.5, abs=3 * math.sqrt(0.25 / MANY))
    assert series["coverage_90"][0] == pytest.approx(0.9, abs=3 * math.sqrt(0.09 / MANY))
    narrow = scores(with_errors(comparison, np.full((DRAWS, MANY), 5.0)))
    assert narrow["coverage_90"][0] < 0.7
    assert narrow["crps"][0] > series["crps"][0]


def test_skill_is_above_zero_for_the_better_forecast_and_the_worse_of_two(case: Case) -> None:
    many(case, np.array([1.0, 2.0]), sd=0.1)
    centres = np.broadcast_to(np.array([1.0, 2.0]), (DRAWS, 2))
    shown = with_errors(compare_with_evidence(case.model), centres)
    naive: dict[str, list[Normal | None]] = {
        "last value": [Normal(0.0, 1.0), Normal(1.0, 1.0)],
        "trend": [None, Normal(2.0, 0.01)],
    }
    series = scores(shown, naive)
    assert 0.5 < series["skill_last"][0] < 1
    assert series["skill_trend"][0] < 0
    assert series["skill"][0] == series["skill_trend"][0]
    assert series["with_naive"][0] == 2
    assert math.isnan(scores(shown)["skill"][0])


def test_undefined_draws_are_left_out_and_counted(case: Case) -> None:
    many(case, np.array([1.0, 2.0]), sd=0.1)
    centres = np.array([[1.0, np.nan], [1.0, np.nan], [np.nan, 2.0]])
    shown = with_errors(compare_with_evidence(case.model), centres)
    rows, series = columns_of(rows_of(shown)), scores(shown)
    assert rows["undefined"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert np.isnan(rows["crps"]).tolist() == [False, True]
    assert (series["n"][0], series["not_scored"][0]) == (1, 1)
    assert series["undefined"][0] == pytest.approx(0.5)


def test_past_errors_of_a_series_tell_of_the_next_as_regression_does(case: Case) -> None:
    values = (2.0, 1.0, 4.0, 9.0)
    rows = tuple(
        f"stock,2021-0{m}-01,2021-0{m}-01,{value},thousand units,,,B,observation,s,,"
        for m, value in enumerate(values, start=1)
    )
    case.write(rows, ("level,stock,thousand units,Level,1,,none,end,0.6,0.8,0.3,,yes,,",))
    data = compare_with_evidence(case.model).data
    shown = with_errors(compare_with_evidence(case.model), np.array([[1.0, 1, 1, 1], [1.0, np.nan, 1, 1]]))
    past = past_of(data, [3], [0, 1, 3])
    assert [places.tolist() for places in past] == [[0, 1]]
    found = foretell(shown, [3], past)
    covariance = np.array([[1, 0.3], [0.3, 1]])
    slopes = np.linalg.solve(covariance, [0.3, 0.3])
    assert found.centres[:, 0] == pytest.approx([1 + slopes @ [1.0, 0.0], 1 + 0.3 * 1.0])
    assert found.sd[:, 0] ** 2 == pytest.approx([1 - slopes @ [0.3, 0.3], 1 - 0.3**2])
    assert foretell(shown, [3]).sd[:, 0] == pytest.approx([1.0, 1.0])


def test_theils_parts_say_what_kind_of_error_it_is_and_sum_to_one() -> None:
    observed = np.array([1.0, 2.0, 4.0, 3.0])
    assert theil(observed + 1, observed) == pytest.approx((1, 0, 0))
    assert theil(3 * (observed - 2.5) + 2.5, observed) == pytest.approx((0, 1, 0))
    assert theil(observed[::-1], observed) == pytest.approx((0, 0, 1))
    assert sum(theil(np.array([0.0, 5.0, 1.0, 2.0]), observed)) == pytest.approx(1)
    assert all(math.isnan(part) for part in theil(observed, observed))
    assert all(math.isnan(part) for part in theil(observed[:1] + 1, observed[:1]))


def test_errors_of_the_expression_are_scaled_by_draw_and_those_of_the_source_are_not(case: Case) -> None:
    rows = ("stock,2021-01-01,2021-01-01,10,thousand units,,,B,observation,s,,",)
    case.write(rows, ("level,stock,thousand units,Level,1,,log,end,0.4,0.3,0,,yes,,",))
    found = with_errors(compare_with_evidence(case.model), np.zeros((2, 1)), np.array([1.0, 2.0]))
    assert found.sd[:, 0] == pytest.approx([math.hypot(0.4, 0.3), math.hypot(0.8, 0.3)])

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.calibration.conftest import Case
from trilemma.calibration.evidence import load_evidence
from trilemma.calibration.matching import Datum, measured
from trilemma.calibration.measurement import load_measurements
from trilemma.calibration.naive import Normal, naive_forecasts

LOGS = "level,stock,thousand units,Level,1,,log,end,0.2,,0,,yes,,"
PLAIN = LOGS.replace(",log,", ",none,")


def yearly(*values: float, grade: str = "B") -> tuple[str, ...]:
    """Return observations of a stock at the ends of the years from 2020 on."""
    return tuple(
        f"stock,{2020 + i}-12-31,{2020 + i}-12-31,{value},thousand units,,,{grade},observation,s{i},,"
        for i, value in enumerate(values)
    )


def data_of(case: Case, rows: tuple[str, ...], measurement: str = LOGS) -> tuple[Datum, ...]:
    """Return observations, measured."""
    model = case.write(rows, (measurement,)).model
    return measured(load_measurements(model), load_evidence(model).observations)


def last_target(case: Case, rows: tuple[str, ...], measurement: str = LOGS) -> dict[str, Normal | None]:
    """Return the naive forecasts of the last of some observations from those before it."""
    data = data_of(case, rows, measurement)
    return {name: found[-1] for name, found in naive_forecasts(data, data).items()}


def test_the_last_value_errs_as_its_past_steps_did(case: Case) -> None:
    found = last_target(case, yearly(1.0, 2.0, 4.0, 16.0))["last value"]
    assert found is not None
    assert found.mean == pytest.approx(math.log(4.0))
    # two steps of log 2 in two years: a variance of log(2)^2 a year, over the year to the target, and 0.15 of grade B
    assert found.sd == pytest.approx(math.hypot(math.log(2.0), 0.15), rel=1e-2)


def test_a_trend_continues_exponential_growth_and_has_made_no_errors(case: Case) -> None:
    found = last_target(case, yearly(1.0, 2.0, 4.0, 16.0))["trend"]
    assert found is not None
    assert found.mean == pytest.approx(math.log(8.0), rel=1e-3)
    assert found.sd == pytest.approx(0.15, rel=1e-3)


def test_a_trend_is_the_line_of_least_squares_through_two_years(case: Case) -> None:
    found = last_target(case, yearly(100.0, 1.0, 2.0, 6.0, 5.0), PLAIN)["trend"]
    assert found is not None
    middle, slope = 3.0, 2.5  # of 1, 2, 6; the 100 is too long ago
    assert found.mean == pytest.approx(middle + 2 * slope, rel=1e-2)


def test_amounts_of_periods_of_unequal_length_are_compared_per_year(case: Case) -> None:
    rows = (
        "sales,2021-01-01,2021-12-31,1000,units,,,A,observation,s,,",
        "sales,2022-01-01,2022-06-30,800,units,,,A,observation,s,,",
    )
    total = "sold,sales,units,rate,1000,kilo,log,total,0.1,,0,,yes,,"
    found = last_target(case, rows, total)
    # one point of history has no past error of its own, and no other measurement lends one
    assert found == {"last value": None, "trend": None}
    rows = ("sales,2020-01-01,2020-12-31,1000,units,,,A,observation,s,,", *rows)
    last = last_target(case, rows, total)["last value"]
    assert last is not None
    assert math.exp(last.mean) == pytest.approx(1000 * 181 / 365)


def test_one_point_of_history_takes_the_usual_rate_and_has_no_trend(case: Case) -> None:
    other = "sold since 2021,sold,thousand units (cumulative since 2021),rate,1,,log,since 2021-01-01,0.1,,0,,no,,"
    sold = tuple(
        f"sold,2021-01-01,{year}-12-31,{value},thousand units (cumulative since 2021),,,A,observation,s,,"
        for year, value in ((2021, 1.0), (2022, math.e))
    )
    stock = tuple(
        f"stock,{year}-12-31,{year}-12-31,{value},thousand units,,,B,observation,s,,"
        for year, value in ((2022, 2.0), (2023, 3.0))
    )
    model = case.write((*stock, *sold), (PLAIN, other)).model
    data = measured(load_measurements(model), load_evidence(model).observations)
    found = naive_forecasts(data, data)
    last = found["last value"][1]
    assert last is not None
    assert last.mean == 2.0
    # a log error of 1 a year in the other measurement: as large a share of the value, 2, in one of plain numbers
    assert last.sd == pytest.approx(math.hypot(2.0, 0.15 * 3.0), rel=1e-2)
    assert found["trend"][1] is None


def test_without_a_past_there_is_no_naive_forecast(case: Case) -> None:
    data = data_of(case, yearly(1.0, 2.0, 4.0))
    assert [found[0] for found in naive_forecasts(data, data).values()] == [None, None]
    assert [found[1] for found in naive_forecasts(data, data[:1], until=data[0].observation.start).values()] == [
        None,
        None,
    ]


def test_nothing_after_the_day_of_the_forecast_counts(case: Case) -> None:
    data = data_of(case, yearly(1.0, 2.0, 4.0, 8.0))
    found = naive_forecasts(data, data, until=data[1].observation.end)["last value"]
    assert [None if one is None else one.mean for one in found[2:]] == pytest.approx([math.log(2)] * 2)
    two, one = (forecast.sd for forecast in (found[3], found[2]) if forecast is not None)
    assert np.sqrt(two**2 - 0.15**2) == pytest.approx(math.sqrt(2) * np.sqrt(one**2 - 0.15**2), rel=1e-3)

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import least_squares

from tests.calibration.conftest import MEASURED, OBSERVATIONS, Case
from trilemma.calibration.check import evidence_check, fit_table, summarise
from trilemma.calibration.predictions import (
    compare_with_evidence,
    predictions,
    residual_function,
    residuals,
    run_comparison,
    whitening,
)
from trilemma.errors import OverrideError


def test_flows_are_summed_over_their_period_and_stocks_read_at_its_end(case: Case) -> None:
    found = predictions(compare_with_evidence(case.model))
    expected = [3000, 5000, 4, 9, 8]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_mean_over_part_of_a_year_is_that_of_straight_lines(case: Case) -> None:
    row = "mean rate,price,USD,rate,1,,log,mean,0.1,,0,,no,,"
    case.write(("price,2021-02-10,2021-07-20,3,USD,,,B,observation,s,,",), (row,))
    start, end = 1 + 40 / 365, 1 + 201 / 365  # the rate is linear: its mean is that of its ends
    assert predictions(compare_with_evidence(case.model))[0] == pytest.approx(start + end, rel=1e-12)


def test_expressions_reach_elements_ranges_and_derived_outcomes(case: Case) -> None:
    rows = (
        "both,stock,thousand units,sum(ahead[actor!]),1,,log,end,0.1,,0,../2021-12-31,no,,",
        "outcome,stock,thousand units,twice the level,1,,log,end,0.1,,0,2022-01-01/..,no,,",
    )
    case.write(measurements=rows)
    np.testing.assert_allclose(predictions(compare_with_evidence(case.model)), [2 * 4 + 4, 2 * 9])


def test_an_undefined_time_spoils_only_the_observations_that_take_it(case: Case) -> None:
    rows = ("late,sales,units,late,1,,none,mean,0.1,,0,../2021-12-31,no,,", *MEASURED[1:])
    case.write(measurements=rows)
    table = fit_table(compare_with_evidence(case.model))
    assert table["verdict"].iloc[0] == "undefined"
    assert np.isnan(table["model"].iloc[0])
    assert set(table["verdict"].iloc[1:]) <= {"agrees", "differs"}
    case.write(measurements=(rows[0].replace("../2021-12-31", "2022-01-01/.."), *MEASURED[1:]))
    assert np.isfinite(predictions(compare_with_evidence(case.model))).all()


def test_residuals_are_white_under_the_stated_correlation(case: Case) -> None:
    comparison = compare_with_evidence(case.model)
    white, sd = whitening(comparison), comparison.sd
    covariance = np.diag(sd**2)
    covariance[0, 1] = covariance[1, 0] = 0.5 * sd[0] * sd[1]
    np.testing.assert_allclose(white @ covariance @ white.T, np.eye(len(sd)), atol=1e-12)
    distance = np.log([3000, 5000]) - np.log([3000, 5200])
    np.testing.assert_allclose(residuals(comparison)[:2], white[:2, :2] @ distance, atol=1e-9)


def test_a_fit_sees_what_is_marked_and_neither_memory_nor_the_future(case: Case) -> None:
    names = [d.measurement.name for d in compare_with_evidence(case.model, fitted=True).data]
    assert names == ["yearly sales", "yearly sales", "level at the end of the year"]
    early = compare_with_evidence(case.model, until=date(2021, 12, 31))
    assert {d.observation.end for d in early.data} == {date(2021, 12, 31)}
    assert early.times[-1] == 2022.0


def test_the_function_of_parameters_is_the_same_residuals(case: Case) -> None:
    comparison = compare_with_evidence(case.model)
    function = residual_function(comparison, ["slope"])
    np.testing.assert_allclose(function(function.central), residuals(comparison), atol=1e-12)
    runs = run_comparison(comparison, xr.Dataset({"slope": ("run", [1.5, 2.0, 2.5])}))
    np.testing.assert_allclose(function([[1.5], [2.0], [2.5]]), residuals(comparison, runs), atol=1e-12)


def test_its_jacobian_is_exact(case: Case) -> None:
    comparison = compare_with_evidence(case.model)
    function = residual_function(comparison, ["slope"])
    # all predictions are proportional to the slope: a logarithm moves by 1 / slope, a level by level / slope
    own = np.array([1 / 2, 1 / 2, 4 / 2, 9 / 2, 1 / 2])
    np.testing.assert_allclose(function.jacobian([2.0])[:, 0], whitening(comparison) @ own, rtol=1e-9)


def test_least_squares_finds_the_parameter_that_made_the_data(case: Case) -> None:
    made = [
        row.replace(",3000,", ",4500,").replace(",5200,units,4000,6000", ",7500,units,,") for row in OBSERVATIONS[:2]
    ]
    case.write(tuple(made), MEASURED[:1])
    function = residual_function(compare_with_evidence(case.model), ["slope"])
    found = least_squares(function, function.central, function.jacobian)  # type: ignore[arg-type]
    assert found.x == pytest.approx([3.0], rel=1e-6)
    assert found.cost < 1e-12


def test_theta_of_another_shape_is_refused(case: Case) -> None:
    function = residual_function(compare_with_evidence(case.model), ["slope"])
    with pytest.raises(OverrideError, match=r"theta has the shape \(2,\): expected \(\[runs,\] 1 parameters\)"):
        function([1.0, 2.0])
    with pytest.raises(OverrideError, match="the overrides have runs"):
        residual_function(compare_with_evidence(case.model), ["slope"], {"slope": xr.DataArray([1.0, 2.0], dims="run")})


def test_methods_differ_as_their_orders_do(case: Case) -> None:
    found = predictions(compare_with_evidence(case.model, method="euler"))
    assert found[2] == pytest.approx(4 - 2 * 0.0078125, abs=1e-12)  # Euler's level lags by step * (Time - 2020)


def test_a_verdict_allows_a_share_or_deviations_of_the_source(case: Case) -> None:
    table = fit_table(compare_with_evidence(case.model), {"slope": 2.9})
    assert table["error"].iloc[0] == pytest.approx(0.45)
    assert list(table["verdict"]) == ["differs", "differs", "differs", "agrees", "differs"]
    assert table["error"].iloc[3] > 0.35  # it agrees by its deviations: memory has wide errors
    headline = evidence_check(case.model)
    assert list(headline["check"]) == ["sales", "sales", "sold"]
    assert len(evidence_check(case.model, everything=True)) == 5
    summary = summarise(table).set_index("measurement")
    assert list(summary["observations"]) == [2, 2, 1]
    assert summary.loc["level at the end of the year", "agree"] == 1

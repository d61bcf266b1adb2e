"""On a linear model the mode, the fitted parameters, and what `until` leaves out are known on paper."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import OptimizeResult

from tests.calibration.linear import OBSERVED, SOURCE_SD, YEARS, exact, write_linear
from trilemma.calibration import fit as fits
from trilemma.calibration.fit import fit
from trilemma.calibration.problem import pose
from trilemma.errors import CalibrationError


def test_only_parameters_that_data_speak_of_are_fitted(tmp_path: Path) -> None:
    problem = pose(write_linear(tmp_path).model)
    assert problem.labels == ("start", "pace")
    years = YEARS - 2020.0
    # the prior sd times the slope, over the error, squared and summed
    expected = [len(years) / SOURCE_SD**2, ((0.25 * years / SOURCE_SD) ** 2).sum(), 0]
    np.testing.assert_allclose(problem.information, expected, rtol=1e-6)


def test_the_mode_of_a_linear_model_is_that_on_paper(tmp_path: Path) -> None:
    linear = write_linear(tmp_path)
    found = fit(pose(linear.model), seed=0, starts=16)
    np.testing.assert_allclose(found.values, linear.mean, rtol=1e-6)
    assert found.converged
    assert found.agreeing == len(found.costs) == 3
    assert found.extreme == ()
    assert found.gradient < 1e-3


def test_a_mode_far_from_its_prior_is_named(tmp_path: Path) -> None:
    found = fit(pose(write_linear(tmp_path, observed=OBSERVED + 6).model), seed=0, starts=16)
    assert found.extreme == ("start",)


def test_until_leaves_out_what_came_later(tmp_path: Path) -> None:
    problem = pose(write_linear(tmp_path).model, until=date(2022, 12, 31))
    assert len(problem.comparison.data) == 3
    mean, _ = exact(YEARS[:3], OBSERVED[:3], SOURCE_SD)
    np.testing.assert_allclose(fit(problem, seed=0, starts=16).values, mean, rtol=1e-6)
    assert problem.attrs["until"] == "2022-12-31"


def test_the_log_posterior_is_the_density_on_paper(tmp_path: Path) -> None:
    linear = write_linear(tmp_path, model_sd=0.8)
    problem = pose(linear.model)
    z = np.random.default_rng(0).standard_normal((5, 2))
    start, pace = 10 + z[:, 0], 2 + 0.25 * z[:, 1]
    scale = np.array([0.5, 1.0, 1.5, 2.0, 3.0])
    sd = np.hypot(SOURCE_SD, 0.8 * scale)
    squares = ((start[:, None] + pace[:, None] * (YEARS - 2020) - OBSERVED) ** 2).sum(axis=1) / sd**2
    expected = -0.5 * squares - len(YEARS) * np.log(sd) - 0.5 * (z**2).sum(axis=1)
    np.testing.assert_allclose(problem.log_posterior(z, scale), expected, rtol=1e-6)


def test_a_fit_that_does_not_converge_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(_problem: object, z: np.ndarray) -> OptimizeResult:
        far = np.array([5.0, 1.0])
        return OptimizeResult(x=z, cost=13.0, fun=far, jac=np.eye(2), grad=far, njev=60)

    monkeypatch.setattr(fits, "polish", lost)
    with pytest.raises(CalibrationError, match="the fit of 'linear' did not converge.*nothing was written"):
        fit(pose(write_linear(tmp_path).model), seed=0, starts=16)


def test_without_an_observation_left_there_is_nothing_to_fit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no observation"):
        pose(write_linear(tmp_path).model, until=date(2019, 1, 1))

"""On a linear model the normal mixture is the posterior itself, and weighing its draws changes nothing."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from tests.calibration.linear import OBSERVED, PRIOR_MEAN, PRIOR_SD, exact, write_linear
from trilemma.calibration.calibrate import laplace_ensemble, posterior_ensemble
from trilemma.calibration.ensemble import error_scale
from trilemma.calibration.fit import fit
from trilemma.calibration.importance import resample, weigh
from trilemma.calibration.laplace import laplace
from trilemma.calibration.problem import pose


def test_without_an_error_of_the_model_it_is_the_posterior_on_paper(tmp_path: Path) -> None:
    linear = write_linear(tmp_path)
    problem = pose(linear.model)
    found = laplace(problem, fit(problem, seed=0, starts=16))
    np.testing.assert_allclose(found.covariance[:2, :2] * np.outer(PRIOR_SD, PRIOR_SD), linear.covariance, rtol=1e-5)
    np.testing.assert_allclose(found.mean[:2] * PRIOR_SD + PRIOR_MEAN, linear.mean, rtol=1e-5)
    # data that do not depend on it leave the scale of the model's errors at its prior
    assert found.covariance[2, 2] == pytest.approx(1, rel=1e-3)


def test_the_scale_of_errors_has_the_posterior_on_paper(tmp_path: Path) -> None:
    linear = write_linear(tmp_path, model_sd=0.8)
    problem = pose(linear.model)
    found = laplace(problem, fit(problem, seed=0, starts=16))
    design = np.stack([np.ones(6), np.arange(1.0, 7.0)], axis=1)
    observed = problem.comparison.observed
    marginal: list[float] = []
    for node in found.scales:
        own = 0.6**2 + (0.8 * float(error_scale(node))) ** 2
        covariance = own * np.eye(6) + design @ np.diag(PRIOR_SD**2) @ design.T
        apart = observed - design @ PRIOR_MEAN
        marginal.append(
            -0.5 * (apart @ np.linalg.solve(covariance, apart) + np.linalg.slogdet(covariance)[1] + node**2)
        )
    weights = np.exp(np.array(marginal) - max(marginal))
    np.testing.assert_allclose(found.weights, weights / weights.sum(), rtol=1e-4, atol=1e-6)


def test_draws_of_the_ensemble_are_the_posterior(tmp_path: Path) -> None:
    linear = write_linear(tmp_path)
    ensemble = laplace_ensemble(pose(linear.model), draws=2000, seed=3)
    drawn = np.stack([ensemble.parameters["start"], ensemble.parameters["pace"]], axis=1)
    # 5 standard errors of 2,000 draws
    sd = np.sqrt(np.diag(linear.covariance))
    np.testing.assert_allclose(drawn.mean(axis=0), linear.mean, atol=5 * sd.max() / np.sqrt(2000))
    np.testing.assert_allclose(drawn.std(axis=0), sd, rtol=5 / np.sqrt(4000))
    assert ensemble.attrs["effective_draws"] > 0.99 * ensemble.attrs["proposals"]
    assert ensemble.attrs["tempered_to"] == 1
    assert ensemble.fitted.tolist() == [True, True, False]
    # what is not fitted is drawn from its prior
    assert np.median(ensemble.parameters["unseen"]) == pytest.approx(1, rel=0.02)


def test_weighed_prior_draws_agree(tmp_path: Path) -> None:
    linear = write_linear(tmp_path)
    ensemble = posterior_ensemble(linear.model, draws=1000, method="weights", seed=1)
    drawn = np.stack([ensemble.parameters["start"], ensemble.parameters["pace"]], axis=1)
    effective = float(ensemble.attrs["effective_draws"])
    assert effective > 200
    np.testing.assert_allclose(drawn.mean(axis=0), linear.mean, atol=5 * 0.55 / np.sqrt(effective))


def test_one_seed_makes_one_ensemble(tmp_path: Path) -> None:
    problem = pose(write_linear(tmp_path).model)
    first, again, other = (laplace_ensemble(problem, draws=50, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.values, again.values)
    assert not np.array_equal(first.values, other.values)


def test_an_ensemble_until_a_date_knows_no_later_data(tmp_path: Path) -> None:
    linear = write_linear(tmp_path)
    ensemble = posterior_ensemble(linear.model, until=date(2021, 12, 31), draws=2000, method="laplace", seed=1)
    mean, covariance = exact(np.array([2021, 2022]), OBSERVED[:2], 0.6)
    assert ensemble.parameters["pace"].mean() == pytest.approx(mean[1], abs=5 * np.sqrt(covariance[1, 1] / 2000))


def test_uneven_weights_are_tempered_to_the_least_that_is_asked() -> None:
    logs = 40 * np.random.default_rng(0).standard_normal(2000)
    found = weigh(logs, 100)
    assert 0 < found.power < 1
    assert found.effective == pytest.approx(100, rel=1e-3)
    assert found.values.sum() == pytest.approx(1)


def test_draws_without_a_density_get_no_weight() -> None:
    found = weigh(np.array([0.0, -np.inf, 0.0, 0.0] * 50), 10)
    assert found.values[1] == 0
    assert found.effective == pytest.approx(150)


def test_resampling_is_as_even_as_the_weights() -> None:
    chosen = resample(np.array([0.5, 0.25, 0.25]), 400, np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(chosen), [200, 100, 100])

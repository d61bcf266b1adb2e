"""Chains on a linear model find the posterior that is known on paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.calibration.linear import PRIOR_MEAN, PRIOR_SD, Linear, write_linear
from trilemma.calibration import posterior
from trilemma.calibration.fit import fit
from trilemma.calibration.laplace import Laplace, laplace
from trilemma.calibration.posterior import Chains, log_density, sample, widened
from trilemma.calibration.problem import Problem, pose
from trilemma.errors import CalibrationError


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Linear:
    """Return the model with an error of its own, so that its scale is to be found as well."""
    return write_linear(tmp_path_factory.mktemp("linear"), model_sd=0.4)


@pytest.fixture(scope="module")
def problem(linear: Linear) -> Problem:
    """Return what is fitted."""
    return pose(linear.model)


@pytest.fixture(scope="module")
def about(problem: Problem) -> Laplace:
    """Return the normal mixture, which is exact here."""
    return laplace(problem, fit(problem, seed=0, starts=16))


@pytest.fixture(scope="module")
def chains(problem: Problem, about: Laplace) -> Chains:
    """Return four chains."""
    return sample(problem, about, chains=4, draws=500, warmup=100, seed=0)


def test_the_density_is_that_of_the_batch(problem: Problem) -> None:
    points = np.random.default_rng(0).standard_normal((4, 3))
    traced = jax.vmap(log_density(problem))(jnp.asarray(points))
    batch = problem.log_posterior(points[:, :2], np.exp(0.42 * points[:, 2])) - 0.5 * points[:, 2] ** 2
    np.testing.assert_allclose(traced, batch, rtol=1e-9)


def test_where_the_model_is_undefined_no_chain_starts(
    problem: Problem, about: Laplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(1000))

    def undefined(_: Problem) -> Callable[[jax.Array], jax.Array]:
        return lambda position: jnp.where(jnp.isfinite(position[0]), -jnp.inf, 0.0)

    def told(done: int, _total: int, _label: str) -> None:
        next(calls)

    monkeypatch.setattr(posterior, "log_density", undefined)
    with pytest.raises(CalibrationError, match="'linear' is undefined at 20 draws about the mode"):
        sample(problem, about, chains=2, draws=5, warmup=5, seed=0, tell=told)
    assert next(calls) == 1  # nothing but that the sampler is made ready


def test_a_metric_is_widened_along_what_is_wider() -> None:
    rng = np.random.default_rng(0)
    root = np.array([[2.0, 0, 0], [1, 1, 0], [0, 0, 3]])
    exact, narrow = root @ root.T, root @ root.T
    narrow[2, 2] = 0.3
    draws = rng.standard_normal((4000, 3)) @ root.T
    np.testing.assert_array_equal(widened(exact, draws[:, :] * 0.98), exact)  # no wider than chance makes it
    found = widened(narrow, draws)
    np.testing.assert_allclose(found[:2, :2], exact[:2, :2], rtol=1e-2)
    assert found[2, 2] == pytest.approx(9, rel=0.1)


def test_a_mode_that_is_too_narrow_is_made_up_for(problem: Problem, about: Laplace) -> None:
    narrow = replace(about, roots=20 * about.roots)
    found = sample(problem, narrow, chains=2, draws=500, warmup=100, seed=0)
    sd = np.sqrt(np.diag(about.covariance))
    # 5 standard errors of 500 effective draws
    np.testing.assert_allclose(found.z.reshape(-1, 2).std(axis=0), sd[:2], rtol=5 / np.sqrt(1000))


def test_chains_have_the_means_and_widths_on_paper(chains: Chains, about: Laplace) -> None:
    drawn = np.concatenate([chains.z, chains.scales[..., None]], axis=2).reshape(-1, 3)
    sd = np.sqrt(np.diag(about.covariance))
    # 5 standard errors of 1,000 effective draws
    np.testing.assert_allclose(drawn.mean(axis=0), about.mean, atol=5 * sd.max() / np.sqrt(1000))
    np.testing.assert_allclose(drawn.std(axis=0), sd, rtol=5 / np.sqrt(2000))
    values = PRIOR_MEAN + PRIOR_SD * drawn[:, :2]
    assert np.corrcoef(values.T)[0, 1] == pytest.approx(about.covariance[0, 1] / sd[0] / sd[1], abs=5 / np.sqrt(1000))


def test_chains_do_not_diverge_and_accept_what_they_are_tuned_to(chains: Chains) -> None:
    assert not chains.diverging.any()
    assert 0.75 < chains.acceptance.mean() < 0.97
    assert chains.gradients > chains.steps.sum()


def test_one_seed_makes_the_same_chains(problem: Problem, about: Laplace) -> None:
    first, again, other = (sample(problem, about, chains=2, draws=5, warmup=5, seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.z, again.z)
    assert not np.array_equal(first.z, other.z)
    assert not np.array_equal(first.z[0], first.z[1])


def test_draws_leave_threads_for_their_gradients(
    problem: Problem, about: Laplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posterior, "workers", lambda: 8)
    for threads, walkers in (("2", 1), ("5", 2), ("8", 4)):
        monkeypatch.setenv("NPROC", threads)
        assert posterior._walkers(4) == walkers  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setenv("NPROC", "1")
    with pytest.raises(CalibrationError, match="set the environment variable NPROC to 2"):
        sample(problem, about, chains=2, draws=2, warmup=2, seed=0)

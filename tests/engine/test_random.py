"""Random functions: distributions with a fixed seed, and what a draw depends on."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from tests.engine.conftest import Loader
from trilemma.engine.simulate import simulate
from trilemma.errors import OverrideError, UnsupportedError

RUNS = 16
EQUATIONS = "c = 1 ~~|\nseg: A, B ~~|\nx[seg] = c*({}) ~~|\n"


def draws(load: Loader, expression: str, seed: int = 0) -> np.ndarray:
    """Return draws over (run, time, element)."""
    model = load(EQUATIONS.format(expression), final=250)
    ones = xr.DataArray(np.ones(RUNS), dims="run")
    return simulate(model, {"c": ones}, outcomes=["x"], seed=seed)["x"].transpose("run", "time", "seg").to_numpy()


@pytest.mark.parametrize(
    ("expression", "distribution"),
    [
        ("RANDOM 0 1()", stats.uniform()),
        ("RANDOM UNIFORM(2, 5, 1)", stats.uniform(2, 3)),
        ("RANDOM NORMAL(-1000, 1000, 3, 2, 7)", stats.norm(3, 2)),
        ("RANDOM NORMAL(-1, 2, 0.5, 1, 7)", stats.truncnorm(-1.5, 1.5, loc=0.5)),
        ("RANDOM NORMAL(9, 12, 0, 1, 7)", stats.truncnorm(9, 12)),
        ("RANDOM NORMAL(-12, -9, 0, 1, 7)", stats.truncnorm(-12, -9)),
        ("RANDOM EXPONENTIAL(0, 1e9, 1, 2, 3)", stats.expon(1, 2)),
        ("RANDOM EXPONENTIAL(2, 4, 1, 2, 3)", stats.truncexpon(1, loc=2, scale=2)),
    ],
)
def test_draws_follow_their_distribution(load: Loader, expression: str, distribution: stats.rv_continuous) -> None:
    sample = draws(load, expression)
    assert stats.kstest(sample.ravel(), distribution.cdf).pvalue > 0.01
    low, high = distribution.support()
    assert low <= sample.min()
    assert sample.max() <= high


def test_draws_are_independent_of_run_step_and_element(load: Loader) -> None:
    sample = draws(load, "RANDOM 0 1()")
    pairs = {
        "run": (sample[:-1].ravel(), sample[1:].ravel()),
        "step": (sample[:, :-1].ravel(), sample[:, 1:].ravel()),
        "element": (sample[..., 0].ravel(), sample[..., 1].ravel()),
    }
    for what, (a, b) in pairs.items():
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(len(a)), what


def test_bounds_without_width_and_a_deviation_of_zero_are_certain(load: Loader) -> None:
    assert set(draws(load, "RANDOM UNIFORM(2, 2, 0)").ravel()) == {2.0}
    assert set(draws(load, "RANDOM NORMAL(0, 9, 3, 0, 0)").ravel()) == {3.0}
    assert set(draws(load, "RANDOM EXPONENTIAL(0, 9, 3, 0, 0)").ravel()) == {3.0}


def test_a_seed_repeats_a_run_and_another_changes_it(load: Loader) -> None:
    first = draws(load, "RANDOM NORMAL(0, 1, 0.5, 1, 0)")
    np.testing.assert_array_equal(draws(load, "RANDOM NORMAL(0, 1, 0.5, 1, 0)"), first)
    assert (draws(load, "RANDOM NORMAL(0, 1, 0.5, 1, 0)", seed=1) != first).mean() > 0.99


def test_the_stream_argument_changes_the_draws_and_may_vary_by_run(load: Loader) -> None:
    model = load("stream = 0 ~~|\nx = RANDOM UNIFORM(0, 1, stream) ~~|")
    zero, five = (simulate(model, {"stream": value})["x"].to_numpy() for value in (0, 5))
    assert (zero != five).all()
    both = simulate(model, {"stream": xr.DataArray([0.0, 5.0], dims="run", coords={"run": [0, 0]})})["x"].to_numpy()
    np.testing.assert_array_equal(both, [zero, five])


@pytest.mark.parametrize("size", [1, 5, 3000])
def test_a_run_does_not_depend_on_its_batch(load: Loader, size: int) -> None:
    model = load("c = 1 ~~|\nx = RANDOM 0 1()*c ~~|\ns = INTEG(x, RANDOM 0 1()) ~~|")
    alone = simulate(model)
    batch = simulate(model, {"c": xr.DataArray(np.ones(size), dims="run")})
    for name in ("x", "s"):
        np.testing.assert_array_equal(batch[name].isel(run=0), alone[name])
    again = simulate(model, {"c": xr.DataArray(np.ones(1), dims="run", coords={"run": [size - 1]})})
    np.testing.assert_array_equal(again["s"][0], batch["s"].isel(run=-1))


def test_a_draw_does_not_depend_on_other_variables_or_on_what_is_asked(load: Loader) -> None:
    first = simulate(load("x = RANDOM 0 1() ~~|\ns = SMOOTHI(RANDOM 0 1(), 2, 0) ~~|"))
    other = "y = RANDOM 0 1() ~~|\nz = SMOOTHI(RANDOM 0 1(), 2, 0) ~~|\n"
    more = load(other + "s = SMOOTHI(RANDOM 0 1(), 2, 0) ~~|\nx = RANDOM 0 1() ~~|")
    for name in ("x", "s"):
        np.testing.assert_array_equal(simulate(more)[name], first[name])
        np.testing.assert_array_equal(simulate(more, outcomes=[name])[name], first[name])
    assert (simulate(more)["y"] != first["x"]).all()


def test_two_calls_in_an_equation_and_in_two_definitions_differ(load: Loader) -> None:
    ds = simulate(
        load("x = RANDOM 0 1() - RANDOM 0 1() ~~|\nq: A, B ~~|\ny[A] = RANDOM 0 1() ~~|\ny[B] = RANDOM 0 1() ~~|")
    )
    assert (ds["x"] != 0).all()
    assert (ds["y"].sel(q="A") != ds["y"].sel(q="B")).all()


def test_an_initial_value_is_drawn_apart_from_the_flow(load: Loader) -> None:
    ds = simulate(load("s = INTEG(RANDOM 0 1(), RANDOM 0 1()) ~~|", step=1))
    assert float(ds["s"][1] - ds["s"][0]) != float(ds["s"][0])


def test_a_number_stands_for_a_whole_step_of_runge_kutta(load: Loader) -> None:
    model = load("x = RANDOM 0 1() ~~|\nline = PULSE(1, 1) ~~|\ns = INTEG(x + line, 0) ~~|")
    np.testing.assert_allclose(simulate(model, method="rk4")["s"], simulate(model)["s"], rtol=1e-14)


def test_a_bad_seed_and_a_reduced_argument_are_refused(load: Loader) -> None:
    with pytest.raises(OverrideError, match="the seed is -1: give a whole number from 0"):
        simulate(load("x = RANDOM 0 1() ~~|"), seed=-1)
    with pytest.raises(UnsupportedError, match="RANDOM UNIFORM, which has an argument over a range that is not on the"):
        simulate(load("q: A, B ~~|\nv[q] = 1, 2 ~~|\nx = SUM(RANDOM UNIFORM(0, v[q!], 0)) ~~|"))

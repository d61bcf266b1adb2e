"""A model of thousands of equations is compiled in pieces: with the same results, and a word to the user before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jax import Array, lax

from tests.engine.test_gradients import largest_error
from tests.many_equations import ManyEquations, many_equations
from trilemma.engine import large
from trilemma.engine.gradients import sensitivities, value_and_gradient
from trilemma.engine.outlining import in_pieces
from trilemma.engine.simulate import simulate
from trilemma.errors import TrilemmaWarning
from trilemma.translation.model import Model, load_model

OUTCOMES = ["grand total", "stock 1", "auxiliary 0 3"]
MOVED = ["constant 0 0", "constant 3 1"]


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[ManyEquations, Model]:
    """Return a small model that counts as a large one, in many pieces."""
    monkeypatch.setattr(large, "LARGE", 1)
    monkeypatch.setattr(large, "PIECE", 40)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    written = many_equations(100)
    return written, load_model(written.write(tmp_path / "many.mdl"))


def assert_as_in_python(written: ManyEquations, found: xr.Dataset, changed: dict[str, float] | None = None) -> None:
    """Compare outcomes at all saved times with plain arithmetic; the order of roundings may differ."""
    for name in OUTCOMES:
        expected = [values[name] for values in written.run(changed)]
        np.testing.assert_allclose(found[name], expected, rtol=1e-12, atol=1e-12)


def test_a_run_in_pieces_is_that_of_plain_arithmetic(case: tuple[ManyEquations, Model]) -> None:
    written, model = case
    assert_as_in_python(written, simulate(model, outcomes=OUTCOMES))


def test_each_run_of_a_batch_in_pieces_is_that_of_plain_arithmetic(case: tuple[ManyEquations, Model]) -> None:
    written, model = case
    moved = np.linspace(0.2, 1, 40)
    found = simulate(model, xr.Dataset({MOVED[0]: ("run", moved)}), outcomes=OUTCOMES)
    for run in (0, 17, 39):
        assert_as_in_python(written, found.isel(run=run), {MOVED[0]: float(moved[run])})


def test_runge_kutta_in_pieces_is_as_in_one(
    case: tuple[ManyEquations, Model], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written, model = case
    pieces = simulate(model, outcomes=OUTCOMES, method="rk4")
    monkeypatch.setattr(large, "LARGE", 10**9)
    whole = simulate(load_model(written.write(tmp_path / "whole.mdl")), outcomes=OUTCOMES, method="rk4")
    for name in OUTCOMES:
        np.testing.assert_allclose(pieces[name], whole[name], rtol=1e-12, atol=1e-12)


def test_slopes_in_pieces_are_central_differences(case: tuple[ManyEquations, Model]) -> None:
    assert largest_error(case[1], MOVED, OUTCOMES) < 1e-6


def test_a_gradient_in_pieces_is_the_sum_of_slopes(case: tuple[ManyEquations, Model]) -> None:
    _, model = case

    def last(outcomes: dict[str, Array]) -> Array:
        return outcomes["grand total"][-1]

    function = value_and_gradient(model, last, MOVED, outcomes=["grand total"])
    value, gradient = function(function.central)
    slopes = sensitivities(model, parameters=MOVED, outcomes=["grand total"])["grand total"]
    np.testing.assert_allclose(value, simulate(model, outcomes=["grand total"])["grand total"][-1], rtol=1e-12)
    np.testing.assert_allclose(gradient, slopes.isel(time=-1), rtol=1e-9)
    assert np.abs(gradient).min() > 1e-6


def test_the_user_is_told_before_a_long_compilation(
    case: tuple[ManyEquations, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "LONG", 1)
    told = r"what is asked of 'many' has 8\d equations: compiling them takes minutes the first time"
    with pytest.warns(TrilemmaWarning, match=told):
        simulate(case[1], outcomes=OUTCOMES, time_step=0.25)


def nested(x: Array) -> Array:
    """Return numbers by a loop with a branch in it, with more operations in each than a piece may have."""

    def many(x: Array) -> Array:
        for i in range(20):
            x = jnp.sin(x) + i
        return x

    def step(x: Array, i: Array) -> tuple[Array, Array]:
        x = lax.cond(i % 2 == 0, many, lambda x: many(2 * x), x)
        return many(x), x

    last, course = lax.scan(step, many(x), jnp.arange(6))
    return jnp.concatenate([last[None], course])


@pytest.mark.parametrize("function", [nested, jax.jacfwd(nested), jax.jacrev(nested)])
@pytest.mark.parametrize("size", [7, 1000])
def test_what_loops_and_branches_hold_is_cut_too(function: Callable[[Array], Array], size: int) -> None:
    x = jnp.array(0.3)
    np.testing.assert_allclose(jax.jit(in_pieces(function, size))(x), function(x), rtol=1e-12)


def test_pieces_are_left_one_by_the_compiler() -> None:
    compiled = jax.jit(in_pieces(nested, 7)).lower(jnp.array(0.3)).compile().as_text()
    assert compiled is not None
    assert compiled.count('inlineable="false"') > 10


@pytest.mark.slow
def test_two_thousand_separate_variables_are_right(tmp_path: Path) -> None:
    written = many_equations(2000)
    model = load_model(written.write(tmp_path / "many.mdl"))
    with pytest.warns(TrilemmaWarning, match="equations"):
        found = simulate(model, outcomes=OUTCOMES)
    assert_as_in_python(written, found)

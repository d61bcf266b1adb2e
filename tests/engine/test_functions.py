"""Functions where values alone say too little: gradients at guarded points, batches, failures, refusals."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jax import Array

from tests.engine.conftest import Loader
from trilemma.engine import functions
from trilemma.engine.function_table import CALLS
from trilemma.engine.simulate import simulate
from trilemma.engine.values import Draws, Instant, Site, Value
from trilemma.errors import ModelFileError, TrilemmaWarning, UnsupportedError

WHO = "who: A, B, C ~~|\nprofile: ptype, ppriority, pwidth, pextra ~~|\nsupply = 50 ~~|\nask[who] = 40, 10, 30 ~~|\n"
CURVES = "pp[A,profile] = {0}, 5, 2, 0 ~~|\npp[B,profile] = {0}, 7, 4, 0 ~~|\npp[C,profile] = {0}, 3, 3, 0 ~~|\n"


def called(function: str, *arguments: tuple[tuple[str, ...], Array]) -> Value:
    """Call a function outside a model, at time 0."""
    zero = jnp.zeros(1)
    now = Instant(zero, zero, jnp.zeros((), jnp.int32), 1.0, Draws(jnp.uint32(0), jnp.zeros(1, jnp.uint32)))
    site = Site(now, (), (), (), "here", "'m.mdl': 'x' uses it, which")
    return CALLS[function].rule(site, [Value(*argument) for argument in arguments])


@pytest.mark.parametrize(
    ("function", "at"),
    [
        (lambda x: functions.divided(x, x, 0.0), 0.0),
        (lambda x: functions.divided(jnp.ones(1), x, x), 0.0),
        (lambda x: functions.power(x, jnp.full(1, 2.0)), 0.0),
        (lambda x: functions.power(x, jnp.full(1, 3.0)), -2.0),
        (lambda x: functions.quantum(jnp.ones(1), x), 0.0),
    ],
)
def test_gradients_are_finite_at_guarded_points(function: Callable[[Array], Array], at: float) -> None:
    slope = jax.grad(lambda x: function(x.reshape(1)).sum())(jnp.array(at))
    assert jnp.isfinite(slope)


def allocation(kind: int, request: Array, supply: Array) -> Array:
    """Allocate among three requesters with curves of a type."""
    profile = jnp.array([[kind, 5, 2], [kind, 7, 4], [kind, 3, 3]], dtype=float)
    arguments = ((("w",), request[:, None]), (("w", "p!"), profile[..., None]), ((), supply.reshape(1)))
    return called("allocate_available", *arguments).array[:, 0]


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_gradients_of_an_allocation_equal_differences(kind: int) -> None:
    request, supply = jnp.array([40.0, 10.0, 30.0]), jnp.array(41.7)
    by_supply = jax.jacfwd(allocation, argnums=2)(kind, request, supply)
    by_request = jax.jacrev(allocation, argnums=1)(kind, request, supply)
    step = 1e-5
    np.testing.assert_allclose(by_supply.sum(), 1, rtol=1e-12)
    for i in range(3):
        change = step * jnp.eye(3)[i]
        wanted = (allocation(kind, request + change, supply) - allocation(kind, request - change, supply)) / (2 * step)
        np.testing.assert_allclose(by_request[:, i], wanted, atol=1e-7)


@pytest.mark.parametrize("supply", [0.0, 80.0, 90.0])
def test_gradients_of_an_allocation_without_scarcity_are_finite(supply: float) -> None:
    slopes = jax.jacrev(allocation, argnums=(1, 2))(1, jnp.array([40.0, 0.0, 30.0]), jnp.array(supply))
    assert all(bool(jnp.isfinite(slope).all()) for slope in slopes)


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_an_allocation_gives_out_the_supply_and_nobody_gets_more_than_asked(load: Loader, kind: int) -> None:
    model = load(WHO + CURVES.format(kind) + "x[who] = ALLOCATE AVAILABLE(ask[who], pp[who,ptype], supply) ~~|")
    supply = np.linspace(0, 100, 41)
    got = simulate(model, {"supply": xr.DataArray(supply, dims="run")}, outcomes=["x"])["x"].isel(time=0)
    np.testing.assert_allclose(got.sum("who"), np.minimum(supply, 80), rtol=1e-12)
    assert (got <= np.array([40, 10, 30]) + 1e-12).all()
    assert (np.diff(got, axis=0) >= -1e-12).all()


def test_a_run_whose_allocation_is_impossible_fails_alone(load: Loader) -> None:
    model = load(WHO + CURVES.format(1) + "x[who] = ALLOCATE AVAILABLE(ask[who], pp[who,ptype], supply) ~~|")
    ds = simulate(model, {"supply": xr.DataArray([50.0, -1.0, 60.0], dims="run")})
    assert ds["x"].isel(time=0).isnull().all("who").to_numpy().tolist() == [False, True, False]


def test_the_gradient_of_a_reordered_vector_follows_the_elements() -> None:
    def third(v: Array) -> Array:
        vector = (("q",), v[:, None])
        order = called("vector_sort_order", vector, ((), jnp.ones(1)))
        return called("vector_reorder", vector, (order.axes, order.array)).array[2, 0]

    np.testing.assert_array_equal(jax.grad(third)(jnp.array([3.0, 9.0, 1.0])), [0, 1, 0])


def test_a_matrix_is_inverted_for_every_run(load: Loader) -> None:
    model = load(
        "r: R1, R2 ~~|\nc: C1, C2 ~~|\na = 1 ~~|\nm[R1,c] = 2, 1 ~~|\nm[R2,C1] = 5 ~~|\nm[R2,C2] = a ~~|\n"
        "x[r,c] = INVERT MATRIX(m[r,c], 2) ~~|"
    )
    values = np.array([3.0, 4.0, 2.5])
    ds = simulate(model, {"a": xr.DataArray(values, dims="run")}, outcomes=["x"])["x"].isel(time=0)
    for run, a in enumerate(values[:2]):
        np.testing.assert_allclose(ds[run], np.linalg.inv([[2, 1], [5, a]]), rtol=1e-13)
    assert not np.isfinite(ds[2]).all()  # 2 * 2.5 = 1 * 5: singular


def test_an_error_action_of_vector_select_flags_the_run(load: Loader) -> None:
    equations = "q: A, B ~~|\nw[q] = 1, 1 ~~|\nv[q] = 3, 4 ~~|\nx = VECTOR SELECT(w[q!], v[q!], 0, 6, {}) ~~|"
    assert float(simulate(load(equations.format(1)))["x"][0]) == 7
    assert np.isnan(simulate(load(equations.format(2)))["x"]).all()
    assert np.isnan(simulate(load(equations.format(3)), {"w": [0, 0]})["x"]).all()


@pytest.mark.parametrize(
    ("expression", "error", "sentence"),
    [
        (
            "GET TIME VALUE(2, 0, 1)",
            UnsupportedError,
            "line 2: 'x' uses GET TIME VALUE, which reads the computer's clock",
        ),
        ("GET TIME VALUE(1, 0, 0)", UnsupportedError, "counts from the initial time"),
        ("GET TIME VALUE(0, 0, 3)", UnsupportedError, "asks for a part of the calendar .last argument 3."),
        ("GET TIME VALUE(0, 0, Time)", UnsupportedError, "needs numbers as its first and last argument"),
        ("RANDOM NORMAL(1, 2)", ModelFileError, "takes 4 or 5 arguments, not 2"),
        ("PULSE(1)", ModelFileError, "line 2: 'x' uses PULSE, which takes 2 arguments, not 1"),
        ("RANDOM GAMMA(1, 2, 3, 4, 5, 6)", UnsupportedError, "uses RANDOM GAMMA, which is not supported; did you mean"),
    ],
)
def test_what_cannot_be_run_is_refused(load: Loader, expression: str, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        simulate(load(f"x = {expression} ~~|\ny = Time ~~|"))


def test_an_equation_that_is_not_written_is_nan_with_a_warning(load: Loader) -> None:
    with pytest.warns(
        TrilemmaWarning, match="'x' uses A FUNCTION OF, which stands for an equation that is not written"
    ):
        ds = simulate(load("x = A FUNCTION OF(y, Time) ~~|\ny = Time ~~|"))
    assert np.isnan(ds["x"]).all()


def test_a_refused_function_does_not_matter_where_nothing_needs_it(load: Loader) -> None:
    model = load("x = GET TIME VALUE(2, 0, 1) ~~|\ny = Time ~~|")
    assert simulate(model, outcomes=["y"])["y"].shape == (9,)


@pytest.mark.parametrize("kind", [0, 5, 11])
def test_a_curve_of_another_type_is_refused(load: Loader, kind: int) -> None:
    model = load(WHO + CURVES.format(kind) + "x[who] = ALLOCATE AVAILABLE(ask[who], pp[who,ptype], supply) ~~|")
    with pytest.raises(UnsupportedError, match=f"'x' uses ALLOCATE AVAILABLE, which is given .* of type {kind}: the"):
        simulate(model)

"""An array of outcomes as a function of constants: against closed forms, simulations, and differences."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jax import Array

from tests.engine.conftest import Loader
from trilemma.engine import gradients
from trilemma.engine.simulate import simulate
from trilemma.engine.vector_function import vector_function
from trilemma.errors import OverrideError

DECAY = "x = INTEG(-k*x, x0) ~ Litre ~|\nk = 0.5 ~ 1/Year ~|\nx0 = 8 ~ Litre ~|"
STEPS, SIZE = 8, 0.5


def last_and_k(outcomes: dict[str, Array]) -> Array:
    """Return the last level and the rate, which does not change over time."""
    return jnp.concat([outcomes["x"][-1:], outcomes["k"]], axis=0)


def test_values_are_those_of_a_simulation_in_one_run_and_in_many(load: Loader) -> None:
    model = load(DECAY)
    function = vector_function(model, last_and_k, ["k"], outcomes=["x", "k"])
    assert function.parameters == ("k",)
    rates = np.array([0.1, 0.5, 0.9])
    runs = simulate(model, {"k": xr.DataArray(rates, dims="run")}, outcomes=["x"])["x"].isel(time=-1)
    np.testing.assert_allclose(function(rates[:, None]), np.stack([runs.to_numpy(), rates], axis=1), rtol=1e-14)
    np.testing.assert_allclose(function(function.central), [8 * (1 - 0.5 * SIZE) ** STEPS, 0.5], rtol=1e-14)


def test_the_jacobian_has_its_closed_form(load: Loader) -> None:
    function = vector_function(load(DECAY), last_and_k, ["x0", "k"], outcomes=["x", "k"])
    growth = 1 - 0.3 * SIZE
    expected = [[growth**STEPS, -5 * STEPS * SIZE * growth ** (STEPS - 1)], [0, 1]]
    np.testing.assert_allclose(function.jacobian([5.0, 0.3]), expected, rtol=1e-13)
    np.testing.assert_allclose(jax.jacrev(function.of)(jnp.array([5.0, 0.3])), expected, rtol=1e-12)


def test_many_parameters_go_in_pieces(load: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    equations = (
        f"big: (e1-e7) ~~|\nrate[big] = {', '.join(['0.1'] * 7)} ~ 1/Year ~|\ny[big] = INTEG(-rate[big]*y[big], 1) ~~|"
    )
    monkeypatch.setattr(gradients, "FORWARD_CHUNK", 3)
    function = vector_function(load(equations), lambda found: found["y"][-1], ["rate"], outcomes=["y"])
    slopes = function.jacobian(np.linspace(0.1, 0.7, 7))
    diagonal = -STEPS * SIZE * (1 - np.linspace(0.1, 0.7, 7) * SIZE) ** (STEPS - 1)
    np.testing.assert_allclose(slopes, np.diag(diagonal), rtol=1e-12, atol=1e-15)


def test_what_it_cannot_take_is_refused(load: Loader) -> None:
    function = vector_function(load(DECAY), last_and_k, ["k"], outcomes=["x", "k"])
    with pytest.raises(OverrideError, match=r"theta has the shape \(2,\)"):
        function([0.1, 0.2])
    with pytest.raises(OverrideError, match=r"expected \(1 parameters\)"):
        function.jacobian([[0.1], [0.2]])
    runs = {"x0": xr.DataArray([1.0, 2.0], dims="run")}
    with pytest.raises(OverrideError, match="the overrides have runs"):
        vector_function(load(DECAY), last_and_k, ["k"], outcomes=["x", "k"], overrides=runs)
    delay = "y = DELAY FIXED(Time, wait, 0) ~~|\nwait = 1 ~ Year ~|"
    with pytest.raises(OverrideError, match="'wait' cannot move"):
        vector_function(load(delay), lambda found: found["y"], ["wait"], outcomes=["y"])

"""Warm start: a simulation that goes on from a kept state is the whole one, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.engine.conftest import Loader
from trilemma.engine.simulate import simulate, state_at
from trilemma.errors import OverrideError

EQUATIONS = """
seg: A, B ~~|
x[seg] = INTEG(a * SMOOTH3(s, 1.3) - x[seg] / 7, b[seg]) ~ Dmnl ~|
b[seg] = 1, 2 ~~|
a = 1 ~ Dmnl ~|
s = DELAY3(1 + SIN(Time), 0.7) ~ Dmnl ~|
fixed = INITIAL(s + 3) ~ Dmnl ~|
y = fixed * SUM(x[seg!]) ~ Dmnl ~|
"""


@pytest.mark.parametrize("method", ["euler", "rk4"])
@pytest.mark.parametrize("a", [1.1, xr.DataArray([0.3, 1.0, 1.7], dims="run")])
def test_going_on_from_a_state_is_the_whole_run(load: Loader, tmp_path: Path, a: object, method: str) -> None:
    model = load(EQUATIONS, final=6, step=0.1, saveper=0.5)
    whole = simulate(model, {"a": a}, method=method)  # type: ignore[arg-type]
    state = state_at(model, 2.5, {"a": a}, method=method)  # type: ignore[arg-type]
    state.to_zarr(tmp_path / "state.zarr", zarr_format=3, consolidated=False)
    kept = xr.open_zarr(tmp_path / "state.zarr", consolidated=False)
    rest = simulate(model, {"a": a}, state=kept, method=method)  # type: ignore[arg-type]
    xr.testing.assert_identical(rest.drop_attrs(), whole.sel(time=slice(2.5, None)).drop_attrs())


def test_overrides_may_differ_after_a_state(load: Loader) -> None:
    model = load(EQUATIONS, final=6, step=0.1, saveper=0.5)
    a = xr.DataArray([0.3, 1.0], dims="run")
    batch = simulate(model, {"a": a}, state=state_at(model, 2.5), outcomes=["x", "y"])
    alone = simulate(model, {"a": 0.3}, state=state_at(model, 2.5), outcomes=["x", "y"])
    np.testing.assert_allclose(batch["y"].isel(run=0), alone["y"], rtol=1e-14)
    assert float(batch["x"].isel(run=0, time=0)[0]) == float(batch["x"].isel(run=1, time=0)[0])
    assert not np.array_equal(batch["y"].isel(run=0, time=-1), batch["y"].isel(run=1, time=-1))


def test_a_state_that_does_not_fit_is_refused(load: Loader) -> None:
    model = load(EQUATIONS, final=6, step=0.1, saveper=0.5)
    with pytest.raises(OverrideError, match="whole number of steps of 0.1"):
        state_at(model, 2.55)
    state = state_at(model, 2.5)
    with pytest.raises(OverrideError, match="stops before or at the time of the state, 2.5"):
        simulate(model, state=state, stop=2)
    with pytest.raises(OverrideError, match="leave these out"):
        simulate(model, state=state, start=1)
    other = load(EQUATIONS + "z = 1 ~~|", final=6, step=0.1, saveper=0.5)
    with pytest.raises(OverrideError, match="not one of this model"):
        simulate(other, state=state)


def test_a_stock_that_was_held_cannot_be_released_after_a_state(load: Loader) -> None:
    model = load(EQUATIONS, final=6, step=0.1, saveper=0.5)
    state = state_at(model, 2.5, {"x": 1.0})
    rest = simulate(model, {"x": 1.0}, state=state, outcomes=["y"])
    whole = simulate(model, {"x": 1.0}, outcomes=["y"])
    np.testing.assert_array_equal(rest["y"], whole["y"].sel(time=slice(2.5, None)))
    with pytest.raises(OverrideError, match="the state lacks 'x'"):
        simulate(model, state=state, outcomes=["y"])

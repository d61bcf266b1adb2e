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


DELAYED = """
seg: A, B ~~|
late[seg] = DELAY FIXED(Time * a + x[seg], lag[seg], start) ~~|
lag[seg] = 0.7, 2.3 ~~|
same = DELAY FIXED(x[A] * RANDOM UNIFORM(0, 1, 7), 1.2, -1) ~~|
x[seg] = INTEG(0.1 * late[seg] + same, 1) ~~|
start = 3 ~~|
a = 1 ~~|
"""


@pytest.mark.parametrize("method", ["euler", "rk4"])
@pytest.mark.parametrize(
    "given", [{"a": 1.1}, {"lag[A]": xr.DataArray([0.3, 0.9, 2.5], dims="run")}, {"lag": 0.2}, {"lag[B]": 8.0}]
)
def test_what_is_on_its_way_in_a_delay_is_part_of_a_state(
    load: Loader, tmp_path: Path, given: dict[str, object], method: str
) -> None:
    model = load(DELAYED, final=6, step=0.1, saveper=0.5)
    whole = simulate(model, given, method=method)  # type: ignore[arg-type]
    state = state_at(model, 2.5, given, method=method)  # type: ignore[arg-type]
    state.to_zarr(tmp_path / "state.zarr", zarr_format=3, consolidated=False)
    kept = xr.open_zarr(tmp_path / "state.zarr", consolidated=False)
    rest = simulate(model, given, state=kept, method=method)  # type: ignore[arg-type]
    xr.testing.assert_identical(rest.drop_attrs(), whole.sel(time=slice(2.5, None)).drop_attrs())
    again = state_at(model, 4.0, given, method=method)  # type: ignore[arg-type]
    assert again.attrs["step"] == 40
    if "a" in given:
        many = simulate(model, {"a": xr.DataArray([1.1, 2.0], dims="run")}, state=kept, method=method)  # type: ignore[arg-type]
        np.testing.assert_allclose(many["late"].isel(run=0), whole["late"].sel(time=slice(2.5, None)), rtol=1e-14)


def test_another_method_or_seed_is_refused_after_a_state(load: Loader) -> None:
    model = load(DELAYED, final=6, step=0.1, saveper=0.5)
    state = state_at(model, 2.5, seed=3)
    with pytest.raises(OverrideError, match="reached with method='euler'.*method='rk4'"):
        simulate(model, state=state, method="rk4", seed=3)
    with pytest.raises(OverrideError, match="reached with seed=3.*seed=0"):
        simulate(model, state=state)
    without = load(EQUATIONS, final=6, step=0.1, saveper=0.5)
    assert simulate(without, state=state_at(without, 2.5, seed=3)).attrs["seed"] == 0, "nothing is drawn there"


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

"""Delays of a fixed time and data without a file: what depends on the inputs of the runs."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from tests.engine.conftest import Loader
from trilemma.engine.simulate import simulate
from trilemma.errors import UnsupportedError

DELAYED = "x = DELAY FIXED(Time, lag, 0-1) ~~|\nlag = 1 ~~|"


def test_the_delay_may_differ_from_run_to_run(load: Loader) -> None:
    model = load(DELAYED)
    together = simulate(model, {"lag": xr.DataArray([0.5, 1.0, 2.5], dims="run")}, outcomes=["x"])["x"]
    for run, lag in enumerate([0.5, 1.0, 2.5]):
        alone = simulate(model, {"lag": lag}, outcomes=["x"])["x"]
        np.testing.assert_array_equal(together.isel(run=run), alone)
        np.testing.assert_array_equal(alone, np.where(alone["time"] >= lag, alone["time"] - lag, -1))


def test_the_delay_follows_the_step_of_the_simulation(load: Loader) -> None:
    fine = simulate(load(DELAYED), time_step=0.1, save_every=0.5, outcomes=["x"])["x"]
    np.testing.assert_allclose(fine, np.where(fine["time"] >= 1, fine["time"] - 1, -1), atol=1e-12)


def test_time_step_is_that_of_the_simulation(load: Loader) -> None:
    assert float(simulate(load("x = TIME STEP*2 ~~|"), time_step=0.25, outcomes=["x"])["x"].max()) == 0.5


@pytest.mark.parametrize("method", ["euler", "rk4"])
def test_a_memory_is_held_during_a_step(load: Loader, method: str) -> None:
    got = simulate(load("x = SAMPLE IF TRUE(Time < 1.2, Time, 9) ~~|"), method=method, outcomes=["x"])["x"]  # type: ignore[arg-type]
    np.testing.assert_array_equal(got, [0, 0.5, 1, 1, 1, 1, 1, 1, 1])


def test_data_without_a_file_must_be_given(load: Loader) -> None:
    model = load("sales :INTERPOLATE: ~~|\nx = sales*2 ~~|\ny = 3 ~~|")
    series = xr.DataArray([0.0, 8.0], dims="time", coords={"time": [0.0, 4.0]})
    np.testing.assert_allclose(simulate(model, {"sales": series}, outcomes=["x"])["x"], 4 * np.arange(0, 4.5, 0.5))
    with pytest.raises(UnsupportedError, match="'sales' is data without a file: give its values as an override"):
        simulate(model)
    assert float(simulate(model, outcomes=["y"])["y"]) == 3


def test_a_delay_passes_on_what_a_memory_held(load: Loader) -> None:
    got = simulate(load("x = DELAY FIXED(x0, 0.5, 4) ~~|\nx0 = SAMPLE IF TRUE(Time > 3, 2, 1) ~~|"), outcomes=["x"])[
        "x"
    ]
    np.testing.assert_array_equal(got, [4, 1, 1, 1, 1, 1, 1, 1, 2])

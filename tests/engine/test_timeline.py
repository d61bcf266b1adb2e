"""Models whose clock changes in a run, and arithmetic that a step or a comparison looks at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from trilemma.engine.gradients import sensitivities
from trilemma.engine.simulate import simulate, state_at
from trilemma.errors import TrilemmaWarning, UnsupportedError
from trilemma.translation.model import Model, load_model

CLOCK = (
    "INITIAL TIME = 0 ~~|\nFINAL TIME = 4 ~~|\nSAVEPER = TIME STEP ~~|\nTIME STEP = IF THEN ELSE(Time < 2, 1, 0.5) ~~|"
)


def _model(folder: Path, equations: str, clock: str = CLOCK) -> Model:
    path = folder / "clock.mdl"
    path.write_text(f"{{UTF-8}}\n{equations}\n{clock}\n", encoding="utf-8")
    return load_model(path)


def test_a_batch_over_a_changing_clock_is_its_single_runs(tmp_path: Path) -> None:
    model = _model(tmp_path, "rate = 0.5 ~~|\nlevel = INTEG(rate*level - held, 1) ~~|\nheld = SMOOTH(level, 2) ~~|")
    rates = np.linspace(0.1, 0.9, 40)
    batch = simulate(model, xr.Dataset({"rate": ("run", rates)}))["level"]
    assert batch["time"].to_numpy().tolist() == [0, 1, 2, 2.5, 3, 3.5, 4]
    for run in (0, 17, 39):
        single = simulate(model, {"rate": rates[run]})["level"]
        np.testing.assert_allclose(batch.isel(run=run), single, rtol=1e-12)


def test_a_changing_clock_can_be_stopped_and_saved_otherwise_or_held(tmp_path: Path) -> None:
    model = _model(tmp_path, "x = Time ~~|")
    assert simulate(model, save_every=1, stop=3)["x"].to_numpy().tolist() == [0, 1, 2, 3]
    assert simulate(model, time_step=0.25, save_every=2)["x"].to_numpy().tolist() == [0, 2, 4]


def test_only_a_whole_simulation_follows_a_changing_clock(tmp_path: Path) -> None:
    model = _model(tmp_path, "k = 1 ~~|\nx = INTEG(k, 0) ~~|")
    with pytest.raises(UnsupportedError, match="TIME STEP changes over time"):
        sensitivities(model, parameters=["k"], outcomes=["x"])
    with pytest.raises(UnsupportedError, match="give time_step"):
        state_at(model, 2)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("IF THEN ELSE(Time < 2, 1, 0)", "at 2, TIME STEP is not above 0"),
        ("1/(1 + Time)", "changes too often"),
    ],
)
def test_steps_that_cannot_be_taken_are_named(tmp_path: Path, step: str, words: str) -> None:
    clock = f"INITIAL TIME = 0 ~~|\nFINAL TIME = 900 ~~|\nSAVEPER = 1 ~~|\nTIME STEP = {step} ~~|"
    with pytest.raises(UnsupportedError, match=words):
        simulate(_model(tmp_path, "x = Time ~~|", clock))


def test_a_fixed_delay_needs_steps_of_one_length(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="DELAY FIXED"):
        simulate(_model(tmp_path, "x = DELAY FIXED(Time, 2, 0) ~~|"))


def test_a_clock_that_follows_from_a_stock_is_held_with_a_warning(tmp_path: Path) -> None:
    clock = "INITIAL TIME = 0 ~~|\nFINAL TIME = 2 + level ~~|\nSAVEPER = 1 ~~|\nTIME STEP = 1 ~~|"
    model = _model(tmp_path, "level = INTEG(1, 1) ~~|", clock)
    with pytest.warns(TrilemmaWarning, match="FINAL TIME of 'clock' follows from stocks"):
        assert simulate(model).sizes["time"] == 4


@pytest.mark.parametrize("runs", [1, 4, 64])
def test_a_whole_number_is_reached_in_every_batch(tmp_path: Path, runs: int) -> None:
    clock = "INITIAL TIME = 0 ~~|\nFINAL TIME = 2000 ~~|\nSAVEPER = 1 ~~|\nTIME STEP = 1 ~~|"
    model = _model(tmp_path, "k = 0.1 ~~|\nx = Time*k - 10 ~~|\ny = INTEGER(x) ~~|\nz = MODULO(Time, 49) ~~|", clock)
    times = np.arange(2001.0)
    data = simulate(model, xr.Dataset({"k": ("run", np.full(runs, 0.1))}))
    for run in (0, runs - 1):
        np.testing.assert_array_equal(data["y"].isel(run=run), np.trunc(times * 0.1 - 10))
        np.testing.assert_array_equal(data["z"].transpose("time", ...).to_numpy().reshape(2001, -1)[:, -1], times % 49)

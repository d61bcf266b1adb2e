"""Batches: every run of a batch is the run that it would be alone; a run that fails leaves the others as they are."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.conftest import Loader
from trilemma.engine import batches
from trilemma.engine.simulate import simulate
from trilemma.translation.model import load_model

OUTCOMES = ["capability gap", "Frontier Capability", "transaction cost", "Leased Compute", "exact lag"]


def test_a_batch_equals_its_single_runs() -> None:
    model = load_model("export_controls_v0")
    draws = np.random.default_rng(3)
    names = ["litho rate", "distill max", "viability[CLD]", "kappa funding", "compute life"]
    central = model.constants()
    runs = xr.Dataset({n: ("run", central[n] * draws.uniform(0.9, 1.1, 7)) for n in names})
    together = simulate(model, runs, outcomes=OUTCOMES)
    for run in range(7):
        alone = simulate(model, {n: float(runs[n][run]) for n in names}, outcomes=OUTCOMES)
        for name in OUTCOMES:
            np.testing.assert_allclose(
                together[name].isel(run=run).to_numpy(), alone[name].to_numpy(), rtol=1e-12, atol=1e-12
            )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=st.integers(1, 30), chunk=st.integers(1, 11))
def test_chunks_do_not_change_results(load: Loader, runs: int, chunk: int) -> None:
    model = load(
        "seg: A, B ~~|\nx[seg] = INTEG(a, b[seg]) ~ Dmnl ~|\nb[seg] = 1, 2 ~~|\na = 1 ~ Dmnl ~|\nt = Time ~~|", final=1
    )
    a = np.arange(float(runs))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "CHUNK", chunk)
        ds = simulate(model, {"a": xr.DataArray(a, dims="run")}, outcomes=["x", "t"])
    np.testing.assert_array_equal(ds["x"].isel(time=-1).to_numpy(), a[:, None] + [1, 2])
    np.testing.assert_array_equal(ds["t"].isel(time=-1).to_numpy(), np.ones(runs))


def test_a_run_that_is_not_finite_is_flagged_and_the_others_are_unaffected(load: Loader) -> None:
    model = load("x = INTEG(LN(a), 0.0) ~ Dmnl ~|\na = 1 ~ Dmnl ~|")
    ds = simulate(model, {"a": xr.DataArray([1.0, -1.0, np.e], dims="run")}, outcomes=["x"])
    assert ds["result"].to_numpy().tolist() == [0, 1, 0]
    np.testing.assert_allclose(ds["x"].isel(time=-1).to_numpy()[[0, 2]], [0, 4])
    assert ds["result"].attrs["flag_meanings"].split() == ["finite", "not_finite", "out_of_range"]
    assert ds["result_variable"].to_numpy().tolist() == ["", "x", ""]
    assert ds["result_time"].to_numpy()[1] == 0.5
    assert ds["result_sentence"].to_numpy()[0] == ""


def test_a_run_that_leaves_a_declared_range_is_flagged_with_the_first_variable_and_time(load: Loader) -> None:
    model = load(
        "seg: A, B ~~|\nx[seg] = INTEG(a, 0.0) ~ Dmnl [?,2] ~|\na = 1 ~ Dmnl [0,1] ~|\n"
        "y = 1 / (x[A] - 4) ~ Dmnl [-9,0] ~|"
    )
    ds = simulate(model, {"a": xr.DataArray([0.0, 0.5, 1.0, 2.0], dims="run")}, outcomes=["y"])
    assert ds["result"].to_numpy().tolist() == [0, 0, 1, 1]
    assert ds["result_variable"].to_numpy().tolist() == ["", "", "y", "y"]
    assert ds["result_time"].to_numpy()[2:].tolist() == [4.0, 2.0]
    assert "'y' is not finite at 4" in str(ds["result_sentence"].to_numpy()[2])
    ds = simulate(model, {"a": xr.DataArray([0.5, 1.0], dims="run")}, outcomes=["x"])
    assert ds["result"].to_numpy().tolist() == [0, 2]
    assert ds["result_variable"].to_numpy().tolist() == ["", "x[A]"]
    assert ds["result_sentence"].to_numpy()[1] == (
        "'x[A]' leaves the range that the model file declares for it (<= 2) at 2.5."
    )


def test_a_derived_outcome_does_not_depend_on_how_often_is_saved() -> None:
    often = simulate("export_controls_v0", outcomes=["exact lag"], save_every=0.25)["exact lag"]
    seldom = simulate("export_controls_v0", outcomes=["exact lag"], save_every=1)["exact lag"]
    xr.testing.assert_identical(often.sel(time=seldom["time"]).drop_attrs(), seldom.drop_attrs())


def test_undefined_values_of_a_derived_outcome_are_counted() -> None:
    lag = simulate("export_controls_v0", outcomes=["exact lag"])["exact lag"]
    assert lag.attrs["undefined"] == int(np.isnan(lag).sum()) > 0


def test_progress_is_told(load: Loader) -> None:
    seen: list[tuple[int, int]] = []
    model = load("x = INTEG(a, 0.0) ~ Dmnl ~|\na = 1 ~ Dmnl ~|")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "CHUNK", 3)
        simulate(model, {"a": xr.DataArray(np.arange(8.0), dims="run")}, progress=lambda d, t: seen.append((d, t)))
    assert seen == [(3, 8), (6, 8), (8, 8)]


def test_what_fails_is_named_whatever_the_order_of_names(load: Loader) -> None:
    equations = "z = INTEG(1, 0.0) ~ Dmnl [0,1]~|\na = SMOOTHI(Time, 1, 0) ~ Dmnl ~|"
    equations += "\nb = -Time ~ Dmnl [-9,?]~|\ny = z ~ Dmnl [0,2]~|"
    ds = simulate(load(equations), outcomes=["y", "b", "z", "a"])
    assert (int(ds["result"]), str(ds["result_variable"].to_numpy()), float(ds["result_time"])) == (2, "z", 1.5)
    held = simulate(load(equations), {"z": 0.5, "b": -10}, outcomes=["y", "b", "z", "a"])
    assert (str(held["result_variable"].to_numpy()), float(held["result_time"])) == ("b", 0)


def test_the_shipped_model_stays_in_its_declared_ranges() -> None:
    assert int(simulate("export_controls_v0")["result"]) == 0

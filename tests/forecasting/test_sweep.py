"""The sweep: pairing, precedence, resuming, and what stays when it is cut short."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from trilemma.engine.simulate import simulate
from trilemma.errors import MemoryLimitError, StoreError, TrilemmaWarning
from trilemma.forecasting import store
from trilemma.forecasting import sweep as sweeping
from trilemma.forecasting.spec import load_forecast
from trilemma.forecasting.sweep import open_results, stream, sweep

Edit = Callable[[str, str, str], None]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the runs of each call of the engine."""
    sizes: list[int] = []

    def counting(*args: object, **kwargs: object) -> xr.Dataset:
        data = simulate(*args, **kwargs)  # type: ignore[arg-type]
        sizes.append(data.sizes["run"])
        return data

    monkeypatch.setattr(sweeping, "simulate", counting)
    return sizes


def test_results_have_the_promised_form(project: Path) -> None:
    data = sweep(load_forecast("trial"))
    assert data["Fleet"].dims == ("scenario", "draw", "time", "actor")
    assert data["Fleet"].dtype == np.float32
    assert data["Fleet"].attrs["units"] == "Kunit"
    assert data["result"].dims == ("scenario", "draw")
    assert data["result"].dtype == np.int8
    assert data["parameter:growth[US]"].dims == ("draw",)
    assert data["parameter:growth[US]"].dtype == np.float64
    assert [name for name in data.data_vars if data[name].ndim > 2] == ["fleet ratio", "Fleet", "fleet lag"]
    assert data["scenario"].to_numpy().tolist() == ["as_is", "tight", "fast", "never"]
    assert data["scenario_title"].to_numpy().tolist() == ["As it is", "Tight", "Fast", "Never"]
    assert data["actor"].to_numpy().tolist() == ["US", "CN"]
    assert data["fleet lag"].attrs["undefined"] == int(np.isnan(data["fleet lag"]).sum())
    assert data.attrs["seed"] == 7
    assert data.attrs["forecast_hash"] == load_forecast("trial").hash
    assert json.loads(data.attrs["scenarios"])["tight"]["overrides"] == {"lever": 1.0}
    assert {"trilemma", "jax", "zarr"} <= json.loads(data.attrs["versions"]).keys()
    assert str(project) not in json.dumps(data.attrs, default=str)
    xr.testing.assert_identical(open_results("trial").load(), data.load())


def test_every_run_equals_a_single_run_of_the_engine(project: Path) -> None:
    data = sweep(load_forecast("trial"))
    model = load_forecast("trial").load_model()
    for scenario, own in {"as_is": {}, "tight": {"lever": 1}, "fast": {"growth[CN]": 0.35}}.items():
        drawn = {f"growth[{actor}]": float(data[f"parameter:growth[{actor}]"][3]) for actor in ("US", "CN")}
        alone = simulate(model, {**drawn, **own}, outcomes=["Fleet"], save_every=0.5, warn=False)
        stored = data["Fleet"].sel(scenario=scenario).isel(draw=3)
        np.testing.assert_allclose(stored, alone["Fleet"], rtol=1e-6)  # stored in float32


def test_scenarios_share_their_draws_and_the_past(project: Path) -> None:
    data = sweep(load_forecast("trial")).load()
    past = data["Fleet"].sel(time=slice(2020, 2022))
    np.testing.assert_array_equal(past.sel(scenario="as_is"), past.sel(scenario="tight"))
    us = data["Fleet"].sel(actor="US")
    np.testing.assert_array_equal(us.sel(scenario="as_is"), us.sel(scenario="fast"))
    assert (data["Fleet"].sel(scenario="tight", time=2024) < data["Fleet"].sel(scenario="as_is", time=2024)).all()


def test_a_second_sweep_runs_nothing_and_touches_nothing(project: Path, calls: list[int]) -> None:
    first = sweep(load_forecast("trial"))
    stamp = (store.store_path("trial") / "zarr.json").stat().st_mtime_ns
    assert sum(calls) == 32
    again = sweep(load_forecast("trial"))
    assert sum(calls) == 32
    assert (store.store_path("trial") / "zarr.json").stat().st_mtime_ns == stamp
    assert again.attrs["created"] == first.attrs["created"]


def test_a_changed_scenario_alone_is_run_again(edit: Edit, calls: list[int]) -> None:
    before = sweep(load_forecast("trial")).load()
    calls.clear()
    edit("forecasts/scenarios.toml", "CN = 0.35", "CN = 0.36")
    after = sweep(load_forecast("trial")).load()
    assert sum(calls) == 8
    same = ["as_is", "tight", "never"]
    xr.testing.assert_identical(
        before["Fleet"].sel(scenario=same).drop_attrs(), after["Fleet"].sel(scenario=same).drop_attrs()
    )
    assert not before["Fleet"].sel(scenario="fast").equals(after["Fleet"].sel(scenario="fast"))


def test_titles_and_order_change_without_a_run(edit: Edit, calls: list[int]) -> None:
    before = sweep(load_forecast("trial")).load()
    calls.clear()
    edit("forecasts/scenarios.toml", 'title = "Tight"', 'title = "Very tight"')
    edit("forecasts/trial.toml", '"as_is", "tight", "fast", "never"', '"tight", "as_is"')
    after = sweep(load_forecast("trial")).load()
    assert calls == []
    assert after["scenario_title"].to_numpy().tolist() == ["Very tight", "As it is"]
    np.testing.assert_array_equal(after["Fleet"], before["Fleet"].sel(scenario=["tight", "as_is"]))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("forecasts/trial.toml", "seed = 7", "seed = 8"),
        ("forecasts/trial.toml", "save_every = 0.5", "save_every = 1"),
        ("forecasts/trial.toml", '"Fleet", ', ""),
        ("models/small/small.mdl", "10, 5", "10, 6"),
        ("models/small/parameters.csv", "0.2,0.1,0.3", "0.2,0.1,0.35"),
        ("models/small/outcomes.toml", "lag_months(Fleet[US], Fleet[CN])", "lag_months(Fleet[CN], Fleet[US])"),
    ],
)
def test_what_all_numbers_depend_on_runs_everything_again(
    edit: Edit, calls: list[int], file: str, old: str, new: str
) -> None:
    sweep(load_forecast("trial"))
    calls.clear()
    edit(file, old, new)
    sweep(load_forecast("trial"))
    assert sum(calls) == 32


def test_small_blocks_give_the_same_results(project: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sweep(load_forecast("trial")).load()
    for limit, sizes in ((24, [16, 16]), (3, [3] * 12)):  # two scenarios a call; a part of one, the last filled up
        store_folder = store.store_path("trial")
        store_folder.rename(store_folder.with_name(f"old{limit}"))
        calls.clear()
        monkeypatch.setattr(sweeping, "BLOCK_RUNS", limit)
        parts = sweep(load_forecast("trial")).load()
        assert calls == sizes
        xr.testing.assert_identical(whole.drop_attrs(), parts.drop_attrs())


def test_a_stream_gives_what_a_sweep_stores(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forecast = load_forecast("trial")
    stored = sweep(forecast)
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(sweeping, "BLOCK_RUNS", 2)
    draws = forecast.draws
    for segment, data in stream(forecast):
        part = stored["Fleet"].isel(scenario=segment.scenario, draw=slice(segment.first, segment.last))
        np.testing.assert_array_equal(data["Fleet"].to_numpy().astype(np.float32), part.to_numpy())
        seen.append((segment.scenario, segment.first))
    assert sorted(seen) == [(scenario, first) for scenario in range(4) for first in range(0, draws, 2)]
    with pytest.raises(MemoryLimitError, match="raise max_memory"):
        list(stream(forecast, max_memory=1000))


def test_random_functions_agree_between_scenarios_and_blocks(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    equation = "fleet ratio= Fleet[US]/Fleet[CN]"
    edit("models/small/small.mdl", equation, f"{equation}*RANDOM UNIFORM(1, 2, 0)")
    whole = sweep(load_forecast("trial")).load()
    first = whole["fleet ratio"].isel(time=0).transpose("scenario", "draw").to_numpy()
    assert (first == first[0]).all()
    assert len(set(first[0])) == first.shape[1]
    folder = store.store_path("trial")
    folder.rename(folder.with_name("old"))
    monkeypatch.setattr(sweeping, "BLOCK_RUNS", 3)
    xr.testing.assert_identical(whole.drop_attrs(), sweep(load_forecast("trial")).load().drop_attrs())


def test_series_and_initial_values_run_beside_constants(edit: Edit) -> None:
    edit("forecasts/scenarios.toml", "lever = 1", "lever = { time = [2020, 2022, 2024], value = [0.5, 0.5, 1] }")
    edit("forecasts/scenarios.toml", '"history switch" = 0', "brake = 0.5\n[never.initial]\nFleet = { US = 20 }")
    data = sweep(load_forecast("trial")).load()
    fleet = data["Fleet"]
    np.testing.assert_array_equal(
        fleet.sel(scenario="tight", time=slice(2020, 2022)), fleet.sel(scenario="as_is", time=slice(2020, 2022))
    )
    assert (fleet.sel(scenario="tight", time=2024) < fleet.sel(scenario="as_is", time=2024)).all()
    np.testing.assert_array_equal(fleet.sel(scenario="never", time=2020, actor="US"), 20)
    np.testing.assert_array_equal(fleet.sel(scenario="never", time=2020, actor="CN"), 5)


def test_a_central_forecast_of_one_scenario_runs(edit: Edit) -> None:
    edit("forecasts/trial.toml", 'method = "latin_hypercube"\ndraws = 8', 'method = "central"')
    edit("forecasts/trial.toml", '["as_is", "tight", "fast", "never"]', '["as_is"]')
    data = sweep(load_forecast("trial"))
    assert data["Fleet"].shape == (1, 1, 9, 2)
    assert float(data["parameter:growth[US]"][0]) == 0.2


def test_progress_rises_to_the_total(project: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    sweep(load_forecast("trial"), progress=lambda done, total, label: seen.append((done, total, label)))
    done = [entry[0] for entry in seen]
    assert done == sorted(done)
    assert seen[-1] == (32, 32, "As it is and 3 more")


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("at", [0, 20])
def test_control_c_in_a_sweep_leaves_the_store_untouched(edit: Edit, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    sweep(load_forecast("trial"))
    results = store.results_dir()
    before = _files(results)
    edit("forecasts/trial.toml", "seed = 7", "seed = 8")
    monkeypatch.setattr(sweeping, "BLOCK_RUNS", 16)

    def stop(done: int, _total: int, _label: str) -> None:
        if done >= at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(load_forecast("trial"), progress=stop)
    assert _files(results) == before
    assert [path.name for path in results.iterdir()] == ["trial.zarr"]


def test_a_full_disk_in_a_sweep_leaves_the_store_untouched(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep(load_forecast("trial"))
    before = _files(store.results_dir())
    edit("forecasts/trial.toml", "seed = 7", "seed = 8")
    write, count = store.Writer.write, iter(range(100))

    def full(*args: object) -> None:
        if next(count) == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(store.Writer, "write", full)
    with pytest.raises(StoreError, match="the disk is full"):
        sweep(load_forecast("trial"))
    assert _files(store.results_dir()) == before


def test_a_foreign_store_in_the_place_stops_the_sweep(project: Path, calls: list[int]) -> None:
    target = store.store_path("trial")
    target.mkdir(parents=True)
    (target / "mine").write_text("mine")
    with pytest.raises(StoreError, match="is no result store of this program: move it away"):
        sweep(load_forecast("trial"))
    assert calls == []
    assert (target / "mine").read_text() == "mine"


def test_results_older_than_their_forecast_are_shown_with_a_warning(project: Path, edit: Edit) -> None:
    sweep(load_forecast("trial"))
    edit("forecasts/trial.toml", "seed = 7", "seed = 8")
    with pytest.warns(
        TrilemmaWarning, match="'trial' are older than .*: 'trilemma sweep trial' brings them up to date"
    ):
        open_results(load_forecast("trial"))


def test_a_setting_that_no_outcome_depends_on_is_warned_of(project: Path, edit: Edit) -> None:
    edit("forecasts/trial.toml", 'outcomes = ["fleet ratio", "Fleet", "fleet lag"]', 'outcomes = ["history switch"]')
    with pytest.warns(
        TrilemmaWarning,
        match=r"depends on these settings .*: 'lever' \(in as_is, tight, fast\); 'growth' \(in fast\)\.",
    ):
        sweep(load_forecast("trial"))


def test_a_store_that_has_lost_a_block_is_not_read_as_undefined(project: Path) -> None:
    sweep(load_forecast("trial"))
    next(path for path in store.store_path("trial").glob("Fleet/c/**/*") if path.is_file()).unlink()
    with pytest.raises(StoreError, match="has lost 1 of 4 blocks of 'Fleet': move it away or delete it"):
        open_results("trial")


def test_a_store_of_zeros_has_all_its_blocks(project: Path, edit: Edit) -> None:
    edit("forecasts/scenarios.toml", "lever = 1\n", 'lever = 1\n"start fleet" = 0\n')
    edit("forecasts/trial.toml", 'outcomes = ["fleet ratio", "Fleet", "fleet lag"]', 'outcomes = ["Fleet"]')
    assert float(sweep(load_forecast("trial"))["Fleet"].sel(scenario="tight").max()) == 0


def test_a_series_of_one_scenario_needs_no_second_program(edit: Edit, calls: list[int]) -> None:
    plain = sweep(load_forecast("trial")).load()
    calls.clear()
    edit("forecasts/scenarios.toml", "lever = 1", "lever = { time = [2021, 2023], value = [0.5, 1] }")
    edit("forecasts/scenarios.toml", "growth = { CN = 0.35 }", 'growth = { CN = 0.35 }\n"growth[US]" = 0.2')
    edit("forecasts/scenarios.toml", "[never.overrides]", "[never.overrides]\nlever = 0.5")
    data = sweep(load_forecast("trial"))
    assert len(calls) == 1  # the changed scenarios in one call
    model = load_forecast("trial").load_model()
    drawn = {f"growth[{actor}]": float(data[f"parameter:growth[{actor}]"][3]) for actor in ("US", "CN")}
    lever = xr.DataArray([0.5, 1.0], dims="time", coords={"time": [2021.0, 2023.0]})
    alone = simulate(model, {**drawn, "lever": lever}, outcomes=["Fleet"], save_every=0.5, warn=False)
    np.testing.assert_allclose(data["Fleet"].sel(scenario="tight").isel(draw=3), alone["Fleet"], rtol=1e-6)
    xr.testing.assert_identical(data["Fleet"].sel(scenario="as_is").load(), plain["Fleet"].sel(scenario="as_is"))

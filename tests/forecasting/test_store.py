"""The store: what is written comes back, odd names too, and nothing replaces a store but a whole one."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from trilemma.errors import StoreError
from trilemma.forecasting import store
from trilemma.forecasting.store import create, encoded, open_store, replacing

ODD_NAMES = ["a/b", "..", ".hidden", "x" * 300, "ä" * 150, "__reserved", "zarr.json", "back\\slash", "R&D [x]: 5 %"]


def write(target: Path, names: list[str], fill: float = 1.0, draws: int = 5) -> None:
    """Write a small store with some outcomes on (scenario, draw, time, actor)."""
    header = xr.Dataset(
        {"parameter:growth[US]": ("draw", np.linspace(0, 1, draws))},
        {
            "scenario": ("scenario", np.array(["as_is", "tight é"], dtype=object)),
            "draw": np.arange(draws),
            "time": ("time", [2020.0, 2020.5], {"units": "Year"}),
            "actor": np.array(["US", "CN"], dtype=object),
        },
        {"forecast": "trial"},
    )
    sample = xr.Variable(("run", "time", "actor"), np.zeros((1, 2, 2)), {"units": "Kunit"})
    with replacing(target, 0) as folder:
        writer = create(folder, header, {name: sample for name in names}, draw_block=3)
        for i, name in enumerate(names):
            for first in range(0, draws, 3):
                block = np.full((2, min(3, draws - first), 2, 2), fill + i)
                writer.write(name, slice(0, 2), slice(first, min(first + 3, draws)), block)
        writer.finish({name: 0 for name in names})


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_name_becomes_a_safe_folder(name: str) -> None:
    safe = encoded(name)
    assert "/" not in safe
    assert len(safe.encode()) <= 200
    assert encoded(safe) == safe


def test_safe_names_stay_and_different_names_stay_different() -> None:
    assert encoded("parameter:viability[EUV]") == "parameter:viability[EUV]"
    assert len({encoded(name) for name in [*ODD_NAMES, "a_b", "x" * 301]}) == len(ODD_NAMES) + 2


def test_a_store_round_trips_with_odd_names(tmp_path: Path) -> None:
    write(tmp_path / "trial.zarr", ODD_NAMES)
    data = open_store(tmp_path / "trial.zarr")
    for i, name in enumerate(ODD_NAMES):
        assert data[name].dims == ("scenario", "draw", "time", "actor")
        assert data[name].dtype == np.float32
        np.testing.assert_array_equal(data[name], 1.0 + i)
        assert data[name].attrs == {"units": "Kunit", "undefined": 0}
    assert data["scenario"].dtype == object
    assert data["scenario"].to_numpy().tolist() == ["as_is", "tight é"]
    assert hidden(tmp_path) == []


def test_a_store_opens_with_plain_xarray_without_warnings(tmp_path: Path) -> None:
    write(tmp_path / "trial.zarr", ["Fleet", "a/b"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with xr.open_zarr(tmp_path / "trial.zarr") as data:
            assert data["Fleet"].sel(scenario="tight é", actor="CN").shape == (5, 2)
            assert data["time"].attrs["units"] == "Year"
            assert data[encoded("a/b")].attrs["original_name"] == "a/b"
            assert float(data["parameter:growth[US]"][-1]) == 1
            data.load()


def test_the_format_is_zarr_3_with_lz4_and_whole_time_chunks(tmp_path: Path) -> None:
    write(tmp_path / "trial.zarr", ["Fleet"])
    encoding = xr.open_zarr(tmp_path / "trial.zarr")["Fleet"].encoding
    assert encoding["chunks"] == (1, 3, 2, 2)
    assert "lz4" in str(encoding["compressors"])
    assert (tmp_path / "trial.zarr" / "zarr.json").is_file()


def break_off(target: Path, error: type[BaseException]) -> None:
    """Begin a store and stop in the middle."""
    with replacing(target, 0) as folder:
        (folder / "half").write_text("half")
        raise error


def begin(target: Path, needed: int) -> None:
    """Begin a store that must not be begun."""
    with replacing(target, needed):
        pytest.fail("began to write")


def test_an_unfinished_store_leaves_the_old_one_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "trial.zarr"
    write(target, ["Fleet"])
    for error in (KeyboardInterrupt, RuntimeError):
        with pytest.raises(error):
            break_off(target, error)
    np.testing.assert_array_equal(open_store(target)["Fleet"], 1.0)
    assert hidden(tmp_path) == []


def test_a_new_store_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    write(tmp_path / "trial.zarr", ["Fleet"])
    write(tmp_path / "trial.zarr", ["Fleet"], fill=2.0)
    np.testing.assert_array_equal(open_store(tmp_path / "trial.zarr")["Fleet"], 2.0)
    assert hidden(tmp_path) == []


def test_a_swap_cut_short_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "trial.zarr"
    write(target, ["Fleet"])
    rename = Path.rename

    def fail(path: Path, to: Path) -> Path:
        if "building" in path.name:
            raise KeyboardInterrupt
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(KeyboardInterrupt):
        write(target, ["Fleet"], fill=2.0)
    np.testing.assert_array_equal(open_store(target)["Fleet"], 1.0)
    assert hidden(tmp_path) == []


def dead_process() -> int:
    """Return the number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_litter_of_a_dead_process_is_cleared_and_a_lost_store_comes_back(tmp_path: Path) -> None:
    target = tmp_path / "trial.zarr"
    write(target, ["Fleet"])
    mine = store.hidden_prefix(target, "building")
    dead = mine.replace(f"-{os.getpid()}-", f"-{dead_process()}-")
    (tmp_path / f"{dead}abc").mkdir()
    (tmp_path / f"{mine}abc").mkdir()
    previous = tmp_path / f"{dead.replace('building', 'previous')}xyz"
    previous.mkdir()
    target.rename(previous / target.name)  # killed between the two renames
    np.testing.assert_array_equal(open_store(target)["Fleet"], 1.0)
    write(target, ["Fleet"], fill=2.0)
    assert hidden(tmp_path) == [f"{mine}abc"]  # a running process keeps its folder


def test_a_full_disk_is_one_sentence_and_leaves_the_old_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "trial.zarr"
    write(target, ["Fleet"])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store.Writer, "write", full)
    with pytest.raises(
        StoreError, match=r"the disk is full: 'trial.zarr' needs about .* are free; make room"
    ) as caught:
        write(target, ["Fleet"], fill=2.0)
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(open_store(target)["Fleet"], 1.0)
    assert hidden(tmp_path) == []


def test_too_little_space_is_found_before_anything_is_written(tmp_path: Path) -> None:
    needed = shutil.disk_usage(tmp_path).free + (1 << 40)
    with pytest.raises(
        StoreError, match=r"the disk is full: 'trial.zarr' needs about [\d,]+ MB and [\d,]+ MB are free"
    ):
        begin(tmp_path / "trial.zarr", needed)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match=r"'trial.zarr' cannot be written to .*choose another with --project"):
        begin(tmp_path / "results" / "trial.zarr", 0)


def test_no_store_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no results of 'trial' yet: run 'trilemma sweep trial' first"):
        open_store(tmp_path / "trial.zarr")


@pytest.mark.parametrize("kind", ["file", "folder", "foreign", "damaged", "newer"])
def test_a_foreign_or_damaged_store_is_named_and_never_deleted(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "trial.zarr"
    if kind == "file":
        target.write_text("mine")
    elif kind == "folder":
        target.mkdir()
        (target / "mine").write_text("mine")
    elif kind == "foreign":
        xr.Dataset({"x": ("t", [1.0])}).to_zarr(target, zarr_format=3, consolidated=False)
    else:
        write(target, ["Fleet"])
        metadata = target / "zarr.json"
        text = metadata.read_text()
        metadata.write_text(text[:200] if kind == "damaged" else text.replace(store.FORMAT, "trilemma results 9"))
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    with pytest.raises(StoreError, match=r"move it away") as caught:
        open_store(target)
    assert "\n" not in str(caught.value)
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before

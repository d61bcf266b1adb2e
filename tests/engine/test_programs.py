"""Programs kept on disk: later processes get the same numbers without tracing, whatever became of the files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.engine.conftest import Loader
from trilemma import caches
from trilemma.engine import programs
from trilemma.engine.gradients import sensitivities
from trilemma.engine.simulate import simulate

EQUATIONS = """
x = INTEG(a * x / (1 + x), 1) ~~|
a = 0.3 ~~|
share = IF THEN ELSE(x = 1, 0, ZIDZ(a, x - 1)) + a / x ~~|
"""
MATRIX = """
row: A, B ~~|
column: (c1-c2) ~~|
matrix[row,column] = 2, 1; 1, 3; ~~|
inverse[row,column] = INVERT MATRIX(matrix[row,column], 2) * x ~~|
x = INTEG(1, 1) ~~|
noise = RANDOM NORMAL(-3, 3, 0, 1, 0) ~~|
INITIAL TIME = 0 ~~|
FINAL TIME = 4 ~~|
TIME STEP = 1 ~~|
SAVEPER = 1 ~~|
"""


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of kept programs; it is empty."""
    monkeypatch.setattr(caches, "root", lambda: tmp_path / "kept")
    return tmp_path / "kept" / programs.KIND


def never(*_: object) -> None:
    """Stand in for a program that must not be traced."""
    pytest.fail("it was traced again")


@pytest.mark.parametrize("runs", [None, 3, 40])
def test_a_kept_program_is_not_traced_again(
    kept: Path, load: Loader, monkeypatch: pytest.MonkeyPatch, runs: int | None
) -> None:
    model = load(EQUATIONS)
    given = {} if runs is None else {"a": xr.DataArray(np.linspace(0.1, 0.9, runs), dims="run")}
    first = simulate(model, given)
    programs.build.cache_clear()
    monkeypatch.setattr(programs, "pure", lambda *_, **__: never)
    xr.testing.assert_identical(first, simulate(load(EQUATIONS), given))
    assert len(list(kept.iterdir())) == 1


def test_another_model_request_or_shape_is_another_program(kept: Path, load: Loader) -> None:
    model = load(EQUATIONS)
    simulate(model)
    simulate(model, {"a": 0.5})
    assert len(list(kept.iterdir())) == 1, "a number is no part of a program"
    simulate(model, {"a": xr.DataArray([0.1, 0.2], dims="run")})
    simulate(model, outcomes=["x"])
    simulate(model, {"share": 1.0})
    simulate(model, method="rk4")
    simulate(load(EQUATIONS.replace("a / x", "a * x")))
    assert len(list(kept.iterdir())) == 6


@pytest.mark.parametrize("damage", ["truncated", "empty", "of others"])
def test_a_damaged_program_is_made_anew(kept: Path, load: Loader, damage: str) -> None:
    first = simulate(load(EQUATIONS))
    (entry,) = kept.iterdir()
    whole = entry.read_bytes()
    if damage == "of others":
        entry.chmod(0o666)
    else:
        entry.write_bytes(whole[: len(whole) // 2] if damage == "truncated" else b"")
    programs.build.cache_clear()
    xr.testing.assert_identical(first, simulate(load(EQUATIONS)))
    assert entry.read_bytes()[64:] != b""
    assert caches.load(programs.KIND, entry.name) is not None


def test_slopes_are_kept_off_infinity_after_a_run_of_values_alone(kept: Path, load: Loader) -> None:
    model = load("y = IF THEN ELSE(b = 0, 0, a / b) * x ~~|\nx = INTEG(a, 1) ~~|\na = 2 ~~|\nb = 0 ~~|\n")
    simulate(model, outcomes=["y"])
    slopes = sensitivities(model, parameters=["a", "b"], outcomes=["y"])
    assert np.isfinite(slopes["y"].to_numpy()).all()
    simulate(model, outcomes=["x"])
    np.testing.assert_allclose(sensitivities(model, parameters=["a"], outcomes=["x"])["x"].isel(time=-1), 4.0)
    assert kept.is_dir()


def run(path: Path, folder: Path) -> subprocess.Popen[str]:
    """Start the command on a model, with caches in a folder."""
    command = [sys.executable, "-m", "trilemma.cli", "run", str(path), "--json"]
    environment = dict(os.environ) | {"XDG_CACHE_HOME": str(folder)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(sys.platform != "linux", reason="the folder of caches is set by a variable of Linux")
def test_processes_share_programs_and_outlive_damaged_machine_code(tmp_path: Path) -> None:
    path, folder = tmp_path / "matrix.mdl", tmp_path / "caches"
    path.write_text("{UTF-8}\n" + MATRIX, encoding="utf-8")
    together = [run(path, folder) for _ in range(2)]
    outputs = [process.communicate() for process in together]
    assert [process.returncode for process in together] == [0, 0], outputs
    assert outputs[0] == outputs[1]
    (entry,) = (folder / "trilemma" / "compiled").glob("jit_run-*")
    whole = entry.read_bytes()
    entry.write_bytes(whole[: len(whole) // 2])
    for _ in range(2):  # the first removes it, the second writes it
        assert run(path, folder).communicate() == outputs[0]
    assert len(entry.read_bytes()) > 0.9 * len(whole)
    assert [e.stat().st_mode & 0o077 for e in (folder / "trilemma").iterdir()] == [0, 0, 0]

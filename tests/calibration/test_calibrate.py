"""The command `trilemma calibrate` from end to end, on the linear model: what it writes, and when it writes nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import OptimizeResult

from tests.calibration.linear import Linear, write_linear
from tests.small_project import LONGEST, Outcome, Workspace
from trilemma.calibration import ensemble as ensembles
from trilemma.calibration import fit as fits
from trilemma.cli import main
from trilemma.translation.ensemble import ENGINE, FILE, read_ensemble

Command: TypeAlias = Callable[..., Outcome]

NUTS = ("--draws", "1000", "--chains", "4")


@pytest.fixture
def linear(tmp_path: Path) -> Linear:
    """Return the linear model with an error of its own."""
    return write_linear(tmp_path, model_sd=0.4)


@pytest.fixture
def calibrate(linear: Linear, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs the command on the linear model, in this process."""

    def run(*words: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["trilemma", "calibrate", str(linear.model.path), *words])
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            with pytest.raises(SystemExit) as stopped:
                main()
        captured = capsys.readouterr()
        return Outcome(cast("int | None", stopped.value.code) or 0, captured.out, captured.err)

    return run


def written(folder: Path) -> set[str]:
    """Return what lies in the model's folder that a calibration wrote, hidden files too."""
    own = {"linear.mdl", "parameters.csv", "observations.csv", "measurements.csv"}
    return {path.name for path in folder.iterdir()} - own


def test_chains_write_the_ensemble_and_print_a_row_a_parameter(linear: Linear, calibrate: Command) -> None:
    rows = json.loads(calibrate(*NUTS, "--json").succeeded())
    assert {row["parameter"] for row in rows} == {"start", "pace"}
    assert all(row["prior 5"] < row["posterior 50"] < row["prior 95"] for row in rows)
    assert all(row["r_hat"] < 1.01 and row["ess_bulk"] > 400 for row in rows)
    assert written(linear.model.path.parent) == {FILE}
    found = read_ensemble(linear.model)
    assert found.draws == 1000
    assert found.attrs["inference"] == "nuts"
    assert found.attrs["chains"] == 4


@pytest.mark.parametrize("method", ["laplace", "weights"])
def test_an_approximation_writes_the_ensemble_too(linear: Linear, calibrate: Command, method: str) -> None:
    printed = calibrate("--draws", "300", "--method", method).succeeded()
    assert "contraction" in printed
    assert printed.splitlines()[-1].endswith(FILE)
    found = read_ensemble(linear.model)
    assert (found.draws, found.attrs["inference"]) == (300, method)
    pace = found.parameters["pace"]
    assert abs(pace.mean() - linear.mean[1]) < 5 * np.sqrt(linear.covariance[1, 1] / 300 * (1 + (method == "weights")))


@pytest.mark.parametrize("words", [("--draws", "40", "--chains", "2"), ("--draws", "40", "--method", "laplace")])
def test_one_seed_makes_one_file(
    tmp_path: Path, calibrate: Command, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trilemma.calibration.chains.R_HAT_REFUSED", np.inf)  # so few draws show the seed, not the mode
    values: list[xr.Dataset] = []
    for seed in ("3", "3", "4"):
        output = tmp_path / f"draws-{len(values)}.nc"
        assert calibrate(*words, "--seed", seed, "--output", str(output)).status == 0
        with xr.open_datatree(output, engine=ENGINE) as tree:
            values.append(tree["ensemble"].to_dataset().load())
    assert values[0].identical(values[1])
    assert not values[0].equals(values[2])


def test_a_fit_that_does_not_converge_says_so_and_writes_nothing(
    linear: Linear, calibrate: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_problem: object, z: np.ndarray) -> OptimizeResult:
        return OptimizeResult(
            x=z, cost=13.0, fun=np.array([5.0, 1.0]), jac=np.eye(2), grad=np.array([5.0, 1.0]), njev=60
        )

    monkeypatch.setattr(fits, "polish", lost)
    for method in ("nuts", "laplace"):
        said = calibrate("--method", method).failed()
        assert "the fit of 'linear' did not converge" in said
        assert said.endswith("nothing was written.")
    assert not written(linear.model.path.parent)


def test_chains_that_disagree_leave_the_file_that_was_there(
    linear: Linear, calibrate: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrate("--draws", "50", "--method", "laplace").succeeded()
    before = (linear.model.path.parent / FILE).read_bytes()
    monkeypatch.setattr("trilemma.calibration.chains.R_HAT_REFUSED", 0.0)
    assert "the chains did not converge" in calibrate("--draws", "40", "--chains", "2").failed()
    assert written(linear.model.path.parent) == {FILE}
    assert (linear.model.path.parent / FILE).read_bytes() == before


@pytest.mark.parametrize("words", [("--draws", "1000"), ("--draws", "50", "--method", "laplace")])
def test_what_the_global_check_says_is_told_and_kept(
    linear: Linear, calibrate: Command, words: tuple[str, ...]
) -> None:
    said = calibrate(*words, "--global-check").succeeded().splitlines()[-2]
    assert said == "differential evolution (10,240 runs, then polished) ended at the same mode."
    assert read_ensemble(linear.model).attrs["global_check"] == said


def test_words_that_are_no_method_or_day_are_named(calibrate: Command) -> None:
    assert "unknown method 'mcmc'" in calibrate("--method", "mcmc").failed()
    assert "'2024' is no day" in calibrate("--until", "2024").failed()
    assert "up to 2019-01-01" in calibrate("--until", "2019-01-01", "--method", "laplace").failed()


def test_ctrl_c_while_writing_leaves_no_part(
    linear: Linear, calibrate: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_tree: xr.DataTree, path: Path, **_: object) -> None:
        path.write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(ensembles.xr.DataTree, "to_netcdf", interrupted)
    said = calibrate("--draws", "50", "--method", "laplace").failed(status=130)
    assert "what was there before is untouched" in said
    assert not written(linear.model.path.parent)


# Leaves a sign when the chains walk.
WATCHED = """import pathlib, sys
from contextlib import contextmanager
from trilemma import cli

@contextmanager
def progress(title):
    yield lambda done, total, label: pathlib.Path(sys.argv[2], "walking").touch() if done > 20 else None

cli._progress = progress
cli.main()"""


def test_ctrl_c_stops_the_chains_at_once(linear: Linear) -> None:
    folder = linear.model.path.parent
    process = Workspace(folder).start(
        "calibrate", str(linear.model.path), "--draws", "4000000", program=("-c", WATCHED)
    )
    deadline = time.monotonic() + LONGEST
    while not (folder / "walking").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    outcome = _ended(process)
    assert "what was there before is untouched" in outcome.failed(status=130)
    assert written(folder) == {"walking"}


def _ended(process: subprocess.Popen[str]) -> Outcome:
    """Return how a process ended."""
    try:
        printed, complaint = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Outcome(process.returncode, printed, complaint)

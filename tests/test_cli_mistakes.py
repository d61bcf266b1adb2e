"""What the command line does about mistakes, a full disk and Ctrl-C.

One sentence, an exit status, and results and reports as they were.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

import pytest
import xarray as xr

from tests.small_project import LONGEST, PARAMETERS_CELL, Outcome, Workspace, notebook
from trilemma import content
from trilemma.cli import main

Command: TypeAlias = Callable[..., Outcome]


@dataclass(frozen=True)
class Mistake:
    """A command, what must be said, and a change of the project that makes the command fail (file, old, new text)."""

    words: tuple[str, ...]
    says: tuple[str, ...]
    edit: tuple[str, str, str] | None = None


TRIAL, SCENARIOS, MODEL = "forecasts/trial.toml", "forecasts/scenarios.toml", "models/small/small.mdl"
CLAIMS = "models/small/claims.toml"
SWEEP, RUN, COMPARE = ("sweep", "trial"), ("run", "small"), ("compare", "trial")

IN_PROCESSES = {
    "broken forecast": Mistake(SWEEP, ("trial.toml", "not valid TOML", "line 4"), (TRIAL, '"as_is"\n', '"as_is\n')),
    "lever outside its range": Mistake(
        SWEEP, ("scenarios.toml", "'lever' is 7", "0 to 1"), (SCENARIOS, "lever = 1", "lever = 7")
    ),
    "syntax error in the model": Mistake(
        RUN, ("small.mdl", "line 20", "cannot parse"), (MODEL, "lever*STEP(1, 2022)", "lever**STEP((1, 2022)")
    ),
    "unknown forecast": Mistake(("report", "tril"), ("unknown forecast 'tril'", "did you mean 'trial'?")),
    "unknown method": Mistake((*RUN, "--method", "heun"), ("'heun'", "'euler' or 'rk4'")),
    "scenario not in the results": Mistake((*COMPARE, "--scenarios", "as_is,tigth"), ("'tigth'", "'tight'?")),
    "unknown command": Mistake(("swep", "trial"), ("no such command 'swep'", "'sweep'", "'trilemma --help'")),
}

MORE = {
    "missing argument": Mistake(("run",), ("missing argument 'model'", "'trilemma run --help'")),
    "too many arguments": Mistake((*RUN, "other"), ("unexpected extra argument", "(other)", "'trilemma run --help'")),
    "unknown option": Mistake((*RUN, "--outcom", "Fleet"), ("--outcom", "--outcome", "'trilemma run --help'")),
    "option of another kind": Mistake((*RUN, "--save-every", "x"), ("'--save-every'", "valid number")),
    "option without a value": Mistake(("--project",), ("'--project' requires an argument",)),
    "zero time step": Mistake(RUN, ("small.mdl", "TIME STEP is 0"), (MODEL, "TIME STEP = 0.125", "TIME STEP = 0")),
    "end before the start": Mistake(
        RUN, ("small.mdl", "FINAL TIME 2019", "INITIAL TIME 2020"), (MODEL, "FINAL TIME = 2024", "FINAL TIME = 2019")
    ),
    "SAVEPER off the step": Mistake(
        RUN, ("SAVEPER", "0.33", "steps of 0.125"), (MODEL, "SAVEPER = 0.5", "SAVEPER = 0.3333")
    ),
    "cyclic equations": Mistake(
        RUN, ("brake -> lever -> brake", "break the loop"), (MODEL, "lever=\n\t0.5", "lever=\n\tbrake*2")
    ),
    "missing file behind the model": Mistake(
        RUN,
        ("small.mdl", "line 10", "none.xlsx"),
        (MODEL, "lever=\n\t0.5", "lever=\n\tGET XLS CONSTANTS('none.xlsx', 'sheet', 'A1')"),
    ),
    "code in a name": Mistake(
        RUN, ("small.mdl", "__import__"), (MODEL, "lever*STEP", "__import__('os').system('touch hit')*STEP")
    ),
    "unknown scenario": Mistake(SWEEP, ("'tigth'", "did you mean 'tight'"), (TRIAL, '"tight"', '"tigth"')),
    "unknown outcome": Mistake(SWEEP, ("'flet lag'", "'fleet lag'"), (TRIAL, "fleet lag", "flet lag")),
    "negative draws": Mistake(SWEEP, ("trial.toml", "'design.draws' is -4"), (TRIAL, "draws = 4", "draws = -4")),
    "unknown model": Mistake(("run", "smal"), ("unknown model 'smal'", "did you mean 'small'?")),
    "--set without a value": Mistake((*RUN, "--set", "lever"), ("--set 'lever'", "name=value")),
    "broken scenarios": Mistake(SWEEP, ("scenarios.toml", "not valid TOML"), (SCENARIOS, "[tight]", "[tight")),
    "unknown key": Mistake(SWEEP, ("trial.toml", "'draw'", "'draws'"), (TRIAL, "draws = 4", "draw = 4")),
    "bad value in forecast": Mistake(("forecast", "trial"), ("'baseline'",), (TRIAL, '"as_is"\n', "1\n")),
    "unknown override": Mistake(SWEEP, ("scenarios.toml", "'levr'", "'lever'"), (SCENARIOS, "lever = 1", "levr = 1")),
    "unknown name in the model": Mistake(SWEEP, ("small.mdl", "'leverr'", "'lever'"), (MODEL, "lever*", "leverr*")),
    "no model": Mistake(("show", "small"), ("small.mdl", "is no definition"), (MODEL, "~", "")),
    "missing model file": Mistake(("run", "no/such.mdl"), ("'no/such.mdl' does not exist",)),
    "unknown variable": Mistake(("show", "small", "levr"), ("'levr'", "did you mean 'lever'")),
    "unknown view": Mistake(("show", "small", "--view", "none"), ("unknown view 'none'", "there are none")),
    "--set without a name": Mistake((*RUN, "--set", "=1"), ("--set '=1'", "name=value")),
    "--set of an unknown name": Mistake((*RUN, "--set", "levr=1"), ("'levr'", "did you mean 'lever'")),
    "--set of an unknown element": Mistake((*RUN, "--set", "growth[UX]=1"), ("'UX'", "did you mean 'US'")),
    "--set of no number": Mistake((*RUN, "--set", "lever=nan"), ("'lever'", "not finite")),
    "saving off the step": Mistake((*RUN, "--save-every", "0.3"), ("0.3", "multiple of the step")),
    "outcome not in the model": Mistake((*RUN, "--outcome", "Flet"), ("'Flet'", "'Fleet'")),
    "output of an unknown kind": Mistake((*RUN, "--output", "run.xls"), ("run.xls", ".csv or .zarr")),
    "output in no folder": Mistake((*RUN, "--output", "no/such/run.csv"), ("no/such/run.csv",)),
    "outcome not in the results": Mistake((*COMPARE, "--outcomes", "Flet"), ("'Flet'", "'Fleet'")),
    "baseline not in the results": Mistake((*COMPARE, "--baseline", "asis"), ("'asis'", "'as_is'")),
    "time outside the results": Mistake((*COMPARE, "--at", "1990"), ("1990", "2020 to 2024")),
    "variant of a forecast that has none": Mistake((*COMPARE, "--variant", "x"), ("no variant 'x'", "no [variants]")),
    "unknown claim": Mistake(("claims", "trial", "--claim", "H7"), ("unknown claim 'H7'", "'H1'")),
    "claim on an unknown scenario": Mistake(
        ("claims", "trial"), ("claims.toml", "'tigth'", "'tight'"), (CLAIMS, '"tight"', '"tigth"')
    ),
    "claim on what is not stored": Mistake(
        ("claims", "trial"), ("'brake'", "'outcomes' in forecasts/trial.toml"), (CLAIMS, "sum(Fleet[actor!])", "brake")
    ),
    "empty list": Mistake((*COMPARE, "--scenarios", ","), ("','", "names nothing")),
    "table in no folder": Mistake((*COMPARE, "--csv", "no/such/table.csv"), ("no/such/table.csv",)),
}


@pytest.fixture
def here(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """Return a function that runs a command in this process: as good a check of the words, and much quicker."""

    def run(*words: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["trilemma", "--project", str(workspace.folder), *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return Outcome(cast("int", stopped.value.code), captured.out, captured.err)

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # what `main` changes is restored at the end
    yield run
    content.set_project(None)


def _prove(workspace: Workspace, mistake: Mistake, run: Command) -> None:
    """Make a mistake; check its sentence, and that results and reports stay."""
    if mistake.edit is not None:
        workspace.edit(*mistake.edit)
    before = workspace.made()
    sentence = run(*mistake.words).failed()
    for part in mistake.says:
        assert part in sentence
    assert workspace.made() == before


@pytest.mark.parametrize("name", IN_PROCESSES)
def test_a_mistake_is_one_sentence(workspace: Workspace, name: str) -> None:
    _prove(workspace, IN_PROCESSES[name], workspace.run)


@pytest.mark.parametrize("name", MORE)
def test_any_other_mistake_is_one_sentence_too(workspace: Workspace, here: Command, name: str) -> None:
    _prove(workspace, MORE[name], here)


def test_a_project_that_does_not_exist_is_one_sentence(tmp_path: Path) -> None:
    sentence = Workspace(tmp_path / "none").run("models").failed()
    assert f"'{tmp_path / 'none'}' does not exist" in sentence


# -------------------------------------------------------------------------------- stores and reports


@pytest.mark.parametrize("command", ["compare", "report"])
def test_missing_results_tell_what_to_run(workspace: Workspace, here: Command, command: str) -> None:
    shutil.rmtree(workspace.results)
    before = workspace.made()
    assert "trilemma sweep trial" in here(command, "trial").failed()
    assert workspace.made() == before


def _unreadable(store: Path) -> None:
    (store / "zarr.json").write_text("no JSON", encoding="utf-8")


def _of_another_program(store: Path) -> None:
    shutil.rmtree(store)
    xr.Dataset({"theirs": ("x", [1.0, 2.0])}).to_zarr(store, zarr_format=3, consolidated=False)


def _no_folder(store: Path) -> None:
    shutil.rmtree(store)
    store.write_text("a file", encoding="utf-8")


def _damaged_values(store: Path) -> None:
    for path in (store / "Fleet" / "c").rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")


STORES = {
    "unreadable": (_unreadable, ("compare", "sweep", "report")),
    "of another program": (_of_another_program, ("compare", "sweep", "report")),
    "no folder": (_no_folder, ("compare",)),
    "damaged values": (_damaged_values, ("compare",)),
}


@pytest.mark.parametrize(
    ("spoil", "command"),
    [pytest.param(spoil, c, id=f"{name}-{c}") for name, (spoil, commands) in STORES.items() for c in commands],
)
def test_a_spoilt_store_is_one_sentence(
    workspace: Workspace, here: Command, spoil: Callable[[Path], None], command: str
) -> None:
    spoil(workspace.results / "trial.zarr")
    before = workspace.made()
    sentence = here(command, "trial").failed()
    assert "damaged" in sentence
    assert "results folder" in sentence
    assert "sweep again" in sentence
    assert workspace.made() == before


def test_damaged_values_stop_a_sweep_that_would_copy_them(workspace: Workspace, here: Command) -> None:
    _damaged_values(workspace.results / "trial.zarr")
    workspace.edit(TRIAL, '"as_is", "tight"', '"tight", "as_is"')
    before = workspace.made()
    assert "damaged" in here("sweep", "trial").failed()
    assert workspace.made() == before


def test_a_report_that_fails_leaves_the_old_one(workspace: Workspace) -> None:
    failing = notebook(PARAMETERS_CELL, 'raise RuntimeError("it broke\\nin two lines")')
    (workspace.folder / "notebooks" / "trial.ipynb").write_text(failing, encoding="utf-8")
    before = workspace.made()
    sentence = workspace.run("report", "trial").failed()
    assert "notebook 'trial'" in sentence
    assert "RuntimeError: it broke" in sentence
    assert workspace.made() == before
    assert not list(workspace.temporary.iterdir())


# ---------------------------------------------------------------------------- full disk, interruption


# Every write beyond 300 bytes of a file fails, as on a disk that is full.
ON_A_FULL_DISK = """import resource, runpy
resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
runpy.run_module("trilemma.cli", run_name="__main__")"""


@pytest.mark.parametrize("words", [("sweep", "trial"), ("report", "trial", "--force")])
def test_a_disk_that_takes_no_more_leaves_everything(workspace: Workspace, words: tuple[str, ...]) -> None:
    if words[0] == "sweep":
        workspace.edit(TRIAL, "draws = 4", "draws = 5")
    before = workspace.made()
    assert "File too large" in workspace.run(*words, program=("-c", ON_A_FULL_DISK)).failed()
    assert workspace.made() == before
    assert not list(workspace.temporary.iterdir())


def test_ctrl_c_in_a_sweep_leaves_everything(workspace: Workspace) -> None:
    workspace.edit(TRIAL, "draws = 4", "draws = 200_000")
    workspace.edit(TRIAL, "save_every = 0.5", "save_every = 4")
    workspace.edit(MODEL, "TIME STEP = 0.125", "TIME STEP = 0.0078125")
    before = workspace.made()
    process = workspace.start("sweep", "trial")
    _wait_until(process, lambda: any(workspace.results.glob(".*/Fleet/c/0/*")))
    assert "what was there before is untouched" in _interrupted(process).failed(status=130)
    assert workspace.made() == before
    assert not list(workspace.temporary.iterdir())


def test_ctrl_c_in_a_report_leaves_everything(workspace: Workspace) -> None:
    sign = workspace.temporary / "running"
    waiting = f"import pathlib, time\npathlib.Path({str(sign)!r}).touch()\ntime.sleep({LONGEST})"
    (workspace.folder / "notebooks" / "trial.ipynb").write_text(notebook(PARAMETERS_CELL, waiting), encoding="utf-8")
    before = workspace.made()
    process = workspace.start("report", "trial")
    _wait_until(process, sign.exists)
    assert "what was there before is untouched" in _interrupted(process).failed(status=130)
    assert workspace.made() == before
    assert list(workspace.temporary.iterdir()) == [sign]


def _wait_until(process: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
    """Wait for something that a process does before it ends."""
    deadline = time.monotonic() + LONGEST
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _interrupted(process: subprocess.Popen[str]) -> Outcome:
    """Send Ctrl-C to a process and return how it ended."""
    process.send_signal(signal.SIGINT)
    printed, complaint = process.communicate(timeout=LONGEST)
    return Outcome(process.returncode, printed, complaint)

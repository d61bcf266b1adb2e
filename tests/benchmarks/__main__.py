"""Measures speed and accuracy, each beside its peer in the same run, and prints one table.

``python -m tests.benchmarks`` prints it; with ``--write`` it also puts it between the markers in README.md.
Every figure is that of the machine it runs on; times of commands are whole processes with empty caches.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import psutil
import pysd
import xarray as xr

from tests.engine.test_conformance import FLOOR, differences
from tests.pysd_copy import copy_for_pysd
from trilemma.content import find_model
from trilemma.engine.simulate import simulate
from trilemma.forecasting.designs import draws
from trilemma.forecasting.spec import load_forecast
from trilemma.translation.model import Model, load_model

ROOT = Path(__file__).resolve().parents[2]
MARKERS = ("<!-- benchmark table: make bench -->", "<!-- end of benchmark table -->")
BATCH = 16_384
SWEEP = """
import sys, time, trilemma
from trilemma import content
content.set_project(sys.argv[1])
forecast = trilemma.load_forecast("policy_comparison")
start = time.perf_counter()
trilemma.sweep(forecast)
print(time.perf_counter() - start)
"""


@dataclass(frozen=True)
class Row:
    """One line of the table: what, the figure, what was asked (empty: for information), and whether it is met."""

    what: str
    figure: str
    asked: str = ""
    met: bool = True


@dataclass(frozen=True)
class Process:
    """What a finished process took: seconds by the clock, and its largest memory with its children, in bytes."""

    seconds: float
    memory: int


def timed(action: Callable[[], object], repeats: int) -> float:
    """Return the median of the seconds that an action takes."""
    seconds: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def measured(command: list[str], caches: Path | None = None) -> Process:
    """Run a command and measure it; with `caches`, nothing compiled before is found."""
    environment = dict(os.environ)
    if caches is not None:
        environment |= {"XDG_CACHE_HOME": str(caches), "MPLCONFIGDIR": str(caches / "matplotlib")}
    start = time.perf_counter()
    process = psutil.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _memory(process))
        with suppress(psutil.TimeoutExpired):
            process.wait(timeout=0.2)  # looking at all processes takes time from them
    if process.returncode:
        message = f"{' '.join(command)} stopped with {process.returncode}: {process.stderr.read().decode()}"
        raise RuntimeError(message)
    return Process(time.perf_counter() - start, peak)


def printed(command: list[str], caches: Path, timeout: float | None = None) -> str:
    """Return what a command prints when nothing compiled before is found."""
    environment = dict(os.environ) | {"XDG_CACHE_HOME": str(caches)}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=timeout
    ).stdout


def _memory(process: psutil.Process) -> int:
    """Return the resident memory of a process and its children."""
    total = 0
    try:
        for part in [process, *process.children(recursive=True)]:
            total += part.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total


def equality(folder: Path) -> Iterator[Row]:
    """Compare every variable at every saved time with PySD."""
    found = differences(find_model("export_controls"), folder)
    worst = max(found, key=lambda name: found[name])
    yield Row(
        f"largest relative difference to PySD, {len(found)} scalars x 69 saved times (floor {FLOOR:g} of each maximum)",
        f"{found[worst]:.1e} ({worst})",
        "<= 1e-9",
        found[worst] <= 1e-9,
    )


def batched(model: Model, runs: int) -> xr.Dataset:
    """Return overrides from the priors for a batch."""
    spec = load_forecast("policy_comparison")
    design = spec.design.model_copy(update={"draws": runs})
    sample = draws(spec.model_copy(update={"design": design}), model)
    return xr.Dataset({name: ("run", values) for name, values in sample.items()})


def speed(folder: Path) -> Iterator[Row]:
    """Time one run of PySD and batches of the engine; compare a batch with its single runs."""
    model = load_model("export_controls")
    outcomes = [name for name in load_forecast("policy_comparison").outcomes if name not in model.derived]
    columns = [name for name in outcomes if not model.resolve(name).variable.dims]
    reference = pysd.read_vensim(str(copy_for_pysd(model.path, folder, "timed.mdl")))
    peer = timed(lambda: reference.run(return_columns=columns), 1)
    yield Row("PySD 3.14, one run", f"{peer:.1f} s")
    central = {str(name): float(values[0]) for name, values in batched(model, 1).data_vars.items()}
    simulate(model, central, outcomes=outcomes)
    alone = timed(lambda: simulate(model, central, outcomes=outcomes), 7)
    yield Row("trilemma, one run, compiled", f"{1e3 * alone:.1f} ms ({peer / alone:,.0f} times faster)")
    for runs in (1000, BATCH):
        sample = batched(model, runs)
        simulate(model, sample, outcomes=outcomes)
        seconds = timed(lambda sample=sample: simulate(model, sample, outcomes=outcomes), 5) / runs
        figure = f"{1e6 * seconds:.0f} us a run ({peer / seconds:,.0f} times faster)"
        yield Row(f"trilemma, {runs:,} runs in a batch, {len(sample)} parameters drawn", figure)
    yield _batch_row(model, outcomes)


def _batch_row(model: Model, outcomes: list[str]) -> Row:
    """Compare a batch with its single runs."""
    sample = batched(model, 8)
    together = simulate(model, sample, outcomes=outcomes)
    worst = 0.0
    for run in range(8):
        one = simulate(model, {str(n): float(v[run]) for n, v in sample.data_vars.items()}, outcomes=outcomes)
        for name in outcomes:
            a, b = together[name].isel(run=run).to_numpy(), one[name].to_numpy()
            scale = np.maximum(np.abs(b), FLOOR * max(np.abs(b).max(), 1e-300))
            worst = max(worst, float(np.max(np.abs(a - b) / scale)))
    return Row(
        "largest relative difference between a batch and its single runs", f"{worst:.1e}", "<= 1e-12", worst <= 1e-12
    )


@contextmanager
def folders() -> Generator[tuple[Path, Path]]:
    """Give an empty project folder and an empty cache folder."""
    with tempfile.TemporaryDirectory() as name:
        project, caches = Path(name) / "project", Path(name) / "caches"
        project.mkdir()
        caches.mkdir()
        yield project, caches


def commands() -> Iterator[Row]:
    """Time commands as whole processes."""
    python, cli = sys.executable, [sys.executable, "-m", "trilemma.cli"]
    bare = median(measured([python, "-c", "pass"]).seconds for _ in range(7))
    loaded = median(measured([python, "-c", "import trilemma"]).seconds for _ in range(7)) - bare
    yield Row("import trilemma", f"{loaded:.2f} s", "<= 0.5 s", loaded <= 0.5)
    helped = median(measured([*cli, "--help"]).seconds for _ in range(7))
    yield Row("trilemma --help", f"{helped:.2f} s", "<= 0.5 s", helped <= 0.5)
    with folders() as (project, caches):
        swept = measured([*cli, "--project", str(project), "sweep", "policy_comparison"], caches)
    with folders() as (project, caches):
        phase = float(printed([python, "-c", SWEEP, str(project)], caches))
    yield Row("trilemma sweep policy_comparison as a process, caches empty", f"{swept.seconds:.1f} s")
    forecast = load_forecast("policy_comparison")
    runs = f"{len(forecast.scenarios)} x {forecast.design.draws:,} runs, {forecast.method}"
    yield Row(f"the sweep in it, {runs}, compilation included", f"{phase:.1f} s", "<= 10 s", phase <= 10)
    with folders() as (project, caches):
        whole = measured([*cli, "--project", str(project), "forecast", "policy_comparison"], caches)
    yield Row(
        "trilemma forecast policy_comparison, caches empty", f"{whole.seconds:.1f} s", "<= 60 s", whole.seconds <= 60
    )
    peak = max(swept.memory, whole.memory) / 2**30
    yield Row("its peak memory, all processes", f"{peak:.2f} GiB", "<= 2 GB", peak * 2**30 <= 2e9)


def as_markdown(rows: list[Row]) -> str:
    """Return the table."""
    lines = ["| what | measured | asked | |", "| --- | --- | --- | --- |"]
    for row in rows:
        verdict = ("met" if row.met else "**missed**") if row.asked else ""
        lines.append(f"| {row.what} | {row.figure} | {row.asked} | {verdict} |")
    return "\n".join([*lines, "", machine()])


def machine() -> str:
    """Describe the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory().total / 2**30
    hardware = f"{cores} cores of {platform.machine()}, {memory:.0f} GiB"
    return f"Measured on {hardware}, Python {platform.python_version()}, float64."


def write(table: str, path: Path, markers: tuple[str, str] = MARKERS) -> None:
    """Put the table between the markers of a file."""
    text = path.read_text(encoding="utf-8")
    head, start, rest = text.partition(markers[0])
    _, end, tail = rest.partition(markers[1])
    if not start or not end:
        message = f"{path.name} has no markers for the benchmark table"
        raise ValueError(message)
    path.write_text(f"{head}{start}\n{table}\n{end}{tail}", encoding="utf-8")


def main() -> int:
    """Measure, print, and write if asked; the exit status is 1 if something that was asked is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    wanted = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        for part in (commands(), speed(Path(name)), equality(Path(name))):
            for row in part:
                print(f"{row.what}: {row.figure}", file=sys.stderr, flush=True)
                rows.append(row)
    table = as_markdown(rows)
    print(table)
    if wanted.write:
        write(table, ROOT / "README.md")
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Measures how long models of very many separate variables take to compile and to run, and prints one table.

``python -m tests.benchmarks.many_equations``; with ``--write`` it also puts it into docs/speed.md. Each line is a
process of its own with empty caches. Its peer is the same model as smaller ones are compiled: as one function.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from itertools import product

from tests.benchmarks.__main__ import ROOT, Row, as_markdown, folders, printed, write

SIZES = (300, 1_000, 3_000, 10_000)
LARGEST = {("run", False): 10_000, ("run", True): 3_000, ("batch", False): 3_000, ("gradient", False): 1_000}
"""By what is measured, and whether as one function: the largest model that is tried, as long as one would wait."""
PATIENCE = 600
"""Seconds after which a line says that it was not ready."""
MARKERS = (
    "<!-- benchmark table: python -m tests.benchmarks.many_equations --write -->",
    "<!-- end of many equations -->",
)
PROCESS = """
import json, sys, time, warnings
from pathlib import Path
import numpy as np, xarray as xr
from tests.many_equations import many_equations
from trilemma.engine import large
from trilemma.engine.gradients import value_and_gradient
from trilemma.engine.simulate import simulate
from trilemma.translation.model import load_model
size, kind, whole, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "whole", Path(sys.argv[4])
warnings.simplefilter("ignore")
if whole:
    large.LARGE = 10**9
written = many_equations(size)
start = time.perf_counter()
model = load_model(written.write(folder / "many.mdl"))
read = time.perf_counter() - start
moved = {"constant 0 0": 0.5} if kind == "run" else xr.Dataset({"constant 0 0": ("run", np.linspace(0.2, 1, 256))})
if kind == "gradient":
    loss = value_and_gradient(model, lambda o: o["grand total"][-1], outcomes=["grand total"])
    act = lambda: loss(loss.central)
else:
    act = lambda: simulate(model, moved, outcomes=["grand total"])
seconds = []
for _ in range(4):
    start = time.perf_counter()
    act()
    seconds.append(time.perf_counter() - start)
print(json.dumps([written.size, written.steps, read, seconds[0] - min(seconds[1:]), min(seconds[1:])]))
"""


def measured(size: int, kind: str, whole: bool) -> Row:
    """Return the line of a model: how long it takes to read, to compile, and to run."""
    name = {"run": "one run", "batch": "a batch of 256 runs", "gradient": "gradient to all constants"}[kind]
    way = " as one function, the way of smaller models" if whole else ""
    with folders() as (project, caches):
        command = [sys.executable, "-c", PROCESS, str(size), kind, "whole" if whole else "", str(project)]
        try:
            found = json.loads(printed(command, caches, timeout=PATIENCE))
        except subprocess.TimeoutExpired:
            return Row(f"{size:,} variables, {name}{way}", f"not ready after {PATIENCE} s")
    variables, steps, read, compiled, ran = found
    figure = f"read in {read:.1f} s, compiled in {compiled:.1f} s, {1e3 * ran:.1f} ms for {steps} steps"
    return Row(f"{variables:,} variables, {name}{way}", figure)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into docs/speed.md")
    wanted = parser.parse_args()
    rows = list[Row]()
    for size, (kind, whole) in product(SIZES, (("run", False), ("run", True), ("batch", False), ("gradient", False))):
        if size > LARGEST[kind, whole]:
            continue
        rows.append(measured(size, kind, whole))
        print(f"{rows[-1].what}: {rows[-1].figure}", file=sys.stderr, flush=True)
        if wanted.write:  # line by line: the last ones take long
            write(as_markdown(rows), ROOT / "docs" / "speed.md", MARKERS)
    print(as_markdown(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())

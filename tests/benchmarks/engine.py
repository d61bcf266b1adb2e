"""Measures the engine beside its peers on the shipped model, in one run, and prints one table with verdicts.

``python -m tests.benchmarks.engine``; with ``--write`` it also puts it into docs/speed.md. Peers: PySD (one run),
pysimlin, C++ made from the same equations. Times are the shortest of several, taken in turns, so that a busy machine
spoils neither side alone; a target that is missed is printed as missed, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np
import psutil
import pysd
import simlin
import xarray as xr
from jax import Array

from tests.benchmarks.__main__ import BATCH, ROOT, Row, as_markdown, folders, measured, write
from tests.benchmarks.c_peer import Peer, aligned, compile_peer
from tests.engine.test_conformance import FLOOR
from tests.engine.test_gradients import largest_error
from tests.pysd_copy import copy_for_pysd
from trilemma.engine import batches, guarded
from trilemma.engine.gradients import sensitivities, value_and_gradient
from trilemma.engine.programs import FEW_RUNS, build
from trilemma.engine.simulate import Plan, plan_run, simulate
from trilemma.forecasting.spec import load_forecast
from trilemma.forecasting.sweep import stream
from trilemma.translation import ir
from trilemma.translation.model import Model, load_model
from trilemma.translation.ordering import upstream

OUTCOMES, DRAWN, CHECKED = 24, 100, 16
PYSD_ASKED, SIMLIN_ASKED = 350_000, 85
MARKERS = ("<!-- benchmark table: python -m tests.benchmarks.engine --write -->", "<!-- end of benchmark table -->")
Action = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """The model, 24 scalar outcomes, 100 constants with effect, and a batch of draws, (constants, runs)."""

    model: Model
    outcomes: list[str]
    parameters: list[str]
    theta: np.ndarray

    @property
    def central(self) -> dict[str, float]:
        """The first draw."""
        return {name: float(values[0]) for name, values in zip(self.parameters, self.theta, strict=True)}

    def runs(self, count: int) -> xr.Dataset:
        """Return overrides for some of the draws."""
        return xr.Dataset({name: ("run", v[:count]) for name, v in zip(self.parameters, self.theta, strict=True)})

    @property
    def size(self) -> str:
        """What is simulated, in words."""
        clock, variables = self.model.clock, len(self.model.variables)
        scalars = sum(len(ir.element_names(v)) for v in self.model.nodes.values())
        steps = round((clock.final_time - clock.initial_time) / clock.time_step)
        return f"{variables} variables, {scalars} scalars, {steps} steps, {OUTCOMES} outcomes, {DRAWN} constants drawn"


def shipped_case() -> Case:
    """Return the case that is measured: draws within 3 % of the central values, so that all runs stay regular."""
    model = load_model("export_controls")
    named = [name for name in load_forecast("policy_comparison").outcomes if name not in model.derived]
    scalar = [name for name in named if not model.resolve(name).variable.dims]
    arrays = [model.resolve(name).variable for name in named if name not in scalar]
    outcomes = [*scalar, *(ir.element_names(variable)[0] for variable in arrays)][:OUTCOMES]
    reached = upstream(model, [model.resolve(name).variable.key for name in outcomes])
    rows = [row.name for row in model.parameters.rows if row.role == "parameter"]
    parameters = [name for name in rows if model.resolve(name).variable.key in reached][:DRAWN]
    values = model.constants()
    spread = np.random.default_rng(0).uniform(0.97, 1.03, (len(parameters), BATCH))
    return Case(model, outcomes, parameters, np.array([values[name] for name in parameters])[:, None] * spread)


def fastest(actions: dict[str, Action], repeats: int) -> dict[str, float]:
    """Return the shortest time of each action in seconds; they take turns, after one call each to warm up."""
    for action in actions.values():
        action()
    best = dict.fromkeys(actions, np.inf)
    for _ in range(repeats):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def at_most(what: str, ratio: float, limit: float, detail: str) -> Row:
    """Return a line for a ratio that must not be above a limit."""
    return Row(what, f"{ratio:.2f} ({detail})", f"<= {limit:g}", ratio <= limit)


def at_least(what: str, ratio: float, limit: float, detail: str) -> Row:
    """Return a line for a ratio that must not be below a limit."""
    return Row(what, f"{ratio:,.0f} ({detail})", f">= {limit:,}", ratio >= limit)


def program(plan: Plan, model: Model) -> Action:
    """Return the compiled program of a plan as an action, without labels."""
    few = (plan.inputs.runs or 1) <= FEW_RUNS
    return partial(batches.run, build(model, plan.request, few_runs=few), plan.inputs)


def pysd_seconds(case: Case, folder: Path) -> float:
    """Return how long PySD takes for one run."""
    reference = pysd.read_vensim(str(copy_for_pysd(case.model.path, folder, "timed.mdl")))
    start = time.perf_counter()
    reference.run(return_columns=case.outcomes)
    return time.perf_counter() - start


def throughput(case: Case, folder: Path, with_pysd: bool) -> Iterator[Row]:
    """Compare batches and single runs with the peers."""
    model, outcomes, runs = case.model, case.outcomes, case.runs(BATCH)
    yield Row("what is simulated", f"{case.size}, float64")
    start = time.perf_counter()
    peer = compile_peer(model, case.parameters, outcomes, folder)
    yield Row("C from the same equations: written and compiled", f"{time.perf_counter() - start:.1f} s")
    yield equality(case, peer)
    given, out = peer.arrays(case.theta)
    single, batch = plan_run(model, case.central, outcomes), plan_run(model, runs, outcomes)
    project = simlin.load(str(model.path))
    simulation = project.simulate()

    def again() -> None:
        simulation.reset()
        simulation.run_to_end()

    one = fastest(
        {
            "program": program(single, model),
            "simulate": lambda: simulate(model, case.central, outcomes=outcomes, warn=False),
            "simlin": again,
            "simlin created": lambda: project.simulate().run_to_end(),
        },
        9,
    )
    many = fastest(
        {
            "program": program(batch, model),
            "simulate": lambda: simulate(model, runs, outcomes=outcomes, warn=False),
            "C": lambda: peer.run(given, out),
        },
        4,
    )
    a_run = {name: seconds / BATCH for name, seconds in many.items()}
    yield Row(
        "pysimlin, one run", f"{1e3 * one['simlin']:.2f} ms; created and run {1e3 * one['simlin created']:.2f} ms"
    )
    yield Row(f"C, {BATCH:,} runs, warm", f"{1e6 * a_run['C']:.1f} us a run")
    yield Row(f"trilemma, {BATCH:,} runs, warm", f"{1e6 * a_run['simulate']:.1f} us a run, labelled")
    what = f"batch of {BATCH:,}, times faster a run than"
    if with_pysd:
        seconds = pysd_seconds(case, folder)
        yield at_least(f"{what} PySD", seconds / a_run["simulate"], PYSD_ASKED, f"PySD {seconds:.1f} s")
    yield at_least(f"{what} pysimlin", one["simlin"] / a_run["simulate"], SIMLIN_ASKED, "of its run alone")
    detail = f"{1e6 * a_run['program']:.1f} us a run"
    yield at_most(f"batch of {BATCH:,}, times the time of C", a_run["program"] / a_run["C"], 2, detail)
    yield from the_rest(case, peer, a_run)
    detail = f"{1e3 * one['program']:.2f} ms; labelled {1e3 * one['simulate']:.2f} ms"
    yield at_most("one run, warm, times the time of pysimlin", one["program"] / one["simlin"], 0.4, detail)


def equality(case: Case, peer: Peer) -> Row:
    """Compare C with the engine."""
    expected = simulate(case.model, case.runs(64), outcomes=case.outcomes, warn=False)
    given, out = peer.arrays(case.theta[:, :64])
    peer.run(given, out)
    ours = np.stack([expected[name].transpose("time", "run").to_numpy() for name in case.outcomes])
    scale = np.maximum(np.abs(ours), FLOOR * np.abs(ours).max(axis=(1, 2), keepdims=True))
    error = float((np.abs(ours - out) / scale).max())
    return Row("largest relative difference between C and the engine", f"{error:.1e}", "<= 1e-9", error <= 1e-9)


def the_rest(case: Case, peer: Peer, a_run: dict[str, float]) -> Iterator[Row]:
    """Say where the time beyond that of C goes."""
    x, y = aligned((8192,)), jnp.full(8192, 0.5)
    x[:] = 0.5

    def in_c(logs: bool) -> None:
        x[:] = 0.5
        for _ in range(50):
            peer.many(x, logs=logs)
            x[:] = 0.5

    @partial(jax.jit, static_argnames="function")
    def repeated(function: Callable[[Array], Array], y: Array) -> Array:
        return jax.lax.fori_loop(0, 50, lambda _, y: function(y) * 0 + 0.5, y)

    best = fastest(
        {
            "exp C": lambda: in_c(False),
            "log C": lambda: in_c(True),
            "exp": lambda: jax.block_until_ready(repeated(jnp.exp, y)),
            "log": lambda: jax.block_until_ready(repeated(guarded.log, y)),
        },
        5,
    )
    ns = {name: 1e9 * seconds / (50 * 8192) for name, seconds in best.items()}
    clock = case.model.clock
    steps = round((clock.final_time - clock.initial_time) / clock.time_step)
    slower = peer.exps * (ns["exp"] - ns["exp C"]) + peer.logs * (ns["log"] - ns["log C"])
    share = 1e-3 * steps * slower / batches.workers()
    beyond = 1e6 * (a_run["program"] - a_run["C"])
    calls = f"{peer.exps} exp and {peer.logs} log a step"
    speeds = f"here {ns['exp']:.2f} and {ns['log']:.2f} ns, libmvec {ns['exp C']:.2f} and {ns['log C']:.2f} ns"
    yield Row("of the time beyond C: exp and log", f"{share:.1f} of {beyond:.1f} us a run ({calls}; {speeds})")
    rest = "intermediate arrays that pass through the cache, where C keeps registers"
    yield Row("of the time beyond C: the rest", f"{beyond - share:.1f} us a run: {rest}")
    labels = 1e6 * (a_run["simulate"] - a_run["program"])
    yield Row("labels, checks and copies, on top", f"{labels:.1f} us a run")


def squares(outcomes: dict[str, Array]) -> Array:
    """Return a loss."""
    return sum((jnp.sum(values**2) for values in outcomes.values()), jnp.zeros(()))


def gradients(case: Case) -> Iterator[Row]:
    """Compare gradients with forward runs of the same batch."""
    model, outcomes, parameters = case.model, case.outcomes, case.parameters
    function = value_and_gradient(model, squares, parameters, outcomes=outcomes)
    for runs, limit in ((256, 7), (1, 10)):
        points = case.theta[:, :runs].T if runs > 1 else case.theta[:, 0]
        plan = plan_run(model, case.runs(runs) if runs > 1 else case.central, outcomes)
        best = fastest({"forward": program(plan, model), "gradient": lambda p=points: function(p)}, 7)
        detail = f"{1e3 * best['gradient']:.1f} ms; forward {1e3 * best['forward']:.1f} ms"
        what = f"gradient of a loss to {DRAWN} constants, {runs} run{'s' * (runs > 1)}, forward runs"
        yield at_most(what, best["gradient"] / best["forward"], limit, detail)
    for count, limit in ((16, 6), (DRAWN, 12)):
        chosen = parameters[:count]
        forward = program(plan_run(model, case.central, outcomes), model)
        exact = partial(sensitivities, model, case.central, parameters=chosen, outcomes=outcomes, warn=False)
        best = fastest({"forward": forward, "jacobian": exact}, 7)
        detail = f"{1e3 * best['jacobian']:.1f} ms, labelled; forward {1e3 * best['forward']:.1f} ms"
        what = f"Jacobian of {OUTCOMES} outcomes x 69 times to {count} constants, forward runs"
        yield at_most(what, best["jacobian"] / best["forward"], limit, detail)
    error = largest_error(model, parameters[:CHECKED], outcomes)
    what = f"largest relative difference from central differences, {CHECKED} constants x {OUTCOMES} outcomes"
    yield Row(what, f"{error:.1e}", "<= 1e-6", error <= 1e-6)


def starts() -> Iterator[Row]:
    """Time the command from a cold start, without and with what is kept on disk."""
    command = [sys.executable, "-m", "trilemma.cli", "run", "export_controls", "--json"]
    with folders() as (_, caches):
        cold = measured(command, caches).seconds
        warm = min(measured(command, caches).seconds for _ in range(3))
    yield Row("trilemma run export_controls, caches empty", f"{cold:.1f} s", "<= 6 s", cold <= 6)
    yield Row("trilemma run export_controls, from the caches", f"{warm:.1f} s", "<= 2 s", warm <= 2)


def forerunner(case: Case) -> Iterator[Row]:
    """Compare one run of the model with one of its version 0, which had two thirds of the variables."""
    before = load_model("export_controls_v0")
    known = {label for variable in before.nodes.values() for label in ir.element_names(variable)}
    outcomes = [name for name in case.outcomes if name in known]
    models = {"now": case.model, "before": before}
    actions = {name: program(plan_run(model, None, outcomes), model) for name, model in models.items()}
    one = fastest(actions, 25)
    detail = f"{1e3 * one['now']:.2f} ms, before {1e3 * one['before']:.2f} ms, {len(outcomes)} outcomes of both"
    yield at_most("one run, times that of version 0 of the model", one["now"] / one["before"], 2, detail)


def many_runs(case: Case, runs: int) -> Iterator[Row]:
    """Compare the throughput and the memory of a long stream with a short one: the stream that a sweep writes from."""
    forecast, process = load_forecast("policy_comparison"), psutil.Process()

    def streamed(draws: int) -> tuple[float, float, int]:
        """Return seconds a run without the first block, bytes held after it, and how many more at the most."""
        design = forecast.design.model_copy(update={"draws": draws, "draws_from": "prior"})
        chosen = {"design": design, "outcomes": case.outcomes, "method": "euler"}  # as everywhere in this table
        ends, memory, size = list[float](), list[int](), 1
        for segment, _ in stream(forecast.model_copy(update=chosen | {"scenarios": forecast.scenarios[:1]})):
            ends.append(time.perf_counter())
            memory.append(process.memory_info().rss)
            size = segment.size
        return median(np.diff(ends)) / size, memory[1], max(memory[1:]) - memory[1]

    streamed(2 * BATCH)
    short, _, _ = streamed(4 * BATCH)
    seconds, held, grown = streamed(runs)
    detail = (
        f"{1e6 * seconds:.1f} us a run; memory grew by {grown / 2**20:.0f} MiB, of {held / 2**20:,.0f} with the draws"
    )
    what = f"{runs:,} runs from the stream that a sweep writes: time a run over that of {4 * BATCH:,}"
    yield at_most(what, seconds / short, 1.15, detail)


def main() -> int:
    """Measure and print; the exit status is 1 if something that was asked is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="runs of the long stream (default 1,000,000)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/speed.md")
    parser.add_argument("--without-pysd", action="store_true", help="leave out PySD's run, which takes 20 s")
    wanted = parser.parse_args()
    case, rows = shipped_case(), list[Row]()
    with tempfile.TemporaryDirectory() as name:
        parts = (
            starts(),
            throughput(case, Path(name), not wanted.without_pysd),
            forerunner(case),
            gradients(case),
            many_runs(case, wanted.runs),
        )
        for part in parts:
            for row in part:
                print(f"{row.what}: {row.figure}", file=sys.stderr, flush=True)
                rows.append(row)
    table = as_markdown(rows)
    print(table)
    if wanted.write:
        write(table, ROOT / "docs" / "speed.md", MARKERS)
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

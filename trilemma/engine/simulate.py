"""The public way to run a model: checks the request, runs it in one batched call, and labels the result."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from trilemma.engine import batches
from trilemma.engine.batches import given, run, workers
from trilemma.engine.budget import chunk, need
from trilemma.engine.checks import DETAILS, result_variables
from trilemma.engine.inputs import Inputs, Overrides, read_inputs
from trilemma.engine.loop import Request, checks, has_memories, with_pipes
from trilemma.engine.programs import FEW_RUNS, build, use_disk_cache
from trilemma.engine.timeline import refuse_varying, run_stretches, stretches
from trilemma.engine.warm_start import keeping, resumed, state_dataset
from trilemma.errors import OverrideError, TrilemmaWarning, list_names, unknown_name
from trilemma.translation import ir
from trilemma.translation.expressions import evaluate
from trilemma.translation.labelled import Labelled
from trilemma.translation.model import Model, Selection, load_model
from trilemma.translation.ordering import upstream
from trilemma.translation.outcomes import DerivedOutcome
from trilemma.translation.picking import pick


def simulate(
    model: Model | str | Path,
    overrides: Overrides | None = None,
    *,
    outcomes: Sequence[str] | None = None,
    save_every: float | None = None,
    method: Literal["euler", "rk4"] = "euler",
    time_step: float | None = None,
    start: float | None = None,
    stop: float | None = None,
    initial: Mapping[str, Any] | None = None,
    state: xr.Dataset | None = None,
    seed: int = 0,
    warn: bool = True,
    progress: Callable[[int, int], None] | None = None,
    max_memory: float | None = None,
) -> xr.Dataset:
    """Run a model once, or once for each run of the overrides, in one batched call.

    Parameters
    ----------
    model
        A loaded model, its name under models/, or the path of its file.
    overrides
        Values by name: ``name`` for a whole variable, ``name[element]`` for one element. A number, an array over the
        variable's dimensions, or a DataArray over any of "run", "time" and the variable's dimensions. A series over
        "time" is linear between its times and holds its end values outside them. Values on a variable that has an
        equation replace the equation, a stock's too. A Dataset gives each of its variables.
    outcomes
        Names of variables, of elements, or of derived outcomes; all variables by default. What no outcome needs is not
        computed.
    save_every
        Interval of the saved times, in the model's unit of time; SAVEPER by default.
    method
        "euler" (Vensim's default) or "rk4".
    time_step, start, stop
        Take the place of TIME STEP, INITIAL TIME and FINAL TIME.
    initial
        Initial values of stocks, by name as in `overrides`.
    state
        What `state_at` returned: the simulation goes on from there, as if it had not been interrupted. Overrides may
        differ from those before; `start` and `initial` have no place then.
    seed
        What the random functions of the model start from. A number is drawn for the seed, the call in the model, the
        step, the element, and the number of the run: its label on "run" where that is a whole number, else its
        position. It does not depend on batches, on the outcomes asked for, or on other variables.
    warn
        Warn of overrides that no outcome depends on.
    progress
        Called with the numbers of finished and of all runs.
    max_memory
        Bytes that the results and what is worked on may take together; half of what is free by default. Fewer runs are
        computed at a time to stay within it.

    Returns
    -------
    xarray.Dataset
        One variable an outcome, dimensions (run, time, the variable's own); without a run dimension in the overrides
        there is none here. Constants have no time. Units, long_name and description in the attributes. "result" says by
        run whether all saved values and stocks are finite and within the ranges that the model file declares (0), or
        one is not finite (1), or one is out of its range (2); the coordinates "result_variable", "result_time" and
        "result_sentence" say which was the first one, when, and what that means. Nothing is raised, and other runs are
        not affected.

    Raises
    ------
    UnknownNameError, OverrideError
        If a name, a shape, a time or a value does not fit.
    ModelFileError, UnsupportedError
        If the model's file cannot be run.
    MemoryLimitError
        If the results do not fit; `trilemma.forecasting.sweep.stream` gives those of a forecast block by block.
    """
    loaded = model if isinstance(model, Model) else load_model(model)
    if loaded.clock.varying and time_step is None:
        if start is not None or state is not None:
            refuse_varying(loaded)
        grid = _Grid(loaded.initial_time, loaded.time_step, 1, 2)
        plan = _plan(loaded, overrides, outcomes, method, initial, seed, grid)
        _warn(loaded, map(str, [*(overrides or {}), *(initial or {})]), outcomes, wanted=warn)
        parts = stretches(loaded, save_every, stop)
        whole = replace(plan.request, saves=1 + sum(part.steps for part in parts))
        largest = chunk(need(loaded, whole), plan.inputs.runs or 1, batches.CHUNK, workers(), max_memory)
        outputs, times = run_stretches(loaded, plan, parts, progress, largest=largest)
        return _labelled(loaded, replace(plan, times=times), *outputs)
    plan = plan_run(loaded, overrides, outcomes, save_every, method, time_step, start, stop, initial, seed)
    if state is not None:
        if start is not None or initial is not None:
            message = "a state to go on from was given together with a start or initial values: leave these out."
            raise OverrideError(message)
        plan = resumed(loaded, plan, state)
    _warn(loaded, map(str, [*(overrides or {}), *(initial or {})]), outcomes, wanted=warn)
    runs = plan.inputs.runs or 1
    largest = chunk(need(loaded, plan.request), runs, batches.CHUNK, workers(), max_memory)
    program = build(loaded, plan.request, few_runs=runs <= FEW_RUNS)
    result = _labelled(loaded, plan, *run(program, plan.inputs, progress, largest=largest))
    return result.isel(time=slice(None, None, plan.stride)) if plan.stride > 1 else result


def state_at(
    model: Model | str | Path,
    at: float,
    overrides: Overrides | None = None,
    *,
    method: Literal["euler", "rk4"] = "euler",
    time_step: float | None = None,
    initial: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Run a model to a time and return its state there: `simulate(..., state=...)` goes on from it.

    Parameters
    ----------
    at
        The time: a whole number of steps after the start.
    model, overrides, method, time_step, initial, seed
        As in `simulate`.

    Returns
    -------
    xarray.Dataset
        All stocks and memories, hidden ones too; it can be written to a file and read again.

    Raises
    ------
    UnknownNameError, OverrideError
        If a name, a shape, a time or a value does not fit.
    """
    loaded = model if isinstance(model, Model) else load_model(model)
    plan = keeping(plan_run(loaded, overrides, None, None, method, time_step, None, None, initial, seed), at)
    program = build(loaded, plan.request, few_runs=(plan.inputs.runs or 1) <= FEW_RUNS)
    return state_dataset(loaded, plan, run(program, plan.inputs)[0])


@dataclass(frozen=True)
class Plan:
    """What the arguments of `simulate` come down to; its other users are the modules that need gradients.

    Attributes
    ----------
    times, stride
        The times at which the program saves; one in `stride` of them was asked for.
    """

    wanted: Wanted
    inputs: Inputs
    request: Request
    times: np.ndarray
    stride: int


def plan_run(
    model: Model,
    overrides: Overrides | None = None,
    outcomes: Sequence[str] | None = None,
    save_every: float | None = None,
    method: str = "euler",
    time_step: float | None = None,
    start: float | None = None,
    stop: float | None = None,
    initial: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Plan:
    """Check the arguments of `simulate` and bring them into the form of the engine; see there for what it raises."""
    if time_step is None:
        refuse_varying(model)
    grid = _grid(model, save_every, time_step, start, stop)
    return _plan(model, overrides, outcomes, method, initial, seed, grid)


def _plan(
    model: Model,
    overrides: Overrides | None,
    outcomes: Sequence[str] | None,
    method: str,
    initial: Mapping[str, Any] | None,
    seed: int,
    grid: _Grid,
) -> Plan:
    """Check all other arguments and bring them into the form of the engine."""
    use_disk_cache()
    inputs = replace(read_inputs(model, overrides, initial), seed=_seed(seed))
    wanted = _wanted(model, _hashable(outcomes))
    fine = _finer(model, grid) if wanted.derived else grid
    runs = inputs.runs or 1
    request = _request(model, wanted, inputs, method, fine)
    if has_memories(model):
        request = with_pipes(model, request, given(inputs, np.arange(runs), runs))
    return Plan(wanted, inputs, request, fine.times, grid.steps_per_save // fine.steps_per_save)


def _seed(seed: int) -> int:
    """Check a seed.

    Raises
    ------
    OverrideError
        If it is not a whole number from 0 to 2^32 - 1.
    """
    if int(seed) != seed or not 0 <= seed < 2**32:
        message = f"the seed is {seed!r}: give a whole number from 0 to {2**32 - 1}."
        raise OverrideError(message)
    return int(seed)


@dataclass(frozen=True)
class Wanted:
    """The outcomes asked for: labels in order, what they stand for, and the keys of all variables that they need."""

    labels: tuple[str, ...]
    selections: dict[str, Selection]
    derived: dict[str, DerivedOutcome]
    keys: tuple[str, ...]


def _has_values(variable: ir.Variable) -> bool:
    """Whether a variable is an outcome where none are named: no lookup, no control variable, no data without a file."""
    given = any(isinstance(component.expression, ir.Missing) for component in variable.components)
    return variable.kind not in {"lookup", "control"} and not given


@dataclass(frozen=True)
class _Grid:
    """The times of a simulation, in the model's unit of time."""

    start: float
    time_step: float
    steps_per_save: int
    saves: int

    @property
    def times(self) -> np.ndarray:
        """The saved times."""
        return self.start + np.arange(self.saves) * self.steps_per_save * self.time_step


def _hashable(outcomes: Iterable[str] | None) -> tuple[str, ...] | None:
    """Return names of outcomes as a tuple."""
    return (outcomes,) if isinstance(outcomes, str) else None if outcomes is None else tuple(outcomes)


@lru_cache(maxsize=256)
def _wanted(model: Model, outcomes: tuple[str, ...] | None) -> Wanted:
    """Resolve the names of outcomes.

    Raises
    ------
    UnknownNameError
        With near names.
    """
    if outcomes is None:
        selections = {v.name: Selection(v, None) for v in model.variables.values() if _has_values(v)}
        return Wanted(tuple(selections), selections, {}, tuple(s.variable.key for s in selections.values()))
    labels: dict[str, None] = {}
    chosen: dict[str, Selection] = {}
    derived: dict[str, DerivedOutcome] = {}
    by_key = {ir.normalise(name): outcome for name, outcome in model.derived.items()}
    for name in outcomes:
        if ir.normalise(name) in by_key:
            outcome = by_key[ir.normalise(name)]
            derived[outcome.name] = outcome
            labels[outcome.name] = None
        elif ir.normalise(model.split(name)[0]) not in model.nodes:
            raise unknown_name("outcome", name, [*model.variables, *model.derived], f"model '{model.name}'")
        else:
            selection = model.resolve(name, "the outcomes")
            chosen[selection.label] = selection
            labels[selection.label] = None
    keys = {s.variable.key: None for s in chosen.values()}
    for outcome in derived.values():
        place = f"the expression of '{outcome.name}'"
        keys |= {model.resolve(name, place).variable.key: None for name, _ in sorted(outcome.expression.names, key=str)}
    return Wanted(tuple(labels), chosen, derived, tuple(keys))


def _grid(
    model: Model, save_every: float | None, time_step: float | None, start: float | None, stop: float | None
) -> _Grid:
    """Return the times of a simulation.

    Raises
    ------
    OverrideError
        If the times contradict each other.
    """
    step = model.time_step if time_step is None else float(time_step)
    begin = model.initial_time if start is None else float(start)
    end = model.final_time if stop is None else float(stop)
    every = float(save_every) if save_every is not None else model.saveper if time_step is not None else _saveper(model)
    if not step > 0:
        message = f"time_step is {step:g}: it must be above 0."
        raise OverrideError(message)
    for name, key, moved in (
        ("time_step", "time_step", step != model.time_step),
        ("start", "initial_time", begin != model.initial_time),
    ):
        if moved and key in model.fixed:
            message = f"{name} cannot be changed, since {model.fixed[key]}: change it in the file."
            raise OverrideError(message)
    if not end > begin:
        message = f"the simulation stops at {end:g}, which is not after its start at {begin:g}."
        raise OverrideError(message)
    steps = round(every / step)
    if steps < 1 or abs(steps * step - every) > 1e-9 * max(1.0, every):
        message = f"saving every {every:g} is not a whole number of steps of {step:g}: choose a multiple of the step."
        raise OverrideError(message)
    saves = int((end - begin) / every * (1 + 1e-12) + 1e-9) + 1
    return _Grid(begin, step, steps, saves)


def _saveper(model: Model) -> float:
    """Return the interval of saves: SAVEPER, or the multiple of it that is a whole number of steps, as Vensim saves.

    Raises
    ------
    OverrideError
        If no multiple within the simulation is.
    """
    step, every = model.time_step, model.saveper
    for multiple in range(1, max(1, int((model.final_time - model.initial_time) / every)) + 1):
        steps = round(multiple * every / step)
        if steps > 0 and abs(steps * step - multiple * every) <= 1e-6 * step:
            return steps * step
    message = (
        f"the SAVEPER of '{model.name}' is {every:g}, and no multiple of it is a whole number of steps of {step:g}: "
        "give save_every as a multiple of the step."
    )
    raise OverrideError(message)


def _finer(model: Model, grid: _Grid) -> _Grid:
    """Return the times to work derived outcomes out on: every SAVEPER, where saving was asked for less often.

    A lag is interpolated between saved times; it must not depend on how often its reader wants to see it.
    """
    steps = round(model.saveper / grid.time_step)
    if steps < 1 or steps >= grid.steps_per_save or grid.steps_per_save % steps:
        return grid
    return replace(grid, steps_per_save=steps, saves=(grid.saves - 1) * grid.steps_per_save // steps + 1)


def _request(model: Model, wanted: Wanted, inputs: Inputs, method: str, grid: _Grid) -> Request:
    """Return the request to build a program for."""
    if method not in ("euler", "rk4"):
        message = f"unknown method '{method}': expected 'euler' or 'rk4'."
        raise OverrideError(message)
    varying = tuple(k for k in wanted.keys if model.nodes[k].kind != "constant" or k in inputs.replaced)
    return Request(
        outcomes=varying,
        replaced=tuple((k, tuple(r.mask.ravel().tolist())) for k, r in sorted(inputs.replaced.items())),
        initial=tuple((k, tuple(r.mask.ravel().tolist())) for k, r in sorted(inputs.initial.items())),
        method=method,
        start=grid.start,
        time_step=grid.time_step,
        steps_per_save=grid.steps_per_save,
        saves=grid.saves,
    )


def without_effect(model: Model, names: Iterable[str], outcomes: Sequence[str] | None) -> list[str]:
    """Return those of the names whose value cannot change any of the outcomes.

    Parameters
    ----------
    names
        Variables or elements, as in overrides.
    outcomes
        As in `simulate`.
    """
    return list(_idle(model, tuple(names), _hashable(outcomes)))


@lru_cache(maxsize=256)
def _idle(model: Model, names: tuple[str, ...], outcomes: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return those of the names whose value cannot change any of the outcomes."""
    effective = upstream(model, _wanted(model, outcomes).keys)
    return tuple(name for name in names if model.resolve(name).variable.key not in effective)


def _warn(model: Model, names: Iterable[str], outcomes: Sequence[str] | None, *, wanted: bool) -> None:
    """Warn of a clock that is held, and of overrides that cannot change any of the outcomes asked for."""
    if not wanted:
        return
    if model.clock.held:
        held = " and ".join(sorted(key.replace("_", " ").upper() for key in model.clock.held))
        message = f"{held} of '{model.name}' follows from stocks and may change: what it is at the start counts."
        warnings.warn(message, TrilemmaWarning, stacklevel=3)
    idle = without_effect(model, names, outcomes)
    if idle:
        verb = "has" if len(idle) == 1 else "have"
        message = f"the override of {list_names(idle, 'and')} {verb} no effect: no outcome asked for depends on it."
        warnings.warn(message, TrilemmaWarning, stacklevel=3)


def _labelled(model: Model, plan: Plan, saved: Mapping[str, np.ndarray], failures: np.ndarray) -> xr.Dataset:
    """Put names, coordinates and units on the arrays of a simulation."""
    wanted, inputs, times, request = plan.wanted, plan.inputs, plan.times, plan.request
    whole = {key: saved[key] if key in saved else inputs.constants[key][None] for key in wanted.keys}
    variables: dict[str, xr.Variable] = {}
    for label in wanted.labels:
        if label in wanted.derived:
            variables[label] = _derived_variable(model, inputs, times, wanted.derived[label], whole)
        else:
            selection = wanted.selections[label]
            variables[label] = _variable(inputs, times, selected(selection, whole[selection.variable.key]), selection)
    used = {d for v in variables.values() for d in v.dims}
    coords = _coords(model, tuple(times.tolist()), tuple(d for d in model.ranges if d in used))
    if inputs.runs is not None:
        coords = coords.assign(run=inputs.labels)
    by_run = ("run",) if inputs.runs is not None else ()
    failures = np.broadcast_to(failures, (len(times), inputs.runs or 1))
    variables |= result_variables(checks(model, request), failures, times, by_run)
    attrs = {
        "model": model.name,
        "model_hash": model.hash,
        "method": request.method,
        "time_step": request.time_step,
        "seed": inputs.seed,
    }
    return xr.Dataset(variables, coords, attrs).set_coords(DETAILS)


@lru_cache(maxsize=64)
def _coords(model: Model, times: tuple[float, ...], ranges: tuple[str, ...]) -> xr.Coordinates:
    """Return the coordinates of a result, without the run; a single run would spend much of its time on indexes."""
    time = xr.Variable("time", pd.Index(times), {"long_name": "time", "units": time_unit(model)})
    return xr.Coordinates({"time": time} | {d: xr.Variable(d, pd.Index(model.ranges[d], dtype=object)) for d in ranges})


def selected(selection: Selection, array: Any) -> Any:  # noqa: ANN401 - NumPy's or JAX's
    """Return the array (time, dims, runs) of a selection: one element has no dimensions of its own."""
    if selection.indices is None:
        return array
    return array[(slice(None), *selection.indices)]


def _variable(inputs: Inputs, times: np.ndarray, array: np.ndarray, selection: Selection) -> xr.Variable:
    """Label an array (time or 1, dims, runs or 1) as (run, time, dims)."""
    variable = selection.variable
    own = variable.dims if selection.indices is None else ()
    attrs: dict[str, Any] = {
        "units": variable.unit,
        "long_name": selection.label,
        "description": variable.documentation,
    }
    constant = array.shape[0] == 1 and len(times) > 1
    if constant:
        return _with_runs(inputs, own, array[0], attrs)
    return _with_runs(inputs, ("time", *own), array, attrs)


def _with_runs(inputs: Inputs, dims: tuple[str, ...], array: np.ndarray, attrs: dict[str, Any]) -> xr.Variable:
    """Bring the run axis to the front, or drop it; an array that no run changes is not copied.

    The arrays are NumPy's, so that xarray need not look what else they may be: it would load dask for that.
    """
    if inputs.runs is None:
        return xr.Variable(dims, array[..., 0], attrs, fastpath=True)
    spread = np.broadcast_to(array, (*array.shape[:-1], inputs.runs))
    return xr.Variable(("run", *dims), np.moveaxis(spread, -1, 0), attrs, fastpath=True)


def _derived_variable(
    model: Model, inputs: Inputs, times: np.ndarray, outcome: DerivedOutcome, whole: Mapping[str, np.ndarray]
) -> xr.Variable:
    """Evaluate a derived outcome and count what is undefined."""

    def lookup(name: str, elements: tuple[str, ...]) -> Labelled:
        picked = pick(model, name, elements, f"the expression of '{outcome.name}'")
        return picked.of(whole[picked.variable.key])

    value = evaluate(outcome.expression, lookup, times)
    array = np.broadcast_to(np.asarray(value.values), (len(times), *np.shape(value.values)[1:]))
    attrs = {
        "units": outcome.unit,
        "long_name": outcome.name,
        "description": outcome.sentence,
        "undefined": int(np.isnan(array).sum()),
    }
    if outcome.components:
        attrs["components"] = json.dumps(dict(outcome.components), ensure_ascii=False)
    return _with_runs(inputs, ("time", *value.dims), array, attrs)


def time_unit(model: Model) -> str:
    """Return the model's unit of time: that of TIME STEP."""
    step = model.nodes.get("time_step")
    return step.unit if step is not None else ""

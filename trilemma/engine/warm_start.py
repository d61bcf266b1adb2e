"""Warm start: the state of a model at a date, to be kept and gone on from, so that history is simulated once.

A state is a Dataset of every stock and memory, hidden ones of delays and smooths too, and of what is on its way in a
DELAY FIXED, with the model's hash and the number of the step. A simulation that goes on from it takes the same steps,
at the same times, as one without a break.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from trilemma.engine.functions_random import FUNCTIONS as RANDOM
from trilemma.engine.loop import Request, slots_label, state_label, states, steps_label
from trilemma.errors import OverrideError
from trilemma.translation import ir
from trilemma.translation.model import Model
from trilemma.translation.ordering import Node

if TYPE_CHECKING:
    from trilemma.engine.simulate import Plan

PREFIX = "state "


def keeping(plan: Plan, at: float) -> Plan:
    """Return a plan that runs to a time and keeps the state there.

    Raises
    ------
    OverrideError
        If the time is not the end of a step.
    """
    request = plan.request
    steps = round((at - request.start) / request.time_step)
    if steps < 1 or abs(request.start + steps * request.time_step - at) > 1e-9 * max(1.0, abs(at)):
        message = (
            f"the state at {at:g} cannot be kept: it must be a whole number of steps of {request.time_step:g} after "
            f"the start at {request.start:g}."
        )
        raise OverrideError(message)
    return replace(plan, request=replace(request, steps_per_save=steps, saves=2, keep_state=True), stride=1)


def state_dataset(model: Model, plan: Plan, saved: dict[str, np.ndarray]) -> xr.Dataset:
    """Return the kept state; each variable has the run last where there are runs."""
    inputs, request = plan.inputs, plan.request
    by_run = ("run",) if inputs.runs is not None else ()
    variables: dict[str, xr.Variable] = {}
    for label in (label for label in saved if label.startswith(PREFIX)):
        level = saved[label][0] if by_run else saved[label][0, ..., 0]
        name = f"state_{len(variables)}"  # a model's own names may not be fit for a file
        dims = [f"{name}_{i}" for i in range(saved[label].ndim - 2)]
        variables[name] = xr.Variable((*dims, *by_run), level, {"state": label})
    attrs = {
        "model": model.name,
        "model_hash": model.hash,
        "start": request.start,
        "time_step": request.time_step,
        "step": request.first_step + request.steps_per_save,
        "time": request.start + (request.first_step + request.steps_per_save) * request.time_step,
        "method": request.method,
        "seed": inputs.seed,
    }
    return xr.Dataset(variables, {"run": inputs.labels} if inputs.runs is not None else {}, attrs)


def resumed(model: Model, plan: Plan, state: xr.Dataset) -> Plan:
    """Return a plan that goes on from a state instead of beginning at the start.

    Raises
    ------
    OverrideError
        If the state is of another model, of other steps, method or seed, or of other runs.
    """
    request, inputs = plan.request, plan.inputs
    if state.attrs.get("model_hash") != model.hash:
        message = f"the state is not one of this model '{model.name}': keep a new one with state_at."
        raise OverrideError(message)
    if (state.attrs["start"], state.attrs["time_step"]) != (request.start, request.time_step):
        message = (
            f"the state was reached in steps of {state.attrs['time_step']:g} from {state.attrs['start']:g}: "
            "go on with the same time_step."
        )
        raise OverrideError(message)
    _check_same(model, plan, state)
    first = int(state.attrs["step"])
    ahead = (request.saves - 1) * request.steps_per_save - first
    if ahead <= 0:
        message = f"the simulation stops before or at the time of the state, {state.attrs['time']:g}: stop later."
        raise OverrideError(message)
    saves = ahead // request.steps_per_save + 1
    times = request.start + (first + np.arange(saves) * request.steps_per_save) * request.time_step
    runs, labels = _runs(plan, state)
    levels = _levels(model, request, state)
    inputs = replace(inputs, runs=runs, labels=labels, state=levels)
    request = replace(request, first_step=first, saves=saves, pipes=_pipes(request, levels))
    return replace(plan, request=request, inputs=inputs, times=times)


def _check_same(model: Model, plan: Plan, state: xr.Dataset) -> None:
    """Refuse to go on by another method, or with other random numbers, than a state was reached with."""
    ours = {"method": plan.request.method, "seed": plan.inputs.seed}
    for name, value in ours.items():
        if state.attrs.get(name) != value and (name != "seed" or _draws(model)):
            message = (
                f"the state was reached with {name}={state.attrs.get(name)!r}, and the simulation was to go on with "
                f"{name}={value!r}: go on with the same, or keep a new state."
            )
            raise OverrideError(message)


@lru_cache(maxsize=64)
def _draws(model: Model) -> bool:
    """Whether a model has random functions."""
    expressions = (c.expression for v in model.nodes.values() for c in v.components)
    return any(isinstance(p, ir.Call) and p.function in RANDOM for e in expressions for p in ir.walk(e))


def _pipes(request: Request, levels: dict[str, np.ndarray]) -> tuple[tuple[Node, int, bool], ...]:
    """Return how long the delays are: what is on its way in them was kept, and they stay as they were at the start."""
    found: list[tuple[Node, int, bool]] = []
    for node, _, _ in request.pipes:
        size = levels[slots_label(node)].shape[0]
        found.append((node, size, bool((levels[steps_label(node)] == size).all())))
    return tuple(found)


def _runs(plan: Plan, state: xr.Dataset) -> tuple[int | None, np.ndarray]:
    """Return the runs of overrides and state, which must agree where both have some."""
    inputs = plan.inputs
    if "run" not in state.dims:
        return inputs.runs, inputs.labels
    labels = state["run"].to_numpy()
    if inputs.runs is not None and not np.array_equal(inputs.labels, labels):
        message = "the state and the overrides have different 'run' coordinates: give both the same runs."
        raise OverrideError(message)
    return len(labels), labels


def _levels(model: Model, request: Request, state: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the arrays of a state by label, shape (axes, runs or 1).

    Raises
    ------
    OverrideError
        If one is missing.
    """
    levels = {
        array.attrs.get("state", ""): array.transpose(..., "run").to_numpy()
        if "run" in array.dims
        else array.to_numpy()[..., None]
        for array in state.data_vars.values()
    }
    for node in states(model, request):
        if state_label(node) not in levels:
            name = model.nodes[node.key.partition("|")[0]].name
            message = (
                f"the state lacks '{name}', which an override held: release it from the start, or hold it here too."
            )
            raise OverrideError(message)
    return levels

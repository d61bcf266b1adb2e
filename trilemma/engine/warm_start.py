"""Warm start: the state of a model at a date, to be kept and gone on from, so that history is simulated once.

A state is a Dataset of every stock and memory, hidden ones of delays and smooths too, with the model's hash and the
number of the step. A simulation that goes on from it takes the same steps, at the same times, as one without a break.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from trilemma.engine.loop import Request, state_label, states
from trilemma.errors import OverrideError
from trilemma.translation.model import Model

if TYPE_CHECKING:
    from trilemma.engine.simulate import Plan

PREFIX = "state "


def keeping(model: Model, plan: Plan, at: float) -> Plan:
    """Return a plan that runs to a time and keeps the state there.

    Raises
    ------
    OverrideError
        If the time is not the end of a step, or the model delays values by a fixed time.
    """
    request = plan.request
    if request.pipes:
        message = f"the state of '{model.name}' cannot be kept: it has a DELAY FIXED; simulate it from its start."
        raise OverrideError(message)
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
    }
    return xr.Dataset(variables, {"run": inputs.labels} if inputs.runs is not None else {}, attrs)


def resumed(model: Model, plan: Plan, state: xr.Dataset) -> Plan:
    """Return a plan that goes on from a state instead of beginning at the start.

    Raises
    ------
    OverrideError
        If the state is of another model, of other steps, or of other runs.
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
    first = int(state.attrs["step"])
    ahead = (request.saves - 1) * request.steps_per_save - first
    if ahead <= 0 or request.pipes:
        message = f"the simulation stops before or at the time of the state, {state.attrs['time']:g}: stop later."
        raise OverrideError(message)
    saves = ahead // request.steps_per_save + 1
    times = request.start + (first + np.arange(saves) * request.steps_per_save) * request.time_step
    runs, labels = _runs(plan, state)
    inputs = replace(inputs, runs=runs, labels=labels, state=_levels(model, request, state))
    return replace(plan, request=replace(request, first_step=first, saves=saves), inputs=inputs, times=times)


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

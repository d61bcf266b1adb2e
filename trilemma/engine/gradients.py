"""Exact gradients of outcomes: forward mode for all outcomes to some parameters, reverse mode for one loss to many.

Forward mode runs one column for each pair of a run and a parameter, with a tangent of 1 on that parameter: columns take
the place of runs, so that they are chunked and spread over threads as runs are. Where a model has a corner or a jump
(`trilemma show --kinks`), the gradient is that of the side on which the run lies; the shift of a jump in time, as by
the start of a STEP, has no gradient.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from trilemma.engine.batches import given, workers
from trilemma.engine.inputs import Overrides
from trilemma.engine.loop import Given, Request
from trilemma.engine.parametrised import Parametrised, outcome_dims, outcomes_at, parametrise, refuse_delays
from trilemma.engine.simulate import time_unit, without_effect
from trilemma.errors import OverrideError, TrilemmaWarning, list_names
from trilemma.translation.model import Model, load_model

FORWARD_CHUNK = 256
REVERSE_CHUNK = 128
"""Columns, and runs, in one call at most: a chunk stays in the cache, and bounds the memory."""

KEPT = 4 * 2**20
"""Bytes for each run that reverse mode keeps of the states of all steps; beyond that it keeps those of saves."""

Loss = Callable[[dict[str, Array]], Array]
"""From outcomes by name, each (time, dims) at the saved times, to one number; made of JAX operations."""


def sensitivities(
    model: Model | str | Path,
    overrides: Overrides | None = None,
    *,
    parameters: Sequence[str] | None = None,
    outcomes: Sequence[str] | None = None,
    save_every: float | None = None,
    method: Literal["euler", "rk4"] = "euler",
    time_step: float | None = None,
    start: float | None = None,
    stop: float | None = None,
    initial: Mapping[str, Any] | None = None,
    seed: int = 0,
    warn: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Return the exact derivatives of outcomes with respect to parameters, in one run or in each run of a batch.

    Parameters
    ----------
    model, overrides, outcomes, save_every, method, time_step, start, stop, initial, seed
        As in `simulate`: the derivatives are taken at these values.
    parameters
        Constants by name: ``name``, ``name[element]``, or a subscripted ``name`` for all its elements; also variables
        that the overrides hold at a number. By default every constant that an outcome depends on.
    warn
        Warn of parameters that no outcome depends on.
    progress
        Called with the numbers of finished and of all columns, one for each run and parameter.

    Returns
    -------
    xarray.Dataset
        One variable an outcome, dimensions (run, parameter, time, its own); no run where the overrides have none. The
        coordinate "parameter" holds the names as given, or ``name[element]`` for a subscripted constant. Units are
        those of the outcome by those of the parameter. Where an outcome is undefined, so is its derivative.

    Raises
    ------
    UnknownNameError, OverrideError
        If a name does not exist, a parameter is no constant, or what `simulate` raises.
    """
    loaded = model if isinstance(model, Model) else load_model(model)
    problem = parametrise(
        loaded,
        parameters,
        outcomes,
        overrides,
        save_every=save_every,
        method=method,
        time_step=time_step,
        start=start,
        stop=stop,
        initial=initial,
        seed=seed,
    )
    labels = [slot.label for slot in problem.slots]
    if warn:
        _warn(without_effect(loaded, labels, outcomes))
    return _labelled(problem, _jacobian(problem, progress))


def _warn(idle: Sequence[str]) -> None:
    """Warn of parameters that cannot change any of the outcomes asked for."""
    if idle:
        verb = "has" if len(idle) == 1 else "have"
        message = f"the parameter {list_names(idle, 'and')} {verb} no effect: no outcome asked for depends on it."
        warnings.warn(message, TrilemmaWarning, stacklevel=3)


def _jacobian(problem: Parametrised, progress: Callable[[int, int], None] | None) -> dict[str, np.ndarray]:
    """Return the derivatives of each outcome, shape (time or 1, dims, runs, parameters)."""
    count, runs = len(problem.slots), problem.plan.inputs.runs or 1
    central = np.broadcast_to(problem.central, (count, runs))
    compiled = _forward(problem)
    columns = count * runs

    def call(where: np.ndarray) -> dict[str, np.ndarray]:
        run, parameter = where // count, where % count
        tangent = (parameter == np.arange(count)[:, None]).astype(float)
        arrays = given(problem.plan.inputs, run, runs)
        return jax.device_get(compiled(arrays, jnp.asarray(central[:, run]), jnp.asarray(tangent)))

    parts: list[dict[str, np.ndarray]] = []
    chunks = list(pieces(columns, FORWARD_CHUNK))
    for part in in_threads(call, chunks):
        parts.append(part)
        if progress is not None:
            progress(min(columns, len(parts) * len(chunks[0])), columns)
    joined = {label: np.concatenate([part[label] for part in parts], axis=-1)[..., :columns] for label in parts[0]}
    return {label: array.reshape((*array.shape[:-1], runs, count)) for label, array in joined.items()}


_Forward = Callable[[Given, Array, Array], dict[str, Array]]


def _forward(problem: Parametrised) -> _Forward:
    """Return the compiled directional derivative of the outcomes; equal problems share it."""
    wanted = problem.plan.wanted
    key = (problem.model, problem.plan.request, problem.slots, *wanted.labels, problem.plan.stride)
    if key not in _COMPILED:
        while len(_COMPILED) >= 64:
            _COMPILED.pop(next(iter(_COMPILED)))
        _COMPILED[key] = jax.jit(lambda given, theta, tangent: _directional(problem, given, theta, tangent))
    return _COMPILED[key]


_COMPILED: dict[tuple[object, ...], _Forward] = {}


def _directional(problem: Parametrised, given: Given, theta: Array, tangent: Array) -> dict[str, Array]:
    """Return how each outcome changes along a tangent, shape (time or 1, dims, columns)."""

    def function(theta: Array) -> dict[str, Array]:
        return {label: value.values for label, value in outcomes_at(problem, given, theta)[0].items()}

    values, slopes = jax.jvp(function, (theta,), (tangent,))

    def defined(value: Array, slope: Array) -> Array:
        slope = jnp.where(jnp.isnan(value), jnp.nan, slope)  # a guarded value is NaN, its slope would be 0
        return jnp.broadcast_to(slope, (*slope.shape[:-1], theta.shape[-1]))

    return jax.tree.map(defined, values, slopes)


@dataclass(frozen=True, eq=False)
class LossGradient:
    """A loss of a model's outcomes as a function of theta, with its gradient; compiled at its first call.

    Attributes
    ----------
    problem
        The model with what is asked of it.
    parameters
        The labels of theta's entries.
    central
        Their values as the file and the overrides give them: shape (parameters,), or (runs, parameters).
    loss_of
        The pure function of JAX from theta (parameters,) to the loss, for one run or, with theta (runs, parameters),
        for each: for samplers and further transformations.
    """

    problem: Parametrised
    parameters: tuple[str, ...]
    central: np.ndarray
    loss_of: Callable[[Array], Array]
    compiled: Callable[[Given, Array], tuple[Array, Array]]

    def __call__(self, theta: np.ndarray | Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """Return the loss and its gradient.

        Parameters
        ----------
        theta
            Shape (parameters,), or (runs, parameters) for many runs in one call.

        Returns
        -------
        tuple
            A number and (parameters,), or (runs,) and (runs, parameters).
        """
        points = np.asarray(theta, dtype=float)
        if points.ndim not in (1, 2) or points.shape[-1] != len(self.parameters):
            message = f"theta has the shape {points.shape}: expected ([runs,] {len(self.parameters)} parameters)."
            raise OverrideError(message)
        runs = np.broadcast_shapes(points.shape[:-1], self.central.shape[:-1])
        rows = np.broadcast_to(points, (*runs, points.shape[-1])).reshape(-1, points.shape[-1])

        def call(where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            inputs = self.problem.plan.inputs
            arrays = given(inputs, where, inputs.runs or 1)
            theta: Any = rows[where].T
            return jax.device_get(self.compiled(arrays, theta))

        losses, gradients = zip(*in_threads(call, list(pieces(len(rows), REVERSE_CHUNK))), strict=True)
        loss, gradient = np.concatenate(losses), np.concatenate(gradients, axis=-1).T
        return loss[: len(rows)].reshape(runs), gradient[: len(rows)].reshape((*runs, points.shape[-1]))


def value_and_gradient(
    model: Model | str | Path,
    loss: Loss,
    parameters: Sequence[str] | None = None,
    *,
    outcomes: Sequence[str],
    overrides: Overrides | None = None,
    save_every: float | None = None,
    method: Literal["euler", "rk4"] = "euler",
    time_step: float | None = None,
    start: float | None = None,
    stop: float | None = None,
    initial: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> LossGradient:
    """Return a function from theta to a loss and its exact gradient, by reverse mode, for calibration.

    Parameters
    ----------
    loss
        From the outcomes at the saved times, by name and each (time, dims), to a number. It is traced by JAX: made of
        jax.numpy, without branches on values.
    parameters
        As in `sensitivities`; theta has one entry for each.
    outcomes
        What the loss uses; derived outcomes too.
    model, overrides, save_every, method, time_step, start, stop, initial, seed
        As in `simulate`. With runs in the overrides there is a loss for each of them.

    Notes
    -----
    On the way back, steps are worked out again instead of being kept: memory grows with the stocks at each step, or
    where these are many, at each save. The corners of a model are as in `sensitivities`.
    """
    problem = parametrise(
        model if isinstance(model, Model) else load_model(model),
        parameters,
        outcomes,
        overrides,
        save_every=save_every,
        method=method,
        time_step=time_step,
        start=start,
        stop=stop,
        initial=initial,
        seed=seed,
    )
    refuse_delays(problem)
    problem = replace(problem, plan=replace(problem.plan, request=_checkpointed(problem)))
    runs = problem.plan.inputs.runs

    arrays = given(problem.plan.inputs, np.arange(runs or 1), runs or 1)

    def loss_of(theta: Array) -> Array:
        points = jnp.broadcast_to(theta, (*(() if runs is None else (runs,)), theta.shape[-1]))
        columns = points.reshape(-1, theta.shape[-1]).T
        return _losses(problem, loss, arrays, columns).reshape(points.shape[:-1])

    def both(arrays: Given, theta: Array) -> tuple[Array, Array]:
        losses, back = jax.vjp(lambda theta: _losses(problem, loss, arrays, theta), theta)
        return losses, back(jnp.ones_like(losses))[0]  # runs are independent: one pass gives all their gradients

    labels = tuple(slot.label for slot in problem.slots)
    central = problem.central[:, 0] if runs is None else np.broadcast_to(problem.central, (len(labels), runs)).T
    return LossGradient(problem, labels, central, loss_of, jax.jit(both))


def _checkpointed(problem: Parametrised) -> Request:
    """Return the request with what reverse mode keeps: the state at each step, or, where that is large, at each save.

    Keeping each state is faster: a step is worked out once more, whereas between saves it is worked out twice more.
    """
    model, request = problem.model, problem.plan.request
    states = sum(max(1, np.prod(v.shape)) for v in model.nodes.values() if v.kind == "stock" or v.hidden)
    small = 8 * states * request.saves * request.steps_per_save <= KEPT
    return replace(request, checkpoint="step" if small and not request.pipes else "save")


def _losses(problem: Parametrised, loss: Loss, given: Given, theta: Array) -> Array:
    """Return the loss of each run, shape (runs,); theta has shape (parameters, runs)."""
    runs = theta.shape[-1]
    found, _ = outcomes_at(problem, given, theta)
    spread = {name: jnp.broadcast_to(v.values, (*v.values.shape[:-1], runs)) for name, v in found.items()}
    return jax.vmap(loss, in_axes=-1)(spread)


def pieces(count: int, largest: int) -> Iterator[np.ndarray]:
    """Yield the positions of each chunk: equal sizes, the last one filled up, one at least for each thread."""
    number = -(-count // largest)
    if count >= 2 * workers():
        number = -(-number // workers()) * workers()
    size = -(-count // number)
    for first in range(0, count, size):
        yield np.minimum(np.arange(first, first + size), count - 1)


def in_threads(call: Callable[[np.ndarray], Any], pieces: Sequence[np.ndarray]) -> Iterator[Any]:
    """Yield the result of each chunk in order; all threads call one compiled function."""
    if len(pieces) == 1:
        yield call(pieces[0])
        return
    pool = ThreadPoolExecutor(max_workers=workers())
    try:
        yield from pool.map(call, pieces)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _labelled(problem: Parametrised, jacobian: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Put names, coordinates and units on derivatives."""
    model, inputs = problem.model, problem.plan.inputs
    units = [model.nodes[slot.key].unit for slot in problem.slots]
    own = outcome_dims(problem)
    variables: dict[str, xr.Variable] = {}
    for label, array in jacobian.items():
        dims = own[label]
        attrs = {"units": _quotient(_unit(problem, label), units), "long_name": f"derivative of {label}"}
        variable = xr.Variable(("time", *dims, "run", "parameter"), array, attrs)
        constant = array.shape[0] == 1 < len(problem.times)
        if constant and label in problem.plan.wanted.selections:
            variable = variable.isel({"time": 0})
        elif constant:
            variable = xr.Variable(variable.dims, np.repeat(array, len(problem.times), axis=0), attrs)
        if inputs.runs is None:
            variable = variable.isel({"run": 0})
        front = [dim for dim in ("run", "parameter", "time") if dim in variable.dims]
        variables[label] = variable.transpose(*front, *dims)
    used = {dim for variable in variables.values() for dim in variable.dims}
    coords: dict[str, Any] = {
        "parameter": np.array([slot.label for slot in problem.slots], dtype=object),
        "parameter_unit": ("parameter", np.array(units, dtype=object)),
        "time": ("time", problem.times, {"long_name": "time", "units": time_unit(model)}),
    }
    coords |= {dim: np.array(model.ranges[dim], dtype=object) for dim in model.ranges if dim in used}
    if inputs.runs is not None:
        coords["run"] = inputs.labels
    request = problem.plan.request
    attrs = {"model": model.name, "model_hash": model.hash, "method": request.method, "time_step": request.time_step}
    return xr.Dataset(variables, coords, attrs)


def _unit(problem: Parametrised, label: str) -> str:
    """Return the unit of an outcome."""
    wanted = problem.plan.wanted
    return wanted.selections[label].variable.unit if label in wanted.selections else wanted.derived[label].unit


def _quotient(outcome: str, parameters: Sequence[str]) -> str:
    """Return the unit of a derivative; without one unit for all parameters, the coordinate "parameter_unit" has it."""
    different = set(parameters)
    if len(different) > 1:
        return f"({outcome}) / parameter_unit"
    unit = different.pop()
    return outcome if unit.lower() in ("", "dmnl", "1") else f"({outcome}) / ({unit})"

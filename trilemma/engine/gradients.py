"""Exact gradients of outcomes: forward mode for all outcomes to some parameters, reverse mode for one loss to many.

Forward mode carries one direction for each parameter along a run that is worked out once; reverse mode goes back along
it. Where a model has a corner or a jump (`trilemma show --kinks`), the gradient is that of the side on which the run
lies; the shift of a jump in time, as by the start of a STEP, has no gradient.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array, lax
from jax.custom_batching import custom_vmap

from trilemma.engine import compiler, guarded
from trilemma.engine.batches import given, workers
from trilemma.engine.inputs import Overrides
from trilemma.engine.large import compilable, is_large
from trilemma.engine.loop import Given
from trilemma.engine.parametrised import (
    Parametrised,
    outcome_dims,
    outcomes_at,
    parametrise,
    refuse_delays,
)
from trilemma.engine.simulate import time_unit, without_effect
from trilemma.errors import OverrideError, TrilemmaWarning, list_names
from trilemma.translation.model import Model, load_model

FORWARD_CHUNK = 256
REVERSE_CHUNK = 128
"""Pairs of a run and a direction, and runs, in one call at most: a chunk stays in the cache, and bounds the memory."""

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
    blocks = list(_blocks(runs, count))

    def call(block: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
        where, directions = block
        arrays = given(problem.plan.inputs, where, runs)
        theta: Any = central[:, where]
        return compiled(arrays, theta, along_parameters(count, directions, len(where)))[1]

    found: dict[str, np.ndarray] = {}
    for done, ((where, directions), part) in enumerate(zip(blocks, in_threads(call, blocks), strict=True)):
        for label, slopes in part.items():
            whole = found.setdefault(label, np.empty((*slopes.shape[1:-1], runs, count)))
            whole[..., where[:, None], directions] = np.moveaxis(slopes, 0, -1)
        if progress is not None:
            progress(runs * count * (done + 1) // len(blocks), runs * count)
    return found


def _blocks(runs: int, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the runs and the parameters of each call, all of the same size; one call at least for each thread."""
    several = list(pieces(count, FORWARD_CHUNK)) if runs < 2 * workers() else [np.arange(count)]
    several = several if len(several[0]) <= FORWARD_CHUNK else list(pieces(count, FORWARD_CHUNK))
    for where in pieces(runs, max(1, FORWARD_CHUNK // len(several[0]))):
        yield from ((where, directions) for directions in several)


def along_parameters(count: int, which: np.ndarray, runs: int) -> Any:  # noqa: ANN401 - an array, for JAX
    """Return the directions of some of the parameters, shape (directions, parameters, runs)."""
    return np.broadcast_to(np.eye(count)[which][:, :, None], (len(which), count, runs))


_Forward = Callable[[Given, Array, Any], tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]


def _forward(problem: Parametrised) -> _Forward:
    """Return the compiled directional derivatives of the outcomes; equal problems share them."""
    wanted = problem.plan.wanted
    key = (problem.model, problem.plan.request, problem.slots, *wanted.labels, problem.plan.stride)
    if key not in _COMPILED:
        while len(_COMPILED) >= 64:
            _COMPILED.pop(next(iter(_COMPILED)))
        _COMPILED[key] = guarded_where_needed(partial(_directional, problem), problem)
    return _COMPILED[key]


_COMPILED: dict[tuple[object, ...], _Forward] = {}


def _directional(
    problem: Parametrised, given: Given, theta: Array, directions: Array
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the outcomes, and how each changes along directions, shape (directions, time or 1, dims, runs)."""

    def function(theta: Array) -> dict[str, Array]:
        return {label: value.values for label, value in outcomes_at(problem, given, theta, reverse=False).items()}

    along = jax.vmap(lambda direction: jax.jvp(function, (theta,), (direction,)), out_axes=(None, 0))
    values, slopes = along(directions)

    def defined(value: Array, slope: Array) -> Array:
        slope = jnp.where(jnp.isnan(value), jnp.nan, slope)  # a guarded value is NaN, its slope would be 0
        return jnp.broadcast_to(slope, (*slope.shape[:-1], theta.shape[-1]))

    return values, jax.tree.map(defined, values, slopes)


def guarded_where_needed(
    function: Callable[..., tuple[Any, Any]], problem: Parametrised
) -> Callable[..., tuple[Any, Any]]:
    """Return a function that differentiates a model, compiled; with guards only where it takes them.

    Parameters
    ----------
    function
        From arrays to values, and slopes with axes in front of those of the values.
    problem
        What it differentiates.
    """
    model, request = problem.model, problem.plan.request

    def plain(*arguments: Any) -> tuple[tuple[Any, Any], Array]:  # noqa: ANN401 - trees of arrays
        with guarded.without_guards():
            found = function(*arguments)
        return found, sound(*found)

    large = is_large(model, request)
    options = compiler.options(jax.default_backend(), few_runs=True, large=True) if large else None
    first, second = (compilable(wanted, model, request, options) for wanted in (plain, function))

    def differentiated(*arguments: Any) -> tuple[Any, Any]:  # noqa: ANN401 - trees of arrays
        found, is_sound = first(*arguments)
        return jax.device_get(found if is_sound else second(*arguments))

    return differentiated


def sound(values: Any, slopes: Any) -> Array:  # noqa: ANN401 - trees of arrays
    """Return whether the slopes of all values that are finite are finite."""

    def well(value: Array, slope: Array) -> Array:
        return jnp.all(jnp.isfinite(slope) | jnp.broadcast_to(~jnp.isfinite(value), slope.shape))

    return jnp.all(jnp.stack(jax.tree.leaves(jax.tree.map(well, values, slopes))))


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
        for each: for samplers. It can be compiled, differentiated in reverse mode, and mapped over thetas with
        `jax.vmap`, which makes them the runs of one batch.
    """

    problem: Parametrised
    parameters: tuple[str, ...]
    central: np.ndarray
    loss_of: Callable[[Array], Array]
    compiled: Callable[[Given, Array], tuple[np.ndarray, np.ndarray]]

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
            return self.compiled(arrays, theta)

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
    runs = problem.plan.inputs.runs
    labels = tuple(slot.label for slot in problem.slots)
    central = problem.central[:, 0] if runs is None else np.broadcast_to(problem.central, (len(labels), runs)).T

    compiled = guarded_where_needed(partial(_with_slopes, problem, loss), problem)
    return LossGradient(problem, labels, central, _for_samplers(problem, loss), compiled)


def _with_slopes(problem: Parametrised, loss: Loss, given: Given, theta: Array) -> tuple[Array, Array]:
    """Return the losses (runs,) and their gradients (parameters, runs) at theta (parameters, runs)."""
    losses, back = jax.vjp(lambda theta: _losses(problem, loss, given, theta), theta)
    return losses, back(jnp.ones_like(losses))[0]  # runs are independent: one pass gives all their gradients


def _for_samplers(problem: Parametrised, loss: Loss) -> Callable[[Array], Array]:
    """Return the loss as a pure function of theta that compiles, maps over thetas, and knows its own slope."""
    runs = problem.plan.inputs.runs
    arrays = given(problem.plan.inputs, np.arange(runs or 1), runs or 1)

    @custom_vmap
    def evaluated(theta: Array) -> tuple[Array, Array]:
        front = (*(() if runs is None else (runs,)), theta.shape[-1])
        points = jnp.broadcast_to(theta, np.broadcast_shapes(theta.shape, front))
        columns = points.reshape(-1, theta.shape[-1]).T
        with guarded.without_guards():
            losses, slopes = _with_slopes(problem, loss, arrays, columns)
        losses, slopes = lax.cond(
            sound(losses, slopes), lambda: (losses, slopes), lambda: _with_slopes(problem, loss, arrays, columns)
        )
        return losses.reshape(points.shape[:-1]), slopes.T.reshape(points.shape)

    @evaluated.def_vmap
    def _(_: int, __: list[bool], theta: Array) -> tuple[tuple[Array, Array], tuple[bool, bool]]:
        found = evaluated(theta) if runs is None else lax.map(evaluated, theta)
        return found, (True, True)

    @jax.custom_vjp
    def loss_of(theta: Array) -> Array:
        return evaluated(theta)[0]

    def forward(theta: Array) -> tuple[Array, tuple[Array, tuple[int, ...]]]:
        losses, slopes = evaluated(theta)
        return losses, slopes

    def backward(slopes: Array, pull: Array) -> tuple[Array]:
        return (pull[..., None] * slopes,)

    loss_of.defvjp(forward, backward)
    return loss_of


def _losses(problem: Parametrised, loss: Loss, given: Given, theta: Array) -> Array:
    """Return the loss of each run, shape (runs,); theta has shape (parameters, runs)."""
    runs = theta.shape[-1]
    found = outcomes_at(problem, given, theta, reverse=True)
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


def in_threads(call: Callable[[Any], Any], pieces: Sequence[Any]) -> Iterator[Any]:
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

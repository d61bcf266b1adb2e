"""An array of a model's outcomes as a function of its constants, with an exact Jacobian: for least squares.

Values come from simulations, whose compiled programs are kept from process to process, and slopes of outcomes from
`sensitivities`; what the array makes of them is differentiated by itself. Forward mode: one tangent a parameter is
cheaper than one backward pass for each entry of the array.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import xarray as xr
from jax import Array

from trilemma.engine.batches import given
from trilemma.engine.gradients import sensitivities
from trilemma.engine.parametrised import Parametrised, outcomes_at, parametrise, refuse_delays
from trilemma.engine.simulate import simulate
from trilemma.errors import OverrideError
from trilemma.translation.model import Model, load_model

Reduce = Callable[[dict[str, Array]], Array]
"""From outcomes by name, each (time or 1, dims, runs), to an array (entries, runs); of operations that JAX traces."""


@dataclass(frozen=True, eq=False)
class VectorFunction:
    """An array of a model's outcomes as a function of theta; compiled at its first call.

    Attributes
    ----------
    problem, reduce, overrides, options
        The model with what is asked of it, and how it is simulated.
    parameters
        The labels of theta's entries.
    central
        Their values as the file and the overrides give them, shape (parameters,).
    of
        The pure function of JAX, from theta (parameters,) to the array (entries,): for samplers and transformations.
    """

    problem: Parametrised
    parameters: tuple[str, ...]
    central: np.ndarray
    of: Callable[[Array], Array]
    reduce: Reduce
    overrides: Mapping[str, Any]
    options: Mapping[str, Any]
    tangents: Callable[[dict[str, Any], dict[str, Any]], Array]

    def __call__(self, theta: np.ndarray | Sequence[Any]) -> np.ndarray:
        """Return the array for theta (parameters,), or an array (runs, entries) for theta (runs, parameters)."""
        points = self._points(theta, (1, 2))
        rows = np.atleast_2d(points)
        array = np.asarray(self.reduce(self._outcomes(rows)))
        return np.broadcast_to(array, (array.shape[0], len(rows))).T.reshape(*points.shape[:-1], -1)

    def jacobian(self, theta: np.ndarray | Sequence[Any]) -> np.ndarray:
        """Return the exact derivatives at theta (parameters,), shape (entries, parameters).

        Where an entry of the array is undefined, its derivatives are not to be used.
        """
        point = self._points(theta, (1,))
        given = {**self.overrides, **dict(zip(self.parameters, point.tolist(), strict=True))}
        names = list(self.parameters)
        wanted = self.problem.plan.wanted.labels
        slopes = sensitivities(self.problem.model, given, parameters=names, outcomes=wanted, warn=False, **self.options)
        tangents = {name: _time_first(slopes[name], "parameter") for name in wanted}
        values = {name: np.broadcast_to(v, tangents[name].shape) for name, v in self._outcomes(point[None]).items()}
        return np.asarray(self.tangents(values, tangents))

    def _outcomes(self, rows: np.ndarray) -> dict[str, Any]:
        """Return the outcomes for theta (runs, parameters), each (time or 1, dims, runs or 1)."""
        columns = {name: xr.DataArray(rows[:, i], dims="run") for i, name in enumerate(self.parameters)}
        wanted = self.problem.plan.wanted.labels
        found = simulate(self.problem.model, {**self.overrides, **columns}, outcomes=wanted, warn=False, **self.options)
        return {name: _time_first(found[name], "run") for name in wanted}

    def _points(self, theta: np.ndarray | Sequence[Any], ranks: tuple[int, ...]) -> np.ndarray:
        """Return theta as an array.

        Raises
        ------
        OverrideError
            If it has another shape.
        """
        points = np.asarray(theta, dtype=float)
        if points.ndim not in ranks or points.shape[-1] != len(self.parameters):
            front = "[runs,] " if 2 in ranks else ""
            message = f"theta has the shape {points.shape}: expected ({front}{len(self.parameters)} parameters)."
            raise OverrideError(message)
        return points


def vector_function(
    model: Model | str | Path,
    reduce: Reduce,
    parameters: Sequence[str] | None = None,
    *,
    outcomes: Sequence[str],
    overrides: Mapping[str, Any] | None = None,
    save_every: float | None = None,
    method: Literal["euler", "rk4"] = "euler",
    time_step: float | None = None,
    start: float | None = None,
    stop: float | None = None,
    initial: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> VectorFunction:
    """Return a function from theta to an array of outcomes, with its exact Jacobian by forward mode.

    Parameters
    ----------
    reduce
        From the outcomes at the saved times, by name and each (time or 1, dims, runs), to an array (entries, runs).
    parameters, outcomes
        As in `value_and_gradient`.
    model, overrides, save_every, method, time_step, start, stop, initial, seed
        As in `simulate`; the overrides have no runs.

    Raises
    ------
    UnknownNameError, OverrideError
        If a name does not exist, a parameter is no constant, or the overrides have runs.
    """
    loaded = model if isinstance(model, Model) else load_model(model)
    options: dict[str, Any] = {
        "save_every": save_every,
        "method": method,
        "time_step": time_step,
        "start": start,
        "stop": stop,
        "initial": initial,
        "seed": seed,
    }
    problem = parametrise(loaded, parameters, outcomes, overrides, **options)
    refuse_delays(problem)
    if problem.plan.inputs.runs is not None:
        message = "the overrides have runs: a function of parameters takes one value for each; leave the runs to theta."
        raise OverrideError(message)
    base = given(problem.plan.inputs, np.arange(1), 1)

    def of(theta: Array) -> Array:
        found = outcomes_at(problem, base, theta[:, None], reverse=True)
        return reduce({name: outcome.values for name, outcome in found.items()})[:, 0]

    def tangents(values: dict[str, Array], slopes: dict[str, Array]) -> Array:
        return jax.jvp(reduce, (values,), (slopes,))[1]

    return VectorFunction(
        problem,
        tuple(slot.label for slot in problem.slots),
        problem.central[:, 0],
        of,
        reduce,
        dict(overrides or {}),
        options,
        jax.jit(tangents),
    )


def _time_first(values: xr.DataArray, last: str) -> Any:  # noqa: ANN401 - NumPy's array stands for JAX's
    """Return an outcome as an array (time or 1, dims, last)."""
    timed = values if "time" in values.dims else values.expand_dims("time")
    return timed.transpose("time", ..., last).to_numpy()

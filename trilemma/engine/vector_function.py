"""An array of a model's outcomes as a function of its constants, with an exact Jacobian: for least squares.

Forward mode: as long as parameters are not many times more numerous than the runs that the processors do side by side,
one tangent a parameter is cheaper than one backward pass for each entry of the array.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from trilemma.engine.batches import given
from trilemma.engine.gradients import FORWARD_CHUNK, in_threads, pieces
from trilemma.engine.loop import Given
from trilemma.engine.parametrised import Parametrised, outcomes_at, parametrise, refuse_delays
from trilemma.errors import OverrideError
from trilemma.translation.model import Model, load_model

Reduce = Callable[[dict[str, Array]], Array]
"""From outcomes by name, each (time or 1, dims, runs), to an array (entries, runs); of operations that JAX traces."""


@dataclass(frozen=True, eq=False)
class VectorFunction:
    """An array of a model's outcomes as a function of theta; compiled at its first call.

    Attributes
    ----------
    problem
        The model with what is asked of it.
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
    values: Callable[[Given, Array], Array]
    tangents: Callable[[Given, Array, Array], Array]

    def __call__(self, theta: np.ndarray | Sequence[Any]) -> np.ndarray:
        """Return the array for theta (parameters,), or an array (runs, entries) for theta (runs, parameters)."""
        points = self._points(theta, (1, 2))
        rows = np.atleast_2d(points)
        found = self._in_pieces(len(rows), lambda where, base: self.values(base, jnp.asarray(rows[where].T)))
        return found.T.reshape(*points.shape[:-1], -1)

    def jacobian(self, theta: np.ndarray | Sequence[Any]) -> np.ndarray:
        """Return the exact derivatives at theta (parameters,), shape (entries, parameters).

        Where an entry of the array is undefined, its derivatives are not to be used.
        """
        point = self._points(theta, (1,))
        identity = np.eye(len(point))

        def call(where: np.ndarray, base: Given) -> Array:
            columns = np.repeat(point[:, None], len(where), axis=1)
            return self.tangents(base, jnp.asarray(columns), jnp.asarray(identity[:, where]))

        return self._in_pieces(len(point), call)

    def _in_pieces(self, count: int, call: Callable[[np.ndarray, Given], Array]) -> np.ndarray:
        """Return the columns of an array (entries, count), worked out piece by piece."""
        base = given(self.problem.plan.inputs, np.arange(1), 1)
        parts = in_threads(lambda where: jax.device_get(call(where, base)), list(pieces(count, FORWARD_CHUNK)))
        return np.concatenate(list(parts), axis=-1)[:, :count]

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
    if problem.plan.inputs.runs is not None:
        message = "the overrides have runs: a function of parameters takes one value for each; leave the runs to theta."
        raise OverrideError(message)
    base = given(problem.plan.inputs, np.arange(1), 1)

    def values(base: Given, theta: Array) -> Array:
        found = reduce({name: value.values for name, value in outcomes_at(problem, base, theta)[0].items()})
        return jnp.broadcast_to(found, (found.shape[0], theta.shape[-1]))

    def tangents(base: Given, theta: Array, tangent: Array) -> Array:
        return jax.jvp(lambda theta: values(base, theta), (theta,), (tangent,))[1]

    return VectorFunction(
        problem,
        tuple(slot.label for slot in problem.slots),
        problem.central[:, 0],
        lambda theta: values(base, theta[:, None])[:, 0],
        jax.jit(values),
        jax.jit(tangents),
    )

"""A model as a plain function of an array, for SALib, SciPy and whatever else takes one; EMA Workbench: `ema.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from trilemma.engine.gradients import sensitivities
from trilemma.engine.parametrised import parametrise
from trilemma.engine.simulate import simulate
from trilemma.errors import OverrideError
from trilemma.translation.model import Model, load_model


@dataclass(frozen=True, eq=False)
class ModelFunction:
    """An outcome of a model at one time as a function of some of its constants.

    Attributes
    ----------
    parameters
        The labels of the columns that the function takes.
    central
        Their values as the file and the overrides give them.
    """

    model: Model
    parameters: tuple[str, ...]
    central: np.ndarray
    outcome: str
    at: float | None
    overrides: dict[str, Any] = field(default_factory=dict[str, Any])
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    def __call__(self, x: np.ndarray | Sequence[Any]) -> np.ndarray:
        """Return the outcome for points (n, parameters), shape (n,), in one batched call; for one point, a number."""
        points, overrides = self._overrides(x)
        found = simulate(self.model, overrides, outcomes=[self.outcome], warn=False, **self.options)
        return self._at(found[self.outcome], (len(points),)).reshape(np.shape(x)[:-1])

    def jacobian(self, x: np.ndarray | Sequence[Any]) -> np.ndarray:
        """Return the exact derivatives for points (n, parameters), of the same shape."""
        points, overrides = self._overrides(x)
        names = list(self.parameters)
        found = sensitivities(
            self.model, overrides, parameters=names, outcomes=[self.outcome], warn=False, **self.options
        )
        return self._at(found[self.outcome], points.shape).reshape(np.shape(x))

    def _overrides(self, x: np.ndarray | Sequence[Any]) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the points and what they override.

        Raises
        ------
        OverrideError
            If there is not one column for each parameter.
        """
        array = np.asarray(x, dtype=float)
        if array.ndim not in (1, 2) or array.shape[-1] != len(self.parameters):
            message = f"the points have the shape {array.shape}: expected ([n,] {len(self.parameters)})."
            raise OverrideError(message)
        points = np.atleast_2d(array)
        columns = {name: xr.DataArray(points[:, i], dims="run") for i, name in enumerate(self.parameters)}
        return points, {**self.overrides, **columns}

    def _at(self, values: xr.DataArray, shape: tuple[int, ...]) -> np.ndarray:
        """Return values at the time asked for, on straight lines between saved times."""
        if "time" not in values.dims:
            chosen = values
        elif self.at is None:
            chosen = values.isel(time=-1)
        else:
            chosen = values.interp(time=self.at)
        return np.broadcast_to(chosen.to_numpy(), shape)


def as_function(
    model: Model | str | Path,
    parameters: Sequence[str],
    outcome: str,
    *,
    at: float | None = None,
    overrides: Mapping[str, Any] | None = None,
    **options: Any,  # noqa: ANN401 - those of `simulate`, which checks them
) -> ModelFunction:
    """Return an outcome at a time as a function of constants: an array (n, parameters) gives an array (n,).

    Parameters
    ----------
    parameters
        Constants: ``name``, ``name[element]``, or a subscripted ``name`` for all its elements.
    outcome
        A variable without dimensions, an element of one, or a derived outcome.
    at
        The time; the last saved one by default.
    overrides, options
        As in `simulate`, the same in all runs: ``method``, ``time_step``, ``save_every``, ``start``, ``stop``, ...

    Raises
    ------
    UnknownNameError, OverrideError
        If a name does not exist, a parameter is no constant, the outcome has dimensions, or the time is outside.

    Examples
    --------
    >>> f = as_function("export_controls", ["armington", "catch up total"], "capability gap", at=2030)
    >>> scipy.optimize.minimize(f, f.central, jac=f.jacobian)  # doctest: +SKIP
    >>> SALib.analyze.sobol.analyze(problem, f(SALib.sample.sobol.sample(problem, 1024)))  # doctest: +SKIP
    """
    loaded = model if isinstance(model, Model) else load_model(model)
    given = dict(overrides or {})
    problem = parametrise(loaded, parameters, [outcome], given, **options)
    label = problem.plan.wanted.labels[0]
    selection = problem.plan.wanted.selections.get(label)
    if selection is not None and selection.indices is None and selection.variable.dims:
        dims = ", ".join(selection.variable.dims)
        message = f"'{label}' has the dimensions {dims}: name one element, such as '{label}[...]'."
        raise OverrideError(message)
    if problem.plan.inputs.runs is not None:
        message = "the overrides have runs of their own: give one value for each name."
        raise OverrideError(message)
    first, last = problem.times[0], problem.times[-1]
    if at is not None and not first <= at <= last:
        message = f"the time {at:g} is outside the simulation, which runs from {first:g} to {last:g}."
        raise OverrideError(message)
    names = tuple(slot.label for slot in problem.slots)
    return ModelFunction(loaded, names, problem.central[:, 0], label, at, given, options)

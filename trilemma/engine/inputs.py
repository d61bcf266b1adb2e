"""What a user sets: overrides and initial values, checked and brought into arrays. xarray stops here.

Every input becomes an array of the shape (dimensions of its variable, runs or 1). Overrides of literal constants only
change numbers, so that all runs of a model share one compiled function; overrides of equations change its structure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
import xarray as xr

from trilemma.errors import OverrideError
from trilemma.translation.model import Model, Selection

Overrides: TypeAlias = Mapping[str, Any] | xr.Dataset
"""Numbers, arrays over a variable's dimensions, DataArrays over run, time and dimensions; by name or name[element]."""


@dataclass(frozen=True)
class Replacement:
    """Values that take the place of a variable's equations.

    `mask` says for which elements; `values` has shape (dims, runs or 1), or (knots, dims, runs or 1) with `knots`.
    """

    mask: np.ndarray
    values: np.ndarray
    knots: np.ndarray | None = None


@dataclass(frozen=True)
class Inputs:
    """All that the runs of one call are given.

    Attributes
    ----------
    runs
        The number of runs, or None when there is no run dimension.
    labels
        The coordinate of the run dimension.
    constants
        By key, the literal values of every variable that has some; NaN where an equation defines the element.
    replaced, initial
        By key, what takes the place of equations, and of initial values of stocks.
    seed
        What the random functions of a model start from.
    state
        The state to start from instead of initial values, by label, shape (dims, runs or 1).
    """

    runs: int | None
    labels: np.ndarray
    constants: dict[str, np.ndarray]
    replaced: dict[str, Replacement] = field(default_factory=dict[str, Replacement])
    initial: dict[str, Replacement] = field(default_factory=dict[str, Replacement])
    seed: int = 0
    state: dict[str, np.ndarray] | None = None

    @property
    def numbers(self) -> np.ndarray:
        """The number of each run for random functions: its label where that is a whole number, else its position.

        A run that is computed again, in another batch but under its label, draws the same numbers.
        """
        if self.runs is None:
            return np.zeros(1, dtype=np.uint32)
        numbered = np.issubdtype(self.labels.dtype, np.integer) and 0 <= self.labels.min() <= self.labels.max() < 2**32
        return (self.labels if numbered else np.arange(self.runs)).astype(np.uint32)


def read_inputs(model: Model, overrides: Overrides | None, initial: Mapping[str, Any] | None) -> Inputs:
    """Check overrides and initial values and bring them into arrays.

    Raises
    ------
    UnknownNameError
        If a name or an element does not exist.
    OverrideError
        If a shape, a coordinate or a value does not fit.
    """
    given: dict[str, Any] = {str(name): value for name, value in (overrides or {}).items()}
    starts = dict(initial or {})
    runs, labels = _runs({**given, **{f"initial value of {name}": value for name, value in starts.items()}})
    constants = {key: values[..., None] for key, values in model.literals.items()}
    replaced: dict[str, Replacement] = {}
    for name, value in given.items():
        selection = _selection(model, name)
        _refuse_fixed(model, selection)
        if isinstance(value, float | int) and _set_number(constants, selection, value):
            continue
        entry = _entry(model, selection, str(name), value, runs)
        held = constants.get(selection.variable.key)
        if entry.knots is None and held is not None and not np.isnan(held[entry.mask]).any():
            constants[selection.variable.key] = _merged_values(held, entry)
        else:
            replaced[selection.variable.key] = _merged(replaced.get(selection.variable.key), entry, str(name))
    begin: dict[str, Replacement] = {}
    for name, value in starts.items():
        selection = model.resolve(str(name), "the initial values")
        if selection.variable.kind != "stock":
            message = f"'{name}' is not a stock and has no initial value: set it as an override instead."
            raise OverrideError(message)
        entry = _entry(model, selection, str(name), value, runs)
        if entry.knots is not None:
            message = f"the initial value of '{name}' is a series over time: give one value."
            raise OverrideError(message)
        begin[selection.variable.key] = _merged(begin.get(selection.variable.key), entry, str(name))
    return Inputs(runs, labels, constants, replaced, begin)


@lru_cache(maxsize=65536)
def _selection(model: Model, name: str) -> Selection:
    """Return what an override names; a single run would spend more time on names than on numbers."""
    return model.resolve(name, "the overrides")


def _set_number(constants: dict[str, np.ndarray], selection: Selection, value: float) -> bool:
    """Put one number in the place of one literal; return whether that is all there was to do."""
    key, index = selection.variable.key, selection.indices or ()
    held = constants.get(key)
    if held is None or len(index) != len(held.shape) - 1 or not isfinite(value) or np.isnan(held[index]).any():
        return False
    constants[key] = held.copy()
    constants[key][index] = value
    return True


def _refuse_fixed(model: Model, selection: Selection) -> None:
    """Refuse an override of the clock, and of what the translation has taken the value of."""
    variable = selection.variable
    if variable.kind == "control":
        message = (
            f"'{variable.name}' cannot be overridden: use the arguments time_step, save_every, start and stop instead."
        )
        raise OverrideError(message)
    if variable.key in model.fixed:
        message = f"'{variable.name}' cannot be overridden, since {model.fixed[variable.key]}: change it in the file."
        raise OverrideError(message)


def _runs(given: Mapping[str, Any]) -> tuple[int | None, np.ndarray]:
    """Return the number of runs and their labels; all inputs with a run dimension must agree."""
    found: tuple[str, np.ndarray] | None = None
    for name, value in given.items():
        if isinstance(value, xr.DataArray) and "run" in value.dims:
            labels = np.asarray(value["run"].values)
            if found is not None and not np.array_equal(found[1], labels):
                message = (
                    f"'{name}' and '{found[0]}' have different 'run' coordinates: give all overrides the same runs."
                )
                raise OverrideError(message)
            found = (name, labels)
    if found is None:
        return None, np.array([])
    if len(found[1]) == 0:
        message = f"'{found[0]}' has a 'run' dimension without runs: give at least one."
        raise OverrideError(message)
    return len(found[1]), found[1]


def _entry(model: Model, selection: Selection, name: str, value: Any, runs: int | None) -> Replacement:  # noqa: ANN401
    """Bring one input into an array and say which elements it sets."""
    variable = selection.variable
    array = value.variable if isinstance(value, xr.DataArray) else _unlabelled(selection, name, value)
    coords = value.coords if isinstance(value, xr.DataArray) else {}
    dims = variable.dims if selection.indices is None else ()
    known = ("run", "time", *dims)
    unknown = [dim for dim in array.dims if dim not in known]
    if unknown:
        message = (
            f"the override of '{name}' has the dimension '{unknown[0]}', which '{selection.label}' has not: "
            f"allowed are {', '.join(map(repr, known))}."
        )
        raise OverrideError(message)
    for dim, labels in zip(dims, variable.elements if dims else (), strict=True):
        if dim in array.dims:
            array = _reindexed(array, coords, dim, labels, name)
    knots = _knots(array, coords, name)
    numbers = _numbers(array, (*(("time",) if knots is not None else ()), *dims, "run"), name)
    lead = () if knots is None else (len(knots),)
    shape = variable.shape if dims else tuple(1 for _ in variable.dims)
    numbers = np.broadcast_to(
        numbers.reshape((*lead, *shape, numbers.shape[-1])) if not dims else numbers,
        (*lead, *variable.shape, numbers.shape[-1]),
    )
    mask = model.owners[variable.key] >= 0
    if selection.indices is not None:
        mask = np.zeros(variable.shape, dtype=bool)
        mask[selection.indices] = True
    return Replacement(mask, numbers, knots)


def _numbers(array: xr.Variable, order: tuple[str, ...], name: str) -> np.ndarray:
    """Return the values of an array with the axes of `order`; those that it lacks have size 1.

    Raises
    ------
    OverrideError
        If they are not finite numbers.
    """
    values = np.asarray(array.values)
    if not (np.issubdtype(values.dtype, np.number) or values.dtype == bool):
        message = f"the override of '{name}' is not numeric: give numbers."
        raise OverrideError(message)
    present = [dim for dim in order if dim in array.dims]
    values = values.transpose([array.dims.index(dim) for dim in present]).astype(float)
    if not np.isfinite(values).all():
        message = f"the override of '{name}' holds a value that is not finite: give numbers."
        raise OverrideError(message)
    sizes = iter(values.shape)
    return values.reshape([next(sizes) if dim in present else 1 for dim in order])


def _unlabelled(selection: Selection, name: str, value: Any) -> xr.Variable:  # noqa: ANN401
    """Label a number or a bare array over the variable's dimensions."""
    variable = selection.variable
    try:
        numbers = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        message = f"the override of '{name}' is not numeric: give a number, an array or a DataArray, not {value!r}."
        raise OverrideError(message) from None
    if numbers.ndim == 0:
        return xr.Variable((), numbers)
    expected = variable.shape if selection.indices is None else ()
    if numbers.shape != expected:
        wanted = (
            f"a number or an array over ({', '.join(variable.dims)}) of shape {expected}" if expected else "a number"
        )
        message = f"the override of '{name}' has shape {numbers.shape}: expected {wanted}."
        raise OverrideError(message)
    return xr.Variable(variable.dims, numbers)


def _reindexed(
    array: xr.Variable, coords: Mapping[Any, xr.DataArray], dim: str, labels: tuple[str, ...], name: str
) -> xr.Variable:
    """Put the elements along a dimension into the model's order."""
    held = [str(label) for label in coords[dim].values] if dim in coords else []
    if not held and array.sizes[dim] == len(labels):
        return array
    if sorted(held) != sorted(labels):
        shown = ", ".join(held) if held else f"{array.sizes[dim]} elements"
        message = f"the override of '{name}' has {shown} along '{dim}': expected {', '.join(labels)}."
        raise OverrideError(message)
    return array.isel({dim: [held.index(label) for label in labels]})


def _knots(array: xr.Variable, coords: Mapping[Any, xr.DataArray], name: str) -> np.ndarray | None:
    """Return the times of a series; they must increase."""
    if "time" not in array.dims:
        return None
    if "time" not in coords:
        message = f"the override of '{name}' has a dimension 'time' without times: give it a coordinate."
        raise OverrideError(message)
    try:
        knots = np.asarray(coords["time"].values, dtype=float)
    except (TypeError, ValueError):
        knots = np.array([np.nan])
    if len(knots) == 0 or not np.isfinite(knots).all() or (np.diff(knots) <= 0).any():
        message = f"the times of the override of '{name}' must be increasing numbers in the model's unit of time."
        raise OverrideError(message)
    return knots


def _merged_values(held: np.ndarray, entry: Replacement) -> np.ndarray:
    """Return values with the masked elements taken from an entry."""
    return np.where(entry.mask[..., None], entry.values, held)


def _merged(held: Replacement | None, entry: Replacement, name: str) -> Replacement:
    """Join two entries for different elements of one variable; series must share their times."""
    if held is None:
        return entry
    both = [r.knots for r in (held, entry) if r.knots is not None]
    if len(both) == 2 and not np.array_equal(both[0], both[1]):
        message = f"the series given for elements of '{name}' have different times: give them the same."
        raise OverrideError(message)
    knots = both[0] if both else None
    old, new = (
        r.values if knots is None or r.knots is not None else np.broadcast_to(r.values, (len(knots), *r.values.shape))
        for r in (held, entry)
    )
    mask = entry.mask[..., None]
    return Replacement(held.mask | entry.mask, np.where(mask, new, old), knots)

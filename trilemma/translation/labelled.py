"""Labelled arrays and what expressions do with them: arithmetic, ranges, means over time, the lag in months.

Every array has time first and runs last, and in between one axis for each named dimension. The arrays may be
NumPy's or those of any library with the array interface. Undefined is NaN; where a value is undefined, the
dangerous operation is given a harmless argument, so that gradients stay finite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import numpy as np

from trilemma.errors import unknown_name

Array: TypeAlias = Any  # an array of any library that has the array interface
MONTHS_PER_YEAR = 12


@dataclass(frozen=True)
class Labelled:
    """Values on (time, *dims, run); time and run have size 1 where the value does not depend on them."""

    dims: tuple[str, ...]
    values: Array


def namespace(*arrays: Array) -> Any:  # noqa: ANN401 - a module
    """Return the array library of some arrays; any other one wins over NumPy, which literals use."""
    spaces = [array.__array_namespace__() for array in arrays]
    return next((space for space in spaces if space is not np), np)


def align(arguments: Sequence[Labelled]) -> tuple[tuple[str, ...], list[Array]]:
    """Return the union of the dimensions, and the arrays with all of them (of size 1 where one lacks)."""
    dims = tuple(dict.fromkeys(dim for argument in arguments for dim in argument.dims))
    return dims, [_with_dims(argument, dims) for argument in arguments]


def _with_dims(argument: Labelled, dims: tuple[str, ...]) -> Array:
    """Return an argument's array with its axes in the order of `dims`."""
    xp = namespace(argument.values)
    order = [1 + argument.dims.index(dim) for dim in dims if dim in argument.dims]
    array = xp.permute_dims(argument.values, (0, *order, argument.values.ndim - 1))
    for axis, dim in enumerate(dims, start=1):
        if dim not in argument.dims:
            array = xp.expand_dims(array, axis=axis)
    return array


def reduce_ranges(function: str, argument: Labelled, ranges: set[str]) -> Labelled:
    """Return the sum, min or max of an argument over some of its dimensions.

    Raises
    ------
    UnknownNameError
        If the argument lacks one of them.
    """
    wanted = {_key(name): name for name in ranges}
    own = {_key(dim): dim for dim in argument.dims}
    for key, name in wanted.items():
        if key not in own:
            error = unknown_name("range", name, argument.dims, f"{function}(...)")
            raise error
    xp = namespace(argument.values)
    axes = tuple(1 + i for i, dim in enumerate(argument.dims) if _key(dim) in wanted)
    kept = tuple(dim for key, dim in own.items() if key not in wanted)
    return Labelled(kept, {"sum": xp.sum, "min": xp.min, "max": xp.max}[function](argument.values, axis=axes))


def _key(name: str) -> str:
    """Return the form in which names of ranges are compared."""
    return "_".join(name.lower().replace("_", " ").split())


# ------------------------------------------------------------------------------------------- arithmetic


def _defined(condition: Array, value: Array) -> Array:
    """Return the value where the condition holds and NaN elsewhere."""
    xp = namespace(condition, value)
    return xp.where(condition, value, xp.nan)


def _divide(a: Array, b: Array) -> Array:
    xp = namespace(a, b)
    defined = b != 0
    return _defined(defined, a / xp.where(defined, b, 1.0))


def _log(a: Array) -> Array:
    xp = namespace(a)
    defined = a > 0
    return _defined(defined, xp.log(xp.where(defined, a, 1.0)))


def _power(a: Array, b: Array) -> Array:
    xp = namespace(a, b)
    regular = (a > 0) | ((a != 0) & (b == xp.floor(b)))
    power = xp.pow(xp.where(regular, a, 1.0), b)
    # 0^b has a value for b >= 0 and an infinite slope for b < 1: it is set, not computed
    return _defined(regular | ((a == 0) & (b >= 0)), xp.where(regular, power, xp.where(b == 0, 1.0, 0.0)))


OPERATIONS: dict[str, Callable[..., Array]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divide,
    "^": _power,
    "negative": lambda a: -a,
    "log": _log,
    "exp": lambda a: namespace(a).exp(a),
    "min": lambda a, b: namespace(a, b).minimum(a, b),
    "max": lambda a, b: namespace(a, b).maximum(a, b),
}


# -------------------------------------------------------------------------------------------- over time


def mean_over(values: Array, times: np.ndarray, start: float, stop: float) -> Array:
    """Return the mean from start to stop (the value there, if they are equal), with a time axis of size 1."""
    if start < times[0] or stop > times[-1]:
        return values[:1] * np.nan
    if values.shape[0] == 1:
        return values
    weights = time_weights(times, start, stop)
    used = np.flatnonzero(weights)
    parts = [values[i : i + 1] * float(weights[i]) for i in range(used[0], used[-1] + 1)]
    return reduce(lambda a, b: a + b, parts)


def time_weights(times: np.ndarray, start: float, stop: float) -> np.ndarray:
    """Return the weight of each saved time in the mean of straight lines through the saved values."""
    inside = times[(times > start) & (times < stop)]
    corners = np.unique(np.concatenate([[start], inside, [stop]]))
    at_corners = np.ones(1)
    if len(corners) > 1:
        steps = np.diff(corners)
        at_corners = (np.append(steps, 0) + np.append(0, steps)) / 2 / (stop - start)
    # the interpolation of each unit vector at the corners, summed with the weights of the corners
    return np.array([at_corners @ np.interp(corners, times, unit) for unit in np.eye(len(times))])


def annual_means(values: Array, times: np.ndarray) -> Array:
    """Return, at each saved time, the mean over the calendar year that holds it."""
    years = np.floor(times)
    means = {year: mean_over(values, times, year, year + 1) for year in np.unique(years)}
    return namespace(values).concat([means[year] for year in years], axis=0)


def extreme_over(function: str, values: Array, times: np.ndarray, start: float, stop: float) -> Array:
    """Return the highest or lowest value from start to stop, or the earliest time of the highest."""
    if start < times[0] or stop > times[-1]:
        return values[:1] * np.nan
    inside = times[(times > start) & (times < stop)]
    corners = np.concatenate([[start], inside, [stop]])
    xp = namespace(values)
    parts = xp.concat([mean_over(values, times, corner, corner) for corner in corners], axis=0)
    if function == "time_of_highest":
        at = xp.asarray(corners)[xp.argmax(parts, axis=0)[None]]
        return _defined(~xp.any(xp.isnan(parts), axis=0)[None], at)
    return (xp.max if function == "highest" else xp.min)(parts, axis=0)[None]


def lag_months(a: Array, b: Array, times: np.ndarray) -> Array:
    """Return by how many months b trails a: 12 (t - t*), t* the latest time with a(t*) <= b(t).

    Parameters
    ----------
    a, b
        Arrays of one rank with time first; a time axis of size 1 stands for a constant.
    times
        The saved times in years.

    Notes
    -----
    The latest saved time with a <= b is the last one at which the smallest of this and all later a is <= b.
    These smallest values rise with time, so a bisection finds it: log2(times) steps, for all runs at once.
    """
    xp = namespace(a, b)
    size = len(times)
    shape = (size, *np.broadcast_shapes(a.shape[1:], b.shape[1:]))
    time = np.asarray(times, dtype=float).reshape(-1, *[1] * (len(shape) - 1))
    a, b, time = (xp.broadcast_to(xp.asarray(x), shape) for x in (a, b, time))
    reached = _count_at_or_below(_smallest_to_come(a), b)
    left = xp.clip(reached - 1, 0, max(size - 2, 0))
    right = xp.clip(left + 1, 0, size - 1)
    low, high = (xp.take_along_axis(a, index, axis=0) for index in (left, right))
    before, after = (xp.take_along_axis(time, index, axis=0) for index in (left, right))
    rises = high > low
    share = xp.where(rises, (b - low) / xp.where(rises, high - low, 1.0), 1.0)
    defined = (reached > 0) & ((reached < size) | (b <= a[-1:]))
    return _defined(defined, MONTHS_PER_YEAR * (time - before - share * (after - before)))


def _smallest_to_come(a: Array) -> Array:
    """Return the smallest value at or after each time, doubling the reach at each step."""
    xp = namespace(a)
    reach = 1
    while reach < a.shape[0]:
        a = xp.concat([xp.minimum(a[:-reach], a[reach:]), a[-reach:]], axis=0)
        reach *= 2
    return a


def _count_at_or_below(rising: Array, b: Array) -> Array:
    """Return how many entries of `rising`, sorted along time, are <= b."""
    xp = namespace(rising, b)
    size = rising.shape[0]
    count = xp.zeros(b.shape, dtype=int)
    step = 1 << (size.bit_length() - 1)
    while step:
        trial = count + step
        value = xp.take_along_axis(rising, xp.clip(trial, 1, size) - 1, axis=0)
        count = xp.where((trial <= size) & (value <= b), trial, count)
        step //= 2
    return count

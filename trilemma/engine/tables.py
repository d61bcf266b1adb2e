"""Lookup tables: one for all elements, or one for each; linear, extrapolating, or holding values.

A chain of comparisons keeps the batch in vector registers, where a search would gather from memory; long tables are
searched. Where nothing varies by run, the points up to the argument are counted: a chain would take long to compile.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from trilemma.translation.ir import Points, TableKind

WHERE_CHAIN_POINTS = 48
"""Tables up to this length are compared with every point; longer ones are searched."""


def table(argument: Array, x: tuple[float, ...], y: tuple[float, ...], kind: TableKind = "interpolate") -> Array:
    """Return the value of a table at `argument`."""
    if kind == "interpolate" and argument.shape[-1] == 1:
        return _counted(argument, np.array(x), np.array(y))
    if kind == "interpolate" and len(x) > WHERE_CHAIN_POINTS:
        return jnp.interp(argument, jnp.asarray(x), jnp.asarray(y))
    shape = (len(x), *(1,) * argument.ndim)
    return tables(argument, np.reshape(x, shape), np.reshape(y, shape), kind)


def _counted(argument: Array, x: np.ndarray, y: np.ndarray) -> Array:
    """Return the values of a table by counting the points up to the argument: few operations, whatever its length."""
    pieces = np.stack([np.append(x[0], x), np.append(y[0], y), np.concatenate([[0.0], _slopes(x, y), [0.0]])])
    count = jnp.sum(argument[..., None] >= x.reshape((*(1,) * argument.ndim, -1)), axis=-1)
    x0, y0, slope = jnp.take(jnp.asarray(pieces), count, axis=1)
    return y0 + slope * (argument - x0)


def padded(points: Sequence[Points]) -> tuple[np.ndarray, np.ndarray]:
    """Return the x and y values of several tables, shape (points, tables); short ones repeat their last point."""
    longest = max(len(x) for x, _ in points)
    xs = np.array([[*x, *[x[-1]] * (longest - len(x))] for x, _ in points])
    ys = np.array([[*y, *[y[-1]] * (longest - len(y))] for _, y in points])
    return xs.T, ys.T


def tables(argument: Array, x: np.ndarray, y: np.ndarray, kind: TableKind = "interpolate") -> Array:
    """Return the values of tables at `argument`; `x` and `y` have the points first, then the axes of the argument."""
    if len(x) > WHERE_CHAIN_POINTS:
        return _searched(argument, x, y, kind)
    if kind == "raw":
        return _at_points(argument, x, y)
    if kind == "hold_backward":
        return _held(argument, x, y)
    if kind == "look_forward":
        return _held(-argument, -x[::-1], y[::-1])
    return _linear(argument, x, y, extrapolate=kind == "extrapolate")


def _slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the slopes between points; 0 where two points share one x."""
    width = np.diff(x, axis=0)
    return np.where(width > 0, np.diff(y, axis=0) / np.where(width > 0, width, 1.0), 0.0)


def _linear(argument: Array, x: np.ndarray, y: np.ndarray, *, extrapolate: bool) -> Array:
    """Return values on straight lines between the points."""
    slopes = _slopes(x, y)
    ends = _ends(x, slopes) if extrapolate else None
    value = y[0] + jnp.zeros_like(argument) if ends is None else y[0] + ends[0] * (argument - x[0])
    for x0, y0, slope in zip(x, y, slopes, strict=False):
        value = jnp.where(argument >= x0, y0 + slope * (argument - x0), value)
    last = y[-1] if ends is None else y[-1] + ends[1] * (argument - x[-1])
    return jnp.where(argument >= x[-1], last, value)


def _ends(x: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the slopes of the first and of the last segment of a table that has a width."""
    if len(slopes) == 0:
        return np.zeros(x.shape[1:]), np.zeros(x.shape[1:])
    wide = np.diff(x, axis=0) > 0
    first, last = np.argmax(wide, axis=0)[None], len(slopes) - 1 - np.argmax(wide[::-1], axis=0)[None]
    return np.take_along_axis(slopes, first, 0)[0], np.take_along_axis(slopes, last, 0)[0]


def _held(argument: Array, x: np.ndarray, y: np.ndarray) -> Array:
    """Return the value of the last point at or before the argument; before the first one, that of the first."""
    value = y[0] + jnp.zeros_like(argument)
    for x0, y0 in zip(x[1:], y[1:], strict=True):
        value = jnp.where(argument >= x0, y0, value)
    return value


def _at_points(argument: Array, x: np.ndarray, y: np.ndarray) -> Array:
    """Return the values at the points and NaN elsewhere."""
    value = jnp.full_like(argument, jnp.nan) + 0 * y[0]
    for x0, y0 in zip(x, y, strict=True):
        value = jnp.where(argument == x0, y0, value)
    return value


def _searched(argument: Array, x: np.ndarray, y: np.ndarray, kind: TableKind) -> Array:
    """Return the values of long tables: each is searched."""
    shape = jnp.broadcast_shapes(argument.shape, x.shape[1:])
    count = int(np.prod(x.shape[1:]))
    flat = jnp.broadcast_to(argument, shape)
    # one row for each table: the axes of the tables come first, all others after them
    axes = max((i + 1 for i, n in enumerate(x.shape[1:]) if n > 1), default=0)
    lead = int(np.prod(shape[:axes], dtype=int))
    if lead != count:
        xs, ys = (np.broadcast_to(a, (len(a), *shape[:axes], *a.shape[1 + axes :])) for a in (x, y))
        return _searched(flat, xs, ys, kind)
    rows = flat.reshape((lead, -1))
    found = jax.vmap(lambda a, u, v: _found(a, u, v, kind))(
        rows, jnp.asarray(x.reshape((len(x), lead)).T), jnp.asarray(y.reshape((len(y), lead)).T)
    )
    return found.reshape(shape)


def _found(argument: Array, x: Array, y: Array, kind: TableKind) -> Array:
    """Return the values of one long table."""
    if kind == "interpolate":
        return jnp.interp(argument, x, y)
    if kind == "extrapolate":
        return jnp.interp(argument, x, y, left="extrapolate", right="extrapolate")
    last = x.shape[0] - 1
    if kind == "hold_backward":
        return y[jnp.clip(jnp.searchsorted(x, argument, side="right") - 1, 0, last)]
    at = jnp.clip(jnp.searchsorted(x, argument, side="left"), 0, last)
    return y[at] if kind == "look_forward" else jnp.where(x[at] == argument, y[at], jnp.nan)

"""Vensim's functions as functions of arrays: one entry each.

Arguments are arrays whose axes are aligned already; the last axis is the run. `Instant` carries what a function of time
needs. Reductions over a range (SUM, VMAX, ...) take the axes to reduce instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

SMALL = 1e-6
"""What Vensim takes for zero in ZIDZ, XIDZ and RAMP."""

WHERE_CHAIN_POINTS = 48
"""Tables up to this length are compared with every point; longer ones are searched."""


class Instant(NamedTuple):
    """The time of an evaluation, shape (1,), and the step of the integration, in the model's unit of time."""

    time: Array
    time_step: float


def power(base: Array, exponent: Array) -> Array:
    """Return base ^ exponent for any signs, through exp and log, which XLA runs several times faster than its power.

    0 ^ 0 is 1. A negative base needs a whole exponent; otherwise the result is NaN.
    """
    zero, negative = base == 0, base < 0
    size = jnp.exp(exponent * jnp.log(jnp.where(zero, 1.0, jnp.abs(base))))
    at_zero = jnp.where(exponent == 0, 1.0, jnp.where(exponent > 0, 0.0, jnp.inf))
    whole, even = (
        exponent == jnp.floor(exponent),
        exponent == 2 * jnp.floor(exponent / 2),
    )  # mod() is a slow call
    signed = jnp.where(even, size, jnp.where(whole, -size, jnp.nan))
    return jnp.where(zero, at_zero, jnp.where(negative, signed, size))


def power_of_positive(base: Array, exponent: Array) -> Array:
    """Return base ^ exponent for a base known to be above 0."""
    return jnp.exp(exponent * jnp.log(base))


def table(argument: Array, x: tuple[float, ...], y: tuple[float, ...]) -> Array:
    """Return the value of a table at `argument`: linear between its points, flat outside them.

    A chain of comparisons keeps the batch in vector registers, where a search would gather from memory.
    """
    if len(x) > WHERE_CHAIN_POINTS:
        return jnp.interp(argument, jnp.asarray(x), jnp.asarray(y))
    value = jnp.full_like(argument, y[0])
    for x0, y0, x1, y1 in zip(x, y, x[1:], y[1:], strict=False):
        slope = (y1 - y0) / (x1 - x0) if x1 > x0 else 0.0
        value = jnp.where(argument >= x0, y0 + slope * (argument - x0), value)
    return jnp.where(argument >= x[-1], y[-1], value)


def step(now: Instant, height: Array, start: Array) -> Array:
    """Return STEP: `height` from the step that contains `start` on."""
    return jnp.where(now.time + now.time_step / 2 > start, height, 0.0)


def ramp(now: Instant, slope: Array, start: Array, end: Array | None = None) -> Array:
    """Return RAMP: rises by `slope` a unit of time from `start`, to `end` where one is given."""
    until = now.time if end is None else jnp.minimum(now.time, end)
    return jnp.where(now.time + SMALL > start, slope * (until - start), 0.0)


def _compared(compare: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """Return a comparison that yields 1 and 0 in floating point, as Vensim does."""
    return lambda a, b: compare(a, b).astype(jnp.float64)


def _truth(x: Array) -> Array:
    """Return whether a number counts as true."""
    return x != 0


OPERATORS: dict[str, Callable[..., Array]] = {
    "+": jnp.add,
    "-": jnp.subtract,
    "*": jnp.multiply,
    "/": jnp.divide,
    "negative": jnp.negative,
    "^": power,
    "=": _compared(jnp.equal),
    "<>": _compared(jnp.not_equal),
    "<": _compared(jnp.less),
    "<=": _compared(jnp.less_equal),
    ">": _compared(jnp.greater),
    ">=": _compared(jnp.greater_equal),
    "and": _compared(lambda a, b: _truth(a) & _truth(b)),
    "or": _compared(lambda a, b: _truth(a) | _truth(b)),
    "not": lambda a: (~_truth(a)).astype(jnp.float64),
}

FUNCTIONS: dict[str, Callable[..., Array]] = {
    "abs": jnp.abs,
    "arccos": jnp.arccos,
    "arcsin": jnp.arcsin,
    "arctan": jnp.arctan,
    "cos": jnp.cos,
    "cosh": jnp.cosh,
    "exp": jnp.exp,
    "if_then_else": lambda condition, yes, no: jnp.where(_truth(condition), yes, no),
    "integer": jnp.trunc,
    "ln": jnp.log,
    "log": lambda x, base: jnp.log(x) / jnp.log(base),
    "max": jnp.maximum,
    "min": jnp.minimum,
    "modulo": jnp.fmod,
    "pi": lambda: jnp.full((1,), np.pi),
    "power": power,
    "quantum": lambda x, size: jnp.where(size > 0, size * jnp.trunc(x / jnp.where(size > 0, size, 1.0)), x),
    "sin": jnp.sin,
    "sinh": jnp.sinh,
    "sqrt": jnp.sqrt,
    "tan": jnp.tan,
    "tanh": jnp.tanh,
    "xidz": lambda a, b, x: jnp.where(jnp.abs(b) < SMALL, x, a / jnp.where(jnp.abs(b) < SMALL, 1.0, b)),
    "zidz": lambda a, b: jnp.where(jnp.abs(b) < SMALL, 0.0, a / jnp.where(jnp.abs(b) < SMALL, 1.0, b)),
}

OF_TIME: dict[str, Callable[..., Array]] = {"step": step, "ramp": ramp}

REDUCTIONS: dict[str, Callable[[Array, tuple[int, ...]], Array]] = {
    "sum": lambda x, axes: jnp.sum(x, axis=axes),
    "prod": lambda x, axes: jnp.prod(x, axis=axes),
    "vmax": lambda x, axes: jnp.max(x, axis=axes),
    "vmin": lambda x, axes: jnp.min(x, axis=axes),
}

SUPPORTED = frozenset(FUNCTIONS) | frozenset(OF_TIME) | frozenset(REDUCTIONS)

jax.config.update("jax_enable_x64", True)

"""Operators, and functions of Vensim that act element by element: one entry each.

Arguments are arrays whose axes are aligned already; the last axis is the run. Functions of time, of whole ranges,
random functions and allocations have modules of their own, with tables of the same form; `function_table` joins them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array

from trilemma.engine import guarded
from trilemma.engine.values import Function, Site, Value, element_wise

SMALL = 1e-6
"""What Vensim takes for zero in ZIDZ, XIDZ and QUANTUM."""


def power(base: Array, exponent: Array) -> Array:
    """Return base ^ exponent for any signs, through exp and log, which XLA runs several times faster than its power.

    0 ^ 0 is 1. A negative base needs a whole exponent; otherwise the result is NaN.
    """
    zero, negative = base == 0, base < 0
    size = guarded.exp(exponent * guarded.log(jnp.where(zero, 1.0, jnp.abs(base))))
    at_zero = jnp.where(exponent == 0, 1.0, jnp.where(exponent > 0, 0.0, jnp.inf))
    whole, even = (
        exponent == jnp.floor(exponent),
        exponent == 2 * jnp.floor(exponent / 2),
    )  # mod() is a slow call
    signed = jnp.where(even, size, jnp.where(whole, -size, jnp.nan))
    return jnp.where(zero, at_zero, jnp.where(negative, signed, size))


def power_of_positive(base: Array, exponent: Array) -> Array:
    """Return base ^ exponent for a base known to be above 0."""
    return guarded.exp(exponent * guarded.log(base))


def divided(numerator: Array, denominator: Array, otherwise: Array | float) -> Array:
    """Return XIDZ: a quotient, or `otherwise` where the denominator is almost zero."""
    small = jnp.abs(denominator) < SMALL
    return jnp.where(small, otherwise, numerator / jnp.where(small, 1.0, denominator))


def quantum(x: Array, size: Array) -> Array:
    """Return QUANTUM: the multiple of `size` next to x towards zero; x itself where the size is not above zero."""
    small = size < SMALL
    return jnp.where(small, x, size * jnp.trunc(guarded.exact_quotient(x, jnp.where(small, 1.0, size))))


def _compared(compare: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """Return a comparison that yields 1 and 0 in floating point, as Vensim does."""
    return lambda a, b: compare(a, b).astype(jnp.float64)


def _same(a: Array, b: Array) -> Array:
    """Return whether two numbers are equal, or both :NA:, which is NaN here: "x = :NA:" asks for missing data."""
    return (a == b) | (jnp.isnan(a) & jnp.isnan(b))


def _truth(x: Array) -> Array:
    """Return whether a number counts as true."""
    return x != 0


OPERATORS: dict[str, Callable[..., Array]] = {
    "+": jnp.add,
    "-": jnp.subtract,
    "*": guarded.multiply,
    "/": guarded.divide,
    "negative": jnp.negative,
    "^": power,
    "=": _compared(_same),
    "<>": _compared(lambda a, b: ~_same(a, b)),
    "<": _compared(jnp.less),
    "<=": _compared(jnp.less_equal),
    ">": _compared(jnp.greater),
    ">=": _compared(jnp.greater_equal),
    "and": _compared(lambda a, b: _truth(a) & _truth(b)),
    "or": _compared(lambda a, b: _truth(a) | _truth(b)),
    "not": lambda a: (~_truth(a)).astype(jnp.float64),
}


EXACT = {"*": guarded.exact_product, "/": guarded.exact_quotient}
"""Operators where a comparison or a function with steps looks at the result."""

STEPPED = frozenset({"integer", "modulo", "quantum"})
COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})
"""Functions and operators whose value jumps, so that the last digit of what they look at counts."""


def a_function_of(_: Site, __: Sequence[Value]) -> Value:
    """Return A FUNCTION OF, which Vensim writes where an equation is missing: NaN."""
    return Value((), jnp.full(1, jnp.nan))


FUNCTIONS: dict[str, Function] = {
    "a_function_of": Function(a_function_of, ()),
    "abs": element_wise(jnp.abs, 1),
    "arccos": element_wise(jnp.arccos, 1),
    "arcsin": element_wise(jnp.arcsin, 1),
    "arctan": element_wise(jnp.arctan, 1),
    "cos": element_wise(jnp.cos, 1),
    "cosh": element_wise(jnp.cosh, 1),
    "exp": element_wise(guarded.exp, 1),
    "if_then_else": element_wise(lambda condition, yes, no: jnp.where(_truth(condition), yes, no), 3),
    "integer": element_wise(jnp.trunc, 1),
    "ln": element_wise(guarded.log, 1),
    "log": element_wise(lambda x, base: guarded.divide(guarded.log(x), guarded.log(base)), 2),
    "max": element_wise(jnp.maximum, 2),
    "min": element_wise(jnp.minimum, 2),
    "modulo": element_wise(lambda x, size: x - quantum(x, size), 2),
    "pi": element_wise(lambda: jnp.full(1, np.pi), 0),
    "power": element_wise(power, 2),
    "quantum": element_wise(quantum, 2),
    "sin": element_wise(jnp.sin, 1),
    "sinh": element_wise(jnp.sinh, 1),
    "sqrt": element_wise(guarded.sqrt, 1),
    "tan": element_wise(jnp.tan, 1),
    "tanh": element_wise(jnp.tanh, 1),
    "xidz": element_wise(divided, 3),
    "zidz": element_wise(lambda a, b: divided(a, b, 0.0), 2),
}

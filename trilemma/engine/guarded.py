"""Operations whose slope is infinite or undefined somewhere: there it is set to 0, so that gradients stay finite.

The values are those of the plain operations. Vensim models write ``IF THEN ELSE(x = 0, 0, a / x)``: both branches are
worked out, and on the way back the slope of the branch not taken is multiplied by 0, which has to give 0. Few models
need that anywhere in a run, and a comparison with infinity at each product doubles what a gradient costs: whoever
differentiates does so first `without_guards`. An infinite slope that counts makes the result infinite or undefined,
never wrong; only then is the guarded one needed.

`exact_product` and `exact_quotient` are rounded as IEEE 754 has it, for what INTEGER, MODULO or a comparison looks at:
XLA divides by a literal through its inverse, and joins a product and a sum without rounding between them, so that
-10 + 60/10 is a little above -4.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

import jax
import jax.numpy as jnp
from jax import Array, lax

from trilemma.engine import logarithm

Pair = tuple[Array, Array]

_NEVER = 1.2345e-300
"""A number that no model computes with."""

_values_alone: ContextVar[bool] = ContextVar("values_alone", default=False)
_guards: ContextVar[bool] = ContextVar("guards", default=True)


@contextmanager
def values_alone() -> Generator[None]:
    """Trace the plain operations in the block: a program that nobody differentiates is ready in half the time so."""
    token = _values_alone.set(True)
    try:
        yield
    finally:
        _values_alone.reset(token)


@contextmanager
def without_guards() -> Generator[None]:
    """Leave infinite slopes as they are in what is traced for differentiation inside."""
    token = _guards.set(False)
    try:
        yield
    finally:
        _guards.reset(token)


class _Guarded(jax.custom_jvp[Array]):
    """A function with a slope of its own, unless values alone are wanted."""

    def __call__(self, *arguments: Array) -> Array:
        """Return its value."""
        return self.fun(*arguments) if _values_alone.get() else super().__call__(*arguments)


def _zero_where(singular: Array, slope: Array) -> Array:
    """Return a slope, and 0 where it is singular."""
    return jnp.where(singular, 0.0, slope) if _guards.get() else slope


def _finite(x: Array) -> Array:
    """Return x, and 0 where it is infinite or undefined."""
    return _zero_where(~jnp.isfinite(x), x)


@_Guarded
def divide(a: Array, b: Array) -> Array:
    """Return a / b."""
    return a / b


@divide.defjvp
def _divide_slope(primals: Pair, tangents: Pair) -> Pair:
    (a, b), (da, db) = primals, tangents
    ratio = a / b
    return ratio, _zero_where(b == 0, 1 / b) * (da - _zero_where(b == 0, ratio) * db)


@_Guarded
def log(x: Array) -> Array:
    """Return the natural logarithm."""
    return logarithm.log(x)


@log.defjvp
def _log_slope(primals: tuple[Array], tangents: tuple[Array]) -> Pair:
    (x,), (dx,) = primals, tangents
    return logarithm.log(x), _zero_where(x == 0, 1 / x) * dx


@_Guarded
def sqrt(x: Array) -> Array:
    """Return the square root."""
    return jnp.sqrt(x)


@sqrt.defjvp
def _sqrt_slope(primals: tuple[Array], tangents: tuple[Array]) -> Pair:
    (x,), (dx,) = primals, tangents
    root = jnp.sqrt(x)
    return root, _zero_where(~(x > 0), 0.5 / root) * dx


@_Guarded
def exp(x: Array) -> Array:
    """Return the exponential."""
    return jnp.exp(x)


@exp.defjvp
def _exp_slope(primals: tuple[Array], tangents: tuple[Array]) -> Pair:
    (x,), (dx,) = primals, tangents
    value = jnp.exp(x)
    return value, _zero_where(jnp.isinf(value), value) * dx


@_Guarded
def multiply(a: Array, b: Array) -> Array:
    """Return a b."""
    return a * b


@multiply.defjvp
def _multiply_slope(primals: Pair, tangents: Pair) -> Pair:
    (a, b), (da, db) = primals, tangents
    return a * b, _finite(b) * da + _finite(a) * db


@_Guarded
def exact_product(a: Array, b: Array) -> Array:
    """Return a b, rounded before anything is added to it."""
    product = a * b
    return _opaque(product, product)


@_Guarded
def exact_quotient(a: Array, b: Array) -> Array:
    """Return a / b, which is not a times the inverse of b."""
    return a / _opaque(b, a)


exact_product.defjvp(_multiply_slope)
exact_quotient.defjvp(_divide_slope)


def _opaque(x: Array, other: Array) -> Array:
    """Return x in a way that the compiler cannot see through: its last bit would be set if `other` were never so."""
    bits, flags = jnp.broadcast_arrays(lax.bitcast_convert_type(x, jnp.uint64), (other == _NEVER).astype(jnp.uint64))
    return lax.bitcast_convert_type(bits | flags, jnp.float64)

"""Operations whose slope is infinite or undefined somewhere: there it is set to 0, so that gradients stay finite.

The values are those of the plain operations. Vensim models write ``IF THEN ELSE(x = 0, 0, a / x)``: both branches are
worked out, and on the way back the slope of the branch not taken is multiplied by 0, which has to give 0.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

import jax
import jax.numpy as jnp
from jax import Array

Pair = tuple[Array, Array]

_values_alone: ContextVar[bool] = ContextVar("values_alone", default=False)


@contextmanager
def values_alone() -> Generator[None]:
    """Trace the plain operations in the block: a program that nobody differentiates is ready in half the time so."""
    token = _values_alone.set(True)
    try:
        yield
    finally:
        _values_alone.reset(token)


class _Guarded(jax.custom_jvp[Array]):
    """A function with a slope of its own, unless values alone are wanted."""

    def __call__(self, *arguments: Array) -> Array:
        """Return its value."""
        return self.fun(*arguments) if _values_alone.get() else super().__call__(*arguments)


@_Guarded
def divide(a: Array, b: Array) -> Array:
    """Return a / b."""
    return a / b


@divide.defjvp
def _divide_slope(primals: Pair, tangents: Pair) -> Pair:
    (a, b), (da, db) = primals, tangents
    ratio = a / b
    inverse = jnp.where(b == 0, 0.0, 1 / b)
    return ratio, inverse * (da - jnp.where(b == 0, 0.0, ratio) * db)


@_Guarded
def log(x: Array) -> Array:
    """Return the natural logarithm."""
    return jnp.log(x)


@log.defjvp
def _log_slope(primals: tuple[Array], tangents: tuple[Array]) -> Pair:
    (x,), (dx,) = primals, tangents
    return jnp.log(x), jnp.where(x == 0, 0.0, 1 / x) * dx


@_Guarded
def sqrt(x: Array) -> Array:
    """Return the square root."""
    return jnp.sqrt(x)


@sqrt.defjvp
def _sqrt_slope(primals: tuple[Array], tangents: tuple[Array]) -> Pair:
    (x,), (dx,) = primals, tangents
    root = jnp.sqrt(x)
    return root, jnp.where(x > 0, 0.5 / root, 0.0) * dx


@_Guarded
def exp(x: Array) -> Array:
    """Return the exponential."""
    return jnp.exp(x)


@exp.defjvp
def _exp_slope(primals: tuple[Array], tangents: tuple[Array]) -> Pair:
    (x,), (dx,) = primals, tangents
    value = jnp.exp(x)
    return value, jnp.where(jnp.isinf(value), 0.0, value) * dx


@_Guarded
def multiply(a: Array, b: Array) -> Array:
    """Return a b."""
    return a * b


@multiply.defjvp
def _multiply_slope(primals: Pair, tangents: Pair) -> Pair:
    (a, b), (da, db) = primals, tangents
    return a * b, _finite(b) * da + _finite(a) * db


def _finite(x: Array) -> Array:
    """Return x, and 0 where it is infinite or undefined."""
    return jnp.where(jnp.isfinite(x), x, 0.0)

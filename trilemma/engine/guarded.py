"""Operations whose slope is infinite or undefined somewhere: there it is set to 0, so that gradients stay finite.

The values are those of the plain operations. Vensim models write ``IF THEN ELSE(x = 0, 0, a / x)``: both branches are
worked out, and on the way back the slope of the branch not taken is multiplied by 0, which has to give 0.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

Pair = tuple[Array, Array]


@jax.custom_jvp
def divide(a: Array, b: Array) -> Array:
    """Return a / b."""
    return a / b


@divide.defjvp
def _divide_slope(primals: Pair, tangents: Pair) -> Pair:
    (a, b), (da, db) = primals, tangents
    ratio = a / b
    inverse = jnp.where(b == 0, 0.0, 1 / b)
    return ratio, inverse * (da - jnp.where(b == 0, 0.0, ratio) * db)


@jax.custom_jvp
def log(x: Array) -> Array:
    """Return the natural logarithm."""
    return jnp.log(x)


@log.defjvp
def _log_slope(primals: tuple[Array], tangents: tuple[Array]) -> Pair:
    (x,), (dx,) = primals, tangents
    return jnp.log(x), jnp.where(x == 0, 0.0, 1 / x) * dx


@jax.custom_jvp
def sqrt(x: Array) -> Array:
    """Return the square root."""
    return jnp.sqrt(x)


@sqrt.defjvp
def _sqrt_slope(primals: tuple[Array], tangents: tuple[Array]) -> Pair:
    (x,), (dx,) = primals, tangents
    root = jnp.sqrt(x)
    return root, jnp.where(x > 0, 0.5 / root, 0.0) * dx


@jax.custom_jvp
def exp(x: Array) -> Array:
    """Return the exponential."""
    return jnp.exp(x)


@exp.defjvp
def _exp_slope(primals: tuple[Array], tangents: tuple[Array]) -> Pair:
    (x,), (dx,) = primals, tangents
    value = jnp.exp(x)
    return value, jnp.where(jnp.isinf(value), 0.0, value) * dx


@jax.custom_jvp
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

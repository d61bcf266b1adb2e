"""The logarithm of doubles on a CPU, made of operations that go into vector registers.

XLA's own takes more than twice as long, since it calls the C library for each number; models take many logarithms, a
power is one too. This is a polynomial after the usual reduction of the argument, within 1 unit in the last place. As
everywhere in XLA on a CPU, numbers below the smallest normal one (2.2e-308) count as 0. Other devices take XLA's, and
so do loops that are not one function (see `compiler`): XLA would work out the polynomial wherever its value is used.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.polynomial import Polynomial, chebyshev

from trilemma.engine import compiler

BITS = 52
"""Binary digits after the point of a double."""

BIAS = 1023
"""What a double adds to its exponent."""

ROOT_OF_HALF = int(np.sqrt(0.5).view(np.int64))
"""The bits of the square root of 1/2: the polynomial serves from there to the square root of 2."""

LN2_HIGH = float((np.log(2.0).view(np.int64) & -(1 << 21)).view(np.float64))
"""The logarithm of 2 to 32 binary digits: its product with an exponent is exact."""

LN2_LOW = 1.9082149292705877e-10
"""What is left of the logarithm of 2."""

LARGEST_SQUARE = ((math.sqrt(2) - 1) / (math.sqrt(2) + 1)) ** 2


def _economised(series: list[float], low: float, high: float, degree: int) -> list[float]:
    """Return a polynomial close to a power series between two numbers: its first Chebyshev terms."""
    middle, half = (low + high) / 2, (high - low) / 2
    scaled = Polynomial(series)(Polynomial([middle, half]))
    short = Polynomial(chebyshev.cheb2poly(chebyshev.poly2cheb(scaled.coef)[: degree + 1]))
    return [float(c) for c in short(Polynomial([-middle / half, 1 / half])).coef]


COEFFICIENTS = _economised([2 / (2 * k + 3) for k in range(17)], 0.0, LARGEST_SQUARE, 6)
"""(log((1 + s) / (1 - s)) - 2 s) / s^3 by s^2."""


def log(x: Array) -> Array:
    """Return the natural logarithm."""
    own = x.dtype == jnp.float64 and jax.default_backend() == "cpu" and compiler.makes_one_function()
    return log_by_polynomial(x) if own else jnp.log(x)


def log_by_polynomial(x: Array) -> Array:
    """Return the natural logarithm: n log 2 + log(1 + f) for x = 2^n (1 + f), with s = f / (2 + f)."""
    shifted = lax.bitcast_convert_type(x, jnp.int64) + ((BIAS << BITS) - ROOT_OF_HALF)
    exponent = lax.shift_right_logical(shifted, jnp.int64(BITS))
    mantissa = lax.bitcast_convert_type((shifted & ((1 << BITS) - 1)) + ROOT_OF_HALF, jnp.float64)
    # an integer in the digits of 2^52 is a double with that integer added
    n = lax.bitcast_convert_type(exponent | ((BIAS + BITS) << BITS), jnp.float64) - (2.0**BITS + BIAS)
    f = mantissa - 1
    s = f / (2 + f)
    square, half = s * s, 0.5 * f * f
    polynomial = jnp.full_like(square, COEFFICIENTS[-1])
    for coefficient in reversed(COEFFICIENTS[:-1]):
        polynomial = polynomial * square + coefficient
    value = s * (half + square * polynomial) + n * LN2_LOW - half + f + n * LN2_HIGH
    return jnp.where(x > 0, jnp.where(x < jnp.inf, value, x), jnp.where(x == 0, -jnp.inf, jnp.nan))

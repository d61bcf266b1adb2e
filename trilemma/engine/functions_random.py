"""Random functions: counter-based, so that a number depends on what it is drawn for and on nothing else.

A draw is a function of the seed, the place of the call in the model, the stream argument, the run's number, the step
and the element. It does not depend on how runs are batched, on which other variables are computed, or on the method.
Distributions are drawn by their inverse from one uniform number, so that gradients with respect to their parameters
exist, and truncated where Vensim truncates them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtr, ndtri

from trilemma.engine.values import Function, Site, Value, expanded

Distribution = Callable[..., Array]
"""From a uniform number above 0 and below 1, and parameters, to a draw."""


def uniform_draws(site: Site, stream: Array) -> Array:
    """Return a uniform number above 0 and below 1 for each element of the definition and each run.

    Parameters
    ----------
    stream
        The stream argument, shape (axes of the definition or 1, runs or 1).
    """
    draws = site.now.draws
    of_call = jax.random.fold_in(jax.random.key(draws.seed), zlib.crc32(site.stream.encode()))
    of_step = jax.random.fold_in(of_call, site.now.step)
    of_runs = jax.vmap(jax.random.fold_in, (None, 0))(of_step, draws.runs)
    count = 1
    for size in site.sizes:
        count *= size
    shape = (*site.sizes, draws.runs.shape[0])
    streams = jnp.broadcast_to(jax.lax.stop_gradient(stream), shape).reshape(count, -1).astype(jnp.int32)
    by_run = jax.vmap(_uniform, (0, None, 0))
    return jax.vmap(by_run, (None, 0, 0))(of_runs, jnp.arange(count), streams).reshape(shape)


def _uniform(key: Array, element: Array, stream: Array) -> Array:
    """Return one uniform number above 0 and below 1, from 52 bits."""
    bits = jax.random.bits(jax.random.fold_in(jax.random.fold_in(key, element), stream), dtype=jnp.uint64)
    return ((bits >> 12).astype(jnp.float64) + 0.5) * 2.0**-52


def uniform(u: Array, low: Array, high: Array) -> Array:
    """Return a draw that is uniform between two bounds."""
    return low + u * (high - low)


def normal(u: Array, low: Array, high: Array, mean: Array, deviation: Array) -> Array:
    """Return a normal draw, truncated to its bounds. A deviation of 0 gives the mean, within the bounds."""
    wide = deviation > 0
    scale = jnp.where(wide, deviation, 1.0)
    a, b = (low - mean) / scale, (high - mean) / scale
    mirrored = a + b > 0  # the upper tail is drawn from the lower one, where probabilities keep their digits
    first, last = jnp.where(mirrored, -b, a), jnp.where(mirrored, -a, b)
    p, q = ndtr(first), ndtr(last)
    z = ndtri(jnp.clip(p + u * (q - p), 1e-300, 1.0))
    draw = mean + scale * jnp.where(mirrored, -z, z)
    return jnp.clip(jnp.where(wide, draw, mean), low, high)


def exponential(u: Array, low: Array, high: Array, shift: Array, stretch: Array) -> Array:
    """Return an exponential draw of mean `stretch` that begins at `shift`, truncated to its bounds."""
    start = jnp.maximum(low, shift)
    wide = stretch > 0
    scale = jnp.where(wide, stretch, 1.0)
    whole = -jnp.expm1(-jnp.maximum(high - start, 0.0) / scale)
    return jnp.where(wide, start - scale * jnp.log1p(-u * whole), start)


def _random(distribution: Distribution, parameters: int, *counts: int) -> Function:
    """Return a random function whose arguments are its parameters, and the stream where one is given."""

    def rule(site: Site, values: Sequence[Value]) -> Value:
        arrays = [expanded(_within(site, value), site.axes) for value in values]
        stream = arrays[parameters] if len(arrays) > parameters else jnp.zeros((1,) * (len(site.axes) + 1))
        return Value(site.axes, distribution(uniform_draws(site, stream), *arrays[:parameters]))

    return Function(rule, counts)


def _within(site: Site, value: Value) -> Value:
    """Return a value whose axes are all of the definition; a reduced range would need a draw for each element."""
    if not set(value.axes) <= set(site.axes):
        reason = "has an argument over a range that is not on the left-hand side: draw it in a variable of its own."
        raise site.unsupported(reason)
    return value


FUNCTIONS: dict[str, Function] = {
    "random_0_1": _random(lambda u: u, 0, 0),
    "random_exponential": _random(exponential, 4, 4, 5),
    "random_normal": _random(normal, 4, 4, 5),
    "random_uniform": _random(uniform, 2, 2, 3),
}

"""Allocation of a scarce supply among requesters: ALLOCATE AVAILABLE and ALLOCATE BY PRIORITY.

Each requester has a curve that falls from its request to 0 as a price rises past its priority. The price at which the
curves add up to the supply is found by Newton's method within a bracket, for all runs at once. Gradients follow from
the implicit function theorem at that price; nothing is differentiated through the search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.scipy.special import ndtr

from trilemma.engine.values import Function, Site, Value, expanded, united
from trilemma.translation import ir
from trilemma.translation.model import Model

ITERATIONS = 200
"""The most steps towards the price; about 10 are needed, and halving alone needs 60."""

ROUNDING = 4e-16
"""Up to which part of all requests the supply is met."""


def _rectangular(z: Array) -> Array:
    return jnp.clip(0.5 - z, 0.0, 1.0)


def _triangular(z: Array) -> Array:
    below, above = jnp.clip(z + 0.5, 0.0, 0.5), jnp.clip(0.5 - z, 0.0, 0.5)
    return jnp.where(z < 0, 1 - 2 * below**2, 2 * above**2)


def _normal(z: Array) -> Array:
    return ndtr(-z)


def _exponential(z: Array) -> Array:
    tail = 0.5 * jnp.exp(-jnp.abs(z))
    return jnp.where(z < 0, 1 - tail, tail)


CURVES: dict[int, tuple[Callable[[Array], Array], float]] = {
    1: (_rectangular, 0.5),
    2: (_triangular, 0.5),
    3: (_normal, 8.3),
    4: (_exponential, 37.0),
}
"""By Vensim's type: the share of a request that is met, by (price - priority) / width, and where it is 0 or 1."""


class _Problem(NamedTuple):
    """Requests, the curves by which they are met, and what there is; the requesters are the last axis but one.

    `occurring` says by type whether any run has it, so that other curves are not computed; None: all have it.
    """

    request: Array
    kind: Array
    priority: Array
    width: Array
    supply: Array
    occurring: dict[int, Array | None]


def _given(problem: _Problem, price: Array) -> Array:
    """Return what each requester receives at a price."""
    z = (price - problem.priority) / problem.width
    share = jnp.zeros_like(z)
    for code, occurs in problem.occurring.items():
        curve = CURVES[code][0]
        values = curve(z) if occurs is None else lax.cond(occurs, curve, jnp.zeros_like, z)
        share = jnp.where(problem.kind == code, values, share)
    return problem.request * share


def _excess(problem: _Problem, price: Array) -> Array:
    """Return by how much the curves add up to more than the supply."""
    return jnp.sum(_given(problem, price), axis=-2, keepdims=True) - problem.supply


def _slope(problem: _Problem, price: Array) -> tuple[Array, Array]:
    """Return the excess and its slope by the price."""
    return jax.jvp(lambda price: _excess(problem, price), (price,), (jnp.ones_like(price),))


def _price(problem: _Problem) -> Array:
    """Return the price at which the excess is 0: by Newton's method, halving the bracket where that leaves it.

    A run stops when it is there, whatever the others do: its result does not depend on its batch.
    """
    reach = sum((jnp.where(problem.kind == c, CURVES[c][1] * problem.width, 0.0) for c in problem.occurring), 0.0)
    low = jnp.min(problem.priority - reach, axis=-2, keepdims=True)
    high = jnp.max(problem.priority + reach, axis=-2, keepdims=True)
    low, high = (jnp.broadcast_to(side, jax.eval_shape(_excess, problem, low).shape) for side in (low, high))
    spacing = 1e-16 * (jnp.abs(low) + jnp.abs(high))
    scale = ROUNDING * jnp.sum(problem.request, axis=-2, keepdims=True)

    def unfinished(state: tuple[Array, ...]) -> Array:
        count, done = state[0], state[1]
        return (count < ITERATIONS) & ~done.all()

    def improve(state: tuple[Array, ...]) -> tuple[Array, ...]:
        count, done, low, high, price = state
        excess, slope = _slope(problem, price)
        low, high = jnp.where(excess > 0, price, low), jnp.where(excess > 0, high, price)
        newton = price - excess / jnp.where(slope < 0, slope, -1.0)
        inside = (slope < 0) & (newton > low) & (newton < high)
        better = jnp.where(inside, newton, 0.5 * (low + high))
        done |= (jnp.abs(excess) <= scale) | (high - low <= spacing)
        return count + 1, done, low, high, jnp.where(done, price, better)

    start = (jnp.zeros((), jnp.int32), jnp.zeros(low.shape, dtype=bool), low, high, 0.5 * (low + high))
    return lax.while_loop(unfinished, improve, start)[-1]


def _allocated(request: Array, curve: tuple[Array, Array, Array], supply: Array, kinds: Sequence[int]) -> Array:
    """Return what each requester receives; the requesters are the last axis but one.

    NaN, which flags the run, where a request or the supply is negative, a width is not above 0 or a type is unknown.
    """
    kind, priority, width = curve
    known = jnp.stack([kind == code for code in kinds]).any(axis=0)
    valid = ((request >= 0) & (width > 0) & known).all(axis=-2, keepdims=True) & (supply >= 0)
    total = jnp.sum(request, axis=-2, keepdims=True)
    scarce = valid & (supply < total) & (supply > 0)
    problem = _Problem(
        request=jnp.where(scarce, request, 1.0 / request.shape[-2]),  # elsewhere any problem that has a solution
        kind=kind,
        priority=priority,
        width=jnp.where(width > 0, width, 1.0),
        supply=jnp.where(scarce, supply, 0.5),
        occurring={code: (kind == code).any() if len(kinds) > 1 else None for code in kinds},
    )
    fixed = lax.stop_gradient(problem)
    price = _price(fixed)
    slope = _slope(fixed, price)[1]
    steep = slope < 0
    gap = _excess(problem, price)  # a rounding error: only its gradient is used
    price = price - jnp.where(steep, gap - lax.stop_gradient(gap), 0.0) / jnp.where(steep, slope, -1.0)
    rationed = jnp.where(scarce, _given(problem, price), jnp.where(supply >= total, request, 0.0))
    return jnp.where(valid, rationed, jnp.nan)


def allocate_available(site: Site, values: Sequence[Value]) -> Value:
    """Return ALLOCATE AVAILABLE(request, priority profile, supply).

    The requesters are the last range of `request`; the profile (type, priority, width, extra) is the last of the second
    argument, which the reader has opened.

    Raises
    ------
    UnsupportedError
        If the ranges do not fit.
    """
    request, profile, supply = values
    if not request.axes or not profile.axes or request.axes[-1] not in profile.axes[:-1]:
        reason = "needs a request over a range, and a priority profile over that range and one of four elements."
        raise site.unsupported(reason)
    marked = profile.axes[-1]
    if profile.array.shape[-2] < 3:
        reason = f"needs at least 3 elements (type, priority, width) in the range '{marked.removesuffix('!')}'."
        raise site.unsupported(reason)
    parts = [Value(profile.axes[:-1], profile.array[..., i, :]) for i in range(3)]
    return _solved(request, parts[0], parts[1], parts[2], supply, tuple(CURVES))


def check_profile(model: Model, call: ir.Call) -> str | None:
    """Return why an ALLOCATE AVAILABLE cannot be run: a type, written in the file, that is not one of the curves."""
    profile = call.arguments[1]
    table = model.literals.get(profile.key) if isinstance(profile, ir.Reference) else None
    if table is None or table.ndim == 0:
        return None
    unknown = sorted({float(kind) for kind in table[..., 0].ravel() if not np.isnan(kind)} - set(CURVES))
    if not unknown:
        return None
    return (
        f"is given a priority profile of type {unknown[0]:g}: the types are 1 (rectangular), 2 (triangular), "
        "3 (normal) and 4 (exponential)."
    )


def allocate_by_priority(site: Site, values: Sequence[Value]) -> Value:
    """Return ALLOCATE BY PRIORITY(request, priority, size, width, supply).

    It is the rectangular curve that begins to give at the requester's priority. The size is not needed.

    Raises
    ------
    UnsupportedError
        If the request has no range.
    """
    request, priority, _, width, supply = values
    if not request.axes:
        reason = "needs a request over a range."
        raise site.unsupported(reason)
    kind = Value((), jnp.ones(1))
    axes = united([priority, width])
    middle = Value(axes, expanded(priority, axes) - 0.5 * expanded(width, axes))
    return _solved(request, kind, middle, width, supply, (1,))


def _solved(request: Value, kind: Value, priority: Value, width: Value, supply: Value, kinds: Sequence[int]) -> Value:
    """Allocate along the last range of the request."""
    values = (request, kind, priority, width, supply)
    last = request.axes[-1]
    axes = (*(axis for axis in united(values) if axis != last), last)
    wanted, code, centre, span, available = (expanded(value, axes) for value in values)
    shape = jnp.broadcast_shapes(wanted.shape, code.shape, centre.shape, span.shape, available.shape)
    return Value(axes, _allocated(jnp.broadcast_to(wanted, shape), (code, centre, span), available, kinds))


FUNCTIONS: dict[str, Function] = {
    "allocate_available": Function(allocate_available, (3,)),
    "allocate_by_priority": Function(allocate_by_priority, (5,)),
}

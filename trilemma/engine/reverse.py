"""A simulation that can be differentiated in reverse mode: it keeps its course, and goes back along it step by step.

A step back works the step out once more, so that memory holds states alone. For few runs all that the slopes are
multiplied with on the way is worked out for all steps at once, so that little is left in the loop; a batch fills the
processor as it is. Nothing here knows labels, parameters or derived outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array, lax

from trilemma.engine.guarded import values_alone
from trilemma.engine.hoisting import hoist, in_loop
from trilemma.engine.loop import Carry, Parts, Request

Tree: TypeAlias = Any
"""A nest of tuples and dictionaries of arrays, as JAX understands it."""

Saved = dict[str, Array]
Levels = list[Array]
"""What can change by a little of a state: the arrays of floating-point numbers; or slopes with regard to them."""


class Course(NamedTuple):
    """A course, (saves - 1, ...): the states at saves, and at each step of a save; and the state at the last save."""

    at_saves: Carry
    at_steps: Carry | None
    last: Carry


def reversible(parts: Parts, request: Request, *, few: bool, keep: bool) -> Callable[[Tree], Saved]:
    """Return the simulation as a function of what moves that can be differentiated in reverse mode, and only so.

    Parameters
    ----------
    parts, request
        The simulation.
    few
        Whether there are few runs.
    keep
        Keep the state at each step for the way back; otherwise at each save, and steps are worked out once more.
    """

    @jax.custom_vjp
    def simulated(moving: Tree) -> Saved:
        return forward(moving)[0]

    def forward(moving: Tree) -> tuple[Saved, tuple[Tree, Course]]:
        with values_alone():
            course = _course(parts, request, moving, keep=keep)
            saved = _each(partial(parts.save, moving), few)(_counts(request)[1], _all_saves(course))
        return saved, (moving, course)

    def backward(kept: tuple[Tree, Course], pulls: Saved) -> tuple[Tree]:
        moving, course = kept

        def save(count: Array, carry: Carry, pulls: Saved) -> tuple[Tree, Levels]:
            return jax.vjp(_of_levels(parts.save, count, carry), moving, _levels(carry))[1](pulls)

        slopes, at_saves = _each(save, few)(_counts(request)[1], _all_saves(course), pulls)
        slopes = jax.tree.map(lambda array: jnp.sum(array, axis=0), slopes)
        slopes, first = _back(parts, request, (moving, course), (slopes, at_saves), few=few)
        starting = jax.vjp(lambda moving: _levels(parts.start(moving)), moving)[1](first)[0]
        return (jax.tree.map(jnp.add, slopes, starting),)

    simulated.defvjp(forward, backward)
    return simulated


def _back(
    parts: Parts, request: Request, kept: tuple[Tree, Course], pulls: tuple[Tree, Levels], *, few: bool
) -> tuple[Tree, Levels]:
    """Go back from the last save to the start.

    Parameters
    ----------
    kept
        What moves, and the course.
    pulls
        The slopes of what is differentiated, with regard to what moves, and to the states at saves: what saves alone
        make of them.

    Returns
    -------
    tuple
        Its slopes with regard to what moves, and to the state at the start.
    """
    moving, course = kept
    steps = _counts(request)[0]

    def step(moving: Tree, instant: Tree, pulls: Levels) -> tuple[Tree, Levels]:
        count, carry = instant
        function = _of_levels(lambda *at: _levels(parts.step(*at)), count, carry)
        return jax.vjp(function, moving, _levels(carry))[1](pulls)

    def segment(now: tuple[Tree, Levels], at: Tree) -> tuple[tuple[Tree, Levels], None]:
        counts, series, start, entering = at
        rest = one
        if rest is None:
            series, rest = in_loop(step, moving, (counts, _segment(parts, moving, start, counts)[1]), now[1])

        def back(now: tuple[Tree, Levels], at: Tree) -> tuple[tuple[Tree, Levels], None]:
            slopes, pulls = rest(at, now[1])
            return (jax.tree.map(jnp.add, now[0], slopes), pulls), None

        (slopes, pulls), _ = lax.scan(back, now, series, length=request.steps_per_save, reverse=True)
        return (slopes, jax.tree.map(jnp.add, pulls, entering)), None

    last, before = ([array[-1] for array in pulls[1]], [array[:-1] for array in pulls[1]])
    series, one = None, None
    if course.at_steps is not None:
        flat = jax.tree.map(lambda array: array.reshape((-1, *array.shape[2:])), (steps, course.at_steps))
        series, one = (hoist if few else in_loop)(step, moving, flat, last)
        series = jax.tree.map(lambda array: array.reshape((*steps.shape, *array.shape[1:])), series)
    return lax.scan(segment, (pulls[0], last), (steps, series, course.at_saves, before), reverse=True)[0]


def _counts(request: Request) -> tuple[Array, Array]:
    """Return the numbers of the steps, shape (saves - 1, steps of a save), and those at which all saves are."""
    saves = request.first_step + jnp.arange(request.saves, dtype=jnp.int32) * request.steps_per_save
    return saves[:-1, None] + jnp.arange(request.steps_per_save, dtype=jnp.int32)[None], saves


def _course(parts: Parts, request: Request, moving: Tree, *, keep: bool) -> Course:
    """Simulate, and keep the states at saves; with `keep`, at steps as well."""

    def go(carry: Carry, counts: Array) -> tuple[Carry, tuple[Carry, Carry | None]]:
        after, at_steps = _segment(parts, moving, carry, counts)
        return after, (carry, at_steps if keep else None)

    last, (at_saves, at_steps) = lax.scan(go, parts.start(moving), _counts(request)[0])
    return Course(at_saves, at_steps, last)


def _segment(parts: Parts, moving: Tree, carry: Carry, counts: Array) -> tuple[Carry, Carry]:
    """Go from one save to the next; return the state there, and at each step on the way."""
    return lax.scan(lambda carry, count: (parts.step(moving, count, carry), carry), carry, counts)


def _all_saves(course: Course) -> Carry:
    """Return the states at all saves."""
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b[None]]), course.at_saves, course.last)


def _of_levels(function: Callable[..., Tree], count: Array, carry: Carry) -> Callable[[Tree, Levels], Tree]:
    """Return a part of a simulation as a function of what moves, and of what can change of a state."""

    def of_levels(moving: Tree, levels: Sequence[Array]) -> Tree:
        waiting = iter(levels)
        return function(moving, count, jax.tree.map(lambda a: next(waiting) if _can_change(a) else a, carry))

    return of_levels


def _levels(carry: Carry) -> Levels:
    """Return what can change by a little of a state."""
    return [leaf for leaf in jax.tree.leaves(carry) if _can_change(leaf)]


def _can_change(array: Array) -> bool:
    """Whether an array holds floating-point numbers; positions in a delay are whole."""
    return bool(jnp.issubdtype(array.dtype, jnp.inexact))


def _each(function: Callable[..., Tree], few: bool) -> Callable[..., Tree]:
    """Return a function of one save as one of all: at once, or one after the other where each fills the processor."""
    return jax.vmap(function) if few else lambda *several: lax.map(lambda one: function(*one), several)

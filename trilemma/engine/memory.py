"""What is on its way in a DELAY FIXED: a ring of past inputs, one slot a step.

All elements and runs share the slots, whose number is that of the longest delay; each is read as far back as its own
delay. That is worked out before a program is compiled, since the size of an array cannot follow from its values.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

SMALL = 1e-6
"""Added to the number of steps, so that a half is rounded up, as Vensim does."""


class Pipe(NamedTuple):
    """A ring of past inputs.

    Attributes
    ----------
    slots
        Shape (steps of the longest delay, axes, runs).
    position
        The slot that the next input goes into.
    steps
        The delay in steps, shape (axes, runs).
    """

    slots: Array
    position: Array
    steps: Array


def steps_of(delay: Array, time_step: float) -> Array:
    """Return a delay in steps: a whole number, at least one."""
    return jnp.round(jnp.maximum(delay / time_step, 1.0) + SMALL).astype(jnp.int32)


def fill(initial: Array, size: int, steps: Array) -> Pipe:
    """Return a ring that is full of the initial value."""
    slots = jnp.broadcast_to(initial, (size, *initial.shape))
    return Pipe(slots, jnp.zeros((), dtype=jnp.int32), jnp.broadcast_to(steps, initial.shape))


def in_order(pipe: Pipe) -> Array:
    """Return the slots from the one that the next input goes into on, so that a position is not part of a state."""
    return jnp.roll(pipe.slots, -pipe.position, axis=0)


def begin(slots: Array, steps: Array) -> Pipe:
    """Return a ring from what `in_order` returned."""
    return Pipe(slots, jnp.zeros((), dtype=jnp.int32), steps)


def enter(pipe: Pipe, entering: Array, *, uniform: bool) -> tuple[Array, Pipe]:
    """Put an input in; return what comes out after the step, and the ring.

    Parameters
    ----------
    uniform
        Whether all elements and runs have the longest delay.
    """
    size = pipe.slots.shape[0]
    slots = pipe.slots.at[pipe.position].set(entering)
    position = (pipe.position + 1) % size
    if uniform:
        leaving = slots[position]
    else:
        where = (position - pipe.steps) % size
        leaving = jnp.take_along_axis(slots, where[None], axis=0)[0]
    return leaving, Pipe(slots, position, pipe.steps)

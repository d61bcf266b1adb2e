"""What an evaluation passes around: arrays with named axes, the instant, and the place where a function is called.

A value has one axis per open range, in the order of `Value.axes`, and the run as its last axis (size 1 where it does
not vary by run). Axis names are lower-case range names; a reduced range ends with "!".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from trilemma.errors import UnsupportedError
from trilemma.translation import ir

jax.config.update("jax_enable_x64", True)


class Value(NamedTuple):
    """An array with the names of its axes; the run is the last axis and has no name."""

    axes: tuple[str, ...]
    array: Array


class Draws(NamedTuple):
    """What random numbers depend on, apart from their variable and step: the seed, and the number of each run."""

    seed: Array
    runs: Array


class Instant(NamedTuple):
    """The time of an evaluation, in the model's unit of time, and the step of the integration that it belongs to.

    Attributes
    ----------
    time, held
        Shape (1,): the time, and the time at which the step began. They differ inside a step of Runge-Kutta alone,
        where test inputs and random numbers do not change.
    step
        The number of the step.
    time_step
        The length of a step.
    draws
        What random numbers depend on.
    """

    time: Array
    held: Array
    step: Array
    time_step: float
    draws: Draws


@dataclass(frozen=True)
class Site:
    """One call of a function in a model.

    Attributes
    ----------
    now
        The instant.
    axes, sizes
        The open ranges of the definition that holds the call, and their sizes.
    arguments
        The arguments as written.
    stream
        A name of the call that no other call in the model has; random numbers depend on it.
    place
        Where the call stands: file, line, variable and function, for an error.
    """

    now: Instant
    axes: tuple[str, ...]
    sizes: tuple[int, ...]
    arguments: tuple[ir.Expression, ...]
    stream: str
    place: str

    @property
    def marks(self) -> frozenset[str]:
        """The ranges with "!" that the call reduces."""
        return frozenset(mark for argument in self.arguments for mark in ir.free_marks(argument))

    def unsupported(self, reason: str) -> UnsupportedError:
        """Return the error for a use of a function that cannot be run."""
        return UnsupportedError(f"{self.place} {reason}")


Rule = Callable[[Site, Sequence[Value]], Value]
"""What a function of Vensim does with the values of its arguments."""


class Function(NamedTuple):
    """A function of Vensim: what it does, and how many arguments it may have; () means any number."""

    rule: Rule
    counts: tuple[int, ...]


def literal(node: ir.Expression) -> float | None:
    """Return the number that an expression is, or None if it is not one."""
    if isinstance(node, ir.Number):
        return node.value
    if isinstance(node, ir.Operation) and node.operator == "negative" and isinstance(node.operands[0], ir.Number):
        return -node.operands[0].value
    return None


def expanded(value: Value, axes: Sequence[str]) -> Array:
    """Return the array of a value with all of the axes in their order; absent ones have size 1."""
    present = [axis for axis in axes if axis in value.axes]
    array = value.array
    if tuple(present) != value.axes:
        array = jnp.transpose(array, (*(value.axes.index(axis) for axis in present), array.ndim - 1))
    shape = iter(array.shape[:-1])
    return array.reshape((*(next(shape) if axis in value.axes else 1 for axis in axes), array.shape[-1]))


def united(values: Sequence[Value]) -> tuple[str, ...]:
    """Return the axes of several values, each once, in order of appearance."""
    return tuple(dict.fromkeys(axis for value in values for axis in value.axes))


def together(values: Sequence[Value]) -> tuple[tuple[str, ...], list[Array]]:
    """Return the arrays of values with one common set of axes."""
    axes = united(values)
    return axes, [expanded(value, axes) for value in values]


def element_wise(function: Callable[..., Array], *counts: int) -> Function:
    """Return a function that acts element by element."""

    def rule(_: Site, values: Sequence[Value]) -> Value:
        axes, arrays = together(values)
        return Value(axes, function(*arrays))

    return Function(rule, counts)


def of_time(function: Callable[..., Array], *counts: int) -> Function:
    """Return a function that acts element by element and knows the instant, in times of the rank of its arguments."""

    def rule(site: Site, values: Sequence[Value]) -> Value:
        axes, arrays = together(values)
        shape = (1,) * (len(axes) + 1)
        now = site.now._replace(time=site.now.time.reshape(shape), held=site.now.held.reshape(shape))
        return Value(axes, function(now, *arrays))

    return Function(rule, counts)

"""Integration methods: each a pure step from a state to the next. A state is a mapping of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
from jax import Array

from trilemma.translation.ordering import Node

State = dict[Node, Array]
Rates = Callable[[State, int], State]
"""From a state and the number of a stage of the method to the net flows of all stocks."""


class Method(NamedTuple):
    """An integration method: when in a step its stages evaluate the net flows, in steps, and what it makes of them."""

    stages: tuple[float, ...]
    step: Callable[[Rates, State, float], State]


def _moved(state: State, rates: State, by: float) -> State:
    """Return the state after the rates have acted for a time."""
    return jax.tree.map(lambda level, rate: level + by * rate, state, rates)


def euler(rates: Rates, state: State, step: float) -> State:
    """Take one step of Euler's method, the default of Vensim."""
    return _moved(state, rates(state, 0), step)


def rk4(rates: Rates, state: State, step: float) -> State:
    """Take one step of the classical fourth-order Runge-Kutta method with a fixed step."""
    half = step / 2
    first = rates(state, 0)
    second = rates(_moved(state, first, half), 1)
    third = rates(_moved(state, second, half), 1)
    fourth = rates(_moved(state, third, step), 2)
    mean = jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, first, second, third, fourth)
    return _moved(state, mean, step)


METHODS: Mapping[str, Method] = {"euler": Method((0.0,), euler), "rk4": Method((0.0, 0.5, 1.0), rk4)}

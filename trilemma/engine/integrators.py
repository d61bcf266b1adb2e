"""Integration methods: each a pure step from a state to the next. A state is a mapping of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
from jax import Array

from trilemma.translation.ordering import Node

State = dict[Node, Array]
Rates = Callable[[State, Array], State]
"""From a state and a time, shape (1,), to the net flows of all stocks."""

Step = Callable[[Rates, State, Array, float], State]


def _moved(state: State, rates: State, by: float) -> State:
    """Return the state after the rates have acted for a time."""
    return jax.tree.map(lambda level, rate: level + by * rate, state, rates)


def euler(rates: Rates, state: State, time: Array, step: float) -> State:
    """Take one step of Euler's method, the default of Vensim."""
    return _moved(state, rates(state, time), step)


def rk4(rates: Rates, state: State, time: Array, step: float) -> State:
    """Take one step of the classical fourth-order Runge-Kutta method with a fixed step."""
    half = step / 2
    first = rates(state, time)
    second = rates(_moved(state, first, half), time + half)
    third = rates(_moved(state, second, half), time + half)
    fourth = rates(_moved(state, third, step), time + step)
    mean = jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, first, second, third, fourth)
    return _moved(state, mean, step)


METHODS: Mapping[str, Step] = {"euler": euler, "rk4": rk4}

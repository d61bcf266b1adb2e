"""Integration methods: each a pure step from a state to the next. A state is a mapping of arrays.

Net flows stand in a program once, whatever the number of stages: written out for each stage they would take four times
as long to compile, and more than that to run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from trilemma.translation.ordering import Node

State = dict[Node, Array]
Rates = Callable[[Sequence[Array], State], State]
"""From a slice of what is known of the stages' instants and a state to the net flows of all stocks."""


_Slopes: TypeAlias = tuple[State, State]
"""The net flows of the last stage, and the mean so far."""


class Method(NamedTuple):
    """An integration method.

    Attributes
    ----------
    stages
        When in a step its stages evaluate the net flows, in steps.
    step
        What it makes of them: from the net flows, what is known of the instants (stage first), a state and the time
        step to the next state.
    """

    stages: tuple[float, ...]
    step: Callable[[Rates, Sequence[Array], State, float], State]


def _moved(state: State, rates: State, by: float | Array) -> State:
    """Return the state after the rates have acted for a time."""
    return jax.tree.map(lambda level, rate: level + by * rate, state, rates)


def euler(rates: Rates, at: Sequence[Array], state: State, step: float) -> State:
    """Take one step of Euler's method, the default of Vensim."""
    return _moved(state, rates([array[0] for array in at], state), step)


def rk4(rates: Rates, at: Sequence[Array], state: State, step: float) -> State:
    """Take one step of the classical fourth-order Runge-Kutta method with a fixed step."""
    ahead = np.array([0.0, 0.5, 0.5, 1.0]) * step
    weights = np.array([1.0, 2.0, 2.0, 1.0]) / 6

    def stage(
        carry: tuple[State, State], now: tuple[Sequence[Array], Array, Array]
    ) -> tuple[tuple[State, State], None]:
        slope, mean = carry
        slices, by, weight = now
        slope = rates(slices, _moved(state, slope, by))
        return (slope, _moved(mean, slope, weight)), None

    still = jax.tree.map(jnp.zeros_like, state)
    (_, mean), _ = lax.scan(stage, (still, still), (at, jnp.asarray(ahead), jnp.asarray(weights)))
    return _moved(state, mean, step)


METHODS: Mapping[str, Method] = {"euler": Method((0.0,), euler), "rk4": Method((0.0, 0.5, 0.5, 1.0), rk4)}

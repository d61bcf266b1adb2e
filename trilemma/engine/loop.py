"""The one loop over time: builds, for a model and a request, a pure function from inputs to saved outcomes.

The function scans over saved times, and inside over steps; outcomes are evaluated at saved times alone. It knows no
labels. All arrays have the run as their last axis, of size 1 where nothing varies by run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from trilemma.engine.integrators import METHODS, State
from trilemma.engine.lower import assemble, check_functions, component_shape, evaluate
from trilemma.engine.values import Draws, Instant
from trilemma.translation import ir
from trilemma.translation.model import Model
from trilemma.translation.ordering import Node, component_of, nodes_of, order, references


class Series(NamedTuple):
    """Values at knots: shapes (knots,) and (knots, dims, runs or 1)."""

    knots: Array
    values: Array


class Given(NamedTuple):
    """The arrays that a program is called with, by key; see `trilemma.engine.inputs.Inputs`.

    `draws` is what random numbers depend on: the seed, and the number of each run.
    """

    constants: dict[str, Array]
    replaced: dict[str, Array | Series]
    initial: dict[str, Array]
    draws: Draws


Mask = tuple[bool, ...]


@dataclass(frozen=True)
class Request:
    """What a program is built for: all that changes its structure, none of the numbers.

    `replaced` and `initial` hold, by key, the flattened mask of the elements that are given. Times are in the model's
    unit: save i is at ``start + i * steps_per_save * time_step``.
    """

    outcomes: tuple[str, ...]
    replaced: tuple[tuple[str, Mask], ...]
    initial: tuple[tuple[str, Mask], ...]
    method: str
    start: float
    time_step: float
    steps_per_save: int
    saves: int


Program = Callable[[Given], tuple[dict[str, Array], Array]]
"""From inputs to outcomes by key, shape (saves, dims, runs or 1), and whether each run's last state is finite."""


@lru_cache(maxsize=64)
def build(model: Model, request: Request) -> Program:
    """Build and compile (at its first call) the program of a request.

    Raises
    ------
    UnsupportedError
        If the model uses what the engine does not know.
    ModelFileError
        If its equations form a loop.
    """
    simulation = _Simulation(model, request)
    check_functions(model, simulation.nodes)
    return jax.jit(simulation.run)


class _Simulation:
    """The plan of a program: which definitions are evaluated, in which order, at the start, in a step, at a save."""

    def __init__(self, model: Model, request: Request) -> None:
        self.model = model
        self.request = request
        self.masks = {key: np.reshape(mask, model.nodes[key].shape) for key, mask in request.replaced}
        self.begin = {key: np.reshape(mask, model.nodes[key].shape) for key, mask in request.initial}
        wanted = [node for key in request.outcomes for node in nodes_of(model, key)]
        self.stocks = self._stocks_behind(wanted)
        self.save_order = order(model, wanted, self._needs_while_running)
        flows = [n for stock in self.stocks for n in self._flow_needs(stock)]
        self.step_order = order(model, flows, self._needs_while_running)
        self.initial_order = order(model, [*self.stocks, *wanted], self._needs_at_start)
        self.nodes = dict.fromkeys([*self.initial_order, *self.step_order, *self.save_order])

    def run(self, given: Given) -> tuple[dict[str, Array], Array]:
        """Simulate: the function that is compiled."""
        request = self.request
        step = METHODS[request.method]
        state = self._initial_state(given)

        def advance(carry: tuple[State, Array], _: None) -> tuple[tuple[State, Array], None]:
            state, count = carry

            def rates(state: State, time: Array) -> State:
                return self._rates(given, state, time, count)

            return (step(rates, state, self._time(count), request.time_step), count + 1), None

        def to_next_save(carry: tuple[State, Array]) -> tuple[State, Array]:
            return lax.scan(advance, carry, length=request.steps_per_save)[0]

        def save(carry: tuple[State, Array], _: None) -> tuple[tuple[State, Array], dict[str, Array]]:
            saved = self._saved(given, *carry)
            is_last = carry[1] >= (request.saves - 1) * request.steps_per_save
            return lax.cond(is_last, lambda carry: carry, to_next_save, carry), saved

        carry = (state, jnp.zeros((), dtype=jnp.int32))
        carry, saved = lax.scan(save, carry, length=request.saves)
        return saved, self._finite(carry[0])

    def _time(self, count: Array) -> Array:
        """Return the time of a step by its number, shape (1,)."""
        return jnp.reshape(self.request.start + count * self.request.time_step, (1,))

    def _instant(self, given: Given, time: Array, count: Array) -> Instant:
        """Return an instant: a time within a step, and the step."""
        return Instant(time, self._time(count), count, self.request.time_step, given.draws)

    def _finite(self, state: State) -> Array:
        """Return whether all stocks are finite, by run."""
        flags = [jnp.isfinite(level).all(axis=tuple(range(level.ndim - 1))) for level in state.values()]
        return jnp.stack(jnp.broadcast_arrays(*flags)).all(axis=0) if flags else jnp.ones((1,), dtype=bool)

    def _saved(self, given: Given, state: State, count: Array) -> dict[str, Array]:
        """Return the outcomes at a saved time."""
        now = self._instant(given, self._time(count), count)
        values = self._evaluated(given, self.save_order, dict(state), now)
        model = self.model
        return {
            key: assemble(model, key, [tuple(range(n)) for n in model.nodes[key].shape], values)
            for key in self.request.outcomes
        }

    def _rates(self, given: Given, state: State, time: Array, count: Array) -> State:
        """Return the net flows of all stocks at a time within a step."""
        now = self._instant(given, time, count)
        values = self._evaluated(given, self.step_order, dict(state), now)
        rates: State = {}
        for node, level in state.items():
            flow = evaluate(self.model, node, _integral(self.model, node).flow, values, now)
            rates[node] = jnp.broadcast_to(flow, level.shape)
        return rates

    def _initial_state(self, given: Given) -> State:
        """Return the stocks at the start, over all runs."""
        count = jnp.zeros((), dtype=jnp.int32)
        values = self._evaluated(given, self.initial_order, {}, self._instant(given, self._time(count), count))
        runs = max([1, *(array.shape[-1] for array in _run_arrays(given))])
        return {n: jnp.broadcast_to(values[n], (*values[n].shape[:-1], runs)) for n in self.stocks}

    def _evaluated(self, given: Given, nodes: Iterable[Node], values: State, now: Instant) -> State:
        """Evaluate definitions in order; what is in `values` already (state) stands unless it is replaced."""
        for node in nodes:
            mask = self._mask(self.masks, node)
            if mask is not None and mask.all():
                values[node] = self._replacement(given, node, now.time)
                continue
            if node not in values:
                values[node] = self._defined(given, node, values, now)
            if mask is not None and mask.any():
                values[node] = jnp.where(mask[..., None], self._replacement(given, node, now.time), values[node])
        return values

    def _defined(self, given: Given, node: Node, values: State, now: Instant) -> Array:
        """Return the value of a definition by its own equation."""
        component = component_of(self.model, node)
        if ir.is_literal(component.expression) and node.key in given.constants:
            return self._own(node, given.constants[node.key])
        if not isinstance(component.expression, ir.Integral):
            return evaluate(self.model, node, component.expression, values, now)
        mask = self._mask(self.begin, node)
        if mask is not None and mask.all():
            return self._own(node, given.initial[node.key])
        initial = evaluate(self.model, node, component.expression.initial, values, now)
        if mask is not None and mask.any():
            return jnp.where(mask[..., None], self._own(node, given.initial[node.key]), initial)
        return initial

    def _replacement(self, given: Given, node: Node, time: Array) -> Array:
        """Return the values given for a definition, interpolated where they are a series."""
        entry = given.replaced[node.key]
        return self._own(node, _interpolated(entry, time) if isinstance(entry, Series) else entry)

    def _own(self, node: Node, whole: Array) -> Array:
        """Return the part of a whole variable's array that a definition covers, with its axes."""
        variable, component = self.model.nodes[node.key], component_of(self.model, node)
        if not variable.dims:
            return whole
        for dim, positions in enumerate(ir.positions(variable, component.subscripts, self.model.lower_ranges)):
            if positions != tuple(range(whole.shape[dim])):
                whole = jnp.take(whole, np.array(positions), axis=dim)
        return whole.reshape((*component_shape(self.model, component), whole.shape[-1]))

    def _mask(self, masks: Mapping[str, np.ndarray], node: Node) -> np.ndarray | None:
        """Return which elements of a definition are given, or None."""
        if node.key not in masks:
            return None
        variable, component = self.model.nodes[node.key], component_of(self.model, node)
        where = ir.positions(variable, component.subscripts, self.model.lower_ranges)
        part = masks[node.key][np.ix_(*where)] if variable.dims else masks[node.key]
        return np.reshape(part, component_shape(self.model, component))

    def _is_replaced(self, node: Node) -> bool:
        """Whether every element of a definition is given."""
        mask = self._mask(self.masks, node)
        return mask is not None and bool(mask.all())

    def _flow_needs(self, stock: Node) -> frozenset[Node]:
        """Return what the net flow of a stock refers to."""
        return references(self.model, _integral(self.model, stock).flow)

    def _needs_while_running(self, node: Node) -> frozenset[Node]:
        """Return what a definition needs in a step: a stock needs nothing, it is state."""
        expression = component_of(self.model, node).expression
        if self._is_replaced(node) or isinstance(expression, ir.Integral):
            return frozenset()
        return references(self.model, expression)

    def _needs_at_start(self, node: Node) -> frozenset[Node]:
        """Return what a definition needs at the start: a stock needs what its initial value refers to."""
        expression = component_of(self.model, node).expression
        if self._is_replaced(node):
            return frozenset()
        return references(self.model, expression.initial if isinstance(expression, ir.Integral) else expression)

    def _stocks_behind(self, wanted: Iterable[Node]) -> tuple[Node, ...]:
        """Return the stocks that the wanted definitions depend on, at once or through other stocks."""
        found: dict[Node, None] = {}
        seen: set[Node] = set()
        waiting = list(wanted)
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            if isinstance(component_of(self.model, node).expression, ir.Integral) and not self._is_replaced(node):
                found[node] = None
                waiting.extend(self._flow_needs(node))
            else:
                waiting.extend(self._needs_while_running(node))
        return tuple(sorted(found))


def _integral(model: Model, node: Node) -> ir.Integral:
    """Return the equation of a stock."""
    expression = component_of(model, node).expression
    assert isinstance(expression, ir.Integral)
    return expression


def _run_arrays(given: Given) -> list[Array]:
    """Return all arrays of the inputs whose last axis is the run."""
    series = [entry.values if isinstance(entry, Series) else entry for entry in given.replaced.values()]
    return [*given.constants.values(), *series, *given.initial.values(), given.draws.runs]


def _interpolated(series: Series, time: Array) -> Array:
    """Return a series at a time: linear between its knots, the end values outside them."""
    if series.knots.shape[0] == 1:
        return series.values[0]
    last = series.knots.shape[0] - 2
    index = jnp.clip(jnp.searchsorted(series.knots, time[0], side="right") - 1, 0, last)
    left, right = series.knots[index], series.knots[index + 1]
    weight = jnp.clip((time[0] - left) / (right - left), 0.0, 1.0)
    return series.values[index] * (1 - weight) + series.values[index + 1] * weight

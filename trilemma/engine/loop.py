"""The one loop over time: builds, for a model and a request, a pure function from inputs to saved outcomes.

The function scans over saved times, and inside over steps; outcomes are evaluated at saved times alone. It knows no
labels. All arrays have the run as their last axis, of size 1 where nothing varies by run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import prod
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from trilemma.engine.checks import Checks, checks_of, first_failures
from trilemma.engine.hoisting import Split, hoist, in_loop
from trilemma.engine.integrators import METHODS, State
from trilemma.engine.lower import assemble, check_functions, component_shape, evaluate, own_part
from trilemma.engine.memory import Pipe, begin, enter, fill, in_order, steps_of
from trilemma.engine.values import Draws, Instant
from trilemma.translation import ir
from trilemma.translation.model import Model
from trilemma.translation.ordering import Node, active, at_start, component_of, nodes_of, order, references


class Series(NamedTuple):
    """Values at knots: shapes (knots,) and (knots, dims, runs or 1)."""

    knots: Array
    values: Array


class Given(NamedTuple):
    """The arrays that a program is called with, by key; see `trilemma.engine.inputs.Inputs`.

    `draws` is what random numbers depend on: the seed, and the number of each run. `state`, where it is given, is what
    holds at the first step, by the labels of `state_label`; initial values do not matter then. `moving`, where it is
    given, is what all states are said to depend on from the start; see `_depending`.
    """

    constants: dict[str, Array]
    replaced: dict[str, Array | Series]
    initial: dict[str, Array]
    draws: Draws
    state: dict[str, Array] | None = None
    moving: Array | None = None


class Carry(NamedTuple):
    """What goes from step to step: stocks and memories, and what is on its way in delays."""

    state: State
    pipes: dict[Node, Pipe]


Slices: TypeAlias = Any
"""What was worked out for all instants, for one of them; see `trilemma.engine.hoisting`."""

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
    pipes: tuple[tuple[Node, int, bool], ...] = ()
    """The memories with a delay: the steps of the longest one, and whether all elements and runs take as many."""
    first_step: int = 0
    """The number of the first step: save i is then at ``start + (first_step + i * steps_per_save) * time_step``."""
    keep_state: bool = False
    """Whether the state at the last save is among the outcomes, by the labels of `state_label`."""


Program = Callable[[Given], tuple[dict[str, Array], Array]]
"""From inputs to outcomes by key, shape (saves, dims, runs or 1), and what failed by save and run; see `checks`."""


MANY_VALUES = 64
"""From so many values at a save on, the loop over saves is no function of its own; see `compiler`."""


def pure(model: Model, request: Request, *, hoisted: bool = True) -> Program:
    """Return the program of a request as a pure function, for compilation or differentiation.

    Parameters
    ----------
    hoisted
        Take out of the loop what does not depend on the state: pays for few runs, not for batches.

    Raises
    ------
    UnsupportedError
        If the model uses what the engine does not know.
    ModelFileError
        If its equations form a loop.
    """
    # a copy, since JAX remembers what it traced by the function, and it may be traced with slopes or without
    simulation = copy(_simulation(model, request))
    check_functions(model, simulation.nodes)
    return partial(simulation.run, hoist if hoisted else in_loop)


class Parts(NamedTuple):
    """A program in parts, for whoever goes through time in a way of its own: pure, with nothing taken out of a loop.

    The first argument is a `Given`, or what one is made from; the second of two is the number of a step.
    """

    start: Callable[[Any], Carry]
    step: Callable[[Any, Array, Carry], Carry]
    save: Callable[[Any, Array, Carry], dict[str, Array]]


def parts(model: Model, request: Request) -> Parts:
    """Return the program of a request in parts: its start, a step by its number, and the outcomes at one."""
    simulation = copy(_simulation(model, request))
    check_functions(model, simulation.nodes)
    return Parts(simulation.start, simulation.step, simulation.save)


def checks(model: Model, request: Request) -> Checks:
    """Return what the program of a request looks at for failures."""
    return _simulation(model, request).checks


@lru_cache(maxsize=256)
def has_memories(model: Model) -> bool:
    """Return whether a model holds memories; see `with_pipes`."""
    return any(isinstance(c.expression, ir.Memory) for v in model.nodes.values() for c in v.components)


def states(model: Model, request: Request) -> tuple[Node, ...]:
    """Return the stocks and memories that the program of a request carries from step to step."""
    simulation = _simulation(model, request)
    return (*simulation.stocks, *simulation.memories)


def definitions(model: Model, request: Request) -> tuple[ir.Expression, ...]:
    """Return the equations of all definitions that the program of a request evaluates."""
    return tuple(component_of(model, node).expression for node in _simulation(model, request).nodes)


class Sizes(NamedTuple):
    """How many numbers a run holds: of all definitions at an instant, of states, and on their way in delays."""

    values: int
    states: int
    delayed: int


def sizes(model: Model, request: Request) -> Sizes:
    """Return how many numbers a run of the program of a request holds."""
    simulation = _simulation(model, request)
    numbers = {n: prod(component_shape(model, component_of(model, n))) for n in simulation.nodes}
    states = (*simulation.stocks, *simulation.memories)
    return Sizes(
        values=sum(numbers.values()),
        states=sum(numbers[node] for node in states),
        delayed=sum(numbers[node] * size for node, (size, _) in simulation.pipes.items()),
    )


def with_pipes(model: Model, request: Request, given: Given) -> Request:
    """Return a request that knows how long the delays of memories are; they follow from the inputs."""
    simulation = _simulation(model, request)
    check_functions(model, simulation.nodes)
    steps = {node: np.asarray(n) for node, n in simulation.delays(given).items()}
    return replace(request, pipes=tuple((node, int(n.max()), n.min() == n.max()) for node, n in sorted(steps.items())))


@lru_cache(maxsize=64)
def _simulation(model: Model, request: Request) -> _Simulation:
    """Return the plan of a program."""
    return _Simulation(model, request)


class _Simulation:
    """The plan of a program: which definitions are evaluated, in which order, at the start, in a step, at a save."""

    def __init__(self, model: Model, request: Request) -> None:
        self.model = model
        self.request = request
        self.masks = {key: np.reshape(mask, model.nodes[key].shape) for key, mask in request.replaced}
        self.begin = {key: np.reshape(mask, model.nodes[key].shape) for key, mask in request.initial}
        wanted = [node for key in request.outcomes for node in nodes_of(model, key)]
        found = self._states_behind(wanted)
        self.stocks = tuple(node for node in found if isinstance(self._equation(node), ir.Integral))
        self.memories = tuple(node for node in found if isinstance(self._equation(node), ir.Memory))
        self.pipes = {node: (size, uniform) for node, size, uniform in request.pipes}
        self.save_order = order(model, wanted, self._needs_while_running)
        flows = sorted({n for state in found for n in self._flow_needs(state)})  # one order in every process
        self.step_order = order(model, flows, self._needs_while_running)
        self.initial_order = order(model, [*found, *wanted, *self._delayed_needs()], self._needs_at_start)
        self.nodes = dict.fromkeys([*self.initial_order, *self.step_order, *self.save_order])
        self.checks = checks_of(model, (*self.stocks, *self.memories), request.outcomes)

    def run(self, split: Split, given: Given) -> tuple[dict[str, Array], Array]:
        """Simulate: with a way to split what does not depend on the state off, the function that is compiled."""
        request = self.request
        runs = _runs(given)
        state, pipes = self._initial_state(given)
        if given.moving is not None:
            state = _depending(state, given.moving)
        steps = request.first_step + jnp.arange(request.saves * request.steps_per_save, dtype=jnp.int32)
        at_steps, step = self._hoisted_step(split, given, steps, state)
        at_saves, saved = split(self._saved, given, steps[:: request.steps_per_save], state)

        def advance(carry: Carry, at: Slices) -> tuple[Carry, None]:
            return step(at, carry), None

        def save(carry: Carry, at: tuple[Slices, Slices, Array]) -> tuple[Carry, tuple[dict[str, Array], Array]]:
            at_save, at_steps, is_last = at
            outcomes = saved(at_save, carry.state)

            def to_next_save(carry: Carry) -> Carry:
                return lax.scan(advance, carry, at_steps, length=request.steps_per_save)[0]

            # a scan sorts the keys of what it carries; the checks have an order of their own
            states = {node: carry.state[node] for node in (*self.stocks, *self.memories)}
            saved_ones = {key: outcomes[key] for key in request.outcomes}
            failures = first_failures(self.checks, self.model, states, saved_ones, runs)
            saved_values = sum(prod(values.shape[:-1]) for values in outcomes.values())
            done = _sorted(is_last) if saved_values > MANY_VALUES else is_last
            return lax.cond(done, lambda carry: carry, to_next_save, carry), (outcomes, failures)

        by_save = jax.tree.map(lambda a: a.reshape((request.saves, request.steps_per_save, *a.shape[1:])), at_steps)
        is_last = jnp.arange(request.saves) == request.saves - 1
        carry, (outcomes, failures) = lax.scan(save, Carry(state, pipes), (at_saves, by_save, is_last))
        if request.keep_state:
            outcomes |= {state_label(node): level[None] for node, level in carry.state.items()}
            outcomes |= {slots_label(node): in_order(pipe)[None] for node, pipe in carry.pipes.items()}
            outcomes |= {steps_label(node): pipe.steps[None] for node, pipe in carry.pipes.items()}
        return outcomes, failures

    def start(self, given: Given) -> Carry:
        """Return what goes into the first step."""
        return Carry(*self._initial_state(given))

    def step(self, given: Given, count: Array, carry: Carry) -> Carry:
        """Take one step."""
        series, step = self._hoisted_step(in_loop, given, count[None], carry.state)
        return step(jax.tree.map(lambda array: array[0], series), carry)

    def save(self, given: Given, count: Array, carry: Carry) -> dict[str, Array]:
        """Return the outcomes at a step."""
        return self._saved(given, count, carry.state)

    def delays(self, given: Given) -> dict[Node, Array]:
        """Return the delay of each memory that has one, in steps: whole numbers."""
        return self._steps(self._at_start(given, order(self.model, self._delayed_needs(), self._needs_at_start)), given)

    def _hoisted_step(
        self, split: Split, given: Given, steps: Array, state: State
    ) -> tuple[list[Slices], Callable[[Slices, Carry], Carry]]:
        """Return what the steps need of their instants, to be scanned, and one step from a slice of it."""
        method = METHODS[self.request.method]
        count, stages = steps.shape[0], len(method.stages)
        shifts = jnp.tile(jnp.array(method.stages) * self.request.time_step, count)
        instants, flows = split(self._rates, given, (jnp.repeat(steps, stages), shifts), state)
        series = [[array.reshape((count, stages, *array.shape[1:])) for array in instants]]
        entering: Callable[[Slices, State], State] | None = None
        if self.memories:
            taken, entering = split(self._entering, given, steps, state)
            series.append(taken)

        def step(at: Slices, carry: Carry) -> Carry:
            held = {node: carry.state[node] for node in self.memories}

            def rates(now: Slices, levels: State) -> State:
                return flows(now, {**levels, **held})

            levels = {node: carry.state[node] for node in self.stocks}
            levels = method.step(rates, at[0], levels, self.request.time_step)
            for node in self.stocks:
                if _integral(self.model, node).non_negative:
                    levels[node] = jnp.maximum(levels[node], 0.0)
            held, pipes = self._remembered(entering(at[1], carry.state), carry) if entering is not None else ({}, {})
            return Carry({**levels, **held}, pipes)

        return series, step

    def _remembered(self, entering: State, carry: Carry) -> tuple[State, dict[Node, Pipe]]:
        """Return the memories after a step, from what enters them."""
        held: State = {}
        pipes: dict[Node, Pipe] = {}
        for node in self.memories:
            if node in carry.pipes:
                held[node], pipes[node] = enter(carry.pipes[node], entering[node], uniform=self.pipes[node][1])
            else:
                held[node] = entering[node]
        return held, pipes

    def _entering(self, given: Given, count: Array, state: State) -> State:
        """Return what the memories take up at the beginning of a step."""
        now = self._instant(given, count)
        values = self._evaluated(given, self.step_order, dict(state), now)
        nexts = {n: evaluate(self.model, n, active(_memory(self.model, n).next), values, now) for n in self.memories}
        return {node: jnp.broadcast_to(value, state[node].shape) for node, value in nexts.items()}

    def _instant(self, given: Given, count: Array, shift: Array | float = 0.0) -> Instant:
        """Return an instant by the number of its step, and how far into the step it lies."""
        began = jnp.reshape(self.request.start + count * self.request.time_step, (1,))
        return Instant(began + shift, began, count, self.request.time_step, given.draws)

    def _saved(self, given: Given, count: Array, state: State) -> dict[str, Array]:
        """Return the outcomes at a saved time."""
        now = self._instant(given, count)
        values = self._evaluated(given, self.save_order, dict(state), now)
        model = self.model
        return {
            key: assemble(model, key, [tuple(range(n)) for n in model.nodes[key].shape], values)
            for key in self.request.outcomes
        }

    def _rates(self, given: Given, at: tuple[Array, Array], state: State) -> State:
        """Return the net flows of all stocks at a time within a step: its number, and how far into it."""
        now = self._instant(given, *at)
        values = self._evaluated(given, self.step_order, dict(state), now)
        rates: State = {}
        for node in self.stocks:
            flow = evaluate(self.model, node, active(_integral(self.model, node).flow), values, now)
            rates[node] = jnp.broadcast_to(flow, state[node].shape)
        return rates

    def _initial_state(self, given: Given) -> tuple[State, dict[Node, Pipe]]:
        """Return the stocks and memories at the start, over all runs."""
        runs = _runs(given)
        if given.state is not None:
            held = {label: jnp.broadcast_to(a, (*a.shape[:-1], runs)) for label, a in given.state.items()}
            pipes = {node: begin(held[slots_label(node)], held[steps_label(node)]) for node in self.pipes}
            return {node: held[state_label(node)] for node in (*self.stocks, *self.memories)}, pipes
        values = self._at_start(given, self.initial_order)
        state = {n: jnp.broadcast_to(values[n], (*values[n].shape[:-1], runs)) for n in (*self.stocks, *self.memories)}
        steps = self._steps(values, given) if self.pipes else {}
        return state, {n: fill(state[n], size, steps[n]) for n, (size, _) in self.pipes.items()}

    def _at_start(self, given: Given, nodes: Iterable[Node]) -> State:
        """Evaluate definitions at the start, where a stock has its initial value."""
        return self._evaluated(given, nodes, {}, self._first(given), starting=True)

    def _first(self, given: Given) -> Instant:
        """Return the instant of the start."""
        return self._instant(given, jnp.zeros((), dtype=jnp.int32))

    def _steps(self, values: State, given: Given) -> dict[Node, Array]:
        """Return the delay of each memory that has one in steps, from values at the start."""
        found: dict[Node, Array] = {}
        for node in self.memories:
            delay = _memory(self.model, node).delay
            if delay is not None:
                time = evaluate(self.model, node, at_start(delay), values, self._first(given))
                found[node] = steps_of(time, self.request.time_step)
        return found

    def _delayed_needs(self) -> list[Node]:
        """Return what the delays of all memories refer to."""
        return [n for memory in self.memories for n in self._delay_needs(memory)]

    def _evaluated(
        self, given: Given, nodes: Iterable[Node], values: State, now: Instant, *, starting: bool = False
    ) -> State:
        """Evaluate definitions in order; what is in `values` already (state) stands unless it is replaced."""
        for node in nodes:
            mask = self._mask(self.masks, node)
            if mask is not None and mask.all():
                values[node] = self._replacement(given, node, now.time)
                continue
            if node not in values:
                values[node] = self._defined(given, node, values, now, starting=starting)
            if mask is not None and mask.any():
                values[node] = jnp.where(mask[..., None], self._replacement(given, node, now.time), values[node])
        return values

    def _defined(self, given: Given, node: Node, values: State, now: Instant, *, starting: bool) -> Array:
        """Return the value of a definition by its own equation."""
        if self._is_control(node):
            return jnp.full((1,), self._control(node.key))
        component = component_of(self.model, node)
        if ir.is_literal(component.expression) and node.key in given.constants:
            return own_part(self.model, node, given.constants[node.key])
        if not isinstance(component.expression, ir.STATES):
            return evaluate(self.model, node, (at_start if starting else active)(component.expression), values, now)
        mask = self._mask(self.begin, node)
        if mask is not None and mask.all():
            return own_part(self.model, node, given.initial[node.key])
        initial = evaluate(self.model, node, at_start(component.expression.initial), values, now)
        if mask is not None and mask.any():
            return jnp.where(mask[..., None], own_part(self.model, node, given.initial[node.key]), initial)
        return initial

    def _control(self, key: str) -> float:
        """Return a control variable: that of the file at the start, but the step of this simulation."""
        clock = self.model.clock
        held = {"initial_time": clock.initial_time, "final_time": clock.final_time, "saveper": clock.saveper}
        return self.request.time_step if key == "time_step" else held[key]

    def _replacement(self, given: Given, node: Node, time: Array) -> Array:
        """Return the values given for a definition, interpolated where they are a series."""
        entry = given.replaced[node.key]
        return own_part(self.model, node, _interpolated(entry, time) if isinstance(entry, Series) else entry)

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

    def _equation(self, node: Node) -> ir.Expression:
        """Return the equation of a definition."""
        return component_of(self.model, node).expression

    def _is_control(self, node: Node) -> bool:
        """Whether a definition is of a control variable, which is worked out beforehand unless it changes in a run."""
        varies = node.key in self.model.clock.varying and node.key != "time_step"
        return self.model.nodes[node.key].kind == "control" and not varies

    def _flow_needs(self, state: Node) -> frozenset[Node]:
        """Return what the net flow of a stock, or the next value of a memory, refers to."""
        equation = self._equation(state)
        if isinstance(equation, ir.Memory):
            return references(self.model, active(equation.next))
        return references(self.model, active(_integral(self.model, state).flow))

    def _delay_needs(self, memory: Node) -> frozenset[Node]:
        """Return what the delay of a memory refers to."""
        delay = _memory(self.model, memory).delay
        return frozenset() if delay is None else references(self.model, at_start(delay))

    def _needs_while_running(self, node: Node) -> frozenset[Node]:
        """Return what a definition needs in a step: a stock needs nothing, it is state."""
        expression = self._equation(node)
        if self._is_replaced(node) or isinstance(expression, ir.STATES) or self._is_control(node):
            return frozenset()
        return references(self.model, active(expression))

    def _needs_at_start(self, node: Node) -> frozenset[Node]:
        """Return what a definition needs at the start: a stock needs what its initial value refers to."""
        expression = self._equation(node)
        if self._is_replaced(node) or self._is_control(node):
            return frozenset()
        wanted = expression.initial if isinstance(expression, ir.STATES) else expression
        return references(self.model, at_start(wanted))

    def _states_behind(self, wanted: Iterable[Node]) -> tuple[Node, ...]:
        """Return the stocks and memories that the wanted definitions depend on, at once or through others."""
        found: dict[Node, None] = {}
        seen: set[Node] = set()
        waiting = list(wanted)
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            if isinstance(self._equation(node), ir.STATES) and not self._is_replaced(node):
                found[node] = None
                waiting.extend(self._flow_needs(node))
            else:
                waiting.extend(self._needs_while_running(node))
        return tuple(sorted(found))


def _sorted(flag: Array) -> Array:
    """Return a flag as it is, by way of a sort: XLA makes no function of a loop that sorts; see `compiler`.

    The loop over steps inside becomes one still. With many outcomes around it, that would take three times as long.
    """
    return lax.sort(jnp.stack([flag, jnp.ones_like(flag)]))[0]


@jax.custom_jvp
def _depending(state: State, moving: Array) -> State:
    """Return a state as it is, with slopes with regard to what moves that are numbers from the start, if only zeros.

    JAX looks for the stocks that depend on what moves by tracing a loop again until no more are found: as often as
    there are stocks between the first of them and the last.
    """
    del moving
    return state


@_depending.defjvp
def _depending_slope(primals: tuple[State, Array], tangents: tuple[State, Array]) -> tuple[State, State]:
    nothing = 0.0 * jnp.ravel(tangents[1])[0]
    return primals[0], {node: slope + nothing for node, slope in tangents[0].items()}


def state_label(node: Node) -> str:
    """Return the name of a state among arrays by name; no variable has such a key."""
    return f"state {node.component} {node.key}"


def slots_label(node: Node) -> str:
    """Return the name of what is on its way in a memory with a delay, as `state_label` does."""
    return f"state slots {node.component} {node.key}"


def steps_label(node: Node) -> str:
    """Return the name of the delay of a memory in steps, as `state_label` does."""
    return f"state steps {node.component} {node.key}"


def _integral(model: Model, node: Node) -> ir.Integral:
    """Return the equation of a stock."""
    expression = component_of(model, node).expression
    assert isinstance(expression, ir.Integral)
    return expression


def _memory(model: Model, node: Node) -> ir.Memory:
    """Return the equation of a memory."""
    expression = component_of(model, node).expression
    assert isinstance(expression, ir.Memory)
    return expression


def _runs(given: Given) -> int:
    """Return the number of runs: the size of the last axis of the inputs, where it is not 1."""
    series = [entry.values if isinstance(entry, Series) else entry for entry in given.replaced.values()]
    arrays = [*given.constants.values(), *series, *given.initial.values(), given.draws.runs]
    arrays += (given.state or {}).values()
    return max(1, *(array.shape[-1] for array in arrays))


def _interpolated(series: Series, time: Array) -> Array:
    """Return a series at a time: linear between its knots, the end values outside them."""
    if series.knots.shape[0] == 1:
        return series.values[0]
    last = series.knots.shape[0] - 2
    index = jnp.clip(jnp.searchsorted(series.knots, time[0], side="right") - 1, 0, last)
    left, right = series.knots[index], series.knots[index + 1]
    weight = jnp.clip((time[0] - left) / (right - left), 0.0, 1.0)
    return series.values[index] * (1 - weight) + series.values[index + 1] * weight

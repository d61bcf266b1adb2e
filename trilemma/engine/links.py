"""Exact slopes of causal links: the partial derivative of an equation to one of its direct causes, along runs.

The link from a cause to an effect may pass through the hidden stocks of a delay or a smooth; it has then several steps,
and its slope is their product. The effect of a step into a stock is its net flow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from trilemma.engine import compiler
from trilemma.engine.batches import given, run
from trilemma.engine.inputs import Overrides
from trilemma.engine.loop import Given
from trilemma.engine.lower import evaluate, own_part
from trilemma.engine.programs import FEW_RUNS, build
from trilemma.engine.simulate import Plan, plan_run
from trilemma.engine.values import Instant
from trilemma.errors import UnsupportedError
from trilemma.translation import ir
from trilemma.translation.model import Model, Selection
from trilemma.translation.ordering import Node, active, component_of, nodes_of, referred_keys


class Place(NamedTuple):
    """A scalar element of a variable, hidden ones too: its key and its position per dimension."""

    key: str
    indices: tuple[int, ...]


Step = tuple[Place, Place]
"""A direct cause and its effect."""


@dataclass(frozen=True)
class Slopes:
    """The slopes of links along runs.

    Attributes
    ----------
    times
        The saved times.
    links
        One array a link, shape (time, runs). The effect of a link into a stock is the stock's net flow.
    stocks
        For each link the stocks that it enters, hidden ones too.
    net_flows
        The net flow of each of these stocks, shape (time, runs).
    """

    times: np.ndarray
    links: tuple[np.ndarray, ...]
    stocks: tuple[tuple[Place, ...], ...]
    net_flows: Mapping[Place, np.ndarray]


def link_slopes(
    model: Model,
    links: Sequence[tuple[Selection, Selection]],
    overrides: Overrides | None = None,
    *,
    save_every: float | None = None,
    method: Literal["euler", "rk4"] = "euler",
    time_step: float | None = None,
) -> Slopes:
    """Return the slopes of links at the saved times of a run, or of each run of a batch.

    Parameters
    ----------
    links
        Causes and effects: scalar elements, the effect referring to the cause.
    overrides, save_every, method, time_step
        As in `simulate`.

    Raises
    ------
    UnsupportedError
        If a link passes through a delay in a way that elements cannot be told.
    """
    chains = [steps_between(model, cause, effect) for cause, effect in links]
    steps = list(dict.fromkeys(step for chain in chains for step in chain))
    plan = plan_run(model, overrides, None, save_every, method, time_step)
    needed = {key for _, effect in steps for key in _needs(model, effect)}
    outcomes = tuple(sorted(k for k in needed if k not in plan.inputs.constants or k in plan.inputs.replaced))
    outcomes = tuple(k for k in outcomes if model.nodes[k].kind != "control")
    plan = replace(plan, request=replace(plan.request, outcomes=outcomes))
    program = build(model, plan.request, few_runs=(plan.inputs.runs or 1) <= FEW_RUNS)
    saved, _ = run(program, plan.inputs)
    slopes, flows = _evaluated(model, plan, saved, steps)
    by_step = dict(zip(steps, slopes, strict=True))
    return Slopes(
        plan.times,
        tuple(np.prod([by_step[step] for step in chain], axis=0) for chain in chains),
        tuple(tuple(effect for _, effect in chain if _is_stock(model, effect)) for chain in chains),
        flows,
    )


def steps_between(model: Model, cause: Selection, effect: Selection) -> tuple[Step, ...]:
    """Return the steps of a link: one, or one more for each hidden variable on the shortest way."""
    first, last = _place(cause), _place(effect)
    hidden = {key for key, variable in model.nodes.items() if variable.hidden}
    ways: list[tuple[str, ...]] = [(effect.variable.key,)]
    for way in ways:
        referred = referred_keys(model, way[0], initial=False)
        if cause.variable.key in referred:
            places = [first, *(_hidden(model, key, cause, effect) for key in way[:-1]), last]
            return tuple(zip(places, places[1:], strict=False))
        ways.extend((key, *way) for key in referred if key in hidden and key not in way)
    message = f"'{effect.label}' does not follow from '{cause.label}' directly."
    raise UnsupportedError(message)


def _place(selection: Selection) -> Place:
    """Return the place of a scalar selection."""
    return Place(selection.variable.key, selection.indices or ())


def _hidden(model: Model, key: str, cause: Selection, effect: Selection) -> Place:
    """Return the element of a hidden variable that lies between two elements: that of the effect, else of the cause."""
    variable = model.nodes[key]
    known = [
        {label.lower() for label in (axis[i] for axis, i in zip(s.variable.elements, s.indices or (), strict=False))}
        for s in (effect, cause)
    ]
    indices: list[int] = []
    for axis in variable.elements:
        found = [i for labels in known for i, label in enumerate(axis) if label.lower() in labels]
        if not found and len(axis) > 1:
            message = f"the link from '{cause.label}' to '{effect.label}' passes a delay over other elements."
            raise UnsupportedError(message)
        indices.append(found[0] if found else 0)
    return Place(key, tuple(indices))


def _node(model: Model, place: Place) -> Node:
    """Return the definition that an element has."""
    return Node(place.key, int(model.owners[place.key][place.indices]))


def _equation(model: Model, node: Node) -> ir.Expression:
    """Return what a definition comes to while the model runs; of a stock its net flow, of a memory its next value."""
    expression = component_of(model, node).expression
    if isinstance(expression, ir.Integral):
        return active(expression.flow)
    return active(expression.next if isinstance(expression, ir.Memory) else expression)


def _is_stock(model: Model, place: Place) -> bool:
    """Whether an element is one of a stock."""
    return isinstance(component_of(model, _node(model, place)).expression, ir.Integral)


def _needs(model: Model, effect: Place) -> set[str]:
    """Return the keys that the equation of an element refers to; the time is none."""
    parts = ir.walk(_equation(model, _node(model, effect)))
    return {part.key for part in parts if isinstance(part, ir.Reference) and part.key != "time"}


def _evaluated(
    model: Model, plan: Plan, saved: Mapping[str, np.ndarray], steps: Sequence[Step]
) -> tuple[list[np.ndarray], dict[Place, np.ndarray]]:
    """Return the slope of each step, and the net flow of each stock, shape (time, runs)."""
    runs = plan.inputs.runs or 1
    inputs = given(plan.inputs, np.arange(runs), runs)
    stocks = tuple(dict.fromkeys(effect for _, effect in steps if _is_stock(model, effect)))

    def at_one_time(values: dict[str, Array], count: Array) -> tuple[list[Array], list[Array]]:
        at = _AtOneTime(model, plan, inputs, values, count)
        return [at.slope(cause, effect) for cause, effect in steps], [at.value(stock) for stock in stocks]

    counts = jnp.arange(len(plan.times)) * plan.request.steps_per_save
    options = compiler.options(jax.default_backend(), few_runs=True)
    compiled = jax.jit(jax.vmap(at_one_time), compiler_options=options)
    slopes, flows = compiled({key: jnp.asarray(array) for key, array in saved.items()}, counts)

    def spread(array: Array) -> np.ndarray:
        return np.broadcast_to(np.asarray(array), (len(plan.times), runs))

    return [spread(s) for s in slopes], {stock: spread(f) for stock, f in zip(stocks, flows, strict=True)}


class _AtOneTime:
    """Evaluates equations at one saved time from the values of what they refer to, shapes (dims, runs or 1)."""

    def __init__(self, model: Model, plan: Plan, inputs: Given, values: Mapping[str, Array], count: Array) -> None:
        self.model, self.inputs, self.values = model, inputs, values
        request = plan.request
        time = jnp.reshape(request.start + count * request.time_step, (1,))
        self.now = Instant(time, time, count, request.time_step, inputs.draws)
        clock = model.clock
        self.controls = {"initial_time": clock.initial_time, "final_time": clock.final_time, "saveper": clock.saveper}
        self.controls["time_step"] = request.time_step

    def whole(self, key: str) -> Array:
        """Return the values of a variable."""
        if key in self.controls:
            return jnp.full((1,), self.controls[key])
        return self.values[key] if key in self.values else self.inputs.constants[key]

    def value(self, effect: Place) -> Array:
        """Return the value of an equation for one element, shape (runs or 1,)."""
        return self.equation(effect, self.parts(effect))

    def parts(self, effect: Place) -> dict[Node, Array]:
        """Return the values of all definitions of what an equation refers to."""
        nodes = [node for key in sorted(_needs(self.model, effect)) for node in nodes_of(self.model, key)]
        return {node: own_part(self.model, node, self.whole(node.key)) for node in nodes}

    def equation(self, effect: Place, parts: Mapping[Node, Array]) -> Array:
        """Return the value of an equation for one element from the values of definitions."""
        node = _node(self.model, effect)
        array = evaluate(self.model, node, _equation(self.model, node), parts, self.now)
        return array[self.local(node, effect)]

    def slope(self, cause: Place, effect: Place) -> Array:
        """Return the partial derivative of an effect to a cause, shape (runs or 1,)."""
        moved = _node(self.model, cause)
        parts = self.parts(effect)
        base = parts[moved]
        tangent = jnp.zeros_like(base).at[self.local(moved, cause)].set(1.0)
        return jax.jvp(lambda array: self.equation(effect, {**parts, moved: array}), (base,), (tangent,))[1]

    def local(self, node: Node, place: Place) -> tuple[int, ...]:
        """Return where an element lies along the axes of its definition."""
        subscripts = component_of(self.model, node).subscripts
        covered = self.model.covered[node.key][node.component]
        return tuple(
            own.index(index)
            for own, index, subscript in zip(covered, place.indices, subscripts, strict=True)
            if subscript.lower() in self.model.lower_ranges
        )

"""Evaluation order: which definitions a definition needs, and an order in which each comes after what it needs.

A node is one definition (component) of a variable, so that ``x[CN]`` may follow from ``x[US]`` without a false loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

import numpy as np

from trilemma.errors import ModelFileError
from trilemma.translation import ir
from trilemma.translation.model import Model


class Node(NamedTuple):
    """One definition of a variable: its key and the number of the component."""

    key: str
    component: int


def active(expression: ir.Expression) -> ir.Expression:
    """Return an expression as it holds in a run: of each ACTIVE INITIAL the active part."""
    return _with(expression, lambda node: node.active)


def at_start(expression: ir.Expression) -> ir.Expression:
    """Return an expression as it holds while initial values are worked out."""
    return _with(expression, lambda node: node.initial)


def _with(node: ir.Expression, choose: Callable[[ir.ActiveInitial], ir.Expression]) -> ir.Expression:
    """Return an expression with one part of each ACTIVE INITIAL in its place."""
    if not any(isinstance(part, ir.ActiveInitial) for part in ir.walk(node)):
        return node
    if isinstance(node, ir.ActiveInitial):
        return _with(choose(node), choose)
    changes: dict[str, object] = {}
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, tuple):
            changes[field.name] = tuple(_with(v, choose) if ir.is_node(v) else v for v in value)
        elif ir.is_node(value):
            changes[field.name] = _with(value, choose)
    return replace(node, **changes)


def component_of(model: Model, node: Node) -> ir.Component:
    """Return the definition that a node stands for."""
    return model.nodes[node.key].components[node.component]


def nodes_of(model: Model, key: str) -> tuple[Node, ...]:
    """Return all definitions of a variable."""
    return tuple(Node(key, i) for i in range(len(model.nodes[key].components)))


def references(model: Model, expression: ir.Expression) -> frozenset[Node]:
    """Return the definitions that an expression refers to; the time is none."""
    found: set[Node] = set()
    for part in ir.walk(expression):
        if isinstance(part, ir.Reference) and part.key != "time":
            found.update(Node(part.key, int(i)) for i in np.unique(selected_owners(model, part)) if i >= 0)
    return frozenset(found)


def selected_owners(model: Model, reference: ir.Reference) -> np.ndarray:
    """Return which component defines each element that a reference selects."""
    variable = model.nodes[reference.key]
    if not variable.dims:
        return model.owners[reference.key]
    return model.owners[reference.key][np.ix_(*ir.positions(variable, reference.subscripts, model.lower_ranges))]


def order(model: Model, targets: Iterable[Node], needs: Callable[[Node], Iterable[Node]]) -> tuple[Node, ...]:
    """Return the targets and all that they need, each after what it needs.

    Raises
    ------
    ModelFileError
        If definitions need each other in a loop; the loop is named.
    """
    graph: dict[Node, tuple[Node, ...]] = {}
    waiting = list(targets)
    while waiting:
        node = waiting.pop()
        if node not in graph:
            graph[node] = tuple(sorted(needs(node)))  # one order in every process: compiled programs are cached by it
            waiting.extend(graph[node])
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        loop = " -> ".join(model.nodes[node.key].name for node in reversed(error.args[1]))
        message = (
            f"'{model.path}' has equations that need each other in the same instant: {loop}; "
            "break the loop with a stock or a SMOOTH."
        )
        raise ModelFileError(message) from error


def upstream(model: Model, targets: Iterable[str]) -> frozenset[str]:
    """Return the keys of all variables that the targets depend on, at once or through stocks; targets included."""
    reached = set(targets)
    waiting = list(reached)
    while waiting:
        needed = model.references[waiting.pop()] - reached
        reached |= needed
        waiting.extend(needed)
    return frozenset(reached)


def causes(model: Model, key: str, *, initial: bool = True) -> tuple[str, ...]:
    """Return the visible variables that the equations of one refer to, in order of appearance; the time is "time".

    What a delay or a smooth inside an equation refers to counts as referred to by the equation.

    Parameters
    ----------
    initial
        Whether what only an initial value refers to counts as well.
    """
    found: dict[str, None] = {}
    waiting = [key]
    for current in waiting:
        for referred in referred_keys(model, current, initial=initial):
            if referred not in model.nodes or not model.nodes[referred].hidden:
                found[referred] = None
            elif referred not in waiting:
                waiting.append(referred)
    return tuple(found)


def referred_keys(model: Model, key: str, *, initial: bool = True) -> tuple[str, ...]:
    """Return the keys that the equations of a variable refer to, in order of appearance, hidden ones too."""
    components = model.nodes[key].components
    return tuple(dict.fromkeys(k for c in components for k in _referred(c.expression, initial=initial)))


def _referred(node: ir.Expression, *, initial: bool) -> Iterator[str]:
    """Yield the keys that an expression refers to, with or without those of initial values."""
    if isinstance(node, ir.Reference):
        yield node.key
    if isinstance(node, ir.Table | ir.Tables):
        yield from node.lookup[:1]
    skipped = node.initial if isinstance(node, (*ir.STATES, ir.ActiveInitial)) and not initial else None
    for child in ir.children(node):
        if child is not skipped:
            yield from _referred(child, initial=initial)

"""The engine-neutral model: typed expressions, components, variables, ranges. Plain data, no behaviour of an engine.

A variable is defined by one or more components; a component covers the elements that its subscripts name. Delays and
smooths are written out by the reader as hidden stocks, so that an engine meets a single kind of state: `Integral`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import product
from typing import Literal, TypeAlias

import numpy as np

Kind = Literal["constant", "stock", "auxiliary", "lookup", "data", "control"]


@dataclass(frozen=True)
class Number:
    """A literal number."""

    value: float


@dataclass(frozen=True)
class Array:
    """Literal numbers over the ranges on the left-hand side, in their order."""

    values: tuple[float, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Reference:
    """A variable by its key; each subscript is an element, a range, or ``range!`` for a reduced range."""

    key: str
    subscripts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """An operator on operands: ``+ - * / ^ negative = <> < <= > >= and or not``."""

    operator: str
    operands: tuple[Expression, ...]


@dataclass(frozen=True)
class Call:
    """A function of Vensim by its lower-case name, with underscores for spaces."""

    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Table:
    """A lookup table applied to an argument: linear between its points, flat outside."""

    argument: Expression
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Integral:
    """A stock: its net flow per unit of time and its initial value."""

    flow: Expression
    initial: Expression


Expression: TypeAlias = Number | Array | Reference | Operation | Call | Table | Integral


@dataclass(frozen=True)
class Component:
    """One definition of a variable.

    `subscripts` are the ranges and elements on the left-hand side; `excluded` those behind EXCEPT; `line` is the line
    of the definition in the file, or None where it is not known.
    """

    subscripts: tuple[str, ...]
    expression: Expression
    line: int | None = None


@dataclass(frozen=True)
class Variable:
    """A variable of a model, named as in the model file.

    Attributes
    ----------
    name, key
        The name as written, and its normal form (lower case, underscores) by which references find it.
    dims, elements
        Its ranges and, per range, the labels of its elements.
    unit, limits, documentation
        As in the file; limits are (low, high) with None for an open side, or None.
    kind
        constant, stock, auxiliary, lookup, data or control.
    view
        The view of the sketch that shows it, or an empty text.
    hidden
        True for the stocks inside delays and smooths.
    """

    name: str
    key: str
    components: tuple[Component, ...]
    dims: tuple[str, ...] = ()
    elements: tuple[tuple[str, ...], ...] = ()
    unit: str = ""
    limits: tuple[float | None, float | None] | None = None
    documentation: str = ""
    kind: Kind = "auxiliary"
    view: str = ""
    hidden: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of elements along each dimension."""
        return tuple(len(labels) for labels in self.elements)


def children(node: Expression) -> Iterator[Expression]:
    """Yield the direct sub-expressions of a node."""
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, tuple):
            yield from (item for item in value if isinstance(item, _NODES))
        elif isinstance(value, _NODES):
            yield value


def walk(node: Expression) -> Iterator[Expression]:
    """Yield a node and everything below it."""
    stack = [node]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(children(node))


def free_marks(node: Expression) -> frozenset[str]:
    """Return the ranges with "!" (lower case) of an expression that no reduction inside it binds."""
    if isinstance(node, Reference):
        return frozenset(s.lower() for s in node.subscripts if s.endswith("!"))
    if isinstance(node, Call) and node.function in REDUCTIONS:
        return frozenset()
    return frozenset(mark for child in children(node) for mark in free_marks(child))


REDUCTIONS = frozenset({"sum", "prod", "vmax", "vmin", "vector_select", "allocate_available"})
"""Functions that reduce the ranges marked with "!" in their arguments."""

_NODES = (Number, Array, Reference, Operation, Call, Table, Integral)


def normalise(name: str) -> str:
    """Return the key of a name: lower case, without quotes, runs of blanks and underscores as one underscore."""
    return "_".join(name.strip().strip('"').lower().replace("_", " ").split())


def is_literal(expression: Expression) -> bool:
    """Whether an expression is a number or an array of numbers."""
    return isinstance(expression, Number | Array)


def positions(
    variable: Variable, subscripts: tuple[str, ...], ranges: Mapping[str, tuple[str, ...]]
) -> tuple[tuple[int, ...], ...]:
    """Return, per dimension, the positions within the variable that subscripts (elements or ranges) select.

    Raises
    ------
    KeyError
        With the first element that the variable does not have.
    """
    selected: list[tuple[int, ...]] = []
    for subscript, labels in zip(subscripts, variable.elements, strict=True):
        where = {label.lower(): i for i, label in enumerate(labels)}
        wanted = ranges.get(subscript.removesuffix("!").lower(), (subscript,))
        missing = [label for label in wanted if label.lower() not in where]
        if missing:
            raise KeyError(missing[0])
        selected.append(tuple(where[label.lower()] for label in wanted))
    return tuple(selected)


def coverage(variable: Variable, ranges: Mapping[str, tuple[str, ...]]) -> np.ndarray:
    """Return which component defines each element: indices into `components`, -1 where none does.

    The array has the shape of the variable. Later definitions of the same element are an error of the model and are
    reported by the reader.
    """
    owner = np.full(variable.shape, -1, dtype=int)
    for index, component in enumerate(variable.components):
        owner[np.ix_(*positions(variable, component.subscripts, ranges))] = index
    return owner


def element_names(variable: Variable) -> tuple[str, ...]:
    """Return the scalar elements of a variable by name: ``name`` or ``name[a]``, ``name[a,b]``."""
    if not variable.dims:
        return (variable.name,)
    return tuple(f"{variable.name}[{','.join(labels)}]" for labels in product(*variable.elements))

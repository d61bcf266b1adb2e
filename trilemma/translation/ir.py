"""The engine-neutral model: typed expressions, components, variables, ranges. Plain data, no behaviour of an engine.

A variable is defined by one or more components; a component covers the elements that its subscripts name. Delays,
smooths, trends and forecasts are written out by the reader as hidden stocks, so that an engine meets two kinds of state
alone: `Integral`, which integrates, and `Memory`, which is replaced at the end of each step.

A subscript of a reference is an element, a range, ``range!`` for a reduced range, or ``axis<-range``: the elements of
`range`, in its order, along the axis that `axis` opens on the left-hand side (so are mapped ranges referred to).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import product
from typing import Literal, TypeAlias, TypeGuard

import numpy as np

Kind = Literal["constant", "stock", "auxiliary", "lookup", "data", "control"]


@dataclass(frozen=True)
class Number:
    """A literal number."""

    value: float


@dataclass(frozen=True)
class Array:
    """Literal numbers over the ranges on the left-hand side, in their order; or over `axes`, where these are named."""

    values: tuple[float, ...]
    shape: tuple[int, ...]
    axes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reference:
    """A variable by its key; a subscript is an element, a range, ``range!`` or ``axis<-range`` (see the module)."""

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
    """A lookup table applied to an argument; `kind` says what holds between its points and outside them.

    `lookup` is the key of the variable that the table belongs to, and behind it its subscripts; () if it has no name.
    """

    argument: Expression
    x: tuple[float, ...]
    y: tuple[float, ...]
    kind: TableKind = "interpolate"
    lookup: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tables:
    """Several lookup tables applied to an argument, one for each position along `axes`, the last axis fastest."""

    argument: Expression
    axes: tuple[str, ...]
    tables: tuple[Points, ...]
    kind: TableKind = "interpolate"
    lookup: tuple[str, ...] = ()


@dataclass(frozen=True)
class Integral:
    """A stock: its net flow per unit of time and its initial value; a non-negative one is cut off at 0 after a step."""

    flow: Expression
    initial: Expression
    non_negative: bool = False


@dataclass(frozen=True)
class Memory:
    """A value that is held during a step and replaced at its end.

    Attributes
    ----------
    next
        The value after the step, evaluated with what holds at its beginning.
    initial
        The value at the start.
    delay
        Where given: the time by which what enters comes out later (DELAY FIXED), evaluated once, at the start.
    """

    next: Expression
    initial: Expression
    delay: Expression | None = None


@dataclass(frozen=True)
class ActiveInitial:
    """An expression with another one in its place while initial values are worked out."""

    active: Expression
    initial: Expression


@dataclass(frozen=True)
class Missing:
    """The values of a data variable whose file is not known: they must be given as an override."""


TableKind = Literal["interpolate", "extrapolate", "hold_backward", "look_forward", "raw"]
"""Linear between the points and flat outside, or linear outside too; the value of the point before, or of the one
after; or the value at the points and NaN elsewhere."""

Points: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
"""The x and the y values of a table."""

Expression: TypeAlias = (
    Number | Array | Reference | Operation | Call | Table | Tables | Integral | Memory | ActiveInitial | Missing
)


@dataclass(frozen=True)
class Component:
    """One definition of a variable.

    `subscripts` are the ranges and elements on the left-hand side; a definition with EXCEPT is split into blocks over
    hidden ranges. `line` is the line of the definition in the file, or None where it is not known.
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
        The view of the sketch that shows it, the group of a file without a sketch, or an empty text.
    hidden
        True for the stocks inside delays and smooths, and for the variables of macros.
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

    @cached_property
    def places(self) -> tuple[dict[str, int], ...]:
        """Per dimension, the position of each element by its lower-case label."""
        return tuple({label.lower(): i for i, label in enumerate(labels)} for labels in self.elements)


def children(node: Expression) -> Iterator[Expression]:
    """Yield the direct sub-expressions of a node."""
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, tuple):
            yield from (item for item in value if isinstance(item, NODES))
        elif isinstance(value, NODES):
            yield value


def is_node(value: object) -> TypeGuard[Expression]:
    """Whether something is an expression."""
    return isinstance(value, NODES)


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
    if isinstance(node, Tables):
        marks = frozenset(axis.lower() for axis in node.axes if axis.endswith("!"))
        return marks | free_marks(node.argument)
    if isinstance(node, Call) and node.function in REDUCTIONS:
        return frozenset()
    return frozenset(mark for child in children(node) for mark in free_marks(child))


REDUCTIONS = frozenset({"sum", "prod", "vmax", "vmin", "vector_select", "allocate_available"})
"""Functions that reduce the ranges marked with "!" in their arguments."""

NODES = (Number, Array, Reference, Operation, Call, Table, Tables, Integral, Memory, ActiveInitial, Missing)
STATES = (Integral, Memory)
"""The kinds of definition that are state: they need nothing else while a step is evaluated."""

ARROW = "<-"


def axis_of(subscript: str) -> str:
    """Return the axis that a subscript opens; for an element, the element."""
    return subscript.partition(ARROW)[0]


def range_of(subscript: str) -> str:
    """Return the range or the element that a subscript selects."""
    left, arrow, right = subscript.partition(ARROW)
    return right if arrow else left.removesuffix("!")


def normalise(name: str) -> str:
    """Return the key of a name: lower case, quotes without backslashes, blanks and underscores as one underscore."""
    return "_".join(unquoted(name).lower().replace('\\"', '"').replace("_", " ").split())


def unquoted(name: str) -> str:
    """Return a name without the quotes around it; quotes inside it stay as they are written, after a backslash."""
    name = name.strip()
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] == '"' else name


def is_literal(expression: Expression) -> bool:
    """Whether an expression is a number, or an array of numbers over the left-hand side."""
    return isinstance(expression, Number) or (isinstance(expression, Array) and not expression.axes)


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
    for subscript, where in zip(subscripts, variable.places, strict=True):
        name = range_of(subscript)
        wanted = ranges.get(name.lower(), (name,))
        missing = [label for label in wanted if label.lower() not in where]
        if missing:
            raise KeyError(missing[0])
        selected.append(tuple(where[label.lower()] for label in wanted))
    return tuple(selected)


def coverage(variable: Variable, ranges: Mapping[str, tuple[str, ...]]) -> np.ndarray:
    """Return which component defines each element: indices into `components`, -1 where none does.

    The array has the shape of the variable. No two definitions cover one element: the reader sees to that.
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

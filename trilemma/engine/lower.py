"""From expressions to arrays: evaluates the definitions of a model, in order, as JAX operations.

A value has one axis per range that is open in its definition, in the order of `Value.axes`, and the run as its last
axis (size 1 where it does not vary by run). Axis names are lower-case range names; a reduced range ends with "!".
Nothing here loops over time or runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from trilemma.engine.functions import (
    FUNCTIONS,
    OF_TIME,
    OPERATORS,
    REDUCTIONS,
    SUPPORTED,
    Instant,
    power_of_positive,
    table,
)
from trilemma.errors import UnsupportedError, near_names
from trilemma.translation import ir
from trilemma.translation.model import Model
from trilemma.translation.ordering import Node, component_of, selected_owners

Values = Mapping[Node, Array]


class Value(NamedTuple):
    """An array with the names of its axes; the run is the last axis and has no name."""

    axes: tuple[str, ...]
    array: Array


def component_axes(model: Model, component: ir.Component) -> tuple[str, ...]:
    """Return the axes of a definition: its left-hand side's ranges, without its elements."""
    return tuple(s.lower() for s in component.subscripts if s.lower() in model.lower_ranges)


def component_shape(model: Model, component: ir.Component) -> tuple[int, ...]:
    """Return the sizes of the axes of a definition."""
    return tuple(len(model.lower_ranges[axis]) for axis in component_axes(model, component))


def evaluate(model: Model, node: Node, expression: ir.Expression, values: Values, now: Instant) -> Array:
    """Return the value of an expression of a definition.

    Parameters
    ----------
    node
        The definition whose left-hand side opens the axes.
    values
        The arrays of all definitions that the expression refers to.
    now
        The time and the step.

    Returns
    -------
    Array
        Shape (axes of the definition, runs or 1).
    """
    component = component_of(model, node)
    axes = component_axes(model, component)
    value = _Evaluation(model, node, component, values, now).value(expression)
    return _aligned(value, axes, component_shape(model, component))


def _aligned(value: Value, axes: Sequence[str], sizes: Sequence[int]) -> Array:
    """Return the array of a value with all of the axes, in their order, broadcast to their sizes."""
    array = _expanded(value, axes)
    return jnp.broadcast_to(array, (*sizes, array.shape[-1]))


def _expanded(value: Value, axes: Sequence[str]) -> Array:
    """Return the array of a value with all of the axes in their order; absent ones have size 1."""
    present = [axis for axis in axes if axis in value.axes]
    array = value.array
    if tuple(present) != value.axes:
        array = jnp.transpose(array, (*(value.axes.index(axis) for axis in present), array.ndim - 1))
    shape = iter(array.shape[:-1])
    return array.reshape((*(next(shape) if axis in value.axes else 1 for axis in axes), array.shape[-1]))


def assemble(model: Model, key: str, selected: Sequence[tuple[int, ...]], values: Values) -> Array:
    """Return the elements of a variable at the selected positions per dimension, from the arrays of its definitions.

    Elements that the model does not define are NaN.

    Returns
    -------
    Array
        Shape (number selected per dimension, runs or 1).
    """
    variable = model.nodes[key]
    if not variable.dims:
        return values[Node(key, 0)]
    owner = model.owners[key][np.ix_(*selected)]
    kinds = np.unique(owner)
    if len(kinds) == 1:
        return _block(model, key, int(kinds[0]), selected, values)
    varying = next((d for d in range(owner.ndim) if _only(owner, d)), None)
    if varying is not None:
        return _joined(model, key, selected, values, varying)
    return _scattered(model, key, selected, values, kinds)


def _only(owner: np.ndarray, dim: int) -> bool:
    """Whether the definition depends on the position along one dimension alone."""
    others = tuple(d for d in range(owner.ndim) if d != dim)
    return bool((owner.min(axis=others) == owner.max(axis=others)).all())


def _joined(model: Model, key: str, selected: Sequence[tuple[int, ...]], values: Values, dim: int) -> Array:
    """Return elements whose definition changes along one dimension: blocks put end to end."""
    owner = model.owners[key][np.ix_(*selected)]
    along = owner.min(axis=tuple(d for d in range(owner.ndim) if d != dim))
    blocks: list[Array] = []
    for index, run in groupby(range(len(along)), key=lambda i: int(along[i])):
        part = tuple(selected[dim][i] for i in run)
        blocks.append(_block(model, key, index, [*selected[:dim], part, *selected[dim + 1 :]], values))
    runs = max(block.shape[-1] for block in blocks)
    return jnp.concatenate([jnp.broadcast_to(b, (*b.shape[:-1], runs)) for b in blocks], axis=dim)


def _scattered(model: Model, key: str, selected: Sequence[tuple[int, ...]], values: Values, kinds: np.ndarray) -> Array:
    """Return elements whose definitions form a pattern in several dimensions."""
    owner = model.owners[key][np.ix_(*selected)]
    blocks = {int(k): _block(model, key, int(k), selected, values, where=owner == k) for k in kinds}
    runs = max(block.shape[-1] for block in blocks.values())
    result = jnp.zeros((*owner.shape, runs))
    for index, block in blocks.items():
        result = jnp.where((owner == index)[..., None], block, result)
    return result


def _block(
    model: Model,
    key: str,
    index: int,
    selected: Sequence[tuple[int, ...]],
    values: Values,
    where: np.ndarray | None = None,
) -> Array:
    """Return the selected elements that one definition covers; with `where`, others hold any number."""
    if index < 0:
        return jnp.full((*(len(s) for s in selected), 1), jnp.nan)
    variable = model.nodes[key]
    component = variable.components[index]
    covered = ir.positions(variable, component.subscripts, model.lower_ranges)
    is_range = [s.lower() in model.lower_ranges for s in component.subscripts]
    array = values[Node(key, index)]
    shape = iter(array.shape[:-1])
    array = array.reshape((*(next(shape) if r else 1 for r in is_range), array.shape[-1]))
    for dim, (positions, own) in enumerate(zip(selected, covered, strict=True)):
        local = [own.index(p) if p in own else 0 for p in positions]
        if where is None and local == list(range(len(own))):
            continue
        array = jnp.take(array, np.array(local), axis=dim) if len(local) > 1 else array[_slice(dim, local[0])]
    return array


def _slice(dim: int, position: int) -> tuple[slice, ...]:
    """Return an index that keeps one position along a dimension, and the dimension."""
    return (*(slice(None),) * dim, slice(position, position + 1))


class _Evaluation:
    """Evaluates the expressions of one definition at one instant."""

    def __init__(self, model: Model, node: Node, component: ir.Component, values: Values, now: Instant) -> None:
        self.model = model
        self.node = node
        self.component = component
        self.values = values
        self.now = now

    def value(self, node: ir.Expression) -> Value:
        """Return the value of an expression."""
        match node:
            case ir.Number(number):
                return Value((), jnp.full((1,), number))
            case ir.Array(numbers):
                shape = component_shape(self.model, self.component)
                return Value(component_axes(self.model, self.component), jnp.reshape(jnp.array(numbers), (*shape, 1)))
            case ir.Reference("time"):
                return Value((), self.now.time)
            case ir.Reference():
                return self._reference(node)
            case ir.Operation("^", (base, exponent)):
                return self._power(base, exponent)
            case ir.Operation(operator, operands):
                return self._apply(OPERATORS[operator], operands)
            case ir.Table(argument, x, y):
                value = self.value(argument)
                return Value(value.axes, table(value.array, x, y))
            case ir.Call(function, arguments):
                return self._call(function, arguments)
            case ir.Integral():  # a stock is state: whoever evaluates it gives its value
                message = f"'{self.model.nodes[self.node.key].name}' is a stock and has no value of its own equation"
                raise TypeError(message)

    def _reference(self, node: ir.Reference) -> Value:
        """Return the elements of a variable that a reference selects; single elements lose their axis."""
        variable = self.model.nodes[node.key]
        if not variable.dims:
            return Value((), self.values[Node(node.key, 0)])
        if (selected_owners(self.model, node) < 0).any():
            message = (
                f"'{self.model.path}', line {self.component.line}: the equation of "
                f"'{self.model.nodes[self.node.key].name}' uses elements of '{variable.name}' that no equation defines."
            )
            raise UnsupportedError(message)
        ranges = self.model.lower_ranges
        array = assemble(self.model, node.key, ir.positions(variable, node.subscripts, ranges), self.values)
        open_axes = [s.lower().removesuffix("!") in ranges for s in node.subscripts]
        shape = [n for n, is_open in zip(array.shape, open_axes, strict=False) if is_open]
        axes = tuple(s.lower() for s, is_open in zip(node.subscripts, open_axes, strict=True) if is_open)
        array = array.reshape((*shape, array.shape[-1]))
        if len(set(axes)) < len(axes):
            return self._diagonal(axes, array)
        return Value(axes, array)

    def _diagonal(self, axes: tuple[str, ...], array: Array) -> Value:
        """Return x[a,a]: the elements where an axis that is used twice has one position."""
        twice = next(axis for axis in axes if axes.count(axis) > 1)
        first, second = (i for i, axis in enumerate(axes) if axis == twice)
        diagonal = jnp.moveaxis(jnp.diagonal(array, axis1=first, axis2=second), -1, first)
        return Value(tuple(axis for i, axis in enumerate(axes) if i != second), diagonal)

    def _together(self, operands: Sequence[ir.Expression]) -> tuple[tuple[str, ...], list[Array]]:
        """Return operands with one common set of axes."""
        values = [self.value(operand) for operand in operands]
        axes = tuple(dict.fromkeys(axis for value in values for axis in value.axes))
        return axes, [_expanded(value, axes) for value in values]

    def _apply(self, function: object, operands: Sequence[ir.Expression]) -> Value:
        """Apply a function element by element."""
        axes, arrays = self._together(operands)
        return Value(axes, function(*arrays))  # type: ignore[operator]

    def _power(self, base: ir.Expression, exponent: ir.Expression) -> Value:
        """Raise to a power; simple exponents and positive literal bases take a cheaper way."""
        number = _literal(exponent)
        if number == 2:
            return self._apply(lambda a: a * a, [base])
        if number == 0.5:
            return self._apply(jnp.sqrt, [base])
        if number == -1:
            return self._apply(lambda a: 1 / a, [base])
        literal = _literal(base)
        if literal is not None and literal > 0:
            return self._apply(lambda b: jnp.exp(b * np.log(literal)), [exponent])
        if isinstance(base, ir.Call) and base.function == "exp":
            return self._apply(power_of_positive, [base, exponent])
        return self._apply(OPERATORS["^"], [base, exponent])

    def _call(self, function: str, arguments: Sequence[ir.Expression]) -> Value:
        """Call a function of Vensim."""
        if function in FUNCTIONS:
            return self._apply(FUNCTIONS[function], arguments)
        if function in OF_TIME:
            axes, arrays = self._together(arguments)
            return Value(axes, OF_TIME[function](self.now, *arrays))
        if function in REDUCTIONS:
            value = self.value(arguments[0])
            marked = ir.free_marks(arguments[0])
            reduced = tuple(i for i, axis in enumerate(value.axes) if axis in marked)
            kept = tuple(axis for axis in value.axes if axis not in marked)
            return Value(kept, REDUCTIONS[function](value.array, reduced) if reduced else value.array)
        raise unsupported_function(self.model, self.node, function)


def _literal(node: ir.Expression) -> float | None:
    """Return the number that an expression is, if it is one."""
    if isinstance(node, ir.Number):
        return node.value
    if isinstance(node, ir.Operation) and node.operator == "negative" and isinstance(node.operands[0], ir.Number):
        return -node.operands[0].value
    return None


def unsupported_function(model: Model, node: Node, function: str) -> UnsupportedError:
    """Return the error for a function that the engine does not know."""
    shown = function.replace("_", " ").upper()
    line = component_of(model, node).line
    known = [name.replace("_", " ").upper() for name in sorted(SUPPORTED)]
    return UnsupportedError(
        f"'{model.path}', line {line}: '{model.nodes[node.key].name}' uses {shown}, which is not supported; "
        f"{near_names(shown, known)}"
    )


def check_functions(model: Model) -> None:
    """Refuse a model that calls a function which the engine does not know.

    Raises
    ------
    UnsupportedError
        With the variable, the function and the line.
    """
    for key, variable in model.nodes.items():
        for index, component in enumerate(variable.components):
            for part in ir.walk(component.expression):
                if isinstance(part, ir.Call) and part.function not in SUPPORTED:
                    raise unsupported_function(model, Node(key, index), part.function)

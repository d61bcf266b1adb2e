"""From expressions to arrays: evaluates the definitions of a model, in order, as JAX operations.

A value has one axis per range that is open in its definition, in the order of `Value.axes`, and the run as its last
axis (size 1 where it does not vary by run). Axis names are lower-case range names; a reduced range ends with "!".
Nothing here loops over time or runs.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from trilemma.engine import guarded
from trilemma.engine.exactness import looked_at
from trilemma.engine.function_table import CALLS, CHECKS, NOTES, shown_name
from trilemma.engine.functions import EXACT, OPERATORS, power_of_positive
from trilemma.engine.tables import padded, table, tables
from trilemma.engine.values import Instant, Site, Value, expanded, literal, together
from trilemma.errors import ModelFileError, TrilemmaWarning, UnsupportedError, near_names
from trilemma.translation import ir
from trilemma.translation.model import Model
from trilemma.translation.ordering import Node, component_of, selected_owners

MOST_BLOCKS = 64
Values = Mapping[Node, Array]


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
    stream = stream_name(model, node, expression)
    value = _Evaluation(model, node, component, values, now, stream).value(expression)
    left_open = [axis for axis in value.axes if axis not in axes]
    if left_open:
        message = (
            f"'{model.path}', line {component.line}: the equation of '{model.nodes[node.key].name}' leaves the range "
            f"'{left_open[0]}' open: put it into SUM, VMAX or another function that reduces it."
        )
        raise UnsupportedError(message)
    return _aligned(value, axes, component_shape(model, component))


def stream_name(model: Model, node: Node, expression: ir.Expression) -> str:
    """Return a name of an expression that does not depend on other variables: the random numbers in it follow from it.

    A hidden stock counts within its variable; the initial value of a stock draws other numbers than its flow.
    """
    component = component_of(model, node)
    visible, bar, number = node.key.rpartition("|") if model.nodes[node.key].hidden else ("", "", "")
    name = visible or node.key
    if bar:
        numbers = sorted(
            int(n)
            for v, b, n in (key.rpartition("|") for key, n in model.nodes.items() if n.hidden)
            if b and v == visible
        )
        name += f"|{numbers.index(int(number))}"
    subscripts = [
        "+".join(model.lower_ranges[s.lower()]) if "|" in s else s for s in component.subscripts
    ]  # the names of hidden ranges depend on other variables
    own = component.expression
    part = "initial" if isinstance(own, ir.Integral) and expression is own.initial else ""
    return f"{name}[{','.join(subscripts).lower()}]{part}"


def _aligned(value: Value, axes: Sequence[str], sizes: Sequence[int]) -> Array:
    """Return the array of a value with all of the axes, in their order, broadcast to their sizes."""
    array = expanded(value, axes)
    return jnp.broadcast_to(array, (*sizes, array.shape[-1]))


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


def own_part(model: Model, node: Node, whole: Array) -> Array:
    """Return the part of a whole variable's array that a definition covers, with the axes of the definition.

    Parameters
    ----------
    whole
        Shape (dims, runs or 1).
    """
    variable, component = model.nodes[node.key], component_of(model, node)
    if not variable.dims:
        return whole
    for dim, positions in enumerate(ir.positions(variable, component.subscripts, model.lower_ranges)):
        if positions != tuple(range(whole.shape[dim])):
            whole = jnp.take(whole, np.array(positions), axis=dim)
    return whole.reshape((*component_shape(model, component), whole.shape[-1]))


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
    return _end_to_end([jnp.broadcast_to(b, (*b.shape[:-1], runs)) for b in blocks], dim)


def _end_to_end(blocks: Sequence[Array], dim: int) -> Array:
    """Put arrays end to end; very many by and by, since the compiler takes the square of their number."""
    while len(blocks) > MOST_BLOCKS:
        parts = [blocks[i : i + MOST_BLOCKS] for i in range(0, len(blocks), MOST_BLOCKS)]
        blocks = [lax.optimization_barrier(jnp.concatenate(part, axis=dim)) for part in parts]
    return jnp.concatenate(blocks, axis=dim)


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
    covered = model.covered[key][index]
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

    def __init__(
        self, model: Model, node: Node, component: ir.Component, values: Values, now: Instant, stream: str
    ) -> None:
        self.model = model
        self.node = node
        self.component = component
        self.values = values
        self.now = now
        self.stream = stream
        self.calls = 0
        self.operators = OPERATORS | EXACT if node.key in looked_at(model) else OPERATORS

    def value(self, node: ir.Expression) -> Value:
        """Return the value of an expression."""
        match node:
            case ir.Number(number):
                return Value((), jnp.full((1,), number))
            case ir.Array(numbers, shape, axes):
                own = axes if axes else component_axes(self.model, self.component)
                sizes = shape if axes else component_shape(self.model, self.component)
                return Value(tuple(a.lower() for a in own), jnp.reshape(jnp.array(numbers), (*sizes, 1)))
            case ir.Reference("time"):
                return Value((), self.now.time)
            case ir.Reference():
                return self._reference(node)
            case ir.Operation("^", (base, exponent)):
                return self._power(base, exponent)
            case ir.Operation(operator, operands):
                return self._apply(self.operators[operator], operands)
            case ir.Table(argument, x, y, kind):
                value = self.value(argument)
                return Value(value.axes, table(value.array, x, y, kind))
            case ir.Tables():
                return self._tables(node)
            case ir.Call(function, arguments):
                return self._call(function, arguments)
            case ir.Missing():
                message = (
                    f"'{self.model.path}', line {self.component.line}: '{self.model.nodes[self.node.key].name}' "
                    "is data without a file: give its values as an override, a DataArray over 'time'."
                )
                raise UnsupportedError(message)
            case _:  # a stock is state: whoever evaluates it gives its value
                message = f"'{self.model.nodes[self.node.key].name}' is state and has no value of its own equation"
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
        open_axes = [ir.range_of(s).lower() in ranges for s in node.subscripts]
        shape = [n for n, is_open in zip(array.shape, open_axes, strict=False) if is_open]
        axes = tuple(ir.axis_of(s).lower() for s, is_open in zip(node.subscripts, open_axes, strict=True) if is_open)
        array = array.reshape((*shape, array.shape[-1]))
        if len(set(axes)) < len(axes):
            return self._diagonal(axes, array)
        return Value(axes, array)

    def _tables(self, node: ir.Tables) -> Value:
        """Return tables by element, applied to an argument that may have the same axes and others."""
        value = self.value(node.argument)
        own = tuple(axis.lower() for axis in node.axes)
        ranges = self.model.lower_ranges
        sizes = tuple(len(ranges[axis.removesuffix("!")]) for axis in own)
        axes = (*own, *(axis for axis in value.axes if axis not in own))
        array = expanded(value, axes)
        shape = (*sizes, *(1,) * (array.ndim - len(own)))
        xs, ys = (points.reshape((len(points), *shape)) for points in padded(node.tables))
        return Value(axes, tables(array, xs, ys, node.kind))

    def _diagonal(self, axes: tuple[str, ...], array: Array) -> Value:
        """Return x[a,a]: the elements where an axis that is used twice has one position."""
        twice = next(axis for axis in axes if axes.count(axis) > 1)
        first, second = (i for i, axis in enumerate(axes) if axis == twice)
        diagonal = jnp.moveaxis(jnp.diagonal(array, axis1=first, axis2=second), -1, first)
        return Value(tuple(axis for i, axis in enumerate(axes) if i != second), diagonal)

    def _apply(self, function: object, operands: Sequence[ir.Expression]) -> Value:
        """Apply a function element by element."""
        axes, arrays = together([self.value(operand) for operand in operands])
        return Value(axes, function(*arrays))  # type: ignore[operator]

    def _power(self, base: ir.Expression, exponent: ir.Expression) -> Value:
        """Raise to a power; simple exponents and positive literal bases take a cheaper way."""
        number = literal(exponent)
        if number == 2:
            return self._apply(lambda a: a * a, [base])
        if number == 0.5:
            return self._apply(guarded.sqrt, [base])
        if number == -1:
            return self._apply(lambda a: guarded.divide(jnp.ones_like(a), a), [base])
        number = literal(base)
        if number is not None and number > 0:
            return self._apply(lambda b: guarded.exp(b * np.log(number)), [exponent])
        if isinstance(base, ir.Call) and base.function == "exp":
            return self._apply(power_of_positive, [base, exponent])
        return self._apply(OPERATORS["^"], [base, exponent])

    def _call(self, function: str, arguments: tuple[ir.Expression, ...]) -> Value:
        """Call a function of Vensim."""
        self.calls += 1
        site = Site(
            now=self.now,
            axes=component_axes(self.model, self.component),
            sizes=component_shape(self.model, self.component),
            arguments=arguments,
            stream=f"{self.stream}|{self.calls}",
            place=call_place(self.model, self.node, function),
        )
        return CALLS[function].rule(site, [self.value(argument) for argument in arguments])


def call_place(model: Model, node: Node, function: str) -> str:
    """Return where a function is called, as the beginning of a sentence."""
    line = component_of(model, node).line
    place = f", line {line}" if line else ""
    return f"'{model.path}'{place}: '{model.nodes[node.key].name}' uses {shown_name(function)}, which"


def check_functions(model: Model, nodes: Iterable[Node]) -> None:
    """Refuse definitions that call a function which the engine does not know, or in a way that it cannot run.

    Raises
    ------
    UnsupportedError
        With the variable, the function and the line.
    ModelFileError
        If the number of arguments is wrong.
    """
    for node in nodes:
        for part in ir.walk(component_of(model, node).expression):
            if isinstance(part, ir.Call):
                _check_call(model, node, part)


def _check_call(model: Model, node: Node, call: ir.Call) -> None:
    """Refuse a call that cannot be run."""
    place = call_place(model, node, call.function)
    if call.function not in CALLS:
        known = [shown_name(name) for name in sorted(CALLS)]
        message = f"{place} is not supported; {near_names(shown_name(call.function), known)}"
        raise UnsupportedError(message)
    counts = CALLS[call.function].counts
    if counts and len(call.arguments) not in counts:
        expected = " or ".join(map(str, counts))
        message = f"{place} takes {expected} argument{'' if counts == (1,) else 's'}, not {len(call.arguments)}."
        raise ModelFileError(message)
    reason = CHECKS[call.function](model, call) if call.function in CHECKS else None
    if reason is not None:
        message = f"{place} {reason}"
        raise UnsupportedError(message)
    if call.function in NOTES:
        warnings.warn(f"{place} {NOTES[call.function]}", TrilemmaWarning, stacklevel=2)

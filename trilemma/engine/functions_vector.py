"""Functions of whole ranges: reductions, selection, order of elements, matrices. They know their axes by name.

PySD and Vensim let the functions of order act along the last subscript of their first argument.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax import Array, lax

from trilemma.engine.functions import power
from trilemma.engine.values import Function, Site, Value, expanded, literal, together, united

Reduction = Callable[[Array, tuple[int, ...]], Array]


def _reduced(value: Value, reduction: Reduction, marks: frozenset[str]) -> Value:
    """Reduce the axes in `marks`."""
    axes = tuple(i for i, axis in enumerate(value.axes) if axis in marks)
    kept = tuple(axis for axis in value.axes if axis not in marks)
    return Value(kept, reduction(value.array, axes) if axes else value.array)


def _reduction(reduction: Reduction) -> Function:
    """Return a function that reduces the ranges marked with "!"."""
    return Function(lambda site, values: _reduced(values[0], reduction, site.marks), (1,))


def _sum(x: Array, axes: tuple[int, ...]) -> Array:
    return jnp.sum(x, axis=axes)


def _product(x: Array, axes: tuple[int, ...]) -> Array:
    return jnp.prod(x, axis=axes)


def _largest(x: Array, axes: tuple[int, ...]) -> Array:
    return jnp.max(x, axis=axes)


def _smallest(x: Array, axes: tuple[int, ...]) -> Array:
    return jnp.min(x, axis=axes)


ACTIONS = 11
"""The numerical actions of VECTOR SELECT: 0 to 10."""


def vector_select(site: Site, values: Sequence[Value]) -> Value:
    """Return VECTOR SELECT: a reduction of the elements whose selector is not zero.

    The action may change over time; a run is NaN, hence flagged, where the action does not exist or the error action
    forbids the number of selected elements.
    """
    axes = united(values[:2])
    sizes = jnp.broadcast_shapes(*(expanded(value, axes).shape for value in values[:2]))
    selector, expression = (jnp.broadcast_to(expanded(value, axes), sizes) for value in values[:2])
    kept = tuple(axis for axis in axes if axis not in site.marks)
    reduced = tuple(i for i, axis in enumerate(axes) if axis in site.marks)
    chosen = selector != 0
    count = jnp.sum(chosen, axis=reduced)
    missing, action, on_error = values[2:]
    number = literal(site.arguments[3])
    if number is not None:
        result = _selected(int(number), selector, expression, chosen, count, reduced)
        parts = [Value(kept, result), missing, on_error, Value(kept, count)]
    else:
        every = [_selected(i, selector, expression, chosen, count, reduced) for i in range(ACTIONS)]
        all_axes, (code, *results) = together([action, *(Value(kept, result) for result in every)])
        result = jnp.full_like(code, jnp.nan)
        for i, candidate in enumerate(results):
            result = jnp.where(jnp.trunc(code) == i, candidate, result)
        parts = [Value(all_axes, result), missing, on_error, Value(kept, count)]
    final, (result, missing, on_error, count) = together(parts)
    result = jnp.where(count == 0, missing, result)
    none = ((on_error == 1) | (on_error == 3)) & (count == 0)
    several = ((on_error == 2) | (on_error == 3)) & (count > 1)
    return Value(final, jnp.where(none | several, jnp.nan, result))


def _selected(
    action: int, selector: Array, expression: Array, chosen: Array, count: Array, axes: tuple[int, ...]
) -> Array:
    """Return one action on the chosen elements; any number where none is chosen.

    Action 5 raises the expression to the selector, as Vensim does, and not the selector to the expression, as its help
    says.
    """
    terms = expression
    if action < 5:
        terms = selector * expression
    elif action == 5:
        terms = power(jnp.where(chosen, expression, 1.0), jnp.where(chosen, selector, 1.0))
    match action:
        case 0 | 6:
            return _sum(jnp.where(chosen, terms, 0.0), axes)
        case 1 | 5 | 7:
            return _product(jnp.where(chosen, terms, 1.0), axes)
        case 2 | 8:
            return _smallest(jnp.where(chosen, terms, jnp.inf), axes)
        case 3 | 9:
            return _largest(jnp.where(chosen, terms, -jnp.inf), axes)
        case 4 | 10:
            return _sum(jnp.where(chosen, terms, 0.0), axes) / jnp.maximum(count, 1)
        case _:
            return jnp.full_like(count, jnp.nan, dtype=jnp.float64)


def _sorting(site: Site, values: Sequence[Value]) -> tuple[tuple[str, ...], Array]:
    """Return the axes, the sorted one last, and the positions of the elements in their order."""
    vector, direction = values
    if not vector.axes:
        reason = "needs a vector as its first argument: give it a variable over a range."
        raise site.unsupported(reason)
    last = vector.axes[-1]
    axes = (*(axis for axis in united(values) if axis != last), last)
    array = lax.stop_gradient(expanded(vector, axes))
    rising = jnp.argsort(array, axis=-2)
    return axes, jnp.where(expanded(direction, axes) > 0, rising, jnp.flip(rising, axis=-2))


def vector_sort_order(site: Site, values: Sequence[Value]) -> Value:
    """Return VECTOR SORT ORDER: the positions, from 0, of the elements from the smallest (or largest) on."""
    axes, order = _sorting(site, values)
    return Value(axes, order.astype(jnp.float64))


def vector_rank(site: Site, values: Sequence[Value]) -> Value:
    """Return VECTOR RANK: for each element its place, from 1, among all."""
    axes, order = _sorting(site, values)
    return Value(axes, jnp.argsort(order, axis=-2).astype(jnp.float64) + 1)


def vector_reorder(site: Site, values: Sequence[Value]) -> Value:
    """Return VECTOR REORDER: the elements of the first argument at the positions that the second holds.

    A position outside the vector gives NaN.
    """
    vector, order = values
    if not vector.axes or not order.axes:
        reason = "needs two vectors: give it variables over a range."
        raise site.unsupported(reason)
    source, target = vector.axes[-1], order.axes[-1]
    others = tuple(axis for axis in united(values) if axis not in (source, target))
    array, where = expanded(vector, (*others, source)), expanded(order, (*others, target))
    shape = jnp.broadcast_shapes((*array.shape[:-2], array.shape[-1]), (*where.shape[:-2], where.shape[-1]))
    array = jnp.broadcast_to(array, (*shape[:-1], array.shape[-2], shape[-1]))
    where = jnp.broadcast_to(where, (*shape[:-1], where.shape[-2], shape[-1]))
    index = jnp.trunc(lax.stop_gradient(where))
    inside = (index >= 0) & (index < array.shape[-2])
    taken = jnp.take_along_axis(array, jnp.where(inside, index, 0).astype(jnp.int32), axis=-2)
    return Value((*others, target), jnp.where(inside, taken, jnp.nan))


def invert_matrix(site: Site, values: Sequence[Value]) -> Value:
    """Return INVERT MATRIX: the inverse over the last two subscripts of the first argument."""
    axes, array = values[0]
    if len(axes) < 2 or array.shape[-3] != array.shape[-2]:
        reason = "needs a square matrix: its last two subscripts must be ranges of the same size."
        raise site.unsupported(reason)
    return Value(axes, jnp.moveaxis(jnp.linalg.inv(jnp.moveaxis(array, -1, 0)), 0, -1))


FUNCTIONS: dict[str, Function] = {
    "invert_matrix": Function(invert_matrix, (1, 2)),
    "prod": _reduction(_product),
    "sum": _reduction(_sum),
    "vector_rank": Function(vector_rank, (2,)),
    "vector_reorder": Function(vector_reorder, (2,)),
    "vector_select": Function(vector_select, (5,)),
    "vector_sort_order": Function(vector_sort_order, (2,)),
    "vmax": _reduction(_largest),
    "vmin": _reduction(_smallest),
}

"""Works numbers out from constants before anything is translated: orders of delays, delay times, times of the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np
from pysd.translators.structures import abstract_expressions as ae
from pysd.translators.structures import abstract_model as am

from trilemma.translation import ir

_DEEPEST = 50

_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else float("nan"),
    "^": lambda a, b: a**b,
}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "min": lambda *values: float(np.min(values)),
    "max": lambda *values: float(np.max(values)),
    "abs": lambda a: float(np.abs(a)),
    "integer": lambda a: float(int(a)),
}


def number(elements: Mapping[str, am.AbstractElement], tree: object, *, smallest: bool = False) -> float | None:
    """Return the value of an expression of constants, or None where it is none.

    Parameters
    ----------
    elements
        The variables of the model by key.
    tree
        The expression.
    smallest
        Whether the smallest element of a constant with subscripts will do; otherwise all must be equal.
    """
    return _value(elements, tree, smallest, 0)


def _value(elements: Mapping[str, am.AbstractElement], tree: object, smallest: bool, depth: int) -> float | None:
    """Return the value of an expression; None also where constants refer to each other without end."""
    if depth > _DEEPEST:
        return None
    match tree:
        case int() | float() | np.floating() | np.integer():
            return float(tree)
        case np.ndarray():
            return _one(list(tree.ravel()), smallest)
        case ae.ReferenceStructure() if ir.normalise(tree.reference) in elements:
            components = elements[ir.normalise(tree.reference)].components
            return _one([_value(elements, c.ast, smallest, depth + 1) for c in components], smallest)
        case ae.ArithmeticStructure():
            parts = _all([_value(elements, a, smallest, depth + 1) for a in tree.arguments])
            return None if parts is None else _arithmetic(list(tree.operators), parts)
        case ae.CallStructure() if tree.function.reference in _FUNCTIONS:
            parts = _all([_value(elements, a, smallest, depth + 1) for a in tree.arguments])
            return None if not parts else float(_FUNCTIONS[tree.function.reference](*parts))
        case ae.InitialStructure() | ae.GameStructure():
            inside = tree.initial if isinstance(tree, ae.InitialStructure) else tree.expression
            return _value(elements, inside, smallest, depth + 1)
        case _:
            return None


def _all(values: list[float | None]) -> list[float] | None:
    """Return the values, if all are known."""
    known = [v for v in values if v is not None]
    return known if len(known) == len(values) else None


def _one(values: list[float | None], smallest: bool) -> float | None:
    """Return the value of several elements as one number."""
    known = _all(values)
    if not known or (len(set(known)) > 1 and not smallest):
        return None
    return float(min(known))


def _arithmetic(operators: list[str], values: list[float]) -> float | None:
    """Return the result of operators of one precedence."""
    if operators == ["negative"]:
        return -values[0]
    if any(operator not in _ARITHMETIC for operator in operators):
        return None
    if operators[0] == "^":
        return reduce(lambda power, base: base**power, reversed(values))
    result = values[0]
    for operator, value in zip(operators, values[1:], strict=True):
        result = _ARITHMETIC[operator](result, value)
    return result

"""Works numbers out from constants before anything is translated: orders of delays, delay times, times of the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "min": lambda *values: float(np.min(values)),
    "max": lambda *values: float(np.max(values)),
    "abs": lambda a: float(np.abs(a)),
    "integer": lambda a: float(int(a)),
    "if_then_else": lambda condition, yes, no: yes if condition else no,
}


@dataclass(frozen=True)
class Known:
    """Works expressions out.

    Attributes
    ----------
    elements
        The variables of the model by key.
    smallest
        Whether the smallest element of a constant with subscripts will do; otherwise all must be equal.
    at_start
        Whether what changes over time counts with what it is at the start.
    used
        The keys of the variables that have been asked for are added here.
    """

    elements: Mapping[str, am.AbstractElement]
    smallest: bool = False
    at_start: bool = False
    used: set[str] = field(default_factory=set[str])

    def number(self, tree: object, depth: int = 0) -> float | None:
        """Return the value of an expression; None where it has none, or where constants refer to each other."""
        if depth > _DEEPEST:
            return None
        match tree:
            case int() | float() | np.floating() | np.integer():
                return float(tree)
            case np.ndarray():
                return self._one(list(tree.ravel()))
            case ae.ReferenceStructure():
                return self._referred(ir.normalise(tree.reference), depth)
            case ae.ArithmeticStructure():
                parts = self._all(tree.arguments, depth)
                return None if parts is None else _arithmetic(list(tree.operators), parts)
            case ae.LogicStructure() if len(tree.operators) == 1 and tree.operators[0] in _COMPARISONS:
                parts = self._all(tree.arguments, depth)
                return None if parts is None else float(_COMPARISONS[tree.operators[0]](*parts))
            case ae.CallStructure():
                return self._called(tree.function.reference, tree.arguments, depth)
            case ae.InitialStructure() | ae.GameStructure():
                inside = tree.initial if isinstance(tree, ae.InitialStructure) else tree.expression
                return self.number(inside, depth + 1)
            case ae.IntegStructure() if self.at_start:
                return self.number(tree.initial, depth + 1)
            case _:
                return None

    def _referred(self, key: str, depth: int) -> float | None:
        """Return the value of a variable."""
        if key == "time" and self.at_start:
            key = "initial_time"
        if key not in self.elements:
            return None
        self.used.add(key)
        return self._one([self.number(c.ast, depth + 1) for c in self.elements[key].components])

    def _called(self, function: str, arguments: Sequence[object], depth: int) -> float | None:
        """Return the value of a function."""
        parts = self._all(arguments, depth)
        if not parts:
            return None
        if function in _FUNCTIONS:
            return float(_FUNCTIONS[function](*parts))
        if function == "step" and self.at_start:
            now = [self._referred(key, depth + 1) for key in ("initial_time", "time_step")]
            return None if None in now else parts[0] * (now[0] + now[1] / 2 > parts[1])  # type: ignore[operator]
        return None

    def _all(self, trees: Sequence[object], depth: int) -> list[float] | None:
        """Return the values of expressions, if all are known."""
        return _known([self.number(tree, depth + 1) for tree in trees])

    def _one(self, values: Sequence[float | None]) -> float | None:
        """Return the value of several elements as one number."""
        known = _known(values)
        if not known or (len(set(known)) > 1 and not self.smallest):
            return None
        return float(min(known))


def _known(values: Sequence[float | None]) -> list[float] | None:
    """Return the values, if all are known."""
    known = [v for v in values if v is not None]
    return known if len(known) == len(values) else None


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

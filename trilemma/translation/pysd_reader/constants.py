"""Works numbers out from constants before anything is translated: orders of delays, delay times, times of the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from pysd.translators.structures import abstract_expressions as ae
from pysd.translators.structures import abstract_model as am

from trilemma.translation import ir, scalars

_DEEPEST = 50

_NAMES = {":AND:": "and", ":OR:": "or", ":NOT:": "not"}


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
            case ae.ArithmeticStructure() | ae.LogicStructure():
                parts = self._all(tree.arguments, depth)
                return None if parts is None else _operated(list(tree.operators), parts)
            case ae.CallStructure():
                return self._called(tree, depth)
            case ae.InlineLookupsStructure():
                return _looked_up(tree.lookups, self.number(tree.argument, depth + 1))
            case ae.InitialStructure() | ae.GameStructure():
                inside = tree.initial if isinstance(tree, ae.InitialStructure) else tree.expression
                return self.number(inside, depth + 1)
            case ae.IntegStructure() | ae.SmoothStructure() | ae.SmoothNStructure() if self.at_start:
                return self.number(tree.initial, depth + 1)
            case ae.DelayStructure() | ae.DelayNStructure() | ae.DelayFixedStructure() if self.at_start:
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

    def _called(self, tree: ae.CallStructure, depth: int) -> float | None:
        """Return the value of a function, or of a named lookup."""
        function = ir.normalise(tree.function.reference)
        if function == "active_initial":
            return self.number(tree.arguments[1 if self.at_start else 0], depth + 1)
        parts = self._all(tree.arguments, depth)
        if parts is None:
            return None
        if function in self.elements and len(parts) == 1:
            return _looked_up(self.elements[function].components[0].ast, parts[0])
        if function in scalars.TIMED and self.at_start:
            now = _known([self._referred(key, depth + 1) for key in ("initial_time", "time_step")])
            return None if now is None else scalars.applied(scalars.TIMED, function, [*now, *parts])
        return scalars.applied(scalars.FUNCTIONS, function, parts)

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


def _looked_up(table: object, at: float | None) -> float | None:
    """Return the value of a lookup table, if it is one and linear between its points."""
    if at is None or not isinstance(table, ae.LookupsStructure) or table.type != "interpolate":
        return None
    return float(np.interp(at, table.x, table.y))


def _operated(operators: list[str], values: list[float]) -> float | None:
    """Return the result of operators of one precedence: powers from the right, others from the left."""
    names = [_NAMES.get(operator.upper(), operator) for operator in operators]
    if len(values) == 1:
        return scalars.applied(scalars.OPERATORS, names[0], values)
    pairs = list(zip(names, values[1:], strict=True))
    if names[0] == "^":
        pairs, values = [("^", value) for value in reversed(values[:-1])], values[::-1]
    result: float | None = values[0]
    for name, value in pairs:
        if result is not None:
            result = scalars.applied(scalars.OPERATORS, name, [value, result] if name == "^" else [result, value])
    return result

"""Works a scalar expression out at the start of a simulation, for the clock: constants, initial values, functions.

A control variable may depend on other variables; what they are at the start counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from trilemma.translation import ir

_DEEPEST = 100

_OPERATORS: dict[str, Callable[..., float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else math.nan,
    "^": lambda a, b: float(np.power(a, b)),
    "negative": lambda a: -a,
    "=": lambda a, b: float(a == b),
    "<>": lambda a, b: float(a != b),
    "<": lambda a, b: float(a < b),
    "<=": lambda a, b: float(a <= b),
    ">": lambda a, b: float(a > b),
    ">=": lambda a, b: float(a >= b),
    "and": lambda a, b: float(bool(a) and bool(b)),
    "or": lambda a, b: float(bool(a) or bool(b)),
    "not": lambda a: float(not a),
}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": np.abs,
    "exp": np.exp,
    "if_then_else": lambda condition, yes, no: yes if condition else no,
    "integer": np.trunc,
    "ln": np.log,
    "max": np.maximum,
    "min": np.minimum,
    "modulo": np.fmod,
    "sqrt": np.sqrt,
}


def value_at_start(
    node: ir.Expression, variables: Mapping[str, ir.Variable], ranges: Mapping[str, tuple[str, ...]]
) -> float | None:
    """Return the value of an expression at the start, or None where it cannot be worked out.

    Parameters
    ----------
    node
        A scalar expression.
    variables, ranges
        The variables of the model by key, and its ranges by lower-case name.
    """
    return _Start(variables, ranges).value(node, 0)


class _Start:
    """The start of a simulation."""

    def __init__(self, variables: Mapping[str, ir.Variable], ranges: Mapping[str, tuple[str, ...]]) -> None:
        self.variables = variables
        self.ranges = ranges

    def value(self, node: ir.Expression, depth: int) -> float | None:
        """Return the value of an expression."""
        if depth > _DEEPEST:
            return None
        match node:
            case ir.Number(number):
                return number
            case ir.Reference("time"):
                return self.value(ir.Reference("initial_time"), depth + 1)
            case ir.Reference(key, subscripts) if key in self.variables:
                return self._referred(self.variables[key], subscripts, depth)
            case ir.Operation(operator, operands) if operator in _OPERATORS:
                return self._applied(_OPERATORS[operator], operands, depth)
            case ir.Call(function, arguments) if function in _FUNCTIONS:
                return self._applied(_FUNCTIONS[function], arguments, depth)
            case ir.Table(argument, x, y, "interpolate"):
                at = self.value(argument, depth + 1)
                return None if at is None else float(np.interp(at, x, y))
            case ir.Integral() | ir.Memory() | ir.ActiveInitial():
                return self.value(node.initial, depth + 1)
            case _:
                return None

    def _referred(self, variable: ir.Variable, subscripts: tuple[str, ...], depth: int) -> float | None:
        """Return the value of a variable, or of one element of it."""
        wanted = tuple(s.lower() for s in subscripts)
        for component in variable.components:
            covered = [self.ranges.get(s.lower(), (s,)) for s in component.subscripts]
            places = [[label.lower() for label in labels] for labels in covered]
            if len(wanted) != len(places) or any(w not in p for w, p in zip(wanted, places, strict=True)):
                continue
            if isinstance(component.expression, ir.Array):
                at = [p.index(w) for w, p in zip(wanted, places, strict=True)]
                return float(np.reshape(component.expression.values, [len(p) for p in places])[tuple(at)])
            return self.value(component.expression, depth + 1)
        return None

    def _applied(self, function: Callable[..., float], operands: tuple[ir.Expression, ...], depth: int) -> float | None:
        """Return the value of a function, if its arguments have one."""
        values = [self.value(operand, depth + 1) for operand in operands]
        numbers = [value for value in values if value is not None]
        return float(function(*numbers)) if len(numbers) == len(values) else None

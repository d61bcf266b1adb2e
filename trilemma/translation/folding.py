"""Works a scalar expression out at one time, for the clock: constants, functions of the time, values at the start.

A control variable may depend on others and on the time. What follows from stocks is known at the start alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trilemma.translation import ir, scalars

_DEEPEST = 100

Variables = Mapping[str, ir.Variable]
Ranges = Mapping[str, tuple[str, ...]]


def value_at(node: ir.Expression, variables: Variables, ranges: Ranges, time: float | None = None) -> float | None:
    """Return the value of an expression at a time, or None where it cannot be worked out.

    Parameters
    ----------
    node
        A scalar expression.
    variables, ranges
        The variables of the model by key, and its ranges by lower-case name.
    time
        None for the start, where stocks have their initial values.
    """
    return _Moment(variables, ranges, time).value(node, 0)


def changes(key: str, variables: Variables) -> bool:
    """Whether a variable follows from the time or from a stock that has a flow."""
    seen: set[str] = set()
    waiting = [key]
    while waiting:
        variable = variables.get(waiting.pop())
        if variable is None or variable.key in seen:
            continue
        seen.add(variable.key)
        for node in (part for c in variable.components for part in ir.walk(c.expression)):
            if node == ir.Reference("time") or (isinstance(node, ir.Call) and node.function in scalars.TIMED):
                return True
            if isinstance(node, ir.Memory) or (isinstance(node, ir.Integral) and node.flow != ir.Number(0.0)):
                return True
            if isinstance(node, ir.Reference):
                waiting.append(node.key)
    return False


class _Moment:
    """A time of a simulation; None for its start."""

    def __init__(self, variables: Variables, ranges: Ranges, time: float | None) -> None:
        self.variables = variables
        self.ranges = ranges
        self.time = time

    def value(self, node: ir.Expression, depth: int) -> float | None:
        """Return the value of an expression."""
        if depth > _DEEPEST:
            return None
        match node:
            case ir.Number(number):
                return number
            case ir.Reference("time"):
                return self._now(depth)
            case ir.Reference(key, subscripts) if key in self.variables:
                return self._referred(self.variables[key], subscripts, depth)
            case ir.Operation(operator, operands):
                values = self._all(operands, depth)
                return None if values is None else scalars.applied(scalars.OPERATORS, operator, values)
            case ir.Call(function, arguments):
                return self._called(function, self._all(arguments, depth), depth)
            case ir.Table(argument, x, y, "interpolate"):
                at = self.value(argument, depth + 1)
                return None if at is None else float(np.interp(at, x, y))
            case ir.Integral(flow, initial) if self.time is None or flow == ir.Number(0.0):
                return _Moment(self.variables, self.ranges, None).value(initial, depth + 1)
            case ir.Memory() if self.time is None:
                return self.value(node.initial, depth + 1)
            case ir.ActiveInitial(active, initial):
                return self.value(initial if self.time is None else active, depth + 1)
            case _:
                return None

    def _now(self, depth: int) -> float | None:
        """Return the time; at the start, INITIAL TIME, or 0 where that depends on the time itself."""
        if self.time is not None:
            return self.time
        return _Moment(self.variables, self.ranges, 0.0).value(ir.Reference("initial_time"), depth + 1)

    def _called(self, function: str, values: list[float] | None, depth: int) -> float | None:
        """Return the value of a function."""
        if values is None:
            return None
        if function in scalars.TIMED:
            now, step = self._now(depth), self.value(ir.Reference("time_step"), depth + 1)
            return (
                None if now is None or step is None else scalars.applied(scalars.TIMED, function, [now, step, *values])
            )
        return scalars.applied(scalars.FUNCTIONS, function, values)

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

    def _all(self, nodes: tuple[ir.Expression, ...], depth: int) -> list[float] | None:
        """Return the values of expressions, if all are known."""
        values = [self.value(node, depth + 1) for node in nodes]
        known = [value for value in values if value is not None]
        return known if len(known) == len(values) else None

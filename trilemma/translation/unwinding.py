"""Writes hidden stocks back as the functions that they come from, SMOOTH, DELAY and INITIAL, for people to read."""

from __future__ import annotations

from dataclasses import fields, replace

from trilemma.translation import ir
from trilemma.translation.model import Model

_SMOOTHS = {(1, True): "smooth", (1, False): "smoothi", (3, True): "smooth3", (3, False): "smooth3i"}
_DELAYS = {(1, True): "delay1", (1, False): "delay1i", (3, True): "delay3", (3, False): "delay3i"}
"""Names by order, and by whether the initial value is that of the input."""


def unwound(model: Model, expression: ir.Expression) -> ir.Expression:
    """Return an expression in which hidden stocks are calls of SMOOTH, DELAY or INITIAL again.

    A hidden stock that comes from something else stands there with its own equation.
    """
    return _Unwinding(model).of(expression)


class _Unwinding:
    """Unwinds the expressions of one model; a hidden stock that refers to itself is not followed twice."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.open: set[str] = set()

    def of(self, node: ir.Expression) -> ir.Expression:
        """Return an expression without hidden stocks."""
        delay = self._delay(node)
        if delay is not None:
            return delay
        if isinstance(node, ir.Reference) and node.key not in self.open:
            equation = self._equation(node)
            if equation is None:
                return node
            self.open.add(node.key)
            found = self._smooth(node) or self._initial(equation) or self._inside(equation)
            self.open.discard(node.key)
            return found
        return self._inside(node)

    def _inside(self, node: ir.Expression) -> ir.Expression:
        """Return an expression with what is in it unwound."""
        changes: dict[str, object] = {}
        for field in fields(node):
            value = getattr(node, field.name)
            if isinstance(value, tuple):
                changes[field.name] = tuple(self.of(v) if ir.is_node(v) else v for v in value)
            elif ir.is_node(value):
                changes[field.name] = self.of(value)
        return replace(node, **changes) if changes else node

    def _equation(self, node: ir.Expression) -> ir.Expression | None:
        """Return the equation of a hidden variable that a node refers to, or None."""
        if not isinstance(node, ir.Reference) or node.key not in self.model.nodes:
            return None
        variable = self.model.nodes[node.key]
        return variable.components[0].expression if variable.hidden and len(variable.components) == 1 else None

    def _initial(self, equation: ir.Expression) -> ir.Expression | None:
        """Return INITIAL for a stock without a flow."""
        match equation:
            case ir.Integral(ir.Number(0.0), initial):
                return ir.Call("initial", (self.of(initial),))
            case _:
                return None

    def _smooth(self, node: ir.Expression) -> ir.Expression | None:
        """Return SMOOTH for stocks in a row that each adjust to the one before."""
        order = 0
        first: tuple[ir.Expression, ir.Expression] | None = None
        while True:
            match self._equation(node):
                case ir.Integral(ir.Operation("/", (ir.Operation("-", (goal, own)), time)), initial) if own == node:
                    first = first or (time, initial)
                    if first != (time, initial):
                        break
                    node, order = goal, order + 1
                case _:
                    break
        return None if first is None else self._call(_SMOOTHS, "smooth_n", node, order, *first)

    def _delay(self, node: ir.Expression) -> ir.Expression | None:
        """Return DELAY for stocks in a row that each drain into the next."""
        order = 0
        first: tuple[ir.Expression, ir.Expression] | None = None
        while True:
            match node:
                case ir.Operation("/", (ir.Reference() as stock, time)):
                    equation = self._equation(stock)
                case _:
                    break
            match equation:
                case ir.Integral(ir.Operation("-", (rate, drained)), ir.Operation("*", (initial, same))) if (
                    drained == node and same == time
                ):
                    first = first or (time, initial)
                    if first != (time, initial):
                        break
                    node, order = rate, order + 1
                case _:
                    break
        return None if first is None else self._call(_DELAYS, "delay_n", node, order, *first)

    def _call(
        self,
        names: dict[tuple[int, bool], str],
        general: str,
        level: ir.Expression,
        order: int,
        time: ir.Expression,
        initial: ir.Expression,
    ) -> ir.Expression:
        """Return the call that stocks in a row come from."""
        if order > 1 and isinstance(time, ir.Operation) and time.operator == "/":
            time = time.operands[0]  # the time of a stage is a part of the whole
        own = initial == level
        parts = [self.of(level), self.of(time)]
        if (order, own) not in names:
            return ir.Call(general, (*parts, self.of(initial), ir.Number(float(order))))
        return ir.Call(names[order, own], tuple(parts if own else [*parts, self.of(initial)]))

"""Which variables must be computed to the last digit: those that a comparison or a function with steps looks at.

Rounding that is of no account elsewhere decides there: whether a month is over, or which whole number a year is. What
follows from stocks is compared as it comes: its last digit is chance anyway, and exactness costs time in the loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from trilemma.engine.functions import COMPARISONS, STEPPED
from trilemma.translation import ir
from trilemma.translation.model import Model
from trilemma.translation.ordering import upstream


@lru_cache(maxsize=64)
def looked_at(model: Model) -> frozenset[str]:
    """Return the keys of the variables that hold a comparison or a function with steps, and of those it depends on."""
    stepped = _closure(model, STEPPED)
    return stepped | frozenset(key for key in _closure(model, COMPARISONS) - stepped if not _follows_stocks(model, key))


def _closure(model: Model, operations: frozenset[str]) -> frozenset[str]:
    """Return the keys of the variables that hold one of some operations, and of all that its operands refer to."""
    found: set[str] = set()
    waiting: list[str] = []
    for key, variable in model.nodes.items():
        operands = [o for c in variable.components for o in _operands(c.expression, operations)]
        if operands:
            found.add(key)
            waiting.extend(_referred(operands))
    while waiting:
        key = waiting.pop()
        if key not in found and key in model.nodes:
            found.add(key)
            waiting.extend(_referred(c.expression for c in model.nodes[key].components))
    return frozenset(found)


def _follows_stocks(model: Model, key: str) -> bool:
    """Whether a variable depends on a stock or a memory."""
    components = [c for k in upstream(model, [key]) if k in model.nodes for c in model.nodes[k].components]
    return any(isinstance(c.expression, ir.STATES) for c in components)


def _operands(expression: ir.Expression, operations: frozenset[str]) -> Iterator[ir.Expression]:
    """Yield what some operations in an expression look at."""
    for node in ir.walk(expression):
        if isinstance(node, ir.Operation) and node.operator in operations:
            yield from node.operands
        elif isinstance(node, ir.Call) and node.function in operations:
            yield from node.arguments


def _referred(expressions: Iterable[ir.Expression]) -> Iterator[str]:
    """Yield the keys of the variables in expressions; what the flows of stocks refer to does not count."""
    for expression in expressions:
        if not isinstance(expression, ir.STATES):
            yield from (node.key for node in ir.walk(expression) if isinstance(node, ir.Reference))

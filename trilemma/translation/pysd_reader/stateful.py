"""Writes delays, smooths, trends and the like out as hidden stocks and memories: one function each.

So that an engine meets stocks and memories alone, and gradients, batches and restarts need no second way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pysd.translators.structures import abstract_expressions as ae

from trilemma.translation import ir

if TYPE_CHECKING:
    from trilemma.translation.pysd_reader.equations import Scope

Rule = Callable[..., ir.Expression]
"""From a reference to a hidden variable, and the expressions that it is made of, to its equation."""

LARGEST_ORDER = 1000


def _op(operator: str, left: ir.Expression, right: ir.Expression) -> ir.Expression:
    """Return a binary operation."""
    return ir.Operation(operator, (left, right))


def _divided(expression: ir.Expression, order: int) -> ir.Expression:
    """Return an expression over a whole number."""
    return expression if order == 1 else _op("/", expression, ir.Number(float(order)))


def _adjusting(own: ir.Reference, goal: ir.Expression, time: ir.Expression, initial: ir.Expression) -> ir.Expression:
    """Return the equation of a stock that moves towards a goal."""
    return ir.Integral(_op("/", _op("-", goal, own), time), initial)


def _initial(scope: Scope, tree: ae.InitialStructure) -> ir.Expression:
    """Write INITIAL as a stock without a flow."""
    return scope.hidden(lambda _, x: ir.Integral(ir.Number(0.0), x), scope.expression(tree.initial))


def _smooth(scope: Scope, tree: ae.SmoothStructure | ae.SmoothNStructure) -> ir.Expression:
    """Write SMOOTH of order n out as n stocks in a row, each adjusting to the one before."""
    order = _order(scope, tree.order, "SMOOTH N")
    level = scope.expression(tree.input)
    time = _divided(scope.expression(tree.smooth_time), order)
    initial = scope.expression(tree.initial)
    for _ in range(order):
        level = scope.hidden(_adjusting, level, time, initial)
    return level


def _delay(scope: Scope, tree: ae.DelayStructure) -> ir.Expression:
    """Write DELAY of order n out as n stocks in a row, each draining into the next."""
    order = _stable_order(scope, _order(scope, tree.order, "DELAY"), tree.delay_time)
    rate = scope.expression(tree.input)
    time = _divided(scope.expression(tree.delay_time), order)
    initial = scope.expression(tree.initial)
    for _ in range(order):
        stock = scope.hidden(
            lambda own, x, t, x0: ir.Integral(_op("-", x, _op("/", own, t)), _op("*", x0, t)), rate, time, initial
        )
        rate = _op("/", stock, time)
    return rate


def _delay_n(scope: Scope, tree: ae.DelayNStructure) -> ir.Expression:
    """Write DELAY N out: as DELAY where its time is constant; else a change of it passes from stage to stage."""
    if scope.reader.known().number(tree.delay_time) is not None:
        return _delay(scope, ae.DelayStructure(tree.input, tree.delay_time, tree.initial, tree.order))  # type: ignore[arg-type]
    order = _stable_order(scope, _order(scope, tree.order, "DELAY N"), tree.delay_time)
    rate = scope.expression(tree.input)
    time = scope.expression(tree.delay_time)
    initial = scope.expression(tree.initial)
    start = _divided(time, order)
    stage = start
    last: ir.Expression = ir.Number(0.0)
    for _ in range(order):
        last = scope.hidden(
            lambda own, x, t, x0, t0: ir.Integral(_op("-", x, _op("/", own, t)), _op("*", x0, t0)),
            rate,
            stage,
            initial,
            start,
        )
        rate = _op("/", last, stage)
        stage = scope.hidden(lambda _, t, t0: ir.Memory(t, t0), stage, start)
    # what flows out is measured with the time that the first stage had a step before, as PySD has it
    before = scope.hidden(lambda _, t, t0: ir.Memory(t, t0), start, start)
    return _op("/", last, before)


def _delay_fixed(scope: Scope, tree: ae.DelayFixedStructure) -> ir.Expression:
    """Write DELAY FIXED as a memory with a delay."""
    parts = [scope.expression(part) for part in (tree.input, tree.initial, tree.delay_time)]
    return scope.hidden(lambda _, x, x0, delay: ir.Memory(x, x0, delay), *parts)


def _sample_if_true(scope: Scope, tree: ae.SampleIfTrueStructure) -> ir.Expression:
    """Write SAMPLE IF TRUE as a memory of its own value."""
    condition, value, initial = (scope.expression(part) for part in (tree.condition, tree.input, tree.initial))
    held = scope.hidden(
        lambda own, c, x, x0: ir.Memory(ir.Call("if_then_else", (c, x, own)), x0), condition, value, initial
    )
    return ir.Call("if_then_else", (condition, value, held))


def _trend(scope: Scope, tree: ae.TrendStructure) -> ir.Expression:
    """Write TREND with a stock that adjusts to the input: the fractional gap between them per unit of time."""
    level, time = scope.expression(tree.input), scope.expression(tree.average_time)
    trend = scope.expression(tree.initial_trend)
    start = _op("/", level, _op("+", ir.Number(1.0), _op("*", trend, time)))
    average = scope.hidden(_adjusting, level, time, start)
    size = ir.Call("abs", (average,))
    return ir.Call("zidz", (_op("-", level, average), _op("*", time, size)))


def _forecast(scope: Scope, tree: ae.ForecastStructure) -> ir.Expression:
    """Write FORECAST: the input, carried on by its trend over the horizon."""
    level, time = scope.expression(tree.input), scope.expression(tree.average_time)
    horizon, trend = scope.expression(tree.horizon), scope.expression(tree.initial_trend)
    start = level if trend == ir.Number(0.0) else _op("/", level, _op("+", ir.Number(1.0), trend))
    average = scope.hidden(_adjusting, level, time, start)
    growth = ir.Call("zidz", (_op("-", level, average), _op("*", time, average)))
    return _op("*", level, _op("+", ir.Number(1.0), _op("*", growth, horizon)))


def _order(scope: Scope, tree: object, construct: str) -> int:
    """Return the order of a delay or smooth: what it is at the start, where it changes; a fraction is cut off."""
    known = scope.reader.known(at_start=True)
    number = known.number(tree)
    if number is None:
        raise scope.unsupported(f"{construct} with an order that does not follow from constants")
    if not 1 <= number <= LARGEST_ORDER:
        raise scope.unsupported(f"{construct} of order {number:g} (an order from 1 to {LARGEST_ORDER} is expected)")
    scope.reader.fix(known.used, f"the order of the {construct} in '{scope.name}' follows from it")
    return int(number)


def _stable_order(scope: Scope, order: int, time: object) -> int:
    """Return the order of a delay, lowered where its stages would be shorter than the time step, as in Vensim."""
    known = scope.reader.known(smallest=True, at_start=True)
    total, step = known.number(time), known.number(ae.ReferenceStructure("time_step"))
    if total is None or step is None:
        return order
    stable = order
    while stable > 1 and stable * step > total:
        stable -= 1
    if stable < order:
        why = f"the delay in '{scope.name}' has {stable} instead of {order} stages, since a time step is as long as one"
        scope.reader.fix(known.used, why)
    return stable


FORMS: dict[type, Callable[[Any, Any], ir.Expression]] = {
    ae.InitialStructure: _initial,
    ae.SmoothStructure: _smooth,
    ae.SmoothNStructure: _smooth,
    ae.DelayStructure: _delay,
    ae.DelayNStructure: _delay_n,
    ae.DelayFixedStructure: _delay_fixed,
    ae.SampleIfTrueStructure: _sample_if_true,
    ae.TrendStructure: _trend,
    ae.ForecastStructure: _forecast,
}

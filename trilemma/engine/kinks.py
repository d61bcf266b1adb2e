"""Where a model is not smooth: the corners and jumps of its equations, at which a gradient is that of one side alone.

A list, not a judgement: a corner that no run reaches does no harm. Conditions say where the corner or the jump lies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from trilemma.engine.function_table import shown_name
from trilemma.errors import unknown_name
from trilemma.translation import ir
from trilemma.translation.model import Model
from trilemma.translation.printing import in_vensim

Text = Callable[[ir.Expression], str]
Found = tuple[str, str, tuple[ir.Expression, ...]]
"""A construct, the condition at which it is not smooth, and the expressions on which the condition depends."""

COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")


def _equal(text: Text, name: str, arguments: tuple[ir.Expression, ...]) -> Found:
    """Return the corner of MIN and MAX: where the arguments are equal."""
    return name, " = ".join(map(text, arguments)), arguments


def _zero(text: Text, name: str, arguments: tuple[ir.Expression, ...], position: int = 0) -> Found:
    """Return the corner where an argument passes zero."""
    argument = arguments[position]
    return name, f"{text(argument)} = 0", (argument,)


def _condition(text: Text, name: str, arguments: tuple[ir.Expression, ...]) -> Found:
    """Return the jump where a condition changes."""
    return name, text(arguments[0]), (arguments[0],)


def _multiple(text: Text, name: str, arguments: tuple[ir.Expression, ...]) -> Found:
    """Return the jumps at the multiples of a size, 1 for INTEGER."""
    number, *sizes = arguments
    return name, f"{text(number)} = a multiple of {text(sizes[0]) if sizes else '1'}", arguments


def _times(text: Text, name: str, arguments: tuple[ir.Expression, ...], positions: tuple[int, ...]) -> Found:
    """Return the jumps of a function of time."""
    chosen = tuple(arguments[i] for i in positions if i < len(arguments))
    return name, f"Time = {', '.join(map(text, chosen))}", (ir.Reference("time"), *chosen)


def _pulse(text: Text, name: str, arguments: tuple[ir.Expression, ...]) -> Found:
    """Return the jumps of PULSE: its start, and its end a width later."""
    start, width = map(text, arguments[:2])
    return name, f"Time = {start}, {start} + {width}", (ir.Reference("time"), *arguments)


def _train(text: Text, name: str, arguments: tuple[ir.Expression, ...]) -> Found:
    """Return the jumps of PULSE TRAIN."""
    start, interval = map(text, arguments[:2])
    return name, f"Time = {start}, then every {interval}", (ir.Reference("time"), *arguments)


def _order(text: Text, name: str, arguments: tuple[ir.Expression, ...]) -> Found:
    """Return the corner where another element becomes the largest, the smallest or the next."""
    return name, f"two elements of {text(arguments[0])} are equal", arguments


CALLS: dict[str, Callable[[Text, str, tuple[ir.Expression, ...]], Found]] = {
    "abs": _zero,
    "if_then_else": _condition,
    "integer": _multiple,
    "max": _equal,
    "min": _equal,
    "modulo": _multiple,
    "pulse": _pulse,
    "pulse_train": _train,
    "quantum": _multiple,
    "ramp": partial(_times, positions=(1, 2)),
    "step": partial(_times, positions=(1,)),
    "vector_rank": _order,
    "vector_reorder": _order,
    "vector_sort_order": _order,
    "vmax": _order,
    "vmin": _order,
    "xidz": partial(_zero, position=1),
    "xpulse": partial(_times, positions=(0,)),
    "xpulse_train": _train,
    "xramp": partial(_times, positions=(1, 2)),
    "zidz": partial(_zero, position=1),
}
"""By function, what says where it is not smooth."""


def list_kinks(model: Model, variable: str | None = None, view: str | None = None) -> list[dict[str, Any]]:
    """Return a record for every place where the equations of a model are not smooth.

    Parameters
    ----------
    variable
        A variable to list alone.
    view
        The view of the sketch whose variables are listed alone.

    Returns
    -------
    list of dict
        "variable", "line", "construct", "condition", and "depends on": "state" if the place moves with the model's
        own course, else "parameters", "time", both, or "nothing".

    Raises
    ------
    UnknownNameError
        If the model has no such variable or view.
    """
    wanted = None if variable is None else model.resolve(variable).variable.key
    if view is not None and ir.normalise(view) not in map(ir.normalise, model.views):
        raise unknown_name("view", view, model.views, f"model '{model.name}'")
    origins = _Origins(model)
    records: list[dict[str, Any]] = []
    for key, node in model.nodes.items():
        if wanted not in (None, key) or (view is not None and ir.normalise(node.view) != ir.normalise(view)):
            continue
        for component in node.components:
            for construct, condition, arguments in _kinks(model, node, component.expression):
                where = {"variable": node.name, "line": component.line}
                what = {"construct": construct, "condition": condition, "depends on": origins.shown(arguments)}
                if {**where, **what} not in records[-20:]:
                    records.append({**where, **what})
    return records


def _kinks(model: Model, variable: ir.Variable, node: ir.Expression) -> Iterator[Found]:
    """Yield the kinks of an expression, from the outside in."""
    text: Text = partial(in_vensim, model, named=shown_name)
    match node:
        case ir.Call(function, arguments) if function in CALLS:
            yield CALLS[function](text, shown_name(function), arguments)
        case ir.Operation(operator, (left, right)) if operator in COMPARISONS:
            yield "comparison", text(node), (left, right)
        case ir.Table(argument, x):
            yield "lookup", f"{text(argument)} = {', '.join(f'{a:.6g}' for a in dict.fromkeys(x))}", (argument,)
        case ir.Tables(argument):
            yield "lookup", f"{text(argument)} = a point of its table", (argument,)
        case ir.Memory(_, _, delay) if delay is not None:
            yield "DELAY FIXED", f"{text(delay)} = a multiple of TIME STEP", (delay,)
        case ir.Integral(_, _, True):
            yield "non-negative stock", f"{variable.name} = 0", (node,)
        case _:
            pass
    # what IF THEN ELSE compares has been said with it
    inside = node.arguments[1:] if isinstance(node, ir.Call) and node.function == "if_then_else" else ir.children(node)
    for child in inside:
        yield from _kinks(model, variable, child)
    if isinstance(node, ir.Call) and node.function == "if_then_else":
        yield from (found for found in _kinks(model, variable, node.arguments[0]) if found[0] != "comparison")


class _Origins:
    """Knows of each variable what its value at an instant stands on: state, time, parameters."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.known: dict[str, frozenset[str]] = {}

    def shown(self, expressions: tuple[ir.Expression, ...]) -> str:
        """Return what expressions depend on, as a word."""
        found = frozenset(origin for expression in expressions for origin in self.of(expression))
        if "state" in found:
            return "state"
        return " and ".join(sorted(found)) or "nothing"

    def of(self, expression: ir.Expression) -> frozenset[str]:
        """Return what an expression depends on."""
        if isinstance(expression, ir.STATES):
            return frozenset({"state"})
        found: frozenset[str] = frozenset()
        if isinstance(expression, ir.Reference):
            found |= {"time"} if expression.key == "time" else self.variable(expression.key)
        if isinstance(expression, ir.Missing) or (isinstance(expression, ir.Call) and expression.function in _OF_TIME):
            found |= {"time"}
        return found.union(*map(self.of, ir.children(expression)))

    def variable(self, key: str) -> frozenset[str]:
        """Return what a variable depends on."""
        if key not in self.known:
            self.known[key] = frozenset()  # equations in a loop are refused elsewhere
            node = self.model.nodes[key]
            if node.kind in ("constant", "control"):
                self.known[key] = frozenset({"parameters"})
            else:
                parts = [self.of(component.expression) for component in node.components]
                literal = any(ir.is_literal(component.expression) for component in node.components)
                self.known[key] = frozenset[str]().union(*parts, {"parameters"} if literal else ())
        return self.known[key]


_OF_TIME = frozenset({"step", "ramp", "pulse", "pulse_train", "xpulse", "xpulse_train", "xramp"})

"""Prints expressions back in the notation of Vensim, for tables and messages; nothing reads them again."""

from __future__ import annotations

import re
from collections.abc import Callable

from trilemma.translation import ir
from trilemma.translation.model import Model

_BINDING = {
    "or": 1,
    "and": 2,
    "not": 3,
    **dict.fromkeys(("=", "<>", "<", "<=", ">", ">="), 4),
    **dict.fromkeys(("+", "-"), 5),
    **dict.fromkeys(("*", "/"), 6),
    "negative": 7,
    "^": 8,
}
"""How tightly operators bind; an operand that binds less tightly stands in parentheses."""

_WORDS = {"or": ":OR:", "and": ":AND:", "not": ":NOT:"}
_PLAIN_NAME = re.compile(r"[^\W\d][\w$' ]*")
_ATOM = 9


def function_name(function: str) -> str:
    """Return a function's name as Vensim writes it."""
    return function.replace("_", " ").upper()


def subscript_name(model: Model, subscript: str) -> str:
    """Return a subscript as a reader knows it: for a hidden range its one element, or the range that it is of."""
    elements = model.hidden_ranges.get(subscript, ())
    return elements[0] if len(elements) == 1 else subscript.partition("|")[0]


def in_vensim(model: Model, expression: ir.Expression, named: Callable[[str], str] = function_name) -> str:
    """Return an expression in the notation of Vensim.

    Parameters
    ----------
    named
        From our names of functions to those to be shown.
    """
    return _Printer(model, named).text(expression)


class _Printer:
    """Prints the expressions of one model."""

    def __init__(self, model: Model, named: Callable[[str], str]) -> None:
        self.model = model
        self.named = named

    def text(self, node: ir.Expression) -> str:
        """Return an expression as text."""
        match node:
            case ir.Number(value):
                return _number(value)
            case ir.Array(values):
                return ", ".join(map(_number, values))
            case ir.Reference("time"):
                return "Time"
            case ir.Reference():
                return self.reference(node)
            case ir.Operation():
                return self.operation(node)
            case ir.Call("pulse_train", (start, interval, width, end)):  # PySD's order of them is another
                return self.call(self.named("pulse_train"), start, width, interval, end)
            case ir.Call(function, arguments):
                return self.call(self.named(function), *arguments)
            case ir.Table(argument, lookup=(key, *subscripts)) | ir.Tables(argument, lookup=(key, *subscripts)):
                return f"{self.reference(ir.Reference(key, tuple(subscripts)))}({self.text(argument)})"
            case ir.Table(argument, x, y):
                points = ",".join(f"({_number(a)},{_number(b)})" for a, b in zip(x, y, strict=True))
                return f"WITH LOOKUP({self.text(argument)}, ({points}))"
            case ir.Tables(argument):
                return f"LOOKUP({self.text(argument)})"
            case ir.Integral(flow, initial):
                return self.call("INTEG", flow, initial)
            case ir.Memory(following, initial, delay):
                if delay is None:
                    return self.call("MEMORY", following, initial)
                return self.call("DELAY FIXED", following, delay, initial)
            case ir.ActiveInitial(active, initial):
                return self.call("ACTIVE INITIAL", active, initial)
            case ir.Missing():
                return ":NA:"

    def reference(self, node: ir.Reference) -> str:
        """Return a variable with its subscripts."""
        name = self.model.nodes[node.key].name if node.key in self.model.nodes else node.key
        shown = name if _PLAIN_NAME.fullmatch(name) or name.startswith('"') else f'"{name}"'
        if not node.subscripts:
            return shown
        marks = ("!" * ir.axis_of(subscript).endswith("!") for subscript in node.subscripts)
        names = (subscript_name(self.model, ir.range_of(subscript)) for subscript in node.subscripts)
        return f"{shown}[{','.join(map(''.join, zip(names, marks, strict=True)))}]"

    def operation(self, node: ir.Operation) -> str:
        """Return an operator with its operands; those that bind less tightly stand in parentheses."""
        binding = _BINDING[node.operator]
        sign = _WORDS.get(node.operator, node.operator)
        if len(node.operands) == 1:
            return f"{'-' if node.operator == 'negative' else sign + ' '}{self.operand(node.operands[0], binding)}"
        first, *others = node.operands
        # a - (b - c) keeps its parentheses; ^ is put in them on both sides, as readers differ on its side
        left = self.operand(first, binding + (node.operator == "^"))
        joint = sign if node.operator in ("*", "/", "^") else f" {sign} "
        tighter = [_ATOM if _is_negative(other) else binding + 1 for other in others]
        return joint.join([left, *(self.operand(other, more) for other, more in zip(others, tighter, strict=True))])

    def operand(self, node: ir.Expression, binding: int) -> str:
        """Return an operand, in parentheses if it binds less tightly."""
        own = _BINDING[node.operator] if isinstance(node, ir.Operation) else _ATOM
        own = _BINDING["negative"] if _is_negative(node) else own
        return self.text(node) if own >= binding else f"({self.text(node)})"

    def call(self, name: str, *arguments: ir.Expression) -> str:
        """Return a call."""
        return f"{name}({', '.join(map(self.text, arguments))})"


def _is_negative(node: ir.Expression) -> bool:
    """Whether an expression begins with a minus sign of its own."""
    return (
        isinstance(node, ir.Operation) and node.operator == "negative" or isinstance(node, ir.Number) and node.value < 0
    )


def _number(value: float) -> str:
    """Return a number, short."""
    return f"{value:.10g}"

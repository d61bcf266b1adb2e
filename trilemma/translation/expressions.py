"""The one expression language: derived outcomes, measurements and claims are all written in it.

An expression is parsed into a small tree and worked out on labelled arrays. It is never run as Python, and it
never sees a model: the caller hands in a function that looks names up. Gradients pass through.

Language
--------
``name``, ``name[element]``
    A variable, whole or one element of it. Names may hold spaces; a name in double quotes may hold anything.
    Arrays with several ranges combine by the names of the ranges.
``+ - * / ^``, ``-x``, ``( )``
    The usual order; ``^`` binds tightest and from the right, so ``-2^2`` is -4. A quotient by 0 and a power
    without a real value are undefined.
``log(x)``, ``exp(x)``
    Natural logarithm (undefined for x <= 0) and exponential.
``min(x, y, ...)``, ``max(x, y, ...)``
    The smallest and the largest of the arguments, at each time.
``sum(x[range!])``, ``min(x[range!])``, ``max(x[range!])``
    Over all elements of each range that is marked with ``!``; the innermost call takes the mark.
``at(x, t)``
    x at the time t, on straight lines between saved times; undefined outside them. One value for all times.
``mean(x, t0, t1)``
    The mean of x from t0 to t1, likewise. One value for all times.
``highest(x, t0, t1)``, ``lowest(x, t0, t1)``, ``time_of_highest(x, t0, t1)``
    The largest and the smallest value of x from t0 to t1, and the earliest time of the largest, likewise.
``annual(x)``
    At each saved time, the mean of x over the calendar year that holds it (from floor(t) to floor(t) + 1), on
    straight lines between saved times; undefined in a year that the saved times do not cover whole.
``lag_months(a, b)``
    12 (t - t*), where t* is the latest time with a(t*) <= b(t), on straight lines between saved times: by
    how many months b trails a. Undefined where a is above b(t) at all saved times, and where b(t) is above
    the last a, since t* then lies beyond the horizon.
``under(x, scenario)``
    x in another scenario, in the same draw. Claims compare scenarios with it; an outcome of a model cannot.

Undefined is NaN, never 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import NoReturn, TypeAlias

import numpy as np

from trilemma.errors import ModelFileError, unknown_name
from trilemma.translation.ir import normalise
from trilemma.translation.labelled import (
    OPERATIONS,
    Array,
    Labelled,
    align,
    annual_means,
    extreme_over,
    lag_months,
    mean_over,
    reduce_ranges,
)


@dataclass(frozen=True)
class Number:
    """A literal number."""

    value: float


@dataclass(frozen=True)
class Reference:
    """A variable; each of `elements` is an element, a range, or ``range!`` for a range to be reduced."""

    name: str
    elements: tuple[str, ...] = ()


@dataclass(frozen=True)
class Call:
    """An operator or a function on its arguments."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Under:
    """What is below it, in another scenario."""

    argument: Node
    scenario: str


Node: TypeAlias = Number | Reference | Call | Under


@dataclass(frozen=True)
class Expression:
    """A parsed expression: its text, its tree and the place it was read from."""

    text: str
    tree: Node
    where: str = ""

    @property
    def scenarios(self) -> dict[str | None, frozenset[str]]:
        """The scenarios that are asked for, None being the one at hand, each with its variables."""
        found: dict[str | None, set[str]] = {}
        for scenario, node in _walk_scenarios(self.tree, None):
            found.setdefault(scenario, set()).add(node.name)
        return {scenario: frozenset(names) for scenario, names in found.items()}

    @property
    def times(self) -> tuple[float, ...]:
        """The times that are written in it."""
        calls = [node for node in _walk(self.tree) if isinstance(node, Call) and node.function in _AT_TIMES]
        return tuple(part.value for call in calls for part in call.arguments[1:] if isinstance(part, Number))

    @property
    def names(self) -> frozenset[tuple[str, str | None]]:
        """Every variable with its element (``a`` or ``a,b``), or None where it is used whole."""
        found: set[tuple[str, str | None]] = set()
        for node in _walk(self.tree):
            if isinstance(node, Reference):
                whole = not node.elements or any(element.endswith("!") for element in node.elements)
                found.add((node.name, None if whole else ",".join(node.elements)))
        return frozenset(found)


# ---------------------------------------------------------------------------------------------- parsing

_WORD = r"[^\W\d][\w'$]*"
_TOKEN = re.compile(
    rf"""(?P<blank>\s+)
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<name>{_WORD}(?:[ \t]+[\w'$]+)*|"[^"]+")
    |(?P<symbol>[-+*/^(),\[\]!])""",
    re.VERBOSE,
)
_BINDING = {"+": 10, "-": 10, "*": 20, "/": 20, "^": 40}
_NEGATION = 30
_ARGUMENTS: dict[str, tuple[int, int | None, str]] = {
    "log": (1, 1, "log(x)"),
    "exp": (1, 1, "exp(x)"),
    "min": (1, None, "min(x, y) or min(x[range!])"),
    "max": (1, None, "max(x, y) or max(x[range!])"),
    "sum": (1, 1, "sum(x[range!])"),
    "mean": (3, 3, "mean(x, t0, t1)"),
    "highest": (3, 3, "highest(x, t0, t1)"),
    "lowest": (3, 3, "lowest(x, t0, t1)"),
    "time_of_highest": (3, 3, "time_of_highest(x, t0, t1)"),
    "at": (2, 2, "at(x, t)"),
    "annual": (1, 1, "annual(x)"),
    "lag_months": (2, 2, "lag_months(a, b)"),
    "under": (2, 2, "under(x, scenario)"),
}
_REDUCTIONS = ("sum", "min", "max")
_EXTREMES = ("highest", "lowest", "time_of_highest")
_AT_TIMES = ("at", "mean", *_EXTREMES)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int


def parse_expression(text: str, where: str = "", *, scenarios: bool = False) -> Expression:
    """Parse an expression.

    Parameters
    ----------
    text
        The expression, in the language of this module.
    where
        The file and key it comes from, for error messages.
    scenarios
        Whether ``under`` is allowed.

    Raises
    ------
    ModelFileError
        With the position of the mistake.
    UnknownNameError
        For a function that does not exist, with near names.
    """
    parser = _Parser(text, where, scenarios)
    tree = parser.expression(0)
    if parser.token.kind != "end":
        parser.fail("an operator or the end")
    loose = [marker for node in _unreduced(tree) for marker in node.elements if marker.endswith("!")]
    if loose:
        message = f"{parser.place}: '{loose[0]}' has no sum, min or max around it; write sum(...) or drop the '!'."
        raise ModelFileError(message)
    return Expression(text, tree, where)


class _Parser:
    """Top-down operator precedence over the tokens of one text; lives as long as one call."""

    def __init__(self, text: str, where: str, scenarios: bool) -> None:
        self.place = f"{where}: expression '{text}'" if where else f"expression '{text}'"
        self.scenarios = scenarios
        self.where = where
        self._tokens = self._tokenise(text)
        self.token = next(self._tokens)

    def _tokenise(self, text: str) -> Iterator[_Token]:
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                message = f"{self.place}: {text[position]!r} at position {position + 1} has no meaning here."
                raise ModelFileError(message)
            kind = str(match.lastgroup)
            if kind != "blank":
                yield _Token(kind, match.group(), position + 1)
            position = match.end()
        while True:
            yield _Token("end", "", position + 1)

    def fail(self, expected: str) -> NoReturn:
        got = "the end" if self.token.kind == "end" else f"'{self.token.text}'"
        message = f"{self.place}: expected {expected} at position {self.token.start}, got {got}."
        raise ModelFileError(message)

    def advance(self) -> _Token:
        token, self.token = self.token, next(self._tokens)
        return token

    def accept(self, symbol: str) -> bool:
        found = self.token.kind == "symbol" and self.token.text == symbol
        if found:
            self.advance()
        return found

    def take(self, symbol: str) -> None:
        if not self.accept(symbol):
            self.fail(f"'{symbol}'")

    def expression(self, binding: int) -> Node:
        """Parse what binds tighter than `binding`."""
        left = self.operand()
        while self.token.kind == "symbol" and _BINDING.get(self.token.text, 0) > binding:
            operator = self.advance().text
            right = self.expression(_BINDING[operator] - (operator == "^"))
            left = Call(operator, (left, right))
        return left

    def operand(self) -> Node:
        token = self.token
        if token.kind == "number":
            self.advance()
            return Number(float(token.text))
        if token.kind == "name":
            self.advance()
            return self.call(token) if self.token.text == "(" else self.reference(token)
        if self.accept("-"):
            operand = self.expression(_NEGATION)
            return Number(-operand.value) if isinstance(operand, Number) else Call("negative", (operand,))
        if self.accept("("):
            inner = self.expression(0)
            self.take(")")
            return inner
        return self.fail("a number, a name or '('")

    def reference(self, token: _Token) -> Reference:
        elements: list[str] = []
        if self.accept("["):
            elements.append(self.element())
            while self.accept(","):
                elements.append(self.element())
            self.take("]")
        return Reference(token.text.strip('"'), tuple(elements))

    def element(self) -> str:
        if self.token.kind not in ("name", "number"):
            self.fail("an element or a range")
        name = self.advance().text.strip('"')
        return f"{name}!" if self.accept("!") else name

    def call(self, token: _Token) -> Node:
        function = token.text.lower()
        if function not in _ARGUMENTS:
            where = f"{self.place} at position {token.start}"
            error = unknown_name("function", token.text, _ARGUMENTS, where)
            raise error
        self.take("(")
        if function == "under":
            return self.under(token)
        arguments = [self.expression(0)]
        while self.accept(","):
            arguments.append(self.expression(0))
        self.take(")")
        self.check(token, function, arguments)
        return Call(function, tuple(arguments))

    def under(self, token: _Token) -> Node:
        """Parse what follows ``under(``."""
        if not self.scenarios:
            message = f"{self.place}: 'under' at position {token.start} names a scenario; only a claim can."
            raise ModelFileError(message)
        argument = self.expression(0)
        self.take(",")
        if self.token.kind != "name":
            self.fail("the name of a scenario")
        scenario = self.advance().text.strip('"')
        self.take(")")
        return Under(argument, scenario)

    def check(self, token: _Token, function: str, arguments: list[Node]) -> None:
        """Check the number and the kind of a function's arguments."""
        least, most, form = _ARGUMENTS[function]
        marked = any("!" in element for a in arguments for node in _unreduced(a) for element in node.elements)
        right = len(arguments) >= least and (most is None or len(arguments) <= most)
        if function == "sum":
            right = right and marked
        elif function in _REDUCTIONS:
            right = right and (len(arguments) > 1 or marked)
        times = [node.value for node in arguments[1:] if isinstance(node, Number)]
        if function in _AT_TIMES:
            right = right and len(times) == len(arguments) - 1 and times == sorted(set(times))
        if not right:
            numbers = ", with numbers as times, in order" if function in _AT_TIMES else ""
            message = f"{self.place}: '{token.text}' at position {token.start} is written {form}{numbers}."
            raise ModelFileError(message)


def substituted(node: Node, trees: Mapping[str, Node], where: str = "") -> Node:
    """Return a tree with others in the place of some names.

    Parameters
    ----------
    node
        The tree.
    trees
        What stands in the place of a name, by the name in the form that `normalise` gives.
    where
        What the tree belongs to, for messages.

    Raises
    ------
    ModelFileError
        If an element is asked of such a name.
    """
    if isinstance(node, Call):
        return replace(node, arguments=tuple(substituted(argument, trees, where) for argument in node.arguments))
    if isinstance(node, Under):
        return replace(node, argument=substituted(node.argument, trees, where))
    if not isinstance(node, Reference) or normalise(node.name) not in trees:
        return node
    if node.elements:
        message = f"{where}: '{node.name}' is an expression of its own, it is used whole, without [...]."
        raise ModelFileError(message)
    return trees[normalise(node.name)]


def _walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it."""
    yield node
    for below in _below(node):
        yield from _walk(below)


def _below(node: Node) -> tuple[Node, ...]:
    """Return what stands directly below a node."""
    if isinstance(node, Call):
        return node.arguments
    return (node.argument,) if isinstance(node, Under) else ()


def _walk_scenarios(node: Node, scenario: str | None) -> Iterator[tuple[str | None, Reference]]:
    """Yield the references below a node, each with the scenario that it is taken from."""
    if isinstance(node, Reference):
        yield scenario, node
    inner = node.scenario if isinstance(node, Under) else scenario
    for below in _below(node):
        yield from _walk_scenarios(below, inner)


def _reduces(node: Call) -> bool:
    """Whether a call reduces the marked ranges below it."""
    return node.function in _REDUCTIONS and len(node.arguments) == 1


def _unreduced(node: Node) -> Iterator[Reference]:
    """Yield the references below a node whose marked ranges no call has reduced yet."""
    if isinstance(node, Reference):
        yield node
    elif not (isinstance(node, Call) and _reduces(node)):
        for below in _below(node):
            yield from _unreduced(below)


# ------------------------------------------------------------------------------------------- evaluation

Lookup: TypeAlias = Callable[[str, tuple[str, ...]], Labelled]


def evaluate(
    expression: Expression, lookup: Lookup, times: Array, *, under: Callable[[str], Lookup] | None = None
) -> Labelled:
    """Work an expression out at the saved times.

    Parameters
    ----------
    expression
        What `parse_expression` returned.
    lookup
        Called with a name and its subscripts, without the ``!``. A range among them keeps its dimension,
        under its own name; an element removes its dimension; no subscripts ask for the whole variable.
    times
        The saved times, rising, in years: plain numbers, known before any tracing.
    under
        Returns the lookup of another scenario, for an expression that compares scenarios.

    Returns
    -------
    Labelled
        On (time or 1, *dims, run or 1). Undefined values are NaN.
    """
    with np.errstate(all="ignore"):
        return _evaluate(expression.tree, _Context(lookup, np.asarray(times, dtype=float), under))


@dataclass(frozen=True)
class _Context:
    """What a node is worked out with."""

    lookup: Lookup
    times: np.ndarray
    under: Callable[[str], Lookup] | None

    def in_scenario(self, scenario: str) -> _Context:
        """Return this context with the lookup of another scenario."""
        assert self.under is not None, "an expression with under(...) needs scenarios"
        return _Context(self.under(scenario), self.times, self.under)


def _evaluate(node: Node, context: _Context) -> Labelled:
    """Work a node out."""
    times = context.times
    if isinstance(node, Number):
        return Labelled((), np.full((1, 1), node.value))
    if isinstance(node, Reference):
        return context.lookup(node.name, tuple(element.removesuffix("!") for element in node.elements))
    if isinstance(node, Under):
        return _evaluate(node.argument, context.in_scenario(node.scenario))
    first = _evaluate(node.arguments[0], context)
    if node.function in _AT_TIMES:
        limits = [argument.value for argument in node.arguments[1:] if isinstance(argument, Number)]
        if node.function in _EXTREMES:
            return Labelled(first.dims, extreme_over(node.function, first.values, times, limits[0], limits[1]))
        return Labelled(first.dims, mean_over(first.values, times, limits[0], limits[-1]))
    if node.function == "annual":
        return Labelled(first.dims, annual_means(first.values, times))
    if _reduces(node):
        marked = {e.removesuffix("!") for r in _unreduced(node.arguments[0]) for e in r.elements if e[-1] == "!"}
        return reduce_ranges(node.function, first, marked)
    dims, arrays = align([first, *(_evaluate(argument, context) for argument in node.arguments[1:])])
    if node.function == "lag_months":
        return Labelled(dims, lag_months(arrays[0], arrays[1], times))
    operation = OPERATIONS[node.function]
    return Labelled(dims, reduce(operation, arrays) if len(arrays) > 1 else operation(arrays[0]))

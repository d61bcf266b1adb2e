"""Reads Vensim and XMILE files with PySD's translator and returns our representation; the only place that knows PySD.

Definitions are parsed one by one, so that an error names the variable, the construct and the line. PySD's translator
calls `eval` on pieces of the file's text; it is given a reader of literals instead, so that a model file from a
stranger cannot run code.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from parsimonious.exceptions import ParseError, VisitationError
from pysd.translators.structures import abstract_expressions as ae
from pysd.translators.structures import abstract_model as am
from pysd.translators.vensim import vensim_element
from pysd.translators.vensim.vensim_file import VensimFile
from pysd.translators.xmile.xmile_file import XmileFile

from trilemma.errors import ModelFileError, UnsupportedError
from trilemma.translation import ir
from trilemma.translation.source_text import definition_lines, read_text, sketch_views, xmile_lines

CONTROLS = ("initial_time", "final_time", "time_step", "saveper")
OPERATORS = {":AND:": "and", ":OR:": "or", ":NOT:": "not"}
VENSIM_NAMES = {
    "DelayFixedStructure": "DELAY FIXED",
    "DelayNStructure": "DELAY N with a varying order",
    "SmoothNStructure": "SMOOTH N with a varying order",
    "TrendStructure": "TREND",
    "ForecastStructure": "FORECAST",
    "SampleIfTrueStructure": "SAMPLE IF TRUE",
    "GetLookupsStructure": "GET LOOKUPS",
    "GetDataStructure": "GET DATA",
    "GetConstantsStructure": "GET CONSTANTS",
    "DataStructure": "data without a file",
    "LookupsStructure": "a lookup used as a value",
}

_Rule = Callable[..., tuple[ir.Expression, ir.Expression]]


def _literal(text: str) -> Any:  # noqa: ANN401
    """Return the value of a literal, or of a sum of numbers such as "7-2-1"; stands in for `eval` inside PySD.

    Raises
    ------
    ValueError
        If the text is anything else.
    """
    return _literal_value(ast.parse(text.strip(), mode="eval").body)


def _literal_value(node: ast.expr) -> Any:  # noqa: ANN401
    """Return the value of a parsed literal."""
    match node:
        case ast.Constant(int() | float() | str() as value):
            return value
        case ast.Tuple(elts) | ast.List(elts):
            return tuple(_literal_value(part) for part in elts)
        case ast.UnaryOp(ast.USub(), operand):
            return -_literal_value(operand)
        case ast.UnaryOp(ast.UAdd(), operand):
            return +_literal_value(operand)
        case ast.BinOp(left, ast.Add(), right):
            return _literal_value(left) + _literal_value(right)
        case ast.BinOp(left, ast.Sub(), right):
            return _literal_value(left) - _literal_value(right)
        case _:
            message = "not a literal"
            raise ValueError(message)


setattr(vensim_element, "eval", _literal)  # noqa: B010 - the module declares no such name


@dataclass(frozen=True)
class Source:
    """What a model file holds, before names are resolved."""

    ranges: dict[str, tuple[str, ...]]
    variables: dict[str, ir.Variable]
    views: dict[str, tuple[str, ...]]


def read(path: Path) -> Source:
    """Read a model file.

    Raises
    ------
    ModelFileError
        If the file cannot be read or parsed; the sentence names the line and the definition.
    UnsupportedError
        If it uses a construct that has no representation.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix.lower() == ".mdl":
            section, lines, views = _read_vensim(path)
        else:
            section, lines, views = _read_xmile(path)
    return _Reader(path, section, lines, views).source()


def _read_vensim(path: Path) -> tuple[am.AbstractSection, dict[str, list[int]], dict[str, str]]:
    """Parse a .mdl definition by definition; return its section, the lines of its definitions and its views."""
    text = read_text(path)
    lines = definition_lines(path, text)
    file: Any = VensimFile(path)
    try:
        file.parse(parse_all=False)
        if len(file.sections) > 1:
            message = f"'{path}' defines the macro '{file.sections[1].name}': macros are not supported."
            raise UnsupportedError(message)
        section: Any = file.sections[0]
        section.parse(parse_all=False)
    except (ParseError, VisitationError) as error:
        message = (
            f"'{path}' is not a Vensim model that can be parsed: every definition must read "
            "'name = equation ~ unit ~ comment |'; open it in Vensim, or check the file's first and last lines."
        )
        raise ModelFileError(message) from error
    parsed = [_parse_definition(path, element, lines) for element in section.elements]
    section.subscripts = [p for p in parsed if isinstance(p, vensim_element.SubscriptRange)]
    section.components = [p for p in parsed if isinstance(p, vensim_element.Component)]
    section.constraints = []
    section.test_inputs = []
    located: dict[str, list[int]] = {}
    for element, component in zip(section.elements, parsed, strict=True):
        where = lines.get(element.equation)
        if where:
            located.setdefault(ir.normalise(component.name), []).append(where[0])
    return section.get_abstract_section(), located, sketch_views(text)


def _parse_definition(path: Path, element: vensim_element.Element, lines: Mapping[str, list[int]]) -> Any:  # noqa: ANN401
    """Parse one definition; an error names its line."""
    try:
        component = element.parse()
        if isinstance(component, vensim_element.Component):
            component.parse()
    except (ParseError, VisitationError, SyntaxError, ValueError, KeyError, TypeError, IndexError) as error:
        line = lines.get(element.equation, [0])[0]
        shown = element.equation if len(element.equation) <= 100 else element.equation[:97] + "..."
        message = (
            f"'{path}', line {line}: cannot parse '{shown}': check operators, brackets and the function's arguments."
        )
        raise ModelFileError(message) from error
    return component


def _read_xmile(path: Path) -> tuple[am.AbstractSection, dict[str, list[int]], dict[str, str]]:
    """Parse an XMILE file; return its section and the lines of its definitions."""
    text = read_text(path)
    try:
        file = XmileFile(path)
        file.parse()
        model = file.get_abstract_model()
    except Exception as error:  # PySD lets the XML parser's and its own errors through, of no common kind
        reason = str(error).strip().splitlines()
        message = f"'{path}' is not an XMILE model that can be parsed: {reason[0] if reason else type(error).__name__}"
        raise ModelFileError(message) from error
    if len(model.sections) > 1:
        message = f"'{path}' defines the macro or module '{model.sections[1].name}': these are not supported."
        raise UnsupportedError(message)
    return model.sections[0], xmile_lines(text), {}


class _Reader:
    """Translates one abstract section. Hidden stocks found on the way are collected in `hidden`."""

    def __init__(
        self, path: Path, section: am.AbstractSection, lines: dict[str, list[int]], views: dict[str, str]
    ) -> None:
        self.path = path
        self.section = section
        self.lines = lines
        self.views = views
        self.ranges = self._ranges()
        self.lower_ranges = {name.lower(): labels for name, labels in self.ranges.items()}
        self.lookups = self._named_lookups()
        self.hidden: dict[str, ir.Variable] = {}

    def source(self) -> Source:
        """Translate everything."""
        variables = {ir.normalise(e.name): self._variable(e) for e in self.section.elements}
        variables |= self.hidden
        shown: dict[str, list[str]] = {}
        for variable in variables.values():
            if variable.view:
                shown.setdefault(variable.view, []).append(variable.name)
        return Source(self.ranges, variables, {view: tuple(names) for view, names in shown.items()})

    def _ranges(self) -> dict[str, tuple[str, ...]]:
        """Resolve subscript ranges: those that name other ranges are expanded."""
        raw = {r.name: r.subscripts for r in self.section.subscripts}
        by_lower = {name.lower(): name for name in raw}

        def expand(name: str, seen: tuple[str, ...]) -> tuple[str, ...]:
            if name in seen:
                message = f"'{self.path}': the subscript range '{name}' is defined by itself."
                raise ModelFileError(message)
            content = raw[name]
            if isinstance(content, str):
                content = [content]
            if isinstance(content, dict):
                message = (
                    f"'{self.path}': the subscript range '{name}' is read from another file: that is not supported."
                )
                raise UnsupportedError(message)
            labels: list[str] = []
            for label in content:
                inner = by_lower.get(label.lower())
                labels += expand(inner, (*seen, name)) if inner else [label]
            return tuple(dict.fromkeys(labels))

        return {name: expand(name, ()) for name in raw}

    def _named_lookups(self) -> dict[str, ae.LookupsStructure]:
        """Return the tables of unsubscripted lookup variables by key."""
        return {
            ir.normalise(e.name): e.components[0].ast
            for e in self.section.elements
            if len(e.components) == 1
            and isinstance(e.components[0], am.AbstractLookup)
            and isinstance(e.components[0].ast, ae.LookupsStructure)
            and not e.components[0].subscripts[0]
        }

    def _variable(self, element: am.AbstractElement) -> ir.Variable:
        """Translate one variable with all its components."""
        key = ir.normalise(element.name)
        lines = self.lines.get(key, [])
        components = tuple(
            self._component(element, c, lines[i] if i < len(lines) else None) for i, c in enumerate(element.components)
        )
        dims, labels = self._dims(element.name, [c.subscripts for c in components], lines)
        variable = ir.Variable(
            name=element.name.strip().strip('"'),
            key=key,
            components=components,
            dims=dims,
            elements=labels,
            unit=(element.units or "").strip(),
            limits=_limits(element.limits),
            documentation=" ".join((element.documentation or "").split()),
            kind=self._kind(element, components),
            view=self.views.get(key, ""),
        )
        self._check_overlap(variable, lines)
        return variable

    def _kind(self, element: am.AbstractElement, components: Sequence[ir.Component]) -> ir.Kind:
        """Classify a variable by what defines it."""
        if ir.normalise(element.name) in CONTROLS:
            return "control"
        if isinstance(element.components[0], am.AbstractLookup):
            return "lookup"
        if isinstance(element.components[0], am.AbstractData):
            return "data"
        if any(isinstance(c.expression, ir.Integral) for c in components):
            return "stock"
        return "constant" if all(ir.is_literal(c.expression) for c in components) else "auxiliary"

    def _check_overlap(self, variable: ir.Variable, lines: Sequence[int]) -> None:
        """Refuse two definitions of one element."""
        count = np.zeros(variable.shape, dtype=int)
        for component in variable.components:
            count[np.ix_(*ir.positions(variable, component.subscripts, self.lower_ranges))] += 1
        if (count > 1).any():
            place = f"'{self.path}', lines {', '.join(map(str, lines))}"
            message = f"{place}: '{variable.name}' is defined twice: remove one definition."
            raise ModelFileError(message)

    def _dims(
        self, name: str, subscripts: Sequence[tuple[str, ...]], lines: Sequence[int]
    ) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """Return the ranges of a variable: per position, the smallest range that holds all that is defined."""
        if len({len(s) for s in subscripts}) > 1:
            place = f"'{self.path}', lines {', '.join(map(str, lines))}"
            message = f"{place}: '{name}' has definitions with different numbers of subscripts."
            raise ModelFileError(message)
        dims: list[str] = []
        for used in zip(*subscripts, strict=True):
            named = [n for n in self.ranges if n.lower() == used[0].lower()]
            if len(set(used)) == 1 and named:
                dims.append(named[0])
                continue
            union = {e.lower() for s in used for e in self.lower_ranges.get(s.lower(), (s,))}
            holding = [n for n, labels in self.ranges.items() if union <= {e.lower() for e in labels}]
            if not holding:
                place = f"'{self.path}', line {lines[0] if lines else '?'}"
                message = f"{place}: no subscript range holds '{', '.join(used)}' of '{name}'."
                raise ModelFileError(message)
            dims.append(min(holding, key=lambda n: len(self.ranges[n])))
        return tuple(dims), tuple(self.ranges[d] for d in dims)

    def _component(
        self, element: am.AbstractElement, component: am.AbstractComponent, line: int | None
    ) -> ir.Component:
        """Translate one definition."""
        subscripts, excluded = component.subscripts
        if excluded:
            raise self.unsupported(element.name, ":EXCEPT:", line)
        scope = _Scope(self, element.name, tuple(subscripts), line)
        if isinstance(component, am.AbstractLookup) and isinstance(component.ast, ae.LookupsStructure):
            return ir.Component(tuple(subscripts), scope.table(ir.Reference("time"), component.ast), line)
        return ir.Component(tuple(subscripts), scope.definition(component.ast), line)

    def last_range(self, key: str) -> str | None:
        """Return the last range of a variable, or None if it has none."""
        for element in self.section.elements:
            if ir.normalise(element.name) == key:
                dims, _ = self._dims(element.name, [tuple(c.subscripts[0]) for c in element.components], [])
                return dims[-1] if dims else None
        return None

    def unsupported(self, name: str, construct: str, line: int | None) -> UnsupportedError:
        """Return the error for a construct without a representation."""
        place = f", line {line}" if line else ""
        return UnsupportedError(
            f"'{self.path}'{place}: '{name}' uses {construct}, which is not supported: rewrite the equation without it."
        )


class _Scope:
    """Translates the expressions of one definition."""

    def __init__(self, reader: _Reader, name: str, subscripts: tuple[str, ...], line: int | None) -> None:
        self.reader = reader
        self.name = name
        self.line = line
        self.axes = tuple(s for s in subscripts if s.lower() in reader.lower_ranges)

    def definition(self, tree: object) -> ir.Expression:
        """Translate the right-hand side; a stock is allowed here alone."""
        if isinstance(tree, np.ndarray):
            return ir.Array(tuple(float(v) for v in tree.ravel()), tuple(int(n) for n in tree.shape))
        if isinstance(tree, ae.IntegStructure):
            if tree.non_negative:
                raise self.unsupported("a non-negative stock")
            return ir.Integral(self.expression(tree.flow), self.expression(tree.initial))
        return self.expression(tree)

    def expression(self, tree: object) -> ir.Expression:
        """Translate an expression."""
        match tree:
            case bool() | int() | float() | np.floating() | np.integer():
                return ir.Number(float(tree))
            case ae.ReferenceStructure():
                subscripts = tree.subscripts.subscripts if tree.subscripts else ()
                return ir.Reference(ir.normalise(tree.reference), tuple(s.replace(" !", "!") for s in subscripts))
            case ae.ArithmeticStructure() | ae.LogicStructure():
                return self._operation(tree)
            case ae.CallStructure():
                return self._call(tree)
            case ae.InlineLookupsStructure():
                return self.table(self.expression(tree.argument), tree.lookups)
            case ae.GameStructure():
                return self.expression(tree.expression)
            case ae.InitialStructure():
                return self._hidden(lambda _, x: (ir.Number(0.0), x), self.expression(tree.initial))
            case ae.SmoothStructure():
                return self._smooth(tree, int(tree.order))
            case ae.DelayStructure():
                return self._delay(tree, int(tree.order))
            case ae.AllocateAvailableStructure():
                return self._allocate_available(tree)
            case ae.AllocateByPriorityStructure():
                parts = (tree.request, tree.priority, tree.size, tree.width, tree.supply)
                return ir.Call("allocate_by_priority", tuple(self.expression(part) for part in parts))
            case ae.IntegStructure():
                raise self.unsupported("INTEG inside an expression")
            case np.ndarray():
                raise self.unsupported("an array inside an expression")
            case _:
                kind = type(tree).__name__
                raise self.unsupported(VENSIM_NAMES.get(kind, kind))

    def _operation(self, tree: ae.ArithmeticStructure | ae.LogicStructure) -> ir.Expression:
        """Translate operators: several of one precedence are left-associative, but for powers."""
        operands = [self.expression(a) for a in tree.arguments]
        operators = [OPERATORS.get(str(op).upper(), str(op)) for op in tree.operators]
        if len(operands) == 1:
            return ir.Operation(operators[0], tuple(operands))
        if operators[0] == "^":  # a^b^c is a^(b^c)
            return reduce(lambda power, base: ir.Operation("^", (base, power)), reversed(operands))
        result = operands[0]
        for operator, operand in zip(operators, operands[1:], strict=True):
            result = ir.Operation(operator, (result, operand))
        return result

    def _call(self, tree: ae.CallStructure) -> ir.Expression:
        """Translate a function, or a named lookup applied to its argument."""
        key = ir.normalise(tree.function.reference)
        if key == "elmcount":
            return self._number_of_elements(tree)
        arguments = tuple(self.expression(a) for a in tree.arguments)
        if key in self.reader.lookups:
            return self.table(arguments[0], self.reader.lookups[key])
        return ir.Call(key, arguments)

    def _number_of_elements(self, tree: ae.CallStructure) -> ir.Expression:
        """Translate ELMCOUNT: the number of elements of a range."""
        names = [ir.normalise(a.reference) for a in tree.arguments if isinstance(a, ae.ReferenceStructure)]
        ranges = {ir.normalise(name): labels for name, labels in self.reader.ranges.items()}
        if len(tree.arguments) != 1 or not names or names[0] not in ranges:
            raise self.unsupported("ELMCOUNT of something that is not a subscript range")
        return ir.Number(float(len(ranges[names[0]])))

    def _allocate_available(self, tree: ae.AllocateAvailableStructure) -> ir.Expression:
        """Translate ALLOCATE AVAILABLE: of its profile an element is named, and the whole last range is meant."""
        profile = self.expression(tree.pp)
        last = self.reader.last_range(profile.key) if isinstance(profile, ir.Reference) else None
        if not isinstance(profile, ir.Reference) or last is None:
            raise self.unsupported("ALLOCATE AVAILABLE with a priority profile that is not a subscripted variable")
        profile = replace(profile, subscripts=(*profile.subscripts[:-1], f"{last}!"))
        return ir.Call("allocate_available", (self.expression(tree.request), profile, self.expression(tree.avail)))

    def table(self, argument: ir.Expression, lookup: ae.LookupsStructure) -> ir.Table:
        """Translate a lookup table with its argument."""
        if lookup.type != "interpolate":
            raise self.unsupported(f"a lookup of type '{lookup.type}'")
        x, y = tuple(float(v) for v in lookup.x), tuple(float(v) for v in lookup.y)
        if any(a > b for a, b in pairwise(x)):
            raise self.unsupported("a lookup whose x values do not increase")
        return ir.Table(argument, x, y)

    def _smooth(self, tree: ae.SmoothStructure, order: int) -> ir.Expression:
        """Write SMOOTH of order n out as n stocks in a row, each adjusting to the one before."""
        level = self.expression(tree.input)
        time = _divided(self.expression(tree.smooth_time), order)
        initial = self.expression(tree.initial)
        for _ in range(order):
            level = self._hidden(lambda own, x, t, x0: (_op("/", _op("-", x, own), t), x0), level, time, initial)
        return level

    def _delay(self, tree: ae.DelayStructure, order: int) -> ir.Expression:
        """Write DELAY of order n out as n stocks in a row, each draining into the next."""
        rate = self.expression(tree.input)
        time = _divided(self.expression(tree.delay_time), order)
        initial = self.expression(tree.initial)
        for _ in range(order):
            stock = self._hidden(
                lambda own, x, t, x0: (_op("-", x, _op("/", own, t)), _op("*", x0, t)), rate, time, initial
            )
            rate = _op("/", stock, time)
        return rate

    def _hidden(self, rule: _Rule, *parts: ir.Expression) -> ir.Reference:
        """Add a hidden stock over the axes that its parts use; `rule` returns its net flow and initial value."""
        used = {s.lower() for part in parts for node in ir.walk(part) for s in getattr(node, "subscripts", ())}
        reduced = sorted({mark for part in parts for mark in ir.free_marks(part)})
        kept = [a for a in self.axes if a.lower() in used]
        axes = tuple(kept + [s.removesuffix("!") for s in reduced])
        key = f"{ir.normalise(self.name)}|{len(self.reader.hidden) + 1}"
        flow, initial = rule(ir.Reference(key, axes), *(_without_marks(part) for part in parts))
        self.reader.hidden[key] = ir.Variable(
            name=key,
            key=key,
            components=(ir.Component(axes, ir.Integral(flow, initial), self.line),),
            dims=tuple(n for a in axes for n in self.reader.ranges if n.lower() == a.lower()),
            elements=tuple(self.reader.lower_ranges[a.lower()] for a in axes),
            kind="stock",
            hidden=True,
        )
        return ir.Reference(key, tuple(kept + reduced))

    def unsupported(self, construct: str) -> UnsupportedError:
        """Return the error for a construct of this definition."""
        return self.reader.unsupported(self.name, construct, self.line)


def _op(operator: str, left: ir.Expression, right: ir.Expression) -> ir.Expression:
    """Return a binary operation."""
    return ir.Operation(operator, (left, right))


def _divided(expression: ir.Expression, order: int) -> ir.Expression:
    """Return an expression over a whole number."""
    return expression if order == 1 else _op("/", expression, ir.Number(float(order)))


def _without_marks(node: ir.Expression) -> ir.Expression:
    """Return an expression whose free reduced ranges are plain: inside a hidden stock they are its own axes."""
    match node:
        case ir.Reference():
            return replace(node, subscripts=tuple(s.removesuffix("!") for s in node.subscripts))
        case ir.Operation():
            return replace(node, operands=tuple(_without_marks(o) for o in node.operands))
        case ir.Call() if node.function not in ir.REDUCTIONS:
            return replace(node, arguments=tuple(_without_marks(a) for a in node.arguments))
        case ir.Table():
            return replace(node, argument=_without_marks(node.argument))
        case _:
            return node


def _limits(limits: tuple[float | None, ...] | None) -> tuple[float | None, float | None] | None:
    """Return (low, high), or None when both sides are open."""
    if not limits or all(side is None for side in limits):
        return None
    return limits[0], limits[1]

"""Translates the expressions of one definition from PySD's syntax tree to ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from pysd.translators.structures import abstract_expressions as ae

from trilemma.errors import ModelFileError, UnsupportedError
from trilemma.translation import ir
from trilemma.translation.pysd_reader import macros, stateful
from trilemma.translation.pysd_reader.macros import Local

if TYPE_CHECKING:
    from trilemma.translation.pysd_reader.sections import Reader

WHOLE_REDUCTIONS = {"vmax_xmile": "vmax", "vmin_xmile": "vmin"}
"""XMILE's MAX and MIN of one argument, by PySD's names."""
OPERATORS = {":AND:": "and", ":OR:": "or", ":NOT:": "not"}
_KINDS: dict[str, ir.TableKind] = {
    "interpolate": "interpolate",
    "extrapolate": "extrapolate",
    "hold_backward": "hold_backward",
    "look_forward": "look_forward",
}
_LOOKUPS_OF_A_KIND: dict[str, ir.TableKind] = {
    "lookup_forward": "look_forward",
    "lookup_backward": "hold_backward",
    "lookup_extrapolate": "extrapolate",
}
_NAMES_OF_XMILE = {"dt": "time_step", "starttime": "initial_time", "stoptime": "final_time"}
"""Names of the clock that XMILE has built in."""
_LONGEST_CHAIN = 64
"""Operands of a sum, a product or a condition that follow each other; more are halved, and each half by itself."""
_CHAINS = ({"+", "-"}, {"*"}, {"and"}, {"or"})
_OF_WHOLE_ARRAYS = frozenset({"sum", "prod", "mean", "vmax_xmile", "vmin_xmile"})
_WITHOUT_FORM = {
    "GetLookupsStructure": "GET LOOKUPS inside an expression",
    "GetDataStructure": "GET DATA inside an expression",
    "GetConstantsStructure": "GET CONSTANTS inside an expression",
    "DataStructure": "data inside an expression",
    "LookupsStructure": "a lookup used as a value",
    "IntegStructure": "INTEG inside an expression",
    "ndarray": "an array inside an expression",
}


@dataclass
class Scope:
    """Translates the expressions of one definition.

    Attributes
    ----------
    name, line
        The variable that is defined, and where.
    axes
        By range on the left-hand side, the axis that it opens: the range itself, or a hidden one for a part of it.
    locals
        The names of the macro that the definition belongs to.
    depth
        How many calls of macros are open.
    reducing
        Whether this is the argument of a function that reduces an array; XMILE may name the array alone there.
    """

    reader: Reader
    name: str
    line: int | None
    axes: Mapping[str, str]
    locals: Mapping[str, Local] = field(default_factory=dict[str, Local])
    depth: int = 0
    reducing: bool = False

    def definition(self, tree: object) -> ir.Expression:
        """Translate the right-hand side; a stock is allowed here alone."""
        if isinstance(tree, ae.IntegStructure):
            return ir.Integral(self.expression(tree.flow), self.expression(tree.initial), bool(tree.non_negative))
        return self.expression(tree)

    def expression(self, tree: object) -> ir.Expression:
        """Translate an expression."""
        match tree:
            case bool() | int() | float() | np.floating() | np.integer():
                return ir.Number(float(tree))
            case ae.ReferenceStructure():
                return self._reference(tree)
            case ae.ArithmeticStructure() | ae.LogicStructure():
                return self._operation(tree)
            case ae.CallStructure():
                return self._call(tree)
            case ae.InlineLookupsStructure():
                return self.table(self.expression(tree.argument), tree.lookups)
            case ae.GameStructure():
                return self.expression(tree.expression)
            case ae.AllocateAvailableStructure():
                return self._allocate_available(tree)
            case ae.AllocateByPriorityStructure():
                parts = (tree.request, tree.priority, tree.size, tree.width, tree.supply)
                return ir.Call("allocate_by_priority", tuple(self.expression(part) for part in parts))
            case _ if type(tree) in stateful.FORMS:
                return stateful.FORMS[type(tree)](self, tree)
            case _:
                kind = type(tree).__name__
                raise self.unsupported(_WITHOUT_FORM.get(kind, kind))

    def _operation(self, tree: ae.ArithmeticStructure | ae.LogicStructure) -> ir.Expression:
        """Translate operators: several of one precedence are left-associative, but for powers."""
        operands = [self.expression(a) for a in tree.arguments]
        operators = [OPERATORS.get(str(op).upper(), str(op).lower()) for op in tree.operators]
        if operators == ["negative"] and isinstance(operands[0], ir.Number):
            return ir.Number(-operands[0].value)
        if len(operands) == 1:
            return ir.Operation(operators[0], tuple(operands))
        if operators[0] == "^":  # a^b^c is a^(b^c)
            return reduce(lambda power, base: ir.Operation("^", (base, power)), reversed(operands))
        return _chained(operands, operators)

    def _reference(self, tree: ae.ReferenceStructure) -> ir.Expression:
        """Translate the name of a variable, of a macro's parameter, or of a range or an element used as a number."""
        key = ir.normalise(tree.reference)
        subscripts = self.subscripts(tree)
        if key in self.locals:
            local = self.locals[key]
            return ir.Reference(local.key, (*subscripts, *local.axes))
        if key.endswith("$") and key not in self.reader.keys:  # inside a macro: the variable of the model
            key = key.removesuffix("$")
        if key not in self.reader.keys and self.reader.path.suffix.lower() != ".mdl":
            key = _NAMES_OF_XMILE.get(key, key)
            if key == "pi":
                return ir.Call(key, ())
        if key not in self.reader.keys and key != "time" and not subscripts:
            number = self._numbered(tree.reference)
            if number is not None:
                return number
        if key in self.reader.lookups:
            raise self.unsupported(f"the lookup '{tree.reference}' as a value")
        return ir.Reference(key, subscripts or self._left_out(key))

    def _left_out(self, key: str) -> tuple[str, ...]:
        """Return the subscripts of an array that XMILE names without them: those of the left-hand side, or all."""
        if self.reader.path.suffix.lower() == ".mdl" or key not in self.reader.keys:
            return ()
        dims = self.reader.dims(key)
        if self.reducing:
            return tuple(f"{dim}!" for dim in dims)
        resolved = [self.reader.ranges.resolved(dim, self.axes, self.axes) for dim in dims]
        found = tuple(s for s in resolved if s is not None)
        return found if len(found) == len(dims) else ()

    def subscripts(self, tree: ae.ReferenceStructure) -> tuple[str, ...]:
        """Return the subscripts of a reference.

        Raises
        ------
        ModelFileError
            If a range is neither on the left-hand side nor mapped to a range there.
        """
        found: list[str] = []
        used = tree.subscripts.subscripts if tree.subscripts else ()
        direct = {self.reader.ranges.name(s) for s in used}
        free = {name: axis for name, axis in self.axes.items() if name not in direct}
        for subscript in used:
            resolved = self.reader.ranges.resolved(subscript, self.axes, free)
            if resolved is None:
                message = (
                    f"{self.reader.place(self.line)}, in the equation of '{self.name}': the range '{subscript}' of "
                    f"'{tree.reference}' is not on the left-hand side, nor mapped to a range there."
                )
                raise ModelFileError(message)
            found.append(resolved)
        return tuple(found)

    def _numbered(self, name: str) -> ir.Expression | None:
        """Return the position of an element in its range, or the positions of the elements of a range."""
        ranges = self.reader.ranges
        range_name, element = ranges.name(name), ranges.element(name)
        if range_name is None:
            return None if element is None else ir.Number(float(self.reader.position(element)))
        resolved = ranges.resolved(name, self.axes, self.axes)
        if resolved is None:
            message = (
                f"{self.reader.place(self.line)}: '{self.name}' uses the range '{name}', which is not on its left."
            )
            raise ModelFileError(message)
        labels = ranges.labels(ir.range_of(resolved))
        numbers = tuple(float(self.reader.position(label)) for label in labels)
        return ir.Array(numbers, (len(numbers),), (ir.axis_of(resolved),))

    def _call(self, tree: ae.CallStructure) -> ir.Expression:
        """Translate a function, a macro, or a named lookup applied to its argument."""
        key = ir.normalise(tree.function.reference)
        if key == "elmcount":
            return self._number_of_elements(tree)
        if key in WHOLE_REDUCTIONS:
            return ir.Call(WHOLE_REDUCTIONS[key], tuple(self.expression(self._whole(a)) for a in tree.arguments))
        if key == "active_initial":
            return ir.ActiveInitial(*(self.expression(a) for a in tree.arguments))
        if key in _LOOKUPS_OF_A_KIND:
            return self._lookup_of_a_kind(tree, _LOOKUPS_OF_A_KIND[key])
        local = self.locals.get(key)
        lookup = self.reader.lookups.get(local.key if local else key)
        if lookup is not None:
            axes = local.axes if local else ()
            return lookup.applied(self, self.expression(tree.arguments[0]), (*self.subscripts(tree.function), *axes))
        if key in self.reader.macros and key not in self.reader.keys:
            return macros.call(self, self.reader.macros[key], [self.expression(a) for a in tree.arguments])
        inner = replace(self, reducing=True) if key in _OF_WHOLE_ARRAYS else self
        return ir.Call(key, tuple(inner.expression(a) for a in tree.arguments))

    def _lookup_of_a_kind(self, tree: ae.CallStructure, kind: ir.TableKind) -> ir.Expression:
        """Translate LOOKUP FORWARD and the like: a named lookup, read in another way."""
        table, *arguments = tree.arguments
        if not isinstance(table, ae.ReferenceStructure) or len(arguments) != 1:
            raise self.unsupported("a function of a lookup without the lookup's name and an argument")
        applied = self._call(ae.CallStructure(table, tuple(arguments)))
        if not isinstance(applied, ir.Table | ir.Tables):
            raise self.unsupported(f"'{table.reference}', which is no lookup, as one")
        return replace(applied, kind=kind)

    def _number_of_elements(self, tree: ae.CallStructure) -> ir.Expression:
        """Translate ELMCOUNT: the number of elements of a range."""
        names = [a.reference for a in tree.arguments if isinstance(a, ae.ReferenceStructure)]
        if len(tree.arguments) != 1 or not names or self.reader.ranges.name(names[0]) is None:
            raise self.unsupported("ELMCOUNT of something that is not a subscript range")
        return ir.Number(float(len(self.reader.ranges.labels(names[0]))))

    def _whole(self, tree: object) -> object:
        """Return an argument of XMILE's MAX or MIN of one, with every range in it marked to be reduced."""
        match tree:
            case ae.ReferenceStructure(reference, subscripts):
                names = subscripts.subscripts if subscripts else self.reader.dims(ir.normalise(reference))
                marked = [
                    f"{n.removesuffix('!')}!" if self.reader.ranges.name(n.removesuffix("!")) else n for n in names
                ]
                return ae.ReferenceStructure(reference, ae.SubscriptsReferenceStructure(tuple(marked)))
            case ae.ArithmeticStructure() | ae.LogicStructure() | ae.CallStructure():
                return replace(tree, arguments=tuple(self._whole(argument) for argument in tree.arguments))
            case _:
                return tree

    def _allocate_available(self, tree: ae.AllocateAvailableStructure) -> ir.Expression:
        """Translate ALLOCATE AVAILABLE: of its profile an element is named, and the whole last range is meant."""
        profile = self.expression(tree.pp)
        dims = self.reader.dims(profile.key) if isinstance(profile, ir.Reference) else ()
        if not isinstance(profile, ir.Reference) or not dims:
            raise self.unsupported("ALLOCATE AVAILABLE with a priority profile that is not a subscripted variable")
        profile = replace(profile, subscripts=(*profile.subscripts[:-1], f"{dims[-1]}!"))
        return ir.Call("allocate_available", (self.expression(tree.request), profile, self.expression(tree.avail)))

    def table(self, argument: ir.Expression, lookup: ae.LookupsStructure) -> ir.Table:
        """Translate a lookup table with its argument."""
        x, y = tuple(float(v) for v in lookup.x), tuple(float(v) for v in lookup.y)
        if any(a > b for a, b in pairwise(x)):
            raise self.unsupported("a lookup whose x values do not increase")
        if len(x) != len(y):
            raise self.unsupported(f"a lookup with {len(x)} x values and {len(y)} y values")
        return ir.Table(argument, x, y, _KINDS[lookup.type])

    def hidden(self, rule: stateful.Rule, *parts: ir.Expression) -> ir.Reference:
        """Add a hidden variable over the axes that its parts use.

        Parameters
        ----------
        rule
            From a reference to the new variable, and the parts, to its equation.
        parts
            The expressions of this definition that it is made of.
        """
        axes, seen, inner = self.opened(parts)
        key = self.reader.fresh(self.name)
        self.reader.add_hidden(key, axes, rule(ir.Reference(key, axes), *inner), self.line)
        return ir.Reference(key, seen)

    def opened(
        self, parts: Sequence[ir.Expression]
    ) -> tuple[tuple[str, ...], tuple[str, ...], tuple[ir.Expression, ...]]:
        """Return the axes of a hidden variable made of expressions, the subscripts to refer to it, and its parts.

        Reduced ranges that are free in the parts are axes of their own there, under new names where the left-hand side
        has the same range.
        """
        used = {axis for part in parts for axis in opened_axes(part)}
        marks = sorted({mark for part in parts for mark in ir.free_marks(part)})
        kept = [a for a in self.axes.values() if a.lower() in used]
        renamed = {mark: self.reader.ranges.copy(self.reader.ranges.spelled(mark.removesuffix("!"))) for mark in marks}
        inner = tuple(_unmarked(part, renamed) for part in parts)
        return (*kept, *renamed.values()), (*kept, *marks), inner

    def unsupported(self, construct: str) -> UnsupportedError:
        """Return the error for a construct of this definition."""
        return UnsupportedError(
            f"{self.reader.place(self.line)}: '{self.name}' uses {construct}, which is not supported: "
            "rewrite the equation without it."
        )


def _chained(operands: Sequence[ir.Expression], operators: Sequence[str]) -> ir.Expression:
    """Return operators of one precedence, the left one first; hundreds are not nested as deep as they are many."""
    if len(operands) > _LONGEST_CHAIN and any(chain.issuperset(operators) for chain in _CHAINS):
        middle = len(operands) // 2
        between, right = operators[middle - 1], operators[middle:]
        if between == "-":  # a - b + c is a - (b - c)
            right = ["+" if operator == "-" else "-" for operator in right]
        halves = _chained(operands[:middle], operators[: middle - 1]), _chained(operands[middle:], right)
        return ir.Operation(between, halves)
    result = operands[0]
    for operator, operand in zip(operators, operands[1:], strict=True):
        result = ir.Operation(operator, (result, operand))
    return result


def opened_axes(part: ir.Expression) -> frozenset[str]:
    """Return the axes that an expression opens, in lower case (and the elements that it names)."""
    found: set[str] = set()
    for node in ir.walk(part):
        if isinstance(node, ir.Reference):
            found.update(ir.axis_of(s).lower() for s in node.subscripts)
        elif isinstance(node, ir.Tables | ir.Array):
            found.update(axis.lower() for axis in node.axes)
    return frozenset(found)


def _unmarked(node: ir.Expression, renamed: Mapping[str, str]) -> ir.Expression:
    """Return an expression whose free reduced ranges are axes of other names."""
    if not renamed or isinstance(node, ir.Call) and node.function in ir.REDUCTIONS:
        return node
    match node:
        case ir.Reference():
            return replace(node, subscripts=tuple(renamed.get(s.lower(), s) for s in node.subscripts))
        case ir.Operation():
            return replace(node, operands=tuple(_unmarked(o, renamed) for o in node.operands))
        case ir.Call():
            return replace(node, arguments=tuple(_unmarked(a, renamed) for a in node.arguments))
        case ir.Table() | ir.Tables():
            lookup = (*node.lookup[:1], *(renamed.get(s.lower(), s) for s in node.lookup[1:]))
            node = replace(node, argument=_unmarked(node.argument, renamed), lookup=lookup)
            if isinstance(node, ir.Table):
                return node
            return replace(node, axes=tuple(renamed.get(a.lower(), a) for a in node.axes))
        case ir.ActiveInitial():
            return ir.ActiveInitial(_unmarked(node.active, renamed), _unmarked(node.initial, renamed))
        case _:
            return node

"""A model whose tables of time can be scaled: each is multiplied by a constant of its own, which is 1.

So a run with a table scaled changes a constant and shares its program with all other runs; and a named lookup can be
scaled, which no override reaches. A table of shares (a plain number from 0 to 1 at all times) stays one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from trilemma.translation import ir
from trilemma.translation.model import Model

Points = tuple[tuple[float, ...], tuple[float, ...]]
PLAIN = ("dmnl", "1", "")
"""Units of plain numbers, in lower case."""


def factor_name(table: str) -> str:
    """Return the name of the constant that a table of time is multiplied by."""
    return f"factor of {table}"


def tables_of_time(model: Model) -> list[str]:
    """Return the tables of time that equations use: the name of the lookup, or of the variable that holds the table.

    A table of time is one whose argument follows from time and constants alone. Lookups of the same points count as
    one, under the first one's name.
    """
    named = _tables(model)
    found = (
        named(part, variable)
        for variable in model.nodes.values()
        if variable.kind != "lookup"
        for component in variable.components
        for part in ir.walk(component.expression)
    )
    return list(dict.fromkeys(table.name for table in found if table is not None))


def scalable(model: Model) -> Model:
    """Return a model with a factor on each table of time."""
    named = _tables(model)
    nodes: dict[str, ir.Variable] = {}
    for key, variable in model.nodes.items():
        components = tuple(
            replace(c, expression=_with_factors(c.expression, variable, named)) for c in variable.components
        )
        nodes[key] = variable if variable.kind == "lookup" else replace(variable, components=components)
    for table in tables_of_time(model):
        name = factor_name(table)
        one = (ir.Component((), ir.Number(1.0)),)
        nodes[ir.normalise(name)] = ir.Variable(name, ir.normalise(name), one, unit="Dmnl", kind="constant")
    return replace(model, nodes=nodes)


def factor_of(model: Model, name: str) -> str | None:
    """Return the factor that scales a whole variable of a scalable model, if there is one: it is a table of time."""
    variable = model.nodes.get(ir.normalise(name))
    if variable is None:
        return None
    factor = ir.normalise(factor_name(variable.name))
    is_table = variable.kind == "lookup" or all(_is_factored(c.expression, factor) for c in variable.components)
    return model.nodes[factor].name if is_table and factor in model.nodes else None


def _is_factored(expression: ir.Expression, factor: str) -> bool:
    """Whether an expression is a table of time with its factor, and nothing else."""
    if isinstance(expression, ir.Call) and expression.function == "min":
        return _is_factored(expression.arguments[-1], factor)
    return isinstance(expression, ir.Operation) and expression.operands[0] == ir.Reference(factor)


@dataclass(frozen=True)
class _Named:
    """The name of a table, and whether its values are shares."""

    name: str
    share: bool


def _lookups(model: Model) -> dict[Points, ir.Variable]:
    """Return the named lookups by their points."""
    found: dict[Points, ir.Variable] = {}
    for variable in model.nodes.values():
        for component in variable.components if variable.kind == "lookup" else ():
            if isinstance(component.expression, ir.Table):
                found.setdefault((component.expression.x, component.expression.y), variable)
    return found


def _tables(model: Model) -> Callable[[ir.Expression, ir.Variable], _Named | None]:
    """Return a function that names a part of an equation of a variable, if it is a table of time."""
    lookups = _lookups(model)

    def named(part: ir.Expression, variable: ir.Variable) -> _Named | None:
        if not isinstance(part, ir.Table | ir.Tables):
            return None
        keys = {inner.key for inner in ir.walk(part.argument) if isinstance(inner, ir.Reference)}
        if "time" not in keys or any(model.nodes[key].kind != "constant" for key in keys - {"time"}):
            return None
        tables = ((part.x, part.y),) if isinstance(part, ir.Table) else part.tables
        owner = lookups.get(tables[0], variable)
        values = [value for _, own in tables for value in own]
        return _Named(owner.name, owner.unit.strip().lower() in PLAIN and min(values) >= 0 and max(values) <= 1)

    return named


def _with_factors(
    node: ir.Expression, variable: ir.Variable, named: Callable[[ir.Expression, ir.Variable], _Named | None]
) -> ir.Expression:
    """Return an expression in which each table of time is multiplied by its factor."""
    table = named(node, variable)
    if table is not None:
        scaled = ir.Operation("*", (ir.Reference(ir.normalise(factor_name(table.name))), node))
        return ir.Call("min", (ir.Number(1.0), scaled)) if table.share else scaled
    changes: dict[str, object] = {}
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, tuple):
            changes[field.name] = tuple(
                _with_factors(item, variable, named) if ir.is_node(item) else item for item in value
            )
        elif ir.is_node(value):
            changes[field.name] = _with_factors(value, variable, named)
    return replace(node, **changes)

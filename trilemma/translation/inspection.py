"""What models hold, as plain records: the models, one at a glance, its variables, all that is known of one of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trilemma.errors import TrilemmaError, unknown_name
from trilemma.translation import ir
from trilemma.translation.loops import read_loops
from trilemma.translation.model import Model, load_model
from trilemma.translation.ordering import causes
from trilemma.translation.parameters import Parameter
from trilemma.translation.printing import in_vensim, subscript_name
from trilemma.translation.unwinding import unwound


def describe_models(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Return a record for every model file; one that cannot be read says why in its status."""
    records: list[dict[str, Any]] = []
    for path in paths:
        try:
            model = load_model(path)
        except TrilemmaError as error:
            about = {"title": "", "version": "", "status": str(error)}
            records.append({"model": path.parent.name, **about, "variables": 0})
            continue
        about = {"title": model.title, "version": model.version, "status": model.status}
        records.append({"model": model.name, **about, "variables": len(model.variables)})
    return records


def describe_views(model: Model) -> list[dict[str, Any]]:
    """Return a record for every view: its stocks, and how many variables it shows."""
    return [
        {
            "view": view,
            "variables": len(names),
            "stocks": [name for name in names if model.variables[name].kind == "stock"],
        }
        for view, names in model.views.items()
    ]


def describe_levers(model: Model) -> list[dict[str, Any]]:
    """Return a record for every lever and switch: its values as they stand, its range, its meaning."""
    constants = model.constants()
    rows: dict[str, list[Parameter]] = {}
    for row in model.parameters.rows:
        if row.role in ("lever", "switch"):
            rows.setdefault(row.variable, []).append(row)
    return [
        {
            "role": own[0].role,
            "name": name,
            "values": {row.name: constants.get(row.name) for row in own},
            "low": min(row.low for row in own),
            "high": max(row.high for row in own),
            "unit": own[0].unit,
            "meaning": model.variables[name].documentation if name in model.variables else "",
        }
        for name, own in rows.items()
    ]


def describe_loops(model: Model) -> list[dict[str, Any]]:
    """Return a record for every named loop."""
    return [
        {
            "loop": one.label,
            "name": one.name,
            "sentence": one.sentence,
            "stocks": [step.label for step in one.path if step.variable.kind == "stock"],
            "path": [step.label for step in one.path],
        }
        for one in read_loops(model)
    ]


def list_variables(model: Model, view: str | None = None) -> list[dict[str, Any]]:
    """Return a record for every variable, or for those of one view.

    Raises
    ------
    UnknownNameError
        If the model has no such view.
    """
    if view is not None and ir.normalise(view) not in {ir.normalise(name) for name in model.views}:
        raise unknown_name("view", view, model.views, f"model '{model.name}'")
    return [
        {
            "view": variable.view,
            "variable": variable.name,
            "dimensions": ", ".join(variable.dims),
            "kind": variable.kind,
            "unit": variable.unit,
            "meaning": variable.documentation,
        }
        for variable in model.variables.values()
        if view is None or ir.normalise(variable.view) == ir.normalise(view)
    ]


def describe_variable(model: Model, name: str) -> list[dict[str, Any]]:
    """Return what is known of a variable: one record a scalar element if it is constant, else one record.

    Raises
    ------
    UnknownNameError
        If the model has no such variable or element.
    """
    if ir.normalise(name) in {ir.normalise(outcome) for outcome in model.derived}:
        outcome = next(o for o in model.derived.values() if ir.normalise(o.name) == ir.normalise(name))
        return [{"variable": outcome.name, "kind": "derived", "unit": outcome.unit, "meaning": outcome.sentence}]
    selection = model.resolve(name)
    variable = selection.variable
    common = {"kind": variable.kind, "unit": variable.unit, "meaning": variable.documentation}
    wanted = ir.element_names(variable) if selection.indices is None else (selection.label,)
    values = model.constants()
    users = ", ".join(model.nodes[key].name for key in used_by(model).get(variable.key, ()))
    if not any(label in values for label in wanted):
        uses = sorted(model.nodes[key].name for key in causes(model, variable.key) if key in model.nodes)
        lines = [str(component.line) for component in variable.components if component.line]
        equation = "; ".join(equations(model, variable))
        place = {"line": ", ".join(lines), "equation": equation, "follows from": ", ".join(uses), "used by": users}
        return [{"variable": selection.label, "dimensions": ", ".join(variable.dims), **common, **place}]
    return [_constant(model, label, values, common) | {"used by": users} for label in wanted]


def equations(model: Model, variable: ir.Variable) -> list[str]:
    """Return the definitions of a variable as equations; delays and smooths stand as they are written."""
    found: list[str] = []
    for component in variable.components:
        text = in_vensim(model, unwound(model, component.expression))
        table = text.removeprefix("WITH LOOKUP(Time, ") if variable.kind == "lookup" else text
        name = f"{variable.name}{_covered(model, variable, component)}"
        found.append(f"{name}{table[:-1]}" if table != text else f"{name} = {text}")
    return found


def _covered(model: Model, variable: ir.Variable, component: ir.Component) -> str:
    """Return the elements that a definition holds for, in brackets; what it leaves out of a range after EXCEPT."""
    if not component.subscripts:
        return ""
    shown = f"[{','.join(subscript_name(model, s) for s in component.subscripts)}]"
    parts = [model.hidden_ranges.get(s, ()) for s in component.subscripts]
    if len(parts) > 1 or len(parts[0]) < 2:
        return shown
    left_out = [label for label in variable.elements[0] if label not in parts[0]]
    return f"{shown} :EXCEPT: {', '.join(f'[{label}]' for label in left_out)}"


def used_by(model: Model) -> dict[str, list[str]]:
    """Return the keys of the variables whose equations refer to each variable, by key, in the order of the file."""
    found: dict[str, list[str]] = {}
    for variable in model.variables.values():
        for cause in causes(model, variable.key):
            found.setdefault(cause, []).append(variable.key)
    return found


def _constant(model: Model, label: str, values: dict[str, float], common: dict[str, str]) -> dict[str, Any]:
    """Return the record of a constant with its prior and source."""
    row = model.parameters.by_name.get(label)
    record: dict[str, Any] = {"variable": label, "value": values.get(label, ""), **common}
    if row is not None:
        span = f"{row.low:g} to {row.high:g}"
        record |= {"role": row.role, "prior": row.prior, "range": span, "source": row.source}
    return record

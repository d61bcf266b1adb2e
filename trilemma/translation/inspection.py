"""What models hold, as plain records for tables: the models, their variables, all that is known of one variable."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trilemma.errors import TrilemmaError, unknown_name
from trilemma.translation import ir
from trilemma.translation.model import Model, load_model


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
    if not any(label in values for label in wanted):
        uses = sorted(model.nodes[key].name for key in model.references[variable.key] if not model.nodes[key].hidden)
        lines = [str(component.line) for component in variable.components if component.line]
        place = {"line": ", ".join(lines), "follows from": ", ".join(uses)}
        return [{"variable": selection.label, "dimensions": ", ".join(variable.dims), **common, **place}]
    return [_constant(model, label, values, common) for label in wanted]


def _constant(model: Model, label: str, values: dict[str, float], common: dict[str, str]) -> dict[str, Any]:
    """Return the record of a constant with its prior and source."""
    row = model.parameters.by_name.get(label)
    record: dict[str, Any] = {"variable": label, "value": values.get(label, ""), **common}
    if row is not None:
        span = f"{row.low:g} to {row.high:g}"
        record |= {"role": row.role, "prior": row.prior, "range": span, "source": row.source}
    return record

"""The reference of a model: each variable with equation, unit, range, source and use; its assumptions by their weight.

Both are Markdown. The equations follow from the model's files alone, so that a test can hold them against these; the
weights of assumptions come from a stored forecast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from trilemma.errors import ReportError
from trilemma.forecasting.spec import load_forecast
from trilemma.forecasting.sweep import open_results
from trilemma.reporting.statistics import nearest_time, rank_correlation
from trilemma.reporting.writing import write_texts
from trilemma.translation import ir
from trilemma.translation.inspection import equations, used_by
from trilemma.translation.model import Model
from trilemma.translation.parameters import Parameter

FILE, ASSUMPTIONS = "REFERENCE.md", "ASSUMPTIONS.md"
ASSUMED = "assumption"
KINDS: dict[ir.Kind, str] = {"auxiliary": "", "stock": "stock", "lookup": "table", "data": "data", "control": "control"}
OTHERS = "Control"
"""The heading of what no view shows."""


def reference(model: Model) -> str:
    """Return the reference of a model as Markdown."""
    users = used_by(model)
    views = {view: [model.nodes[ir.normalise(name)] for name in names] for view, names in model.views.items()}
    rest = [variable for variable in model.variables.values() if not variable.view]
    if rest:
        views[OTHERS] = rest
    counts = f"{len(model.variables)} variables in {len(model.views)} views"
    parts = [
        f"# {model.title or model.name}: every equation\n",
        f"Version {model.version}, {counts}. Written by `trilemma reference {model.name}` from "
        f"[{model.path.name}]({model.path.name}) and its parameter table; the weights of the assumptions among the "
        f"parameters are in [{ASSUMPTIONS}]({ASSUMPTIONS}).\n",
        "Equations are in the notation of Vensim; `INTEG(net flow, initial value)` is a stock. Ranges of constants are "
        "those of the prior (of levers and switches: hard limits).\n",
        _ranges(model),
        *(_view(model, view, variables, users) for view, variables in views.items() if variables),
    ]
    return "\n".join(parts)


def _ranges(model: Model) -> str:
    """Return the ranges and their elements."""
    lines = [f"| {name} | {', '.join(elements)} |" for name, elements in model.ranges.items()]
    return "\n".join(["| range | elements |", "| --- | --- |", *lines, ""]) if lines else ""


def _view(model: Model, view: str, variables: Sequence[ir.Variable], users: Mapping[str, list[str]]) -> str:
    """Return the part of a view: its variables with equations, then its constants as a table."""
    constants = [variable for variable in variables if variable.kind == "constant"]
    parts = [f"## {view}\n"]
    parts += [_entry(model, variable, users) for variable in variables if variable.kind != "constant"]
    if constants:
        head = ["| constant | value | range | unit | source | used by |", "| --- | --- | --- | --- | --- | --- |"]
        rows = [_row(model, variable, element, users) for variable in constants for element in _elements(variable)]
        parts.append("\n".join([*head, *rows, ""]))
    return "\n".join(parts)


def _entry(model: Model, variable: ir.Variable, users: Mapping[str, list[str]]) -> str:
    """Return the entry of a variable with an equation."""
    facts = [KINDS.get(variable.kind, variable.kind), variable.unit, _limits(variable)]
    about = ", ".join(fact for fact in facts if fact)
    lines = "\n".join(equations(model, variable))
    used = _links(model, users.get(variable.key, ()))
    uses = f"Used by {used}." if used else "Used by no equation."
    name = f'<a id="{variable.key}"></a>**{variable.name}** ({about})'
    return f"{name}: {variable.documentation}\n\n```text\n{lines}\n```\n{uses}\n"


def _limits(variable: ir.Variable) -> str:
    """Return the range that the model file declares."""
    if variable.limits is None or variable.limits == (None, None):
        return ""
    low, high = variable.limits
    if low is None or high is None:
        return f"at most {high:g}" if high is not None else f"at least {low:g}"
    return f"{low:g} to {high:g}"


def _elements(variable: ir.Variable) -> tuple[str, ...]:
    """Return the scalar elements of a variable."""
    return ir.element_names(variable)


def _row(model: Model, variable: ir.Variable, element: str, users: Mapping[str, list[str]]) -> str:
    """Return the row of a constant; what holds for the whole variable stands in the row of its first element."""
    row = model.parameters.by_name.get(element)
    first = element == _elements(variable)[0]
    anchor = f'<a id="{variable.key}"></a>' if first else ""
    meaning = f"<br>{_cell(variable.documentation)}" if first and variable.documentation else ""
    span = "" if row is None or row.low == row.high else f"{row.low:g} to {row.high:g} {row.prior}".strip()
    source = "" if row is None else _cell(row.source + (f"; {row.note}" if row.note else ""))
    used = _links(model, users.get(variable.key, ())) if first else ""
    value = model.constants().get(element)
    shown = "" if value is None else f"{value:g}"
    return f"| {anchor}{_cell(element)}{meaning} | {shown} | {span} | {variable.unit} | {source} | {used} |"


def _links(model: Model, keys: Sequence[str]) -> str:
    """Return variables as links to their entries."""
    return ", ".join(f"[{model.nodes[key].name}](#{key})" for key in keys)


def _cell(text: str) -> str:
    """Return a text for a cell of a table."""
    return " ".join(text.split()).replace("|", r"\|")


# --------------------------------------------------------------------------------------------------------- assumptions


def assumptions(model: Model, data: xr.Dataset, outcomes: Sequence[str], *, scenario: str, year: float) -> str:
    """Return the parameters without a source as Markdown, ranked by their part in the spread of some outcomes.

    The part of a parameter is its squared rank correlation with the outcome over the draws: the share of the spread,
    in ranks, that goes with it. Draws are independent between parameters, so that parts add up; what is left goes with
    several parameters together, or not up and down alone.

    Parameters
    ----------
    data
        Stored results, with the draws of all parameters.
    outcomes
        The outcomes whose spread counts.
    scenario, year
        Where the outcomes are read.
    """
    frame = spread_parts(data, outcomes, scenario=scenario, year=year)
    parts = {str(name): np.array(row) for name, row in zip(frame.index, frame.to_numpy(dtype=float), strict=True)}
    table = model.parameters.by_name
    assumed = [name for name in parts if name in table and table[name].source == ASSUMED]
    held = [row for row in model.parameters.rows if row.source == ASSUMED and row.name not in parts]
    ranks = {name: rank for rank, name in enumerate(parts, start=1)}
    draws = int(data.sizes["draw"])
    head = ["| rank | parameter | value | range | unit | " + " | ".join(outcomes) + " |"]
    head.append("| ---: | --- | ---: | --- | --- |" + " ---: |" * len(outcomes))
    rows = [_weighed(table[name], ranks[name], parts[name]) for name in assumed]
    sums = _totals(outcomes, [parts[name] for name in assumed], draws)
    everything = _totals(outcomes, list(parts.values()), draws)
    words = (
        f"# {model.title or model.name}: assumptions by their weight\n\n"
        f"Of {len(parts)} uncertain parameters {len(assumed)} are assumptions: no source gives their range. They are "
        f"ranked, among all parameters, by the mean of their parts in the spread of the outcomes named in the table "
        f"({scenario}, {nearest_time(data, year):g}, {draws:,} draws). A part is the squared rank correlation; with so "
        f"many draws, parts under {_percent(4 / draws)} are not told from chance. Written by "
        f"`trilemma reference {model.name} --assumptions FORECAST`.\n\n"
        f"Less what chance gives to so many, all assumptions together: {sums}. All parameters together: {everything}.\n"
    )
    return "\n".join([words, *head, *rows, "", _held(held)])


def spread_parts(data: xr.Dataset, outcomes: Sequence[str], *, scenario: str, year: float) -> pd.DataFrame:
    """Return the part of each parameter in the spread of each outcome, the largest mean part first."""
    columns = {name: rank_correlation(data, name, year=year, scenario=scenario) ** 2 for name in outcomes}
    parts = pd.DataFrame(columns).fillna(0.0)
    return parts.loc[parts.mean(axis=1).sort_values(ascending=False, kind="stable").index]


def _totals(outcomes: Sequence[str], parts: Sequence[np.ndarray], draws: int) -> str:
    """Return the sum of some parts for each outcome, less what as many parts of nothing come to by chance."""
    sums = np.sum(parts, axis=0) if parts else np.zeros(len(outcomes))
    sums = np.maximum(sums - len(parts) / (draws - 1), 0.0)
    return "; ".join(f"{outcome} {_percent(part)}" for outcome, part in zip(outcomes, sums, strict=True))


def _weighed(row: Parameter, rank: int, parts: np.ndarray) -> str:
    """Return the row of an assumption."""
    span = f"{row.low:g} to {row.high:g} {row.prior}"
    shares = " | ".join(map(_percent, parts))
    return f"| {rank} | {_cell(row.name)} | {row.central:g} | {span} | {row.unit} | {shares} |"


def _held(rows: Sequence[Parameter]) -> str:
    """Return the assumptions that are not drawn."""
    constants = [row for row in rows if row.role == "parameter"]
    if not constants:
        return ""
    listed = ", ".join(f"{row.name} = {row.central:g}" for row in constants)
    return f"Held at their value, without a prior: {listed}.\n"


def _percent(part: float) -> str:
    """Return a part in per cent."""
    return f"{100 * part:.1f} %" if np.isfinite(part) else ""


# --------------------------------------------------------------------------------------------------------------- files


def write_reference(model: Model, folder: Path) -> Path:
    """Write the reference of a model into a folder.

    Raises
    ------
    ReportError
        If it cannot be written.
    """
    write_texts(folder, {FILE: reference(model)}, "the reference")
    return folder / FILE


def write_assumptions(
    model: Model, forecast: str, folder: Path, *, outcomes: Sequence[str] | None = None, at: float = 2030
) -> Path:
    """Write the ranked assumptions of a model into a folder, from the stored results of a forecast.

    Raises
    ------
    ReportError
        If no outcome is named, the results are of another state of the model, or the file cannot be written.
    StoreError, UnknownNameError
        If there are no results, or they hold no such outcome.
    """
    loaded = load_forecast(forecast)
    names = outcomes or [name for name in model.headline]
    if not names:
        message = f"model '{model.name}' names no headline in model.toml: name outcomes with --outcomes."
        raise ReportError(message)
    data = open_results(loaded)
    if loaded.load_model().hash != model.hash:
        message = f"forecast '{loaded.name}' is one of another model, or of another state of '{model.name}'."
        raise ReportError(message)
    text = assumptions(model, data, names, scenario=loaded.baseline, year=at)
    write_texts(folder, {ASSUMPTIONS: text}, "the assumptions")
    return folder / ASSUMPTIONS

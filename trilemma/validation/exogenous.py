"""Exogenous share: no series from outside moves an outcome further than the policy levers do together.

Exogenous is what follows from time alone by a table: WITH LOOKUP(Time), a named lookup of Time, data. Each such series
is scaled as a whole, within the limits that the model file declares for it. All runs of a test hold all series, at
their own values or scaled, so that they share one program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from trilemma.translation import ir
from trilemma.translation.expressions import Expression, parse_expression
from trilemma.translation.model import Model
from trilemma.translation.ordering import upstream
from trilemma.translation.overrides import Value
from trilemma.validation.cases import Case, Results, scaled
from trilemma.validation.plans import Plan, Setting, refuse_unknown_cases
from trilemma.validation.responses import at_date
from trilemma.validation.result import Check, Verdict
from trilemma.validation.statements import ExogenousTable

CATEGORY = "exogenous"


def exogenous_series(model: Model) -> list[str]:
    """Return the variables that follow from time alone by a table."""
    return [v.name for v in model.variables.values() if _has_table(v) and not _depends_on_state(model, v.key)]


def hidden_series(model: Model) -> list[str]:
    """Return the variables in which a table of time is mixed with what the model works out."""
    return [v.name for v in model.variables.values() if _has_table(v) and _depends_on_state(model, v.key)]


def _has_table(variable: ir.Variable) -> bool:
    """Whether a definition of a variable holds a table of time."""
    parts = (part for component in variable.components for part in ir.walk(component.expression))
    return any(isinstance(part, ir.Table | ir.Tables) and _is_time(part.argument) for part in parts)


def _is_time(argument: ir.Expression) -> bool:
    """Whether an argument is time, or time shifted or scaled by constants."""
    keys = {part.key for part in ir.walk(argument) if isinstance(part, ir.Reference)}
    return "time" in keys


def _depends_on_state(model: Model, key: str) -> bool:
    """Whether a variable follows from any stock or memory."""
    return any(
        isinstance(component.expression, ir.STATES)
        for name in upstream(model, (key,))
        for component in model.nodes[name].components
    )


@dataclass(frozen=True)
class Share:
    """One outcome: its runs with each series scaled down and up, and those with policy at its two ends."""

    name: str
    table: ExogenousTable
    expression: Expression
    scaled: Mapping[str, tuple[str, str]]


def plan(setting: Setting) -> Plan:
    """Return the runs of all tests."""
    cases: dict[str, Case] = dict(setting.named)
    shares: list[Share] = []
    names = exogenous_series(setting.model) if setting.spec.exogenous else []
    for name, table in setting.spec.exogenous.items():
        where = setting.spec.place(CATEGORY, name)
        date = setting.spec.at if table.at is None else table.at
        expression = at_date(parse_expression(table.outcome, where, scenarios=True), date)
        refuse_unknown_cases(setting, [expression], where)
        pairs: dict[str, tuple[str, str]] = {}
        for series in names:
            for factor in (1 - table.by, 1 + table.by):
                cases[_run(series, factor)] = _with_one_scaled(setting, series, factor)
            pairs[series] = (_run(series, 1 - table.by), _run(series, 1 + table.by))
        shares.append(Share(name, table, expression, pairs))
    return Plan(cases, tuple(share.expression for share in shares), partial(_judge, setting.model, shares))


def _run(series: str, factor: float) -> str:
    """Return the name of the run with a series scaled."""
    return f"{CATEGORY} {series} x {factor:g}"


def _with_one_scaled(setting: Setting, series: str, factor: float) -> Case:
    """Return the case in which all series are held and one of them is scaled."""
    own = set(_labels(setting.model, series))
    values = {
        label: _within(setting.model, label, scaled(value, factor)) if label in own else value
        for name in exogenous_series(setting.model)
        for label in _labels(setting.model, name)
        for value in [setting.series[label]]
    }
    return Case(values)


def _labels(model: Model, name: str) -> tuple[str, ...]:
    """Return the scalar elements of a variable."""
    return ir.element_names(model.variables[name])


def _within(model: Model, label: str, value: Value) -> Value:
    """Return a scaled series cut off at the limits that the model file declares."""
    low, high = model.resolve(label).variable.limits or (None, None)
    if not isinstance(value, dict):
        return float(np.clip(value, low, high))
    clipped: list[float] = np.clip(value["value"], low, high).tolist()
    return {"time": value["time"], "value": clipped}


def _judge(model: Model, shares: list[Share], results: Results) -> list[Check]:
    """Return a check for each series and outcome, and one for each table of time that cannot be scaled."""
    checks = [_check(share, series, pair, results) for share in shares for series, pair in share.scaled.items()]
    if shares:
        checks += [_hidden(name) for name in hidden_series(model)]
    return checks


def _check(share: Share, series: str, pair: tuple[str, str], results: Results) -> Check:
    """Return the check of one series."""
    table = share.table
    policy = _spread(share.expression, (table.loosest, table.tightest), results)
    own = _spread(share.expression, pair, results)
    verdict: Verdict = "passed" if own < policy else "failed"
    expected, measured = f"moves {share.expression.text} by less than {policy:.3g}", f"{own:.3g}"
    said = (
        f"{table.sentence} '{series}' {100 * table.by:g} % down and up moves '{share.expression.text}' by {own:.3g}; "
        f"policy moves it by {policy:.3g} from '{table.loosest}' to '{table.tightest}'."
    )
    return Check(CATEGORY, f"{share.name}: {series}", expected, measured, verdict, said)


def _spread(expression: Expression, cases: tuple[str, str], results: Results) -> float:
    """Return how far an outcome lies apart in two runs, at most over its elements."""
    low, high = (results.value(expression, case).values for case in cases)
    return float(np.abs(np.asarray(high) - np.asarray(low)).max())


def _hidden(name: str) -> Check:
    """Return the check of a table of time that stands inside another equation."""
    said = (
        f"'{name}' mixes a table of time with what the model works out, so that the table cannot be scaled by itself: "
        "give the table a variable of its own."
    )
    return Check(CATEGORY, name, "tables of time stand alone", "mixed with other variables", "failed", said)

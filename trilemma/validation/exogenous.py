"""Exogenous share: no series from outside moves an outcome further than the policy levers do together.

Exogenous is what follows from time by a table: WITH LOOKUP(Time), a named lookup of Time, data. Each is scaled as a
whole, down and up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from trilemma.translation.expressions import Expression, parse_expression
from trilemma.validation.cases import Case, Results
from trilemma.validation.plans import Plan, Setting, refuse_unknown_cases
from trilemma.validation.responses import at_date
from trilemma.validation.result import Check, Verdict
from trilemma.validation.scalable import factor_name
from trilemma.validation.statements import ExogenousTable

CATEGORY = "exogenous"


@dataclass(frozen=True)
class Share:
    """One outcome, and the runs with each series scaled down and up."""

    name: str
    table: ExogenousTable
    expression: Expression
    scaled: tuple[tuple[str, tuple[str, str]], ...]


def plan(setting: Setting) -> Plan:
    """Return the runs of all tests."""
    cases: dict[str, Case] = dict(setting.named)
    shares: list[Share] = []
    for name, table in setting.spec.exogenous.items():
        where = setting.spec.place(CATEGORY, name)
        date = setting.spec.at if table.at is None else table.at
        expression = at_date(parse_expression(table.outcome, where, scenarios=True), date)
        refuse_unknown_cases(setting, [expression], where)
        scaled: list[tuple[str, tuple[str, str]]] = []
        for series in setting.tables_of_time:
            down, up = (f"{CATEGORY} {series} x {factor:g}" for factor in (1 - table.by, 1 + table.by))
            cases[down], cases[up] = (Case({factor_name(series): f}) for f in (1 - table.by, 1 + table.by))
            scaled.append((series, (down, up)))
        shares.append(Share(name, table, expression, tuple(scaled)))
    return Plan(cases, tuple(share.expression for share in shares), partial(_judge, shares))


def _judge(shares: list[Share], results: Results) -> list[Check]:
    """Return a check for each series and outcome."""
    return [_check(share, series, pair, results) for share in shares for series, pair in share.scaled]


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

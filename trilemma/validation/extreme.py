"""Extreme conditions: what must come out where a model was never fitted, with the expectation written first."""

from __future__ import annotations

from functools import partial

from trilemma.validation.cases import Case, Results
from trilemma.validation.plans import Plan, Setting, Statement, judge, state
from trilemma.validation.result import Check

CATEGORY = "extreme"


def plan(setting: Setting) -> Plan:
    """Return the runs of all tests and the conditions on them."""
    cases: dict[str, Case] = dict(setting.named)
    statements: list[Statement] = []
    for name, table in setting.spec.extreme.items():
        statement = state(setting, CATEGORY, name, table.sentence, table.expect)
        where = setting.spec.place(CATEGORY, name)
        cases[statement.case] = setting.case(where, table.overrides, under=table.under, initial=table.initial)
        statements.append(statement)
    expressions = tuple(expression for statement in statements for expression in statement.expressions)
    return Plan(cases, expressions, partial(_judge, statements))


def _judge(statements: list[Statement], results: Results) -> list[Check]:
    """Return a check for each condition."""
    return [check for statement in statements for check in judge(statement, results)]

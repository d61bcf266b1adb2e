"""Mechanisms: each is switched off, and what it is said to do must then be missing, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from trilemma.translation.expressions import Expression, parse_expression
from trilemma.validation.cases import Case, Results
from trilemma.validation.plans import Plan, Setting, refuse_unknown_cases
from trilemma.validation.responses import Expected, at_date, expect, respond
from trilemma.validation.result import Check
from trilemma.validation.statements import MechanismTable

CATEGORY = "mechanisms"

UNAFFECTED = 0.01
"""An outcome that moves by less than this share of its level counts as unaffected."""


@dataclass(frozen=True)
class Mechanism:
    """A mechanism: the run with it, the run without, what must change and what must not."""

    name: str
    table: MechanismTable
    on: str
    off: str
    expected: tuple[Expected, ...]
    unaffected: tuple[Expression, ...]


def plan(setting: Setting) -> Plan:
    """Return the run without each mechanism and what is expected of it."""
    cases: dict[str, Case] = dict(setting.named)
    found: list[Mechanism] = []
    for name, table in setting.spec.mechanisms.items():
        where = setting.spec.place(CATEGORY, name)
        date = setting.spec.at if table.at is None else table.at
        unaffected = tuple(at_date(parse_expression(text, where, scenarios=True), date) for text in table.unaffected)
        mechanism = Mechanism(
            name,
            table,
            on=table.under,
            off=f"{CATEGORY} {name}",
            expected=tuple(expect(table, setting.spec.at, where)),
            unaffected=unaffected,
        )
        refuse_unknown_cases(setting, _expressions(mechanism), where)
        cases[mechanism.off] = setting.case(where, table.off, under=table.under)
        found.append(mechanism)
    expressions = tuple(expression for mechanism in found for expression in _expressions(mechanism))
    return Plan(cases, expressions, partial(_judge, found))


def _expressions(mechanism: Mechanism) -> list[Expression]:
    """Return all that is worked out for a mechanism."""
    return [*(one.expression for one in mechanism.expected), *mechanism.unaffected]


def _judge(mechanisms: list[Mechanism], results: Results) -> list[Check]:
    """Return a check for each outcome of each mechanism."""
    checks: list[Check] = []
    for mechanism in mechanisms:
        checks += [_changed(mechanism, expected, results) for expected in mechanism.expected]
        checks += [_unchanged(mechanism, expression, results) for expression in mechanism.unaffected]
    return checks


def _changed(mechanism: Mechanism, expected: Expected, results: Results) -> Check:
    """Return the check of an outcome that must change."""
    response = respond(results, (mechanism.on, mechanism.off), expected)
    said = (
        f"Without it '{expected.label}' {expected.words}"
        if response.answer == "enough"
        else (f"Without it '{expected.label}' was expected to {expected.words.replace('s by', ' by', 1)}")
    )
    said = f"{mechanism.table.title}: {mechanism.table.sentence} {said}: {response.measured}."
    verdict = "passed" if response.answer == "enough" else "failed"
    return Check(CATEGORY, mechanism.name, f"{expected.label} {expected.words}", response.measured, verdict, said)


def _unchanged(mechanism: Mechanism, expression: Expression, results: Results) -> Check:
    """Return the check of an outcome that must not change."""
    on, off = (np.ravel(results.value(expression, case).values) for case in (mechanism.on, mechanism.off))
    level = np.abs(on).max()
    move = float(np.abs(off - on).max() / level) if level > 0 else float(np.abs(off).max())
    verdict = "passed" if move <= UNAFFECTED else "failed"
    expected, measured = f"{expression.text} moves by less than {100 * UNAFFECTED:g} %", f"{100 * move:.2g} %"
    said = (
        f"{mechanism.table.title}: '{expression.text}' was expected to stay within {100 * UNAFFECTED:g} %; it moves by"
    )
    return Check(CATEGORY, mechanism.name, expected, measured, verdict, f"{said} {measured}.")

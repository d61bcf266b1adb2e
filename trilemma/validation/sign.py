"""Sign and life: each lever moves what it should, the right way, without turning back, and not by nothing.

A lever may be weak where another constraint binds. Then its table names the condition that says so (`explained_by`),
which is tested, and may name a case that lifts the constraint (`freed_by`), in which the lever must be strong.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from trilemma.engine.simulate import without_effect
from trilemma.translation.conditions import Condition, hold
from trilemma.translation.model import Model
from trilemma.translation.overrides import scalars
from trilemma.validation.cases import Case, Results
from trilemma.validation.plans import Plan, Setting, outcomes_of, refuse_unknown_cases, state
from trilemma.validation.responses import Expected, Response, expect, respond
from trilemma.validation.result import Check, Verdict
from trilemma.validation.statements import SignTable

CATEGORY = "sign"


@dataclass(frozen=True)
class Lever:
    """A lever: its runs in order, those with the constraint lifted, and what is expected of both."""

    name: str
    table: SignTable
    cases: tuple[str, ...]
    freed: tuple[str, ...]
    expected: tuple[Expected, ...]
    explanations: tuple[Condition, ...]


def plan(setting: Setting) -> Plan:
    """Return the runs of all levers and what is expected of them."""
    cases: dict[str, Case] = dict(setting.named)
    levers: list[Lever] = []
    for name, table in setting.spec.sign.items():
        where = setting.spec.place(CATEGORY, name)
        expected = expect(table, setting.spec.at, where)
        refuse_unknown_cases(setting, [one.expression for one in expected], where)
        under, freed = _runs(setting, name, table, table.under), {}
        if table.freed_by is not None:
            freed = _runs(setting, f"{name}, {table.freed_by}", table, table.freed_by)
        explanations = state(setting, CATEGORY, name, table.sentence, table.explained_by).conditions
        levers.append(Lever(name, table, tuple(under), tuple(freed), tuple(expected), explanations))
        cases |= under | freed
    expressions = [one.expression for lever in levers for one in lever.expected]
    expressions += [side for lever in levers for condition in lever.explanations for side in condition.sides]
    return Plan(cases, tuple(expressions), partial(_judge, setting, levers))


def _runs(setting: Setting, name: str, table: SignTable, under: str) -> dict[str, Case]:
    """Return the runs of a lever, one a value."""
    where = setting.spec.place(CATEGORY, name)
    columns = zip(*table.values.values(), strict=True)
    settings = [dict(zip(table.values, column, strict=True)) for column in columns]
    return {f"{CATEGORY} {name} {i}": setting.case(where, values, under=under) for i, values in enumerate(settings)}


def _judge(setting: Setting, levers: list[Lever], results: Results) -> list[Check]:
    """Return a check for each outcome of each lever, and one that says whether any lever has none."""
    found = [_check(setting.model, lever, expected, results) for lever in levers for expected in lever.expected]
    return [*found, *_all_tested(setting)] if setting.spec.file else found


def _check(model: Model, lever: Lever, expected: Expected, results: Results) -> Check:
    """Return the check of one outcome."""
    response = respond(results, lever.cases, expected)
    verdict: Verdict = "passed" if response.answer == "enough" else "failed"
    said = _sentence(model, lever, expected, response)
    if response.answer == "too little" and (lever.explanations or lever.freed):
        verdict, why = _explained(lever, expected, results)
        said = f"{said} {why}"
    expectation = f"{expected.label} {expected.words}"
    return Check(CATEGORY, lever.name, expectation, response.measured, verdict, f"{lever.table.sentence} {said}")


def _sentence(model: Model, lever: Lever, expected: Expected, response: Response) -> str:
    """Return what happened."""
    names = list(lever.table.values)
    moved = " and ".join(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1} more"
    first, last = ([values[i] for values in lever.table.values.values()] for i in (0, -1))
    path = f"{moved} goes from {first[0]:g} to {last[0]:g}" if len(names) == 1 else f"{moved} move"
    said = f"As {path}, '{expected.label}' was expected to {expected.words.replace('s by', ' by', 1)}; "
    said += {
        "enough": f"it did: {response.measured}.",
        "too little": f"it hardly moves: {response.measured}.",
        "the other way": f"it moves the other way: {response.measured}.",
        "turns back": f"it turns back on the way: {response.measured}.",
        "undefined": "it is undefined in one of the runs.",
    }[response.answer]
    if response.answer == "too little":
        outcomes = outcomes_of(model, [expected.expression])
        if len(without_effect(model, names, outcomes)) == len(names):
            said += " No equation leads from the one to the other."
    return said


def _explained(lever: Lever, expected: Expected, results: Results) -> tuple[Verdict, str]:
    """Return whether a weak lever is explained, and why or why not."""
    for condition in lever.explanations:
        for case in lever.cases:
            finding = hold(condition, results.lookup(case), results.times, results.lookup)
            if not finding.holds:
                return "failed", f"The explanation {condition.text} does not hold: {finding.measured}."
    if lever.freed:
        freed = respond(results, lever.freed, expected)
        if freed.answer != "enough":
            said = f"Nor does it act in the case '{lever.table.freed_by}', which should free it: {freed.measured}."
            return "failed", said
    reasons = [condition.text for condition in lever.explanations]
    reasons += [f"it acts in the case '{lever.table.freed_by}'"] if lever.freed else []
    return "explained", f"Explained: {'; '.join(reasons)}."


def _all_tested(setting: Setting) -> list[Check]:
    """Return a check that every lever and switch of the parameter table is moved by some test."""
    model, spec = setting.model, setting.spec
    rows = [row.name for row in model.parameters.rows if row.role in ("lever", "switch")]
    if not rows:
        return []
    moved: set[str] = set()
    for tables, key in ((spec.sign, "values"), (spec.mechanisms, "off"), (spec.extreme, "overrides")):
        for table in tables.values():
            moved |= {label for name in getattr(table, key) for label in scalars(model, {name: 0.0})}
    missing = [name for name in rows if name not in moved]
    measured = f"{len(rows) - len(missing)} of {len(rows)}"
    said = f"{measured} levers and switches are moved by a test" + (
        f"; not by any: {', '.join(missing)}." if missing else "."
    )
    verdict: Verdict = "failed" if missing else "passed"
    return [Check(CATEGORY, "every lever is tested", f"{len(rows)} of {len(rows)}", measured, verdict, said)]

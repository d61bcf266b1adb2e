"""Conservation: what must add up does, at every step, in the base run, in the named cases and in draws from the priors.

A balance is a condition with ``=``. A stock must change by its flow and by nothing else: with Euler's method and every
step saved, stock(t + step) - stock(t) = step * flow(t) exactly, whatever method forecasts use. What holds of the
equations holds for every Runge-Kutta method as well, since each of its stages evaluates the same equations and a linear
balance of stocks is kept by any weighted sum of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from trilemma.errors import ChecksFileError
from trilemma.translation.conditions import parse_condition
from trilemma.translation.expressions import Call, Expression, Node, Under, parse_expression
from trilemma.translation.labelled import align
from trilemma.validation.cases import Case, Results, drawn_cases, run_cases
from trilemma.validation.plans import Setting, outcomes_of
from trilemma.validation.result import Check, Verdict
from trilemma.validation.statements import BASE, ConservationTable

CATEGORY = "conservation"

TOLERANCE = 1e-9
"""The largest imbalance, as a share of what is added up: rounding, and no more."""

DRAWS = 16


@dataclass(frozen=True)
class Law:
    """A law: its two sides, and whether they are a stock and its flow rather than a balance."""

    name: str
    table: ConservationTable
    left: Expression
    right: Expression
    stock: bool

    @property
    def words(self) -> str:
        """The law, for a column of a table."""
        return f"change of {self.left.text} = {self.right.text}" if self.stock else str(self.table.balance)


def checks(setting: Setting) -> list[Check]:
    """Return a check for each law, with the run, the time and the size of its largest imbalance."""
    laws = [_law(setting, name, table) for name, table in setting.spec.conservation.items()]
    if not laws:
        return []
    model = setting.model
    cases = setting.named | drawn_cases(model, DRAWS, setting.spec.numerics.seed)
    outcomes = outcomes_of(model, [side for law in laws for side in (law.left, law.right)])
    results = run_cases(model, cases, outcomes, method="euler", save_every=model.time_step)
    return [_check(law, cases, results) for law in laws]


def _law(setting: Setting, name: str, table: ConservationTable) -> Law:
    """Return a law from its table."""
    where = setting.spec.place(CATEGORY, name)
    if table.balance is None:
        left, right = (parse_expression(text or "", where) for text in (table.stock, table.flow))
        return Law(name, table, left, right, stock=True)
    condition = parse_condition(table.balance, where)
    if condition.relation != "=":
        message = f"{where}: a balance has the sign =, got '{condition.relation}'."
        raise ChecksFileError(message)
    return Law(name, table, condition.left, condition.right, stock=False)


def _check(law: Law, cases: Mapping[str, Case], results: Results) -> Check:
    """Return the check of one law over all runs."""
    found = {case: _imbalance(law, results, case) for case in cases}
    case = BASE if found[BASE][0] > TOLERANCE else max(found, key=lambda name: found[name][0])
    share, time = found[case]
    verdict: Verdict = "passed" if share <= TOLERANCE else "failed"
    measured = f"{share:.1g} of it" if np.isfinite(share) else "undefined"
    where = f"in the run '{case}' at {time:g}"
    said = f"{law.table.sentence} {law.words}: within {TOLERANCE:g} of what is added up in {len(cases)} runs."
    if verdict == "failed":
        said = f"{law.table.sentence} Expected {law.words}; {where} the two sides differ by {measured}."
    return Check(CATEGORY, law.name, law.words, measured, verdict, said)


def _imbalance(law: Law, results: Results, case: str) -> tuple[float, float]:
    """Return the largest imbalance of a law in a run, as a share of what is added up, and its time."""
    sides = (law.left, law.right)
    arrays = [np.asarray(array) for array in align([results.value(side, case) for side in sides])[1]]
    sizes = [np.asarray(array) for array in align([results.value(_size(side), case) for side in sides])[1]]
    count = len(results.times)
    left, right, *amounts = (np.broadcast_to(a, (count, *a.shape[1:])) for a in (*arrays, *sizes))
    if law.stock:
        step = np.diff(results.times).reshape(-1, *[1] * (left.ndim - 1))
        gap = np.abs(np.diff(left, axis=0) - step * right[:-1])
        amounts = [amounts[0][1:], step * amounts[1][:-1]]
    else:
        gap = np.abs(left - right)
    scale = np.maximum(*np.broadcast_arrays(*amounts))
    share = np.divide(gap, scale, out=np.where(gap > 0, np.inf, 0.0), where=scale > 0)
    share = np.where(np.isnan(gap), np.inf, share)
    worst = np.unravel_index(share.argmax(), share.shape)
    return float(share[worst]), float(results.times[worst[0]])


def _size(expression: Expression) -> Expression:
    """Return the expression of how much is added up: every term by its size, so that nothing cancels."""
    return replace(expression, tree=_positive(expression.tree))


def _positive(node: Node) -> Node:
    """Return a tree with the size of each term in its place."""
    if isinstance(node, Under):
        return replace(node, argument=_positive(node.argument))
    if isinstance(node, Call) and node.function in ("+", "-", "negative", "sum"):
        function = {"-": "+", "negative": "+"}.get(node.function, node.function)
        arguments = tuple(_positive(argument) for argument in node.arguments)
        return arguments[0] if node.function == "negative" else Call(function, arguments)
    return Call("max", (node, Call("negative", (node,))))

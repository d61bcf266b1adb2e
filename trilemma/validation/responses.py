"""How an outcome answers to a change: which way it moves, how far, and whether it ever turns back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from trilemma.translation.expressions import Call, Expression, Number, parse_expression
from trilemma.validation.cases import Results
from trilemma.validation.spec import amount
from trilemma.validation.statements import Amount, ResponseTable

Direction = Literal["rises", "falls"]
Answer = Literal["enough", "too little", "the other way", "turns back", "undefined"]

STILL = 1e-9
"""What moves less than this, as a share of its level, does not move: rounding."""

TURN = 0.02
"""How far an outcome may turn back between two values of a lever, as a share of its whole move."""


@dataclass(frozen=True)
class Expected:
    """What an outcome must do: an expression with one value, the way it moves, and by how much at least."""

    label: str
    expression: Expression
    direction: Direction
    least: Amount

    @property
    def words(self) -> str:
        """What is expected, for a column of a table."""
        number, share = amount(self.least)
        return f"{self.direction} by at least {100 * number if share else number:.3g}{' %' if share else ''}"


@dataclass(frozen=True)
class Response:
    """What an outcome did over a series of runs: of the element that did worst, the values and how they answer."""

    answer: Answer
    values: np.ndarray
    element: str

    @property
    def measured(self) -> str:
        """Values and move, for a column of a table."""
        if np.isnan(self.values).any():
            return f"undefined{self.element and f' for {self.element}'}"
        first, last = self.values[0], self.values[-1]
        path = " → ".join(f"{value:.4g}" for value in self.values)
        share = f", {100 * (last - first) / abs(first):+.3g} %" if first else ""
        return f"{path} ({last - first:+.3g}{share}){self.element and f' for {self.element}'}"


def expect(table: ResponseTable, date: float, where: str) -> list[Expected]:
    """Return what a table expects to rise and to fall.

    Parameters
    ----------
    table
        The table.
    date
        The date of expressions that have a value for each time, where the table names none.
    where
        File and table, for messages.
    """
    date = date if table.at is None else table.at
    stated: list[tuple[Direction, dict[str, Amount]]] = [("rises", table.rises), ("falls", table.falls)]
    return [
        Expected(text, at_date(parse_expression(text, where, scenarios=True), date), direction, least)
        for direction, amounts in stated
        for text, least in amounts.items()
    ]


def at_date(expression: Expression, date: float) -> Expression:
    """Return an expression at a date; one that has one value for all times already stays as it is."""
    return Expression(expression.text, Call("at", (expression.tree, Number(date))), expression.where)


def respond(results: Results, cases: Sequence[str], expected: Expected) -> Response:
    """Return how an outcome answers over cases in order."""
    found = [results.value(expected.expression, case) for case in cases]
    values = np.stack([np.ravel(one.values) for one in found], axis=-1)
    sign = 1.0 if expected.direction == "rises" else -1.0
    answers: list[Answer] = [_answer(sign * row, expected.least) for row in values]
    worst = max(range(len(answers)), key=lambda i: _RANK[answers[i]])
    labels = [",".join(names) for names in product(*(results.model.ranges[dim] for dim in found[0].dims))]
    return Response(answers[worst], values[worst], labels[worst])


_RANK: dict[Answer, int] = {"enough": 0, "too little": 1, "turns back": 2, "the other way": 3, "undefined": 4}


def _answer(rising: np.ndarray, least: Amount) -> Answer:
    """Return what a series did that should rise; a move smaller than was asked for has no sign worth the name."""
    if not np.isfinite(rising).all():
        return "undefined"
    move = rising[-1] - rising[0]
    level = np.abs(rising).max()
    number, is_share = amount(least)
    needed = number * abs(rising[0]) if is_share else number
    if abs(move) < needed or abs(move) <= STILL * level:
        return "too little"
    if move < 0:
        return "the other way"
    return "turns back" if np.diff(rising).min() < -max(TURN * move, STILL * level) else "enough"

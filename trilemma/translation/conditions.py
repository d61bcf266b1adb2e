"""Conditions: two expressions and what must hold between them, such as ``at(gap, 2030) < under(at(gap, 2030), base)``.

A condition holds where it holds at every saved time, for every element and in every run; where a side is undefined it
does not hold. The sides are written in the language of `trilemma.translation.expressions`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trilemma.errors import ModelFileError
from trilemma.translation.expressions import Expression, Lookup, evaluate, parse_expression
from trilemma.translation.labelled import align

EQUAL = 1e-9
"""By how much, relative to the larger side, two sides may differ and still be equal: rounding, and no more."""

_RELATION = re.compile(r'"[^"]*"|(?P<relation><=|>=|<|>|=)')
_HOLDS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "<": lambda a, b, _slack: a < b,
    ">": lambda a, b, _slack: a > b,
    "<=": lambda a, b, slack: a <= b + slack,
    ">=": lambda a, b, slack: a >= b - slack,
    "=": lambda a, b, slack: np.abs(a - b) <= slack,
}


@dataclass(frozen=True)
class Condition:
    """A parsed condition."""

    text: str
    left: Expression
    relation: str
    right: Expression

    @property
    def sides(self) -> tuple[Expression, Expression]:
        """Both expressions."""
        return self.left, self.right


@dataclass(frozen=True)
class Finding:
    """How a condition came out: whether it holds, and its two sides where it holds least."""

    holds: bool
    left: float
    right: float
    time: float | None

    @property
    def measured(self) -> str:
        """The two sides, and the time where they change over time."""
        sides = f"{_shown(self.left)} against {_shown(self.right)}"
        return sides if self.time is None else f"{sides} at {self.time:g}"


def parse_condition(text: str, where: str = "") -> Condition:
    """Parse a condition.

    Raises
    ------
    ModelFileError
        If it is not two expressions with one of ``< <= = >= >`` between them.
    """
    found = [match for match in _RELATION.finditer(text) if match["relation"]]
    if len(found) != 1:
        place = f"{where}: " if where else ""
        message = f"{place}the condition '{text}' has {len(found)} of the signs < <= = >= >: write exactly one."
        raise ModelFileError(message)
    start, end = found[0].span()
    left, right = (parse_expression(side.strip(), where, scenarios=True) for side in (text[:start], text[end:]))
    return Condition(text, left, found[0]["relation"], right)


def hold(
    condition: Condition, lookup: Lookup, times: np.ndarray, under: Callable[[str], Lookup] | None = None
) -> Finding:
    """Work a condition out; see `evaluate` for the arguments."""
    sides = [evaluate(side, lookup, times, under=under) for side in condition.sides]
    arrays = [np.asarray(array, dtype=float) for array in align(sides)[1]]
    left, right = np.broadcast_arrays(*arrays)
    slack = EQUAL * np.maximum(np.abs(left), np.abs(right))
    holds = _HOLDS[condition.relation](left, right, slack)
    worst = np.unravel_index(_least(condition.relation, left, right, holds).argmin(), left.shape)
    time = float(times[worst[0]]) if left.shape[0] > 1 else None
    return Finding(bool(holds.all()), float(left[worst]), float(right[worst]), time)


def _least(relation: str, left: np.ndarray, right: np.ndarray, holds: np.ndarray) -> np.ndarray:
    """Return by how much the condition holds: least where it is undefined, then where it is missed by most."""
    margin = {"<": right - left, ">": left - right}.get(relation[0], -np.abs(left - right))
    margin = np.where(holds, np.abs(margin), -np.abs(margin))
    return np.where(np.isnan(margin), -np.inf, margin)


def _shown(value: float) -> str:
    """Return a number for a reader."""
    return "undefined" if np.isnan(value) else f"{value:.4g}"

"""What a model's claims say: claims.toml beside it, read and checked. Nothing is worked out here.

A claim is what somebody asserts, restated as conditions on results. Each condition is a metric, written in the one
expression language, and what it must be above or below. A claim that no simulation decides states the record that
does: observations, compared with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field

from trilemma.errors import ClaimError, unknown_name
from trilemma.translation.expressions import Expression, Node, parse_expression, substituted
from trilemma.translation.ir import normalise
from trilemma.translation.toml_file import read_toml, shown
from trilemma.translation.toml_tables import STRICT, validated

CLAIM_FILE = "claims.toml"
EVERY = "every"

Pairing = Literal["difference", "ratio", "shortfall"]


class Condition(BaseModel):
    """One metric and what it must be.

    Attributes
    ----------
    title
        What is measured, in words.
    metric
        An expression over outcomes.
    terms
        Parts of the metric that have a name of their own, so that it can be read; a term may use those before it.
    unit
        Its unit; that of the outcome where the metric is a single name.
    scenario
        Where the names of the metric are taken from; several names, or ``every``: it must hold in each of them. Not
        needed where the metric names all its scenarios with ``under``.
    against
        A second scenario, run on the same draws, that the first is held against.
    paired
        How: scenario less against, scenario / against, or the shortfall 1 - scenario / against.
    at, over
        A time; or the first and last time of a mean. Taken within each run, before the two are held against each other.
    above, below
        What the metric must exceed, or stay under.
    """

    model_config = STRICT
    where: str = ""
    title: str
    metric: str
    terms: dict[str, str] = {}
    unit: str | None = None
    scenario: str | tuple[str, ...] | None = None
    against: str | None = None
    paired: Pairing = "difference"
    at: float | None = None
    over: tuple[float, float] | None = None
    above: float | None = None
    below: float | None = None

    @cached_property
    def expression(self) -> Expression:
        """The metric, parsed, with its terms written out."""
        trees: dict[str, Node] = {}
        for name, text in self.terms.items():
            part = parse_expression(text, f"{self.where}, term '{name}'", scenarios=True)
            trees[normalise(name)] = substituted(part.tree, trees, part.where)
        whole = parse_expression(self.metric, self.where, scenarios=True)
        return replace(whole, tree=substituted(whole.tree, trees, self.where))

    @property
    def scenarios(self) -> tuple[str, ...]:
        """The scenarios that the condition must hold in, as written."""
        if self.scenario is None:
            return ()
        return (self.scenario,) if isinstance(self.scenario, str) else self.scenario


class Record(BaseModel):
    """One comparison within the record: the mean of a series in one period, over its mean in another.

    A period is its first and its last day, as in ``[2024-01-01, 2024-12-31]``; ``above`` and ``below`` are ratios.
    """

    model_config = STRICT
    where: str = ""
    title: str
    series: str
    during: tuple[date, date]
    against: tuple[date, date]
    above: float | None = None
    below: float | None = None


class Claim(BaseModel):
    """A claim: what is said, how it is tested, and what would change the verdict.

    Attributes
    ----------
    name
        How the command line calls it, such as ``H1``.
    title
        The claim in one line.
    says
        What the essay says, in our words.
    tested
        How the conditions put that to the test, and what they leave out.
    change
        What evidence or event would change the verdict.
    condition
        All must hold in a draw for the claim to hold in it.
    record
        In the place of conditions: comparisons of observations, for a claim that no simulation decides.
    """

    model_config = STRICT
    name: str
    title: str
    says: str
    tested: str
    change: str
    condition: tuple[Condition, ...] = ()
    record: tuple[Record, ...] = ()

    @property
    def by_data(self) -> bool:
        """Whether the record decides, and no simulation."""
        return not self.condition


Row = TypeVar("Row", Condition, Record)


class _ClaimTable(BaseModel):
    """One table of claims.toml as written."""

    model_config = STRICT
    title: str
    says: str
    tested: str
    change: str
    condition: list[dict[str, Any]] = Field(default=[])
    record: list[dict[str, Any]] = Field(default=[])


def read_claims(path: str | Path) -> tuple[Claim, ...]:
    """Read the claims of a model.

    Parameters
    ----------
    path
        The claims.toml.

    Raises
    ------
    ClaimError
        If there is no such file, or a key or value is wrong, with file, claim and key.
    ModelFileError
        If a metric cannot be parsed.
    UnknownNameError
        For a key or function that does not exist, with near names.
    """
    path = Path(path)
    if not path.is_file():
        message = f"the model '{path.parent.name}' has no {CLAIM_FILE}: write one, with a table for each claim."
        raise ClaimError(message)
    file = shown(path)
    return tuple(_claim(name, content, file) for name, content in read_toml(path, ClaimError).items())


def _claim(name: str, content: object, file: str) -> Claim:
    """Return one claim, checked."""
    if not isinstance(content, dict):
        message = f"{file}: '{name}' is {content!r}, expected a table [{name}] with title, says, tested and change."
        raise ClaimError(message)
    table = validated(_ClaimTable, content, file, ClaimError, table=name)
    if bool(table.condition) == bool(table.record):
        message = f"{file}, [{name}]: give [[{name}.condition]], or [[{name}.record]] where data decide, not both."
        raise ClaimError(message)
    return Claim(
        name=name,
        title=table.title,
        says=table.says,
        tested=table.tested,
        change=table.change,
        condition=tuple(_condition(row, f"{name}.condition", i, file) for i, row in enumerate(table.condition, 1)),
        record=tuple(_record(row, f"{name}.record", i, file) for i, row in enumerate(table.record, 1)),
    )


def _condition(row: dict[str, Any], table: str, place: int, file: str) -> Condition:
    """Return one condition, checked by itself."""
    where = f"{file}, [[{table}]] {place}"
    found = _row(Condition, row, where, file, f"{table} {place}")
    _check_threshold(found, where)
    if found.at is not None and found.over is not None:
        message = f"{where}: give 'at' or 'over', not both."
        raise ClaimError(message)
    if found.over is not None and found.over[0] >= found.over[1]:
        message = f"{where}: 'over' is {list(found.over)}, expected the first and the last time, in order."
        raise ClaimError(message)
    if found.against is not None and not found.scenarios:
        message = f"{where}: 'against' needs a 'scenario' that is held against it."
        raise ClaimError(message)
    if found.against is None and found.paired != "difference":
        message = f"{where}: paired = '{found.paired}' needs 'against', the scenario that the other is held against."
        raise ClaimError(message)
    for name in found.terms:
        texts = [found.metric, *(text for other, text in found.terms.items() if other != name)]
        if not any(normalise(name) in _names(text) for text in texts):
            message = f"{where}: neither the metric nor another term uses the term '{name}'; remove it."
            raise ClaimError(message)
    if None in found.expression.scenarios and not found.scenarios:
        name = min(found.expression.scenarios[None])
        message = f"{where}: '{name}' is in no scenario; give 'scenario', or write under({name}, scenario)."
        raise ClaimError(message)
    if None not in found.expression.scenarios and (found.scenarios or found.expression.scenarios == {}):
        what = "names no outcome" if not found.expression.scenarios else "takes every name from a scenario of its own"
        message = f"{where}: the metric '{found.metric}' {what}; so a 'scenario' would do nothing."
        raise ClaimError(message)
    return found


def _names(text: str) -> set[str]:
    """Return the names in an expression that was parsed before."""
    return {normalise(name) for name, _ in parse_expression(text, scenarios=True).names}


def _record(row: dict[str, Any], table: str, place: int, file: str) -> Record:
    """Return one comparison of observations, checked by itself."""
    where = f"{file}, [[{table}]] {place}"
    found = _row(Record, row, where, file, f"{table} {place}")
    _check_threshold(found, where)
    for key, (first, last) in (("during", found.during), ("against", found.against)):
        if first > last:
            message = f"{where}: '{key}' is {first} to {last}, expected the first and the last day, in order."
            raise ClaimError(message)
    return found


def _row(kind: type[Row], row: dict[str, Any], where: str, file: str, table: str) -> Row:
    """Return a row of a table with the place that it was read from."""
    if "where" in row:
        error = unknown_name("key", "where", [key for key in kind.model_fields if key != "where"], f"{file}, '{table}'")
        raise error
    lists = {key: tuple(value) for key, value in row.items() if isinstance(value, list)}
    return validated(kind, {**row, **lists, "where": where}, file, ClaimError, table=table)


def _check_threshold(found: Condition | Record, where: str) -> None:
    """Refuse a test without a threshold, or with a band that holds nothing."""
    if found.above is None and found.below is None:
        message = f"{where}: give 'above', 'below' or both; without a threshold nothing is tested."
        raise ClaimError(message)
    if found.above is not None and found.below is not None and found.above >= found.below:
        message = f"{where}: nothing is above {found.above:g} and below {found.below:g}."
        raise ClaimError(message)


def choose(claims: Sequence[Claim], names: Sequence[str] | None) -> tuple[Claim, ...]:
    """Return the claims of these names; all where none is given.

    Raises
    ------
    UnknownNameError
        For a claim that does not exist.
    """
    known = {claim.name.lower(): claim for claim in claims}
    for name in names or ():
        if name.lower() not in known:
            error = unknown_name("claim", name, [claim.name for claim in claims], CLAIM_FILE)
            raise error
    return tuple(claims) if names is None else tuple(known[name.lower()] for name in names)

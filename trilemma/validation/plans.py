"""What a category of tests needs run, and how it judges the results: so that one call of the engine serves them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trilemma.errors import unknown_name
from trilemma.translation.conditions import Condition, hold, parse_condition
from trilemma.translation.expressions import Expression
from trilemma.translation.ir import normalise
from trilemma.translation.model import Model
from trilemma.translation.overrides import Value
from trilemma.validation.cases import Case, Results, make_case
from trilemma.validation.result import Check, Verdict
from trilemma.validation.spec import Spec
from trilemma.validation.statements import BASE


@dataclass(frozen=True, eq=False)
class Setting:
    """What plans are made from.

    Attributes
    ----------
    model, spec
        A scalable model, and the statements about it.
    series
        The base run of what the statements scale.
    tables_of_time
        The exogenous series of the model.
    """

    model: Model
    spec: Spec
    series: Mapping[str, Value]
    tables_of_time: tuple[str, ...] = ()

    def case(
        self, where: str, overrides: Mapping[str, Any], *, under: str = BASE, initial: Mapping[str, Any] | None = None
    ) -> Case:
        """Return a case on top of another one; `where` is the file and the table, for messages."""
        layers = [(table.overrides, table.initial, f"{self.spec.file}, [cases]") for table in self.spec.lineage(under)]
        return make_case(self.model, [*layers, (overrides, initial or {}, where)], self.series)

    @cached_property
    def named(self) -> dict[str, Case]:
        """The base run and the cases that the file names."""
        return {BASE: Case()} | {name: self.case("", {}, under=name) for name in self.spec.cases}


@dataclass(frozen=True)
class Plan:
    """The runs of a category by name, the expressions it works out in them, and what it makes of the results."""

    cases: Mapping[str, Case]
    expressions: tuple[Expression, ...]
    judge: Callable[[Results], list[Check]]


@dataclass(frozen=True)
class Statement:
    """Conditions that must hold in one run."""

    category: str
    name: str
    sentence: str
    case: str
    conditions: tuple[Condition, ...]

    @property
    def expressions(self) -> list[Expression]:
        """Both sides of each condition."""
        return [side for condition in self.conditions for side in condition.sides]


def state(setting: Setting, category: str, name: str, sentence: str, texts: Sequence[str]) -> Statement:
    """Return a statement from conditions as they are written.

    Raises
    ------
    ModelFileError, UnknownNameError
        If one cannot be parsed, or looks at a run that does not exist.
    """
    where = setting.spec.place(category, name)
    conditions = tuple(parse_condition(text, where) for text in texts)
    for condition in conditions:
        refuse_unknown_cases(setting, condition.sides, where)
    return Statement(category, name, sentence, f"{category} {name}", conditions)


def refuse_unknown_cases(setting: Setting, expressions: Iterable[Expression], where: str) -> None:
    """Refuse expressions that look at a run which does not exist."""
    for expression in expressions:
        for case in expression.scenarios:
            if case is not None and case not in setting.named:
                raise unknown_name("case", case, setting.named, where)


def judge(statement: Statement, results: Results) -> list[Check]:
    """Return a check for each condition of a statement."""
    return [_judged(statement, condition, results) for condition in statement.conditions]


def _judged(statement: Statement, condition: Condition, results: Results) -> Check:
    """Return the check of one condition."""
    finding = hold(condition, results.lookup(statement.case), results.times, results.lookup)
    failure = results.failure(statement.case)
    verdict: Verdict = "passed" if finding.holds and not failure else "failed"
    said = f"Expected {condition.text}; got {finding.measured}."
    said = f"{failure} So nothing can be said of {condition.text}." if failure else said
    return Check(
        statement.category, statement.name, condition.text, finding.measured, verdict, f"{statement.sentence} {said}"
    )


def outcomes_of(model: Model, expressions: Iterable[Expression]) -> list[str]:
    """Return the variables and derived outcomes that expressions need.

    Raises
    ------
    UnknownNameError
        With near names, file and table.
    """
    derived = {normalise(name): name for name in model.derived}
    found: dict[str, None] = {}
    for expression in expressions:
        for name, _ in sorted(expression.names, key=str):
            key = normalise(name)
            if key not in derived and normalise(model.split(name)[0]) not in model.nodes:
                raise unknown_name("outcome", name, [*model.variables, *model.derived], expression.where)
            found[derived[key] if key in derived else model.resolve(name, expression.where).variable.name] = None
    return list(found)

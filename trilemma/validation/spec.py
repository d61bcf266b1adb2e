"""What a model must do: checks.toml beside it, read and held against the model.

Nothing is run here. Every mistake is one sentence with file and table; names of variables are looked up where values
are set and expressions worked out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from trilemma.errors import ChecksFileError, unknown_name
from trilemma.translation.model import Model
from trilemma.translation.toml_file import read_toml, shown
from trilemma.translation.toml_tables import STRICT, validated
from trilemma.validation.statements import (
    BASE,
    Amount,
    CaseTable,
    ConservationTable,
    ExogenousTable,
    ExtremeTable,
    MechanismTable,
    MissedTable,
    NumericsTable,
    ResponseTable,
    SectorTable,
    SignTable,
)

FILE = "checks.toml"
Table = TypeVar("Table", bound=BaseModel)
_SHARE = re.compile(r"(?P<number>\d+(\.\d+)?)\s*%")


class Spec(BaseModel):
    """All statements about a model, by category and name.

    Attributes
    ----------
    file
        How messages name the file; empty where there is none, and so no statement.
    method
        How the model is integrated: as its forecasts do it.
    at
        The date of statements that name none.
    known
        Faults that are known and not mended, by category and test ("sign.law on chips"): what is wrong. They fail.
    """

    model_config = STRICT
    file: str = ""
    method: Literal["euler", "rk4"] = "euler"
    at: float
    cases: dict[str, CaseTable] = {}
    sign: dict[str, SignTable] = {}
    extreme: dict[str, ExtremeTable] = {}
    conservation: dict[str, ConservationTable] = {}
    exogenous: dict[str, ExogenousTable] = {}
    mechanisms: dict[str, MechanismTable] = {}
    sectors: dict[str, SectorTable] = {}
    numerics: NumericsTable = NumericsTable()
    evidence: dict[str, MissedTable] = {}
    known: dict[str, str] = {}

    def place(self, category: str, name: str) -> str:
        """Return how messages name a table."""
        return f"{self.file}, [{category}.{name}]"

    def lineage(self, case: str) -> list[CaseTable]:
        """Return the tables of a case and of those that it stands on, the first of them first."""
        line: list[CaseTable] = []
        while case != BASE:
            line.append(self.cases[case])
            case = line[-1].under
        return line[::-1]


class _File(BaseModel):
    """A checks.toml as written."""

    model_config = STRICT
    method: Literal["euler", "rk4"] = "euler"
    at: float | None = None
    cases: dict[str, dict[str, Any]] = {}
    sign: dict[str, dict[str, Any]] = {}
    extreme: dict[str, dict[str, Any]] = {}
    conservation: dict[str, dict[str, Any]] = {}
    exogenous: dict[str, dict[str, Any]] = {}
    mechanisms: dict[str, dict[str, Any]] = {}
    sectors: dict[str, dict[str, Any]] = {}
    numerics: NumericsTable = NumericsTable()
    evidence: dict[str, dict[str, Any]] = {}
    known: dict[str, str] = {}


def checks_file(model: Model) -> Path:
    """Return where the statements about a model are looked for."""
    return model.path.parent / FILE


def read_checks(model: Model) -> Spec:
    """Read the checks.toml beside a model; where there is none, there are no statements.

    Raises
    ------
    ChecksFileError
        For a wrong key or value, with file and table.
    UnknownNameError
        For a view or a case that does not exist, with near names.
    """
    path = checks_file(model)
    if not path.is_file():
        return Spec(at=model.final_time)
    file = shown(path)
    raw = validated(_File, read_toml(path, ChecksFileError), file, ChecksFileError)
    spec = Spec(
        file=file,
        method=raw.method,
        at=model.final_time if raw.at is None else raw.at,
        cases=_tables(CaseTable, raw.cases, file, "cases"),
        sign=_tables(SignTable, raw.sign, file, "sign"),
        extreme=_tables(ExtremeTable, raw.extreme, file, "extreme"),
        conservation=_tables(ConservationTable, raw.conservation, file, "conservation"),
        exogenous=_tables(ExogenousTable, raw.exogenous, file, "exogenous"),
        mechanisms=_tables(MechanismTable, raw.mechanisms, file, "mechanisms"),
        sectors=_tables(SectorTable, raw.sectors, file, "sectors"),
        numerics=raw.numerics,
        evidence=_tables(MissedTable, raw.evidence, file, "evidence"),
        known=raw.known,
    )
    _check_cases(spec)
    _check_responses(spec)
    _check_conservation(spec)
    _check_dates(spec, model)
    for view in spec.sectors:
        if view not in model.views:
            raise unknown_name("view", view, model.views, f"{file}, [sectors]")
    return spec


def amount(least: Amount) -> tuple[float, bool]:
    """Return a least amount as a number, and whether it is a share: "5 %" is (0.05, True).

    Raises
    ------
    ChecksFileError
        If it is a text of another form.
    """
    if isinstance(least, int | float):
        return float(least), False
    match = _SHARE.fullmatch(least.strip())
    if match is None:
        message = f"'{least}' is no amount: expected a number, or a share such as '5 %'."
        raise ChecksFileError(message)
    return float(match["number"]) / 100, True


def _tables(kind: type[Table], tables: dict[str, dict[str, Any]], file: str, category: str) -> dict[str, Table]:
    """Return the tables of a category, each checked by itself."""
    return {
        name: validated(kind, content, file, ChecksFileError, table=f"{category}.{name}")
        for name, content in tables.items()
    }


def _check_cases(spec: Spec) -> None:
    """Refuse references to cases that do not exist, and cases that stand on each other in a circle."""
    if BASE in spec.cases:
        message = f"{spec.place('cases', BASE)}: '{BASE}' is the run that changes nothing; give the case another name."
        raise ChecksFileError(message)
    asked: list[tuple[str, str, str]] = []
    for category in ("cases", "sign", "extreme", "mechanisms", "sectors"):
        asked += [(category, name, table.under) for name, table in getattr(spec, category).items()]
    asked += [("sign", name, table.freed_by) for name, table in spec.sign.items() if table.freed_by is not None]
    for name, table in spec.exogenous.items():
        asked += [("exogenous", name, case) for case in (table.loosest, table.tightest)]
    for category, name, case in asked:
        if case not in spec.cases and case != BASE:
            raise unknown_name("case", case, [BASE, *spec.cases], spec.place(category, name))
    for name in spec.cases:
        _refuse_circle(spec, name)


def _refuse_circle(spec: Spec, name: str) -> None:
    """Refuse a case that stands on itself."""
    line = [name]
    while (under := spec.cases[line[-1]].under) != BASE:
        if under in line:
            circle = " -> ".join([*line[line.index(under) :], under])
            message = f"{spec.file}: cases stand on each other in a circle ({circle}); remove one 'under'."
            raise ChecksFileError(message)
        line.append(under)


def _check_responses(spec: Spec) -> None:
    """Refuse tables that state nothing, amounts that are none, and levers with fewer than two values."""
    responses: list[tuple[str, ResponseTable]] = [(spec.place("sign", name), t) for name, t in spec.sign.items()]
    responses += [(spec.place("mechanisms", name), t) for name, t in spec.mechanisms.items()]
    for where, table in responses:
        if not table.rises and not table.falls:
            message = f"{where}: nothing is stated; say what 'rises' or 'falls', each with its least amount."
            raise ChecksFileError(message)
        for least in [*table.rises.values(), *table.falls.values()]:
            try:
                amount(least)
            except ChecksFileError as error:
                message = f"{where}: {error}"
                raise ChecksFileError(message) from None
    for name, table in spec.sign.items():
        lengths = {len(values) for values in table.values.values()}
        if len(lengths) != 1 or lengths.pop() < 2:
            message = f"{spec.place('sign', name)}: 'values' must be lists of one length, of two values at least."
            raise ChecksFileError(message)


def _check_conservation(spec: Spec) -> None:
    """Refuse tables that are neither a balance nor a stock with its flow."""
    for name, table in spec.conservation.items():
        given = tuple(key for key in ("balance", "stock", "flow") if getattr(table, key) is not None)
        if given not in (("balance",), ("stock", "flow")):
            message = f"{spec.place('conservation', name)}: give a 'balance', or a 'stock' and its 'flow'."
            raise ChecksFileError(message)


def _check_dates(spec: Spec, model: Model) -> None:
    """Refuse dates at which the model does not run."""
    dates = [("at", spec.at)]
    for category in ("sign", "mechanisms", "exogenous"):
        dates += [(f"{category}.{name}.at", table.at) for name, table in getattr(spec, category).items() if table.at]
    for key, date in dates:
        if not model.initial_time <= date <= model.final_time:
            span = f"{model.initial_time:g} to {model.final_time:g}"
            message = f"{spec.file}: '{key}' is {date:g}, but the model runs from {span}."
            raise ChecksFileError(message)

"""The measurement table: what each series of evidence measures in the model, how well, and whether a fit may use it.

A row of measurements.csv names a series and its unit, and an expression of model variables, in the language of
`trilemma.translation.expressions`; names of derived outcomes may stand in it. Where a series changes its basis or its
definition, each basis has its own row. What the model should show for an observation is

    factor * rule(expression)

where the rule says how a value belongs to a period, see `RULES`. Times are decimal years, see
`trilemma.calibration.evidence`. With the transform "log" both sides are compared by their natural logarithms.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from trilemma.calibration.evidence import Observation, decimal_year
from trilemma.errors import EvidenceError, TrilemmaError
from trilemma.translation.csv_file import Line, read_table
from trilemma.translation.expressions import Expression, evaluate, parse_expression
from trilemma.translation.labelled import Labelled
from trilemma.translation.model import Model
from trilemma.translation.outcomes import DerivedOutcome, written_out
from trilemma.translation.picking import pick

MEASUREMENTS = "measurements.csv"
COLUMNS = (
    *("name", "series", "unit", "expression", "factor", "factor_reason", "transform", "rule"),
    *("model_sd", "source_sd", "correlation", "used", "fitted", "check", "note"),
)
TRANSFORMS = ("log", "none")
RULES = ("mean", "total", "end", "since DATE")
"""mean: averaged over the period, for rates, prices and shares. total: that mean times the length of the period in
years, for amounts of a period. end: read at the end of the period, for stocks. since DATE: the total from the start of
that day to the end of the period, for what is counted up without losses, such as chips sold since 2022-01-01."""

GRADE_SD = {"A": 0.03, "B": 0.15, "C": 0.3, "M": 0.5}
"""Standard deviation by grade, as a share of the value, where a source states no range of its own."""

TAIL = 1.6449
"""Standard deviations from the middle to the ends of a range; a stated range is taken as its source's 5-95 %."""

Interval = tuple[date | None, date | None]


@dataclass(frozen=True)
class Measurement:
    """How one series on one basis is read off the model.

    Attributes
    ----------
    model_sd
        How far the series and the expression may differ although both are right: other coverage, other definition.
        In the transformed space, as `source_sd`.
    source_sd
        Stands in place of the grade's standard deviation, where a source states no range; None where the grade holds.
    correlation
        Of the errors of any two observations of the series.
    used
        First and last day on which the period of an observation may end for the row to take it; an open end is None.
    check
        The headline quantity that the series checks before any fit; empty for none.
    """

    name: str
    series: str
    unit: str
    expression: Expression
    factor: float
    factor_reason: str
    transform: str
    rule: str
    since: date | None
    model_sd: float
    source_sd: float | None
    correlation: float
    used: tuple[Interval, ...]
    fitted: bool
    check: str
    note: str
    place: str

    def takes(self, row: Observation) -> bool:
        """Whether an observation is one of this series, unit and period; a projection never is."""
        same = (row.series, row.unit, row.kind) == (self.series, self.unit, "observation")
        return same and any(
            (first is None or row.end >= first) and (last is None or row.end <= last) for first, last in self.used
        )

    @property
    def used_text(self) -> str:
        """The periods used, as the table writes them."""
        return "; ".join(f"{first or '..'}/{last or '..'}" for first, last in self.used)

    def span_of(self, row: Observation) -> tuple[float, float]:
        """Return the decimal years between which an observation is read off the model."""
        start, end = row.span
        if self.rule == "end":
            return end, end
        return (start if self.since is None else decimal_year(self.since)), end

    def transformed(self, value: float) -> float:
        """Return a value of the series in the space where errors are normal."""
        return math.log(value) if self.transform == "log" else value

    def sd_of(self, row: Observation) -> float:
        """Return the standard deviation of an observation in the transformed space.

        What the source can be off by, and what the expression can be off by although both are right.
        """
        return math.hypot(self.model_sd, self.source_sd_of(row))

    def source_sd_of(self, row: Observation) -> float:
        """Return the standard deviation of the source alone: its own range or, without one, what its grade stands for.

        A range is read as 5 to 95 %; of a range with one end, that end counts.
        """
        limits = [limit for limit in (row.low, row.high) if limit is not None and limit != row.value]
        usable = [limit for limit in limits if limit > 0 or self.transform == "none"]
        if usable:
            widths = [abs(self.transformed(limit) - self.transformed(row.value)) for limit in usable]
            return sum(widths) / len(widths) / TAIL
        if self.source_sd is not None:
            return self.source_sd
        return GRADE_SD[row.grade] * (1 if self.transform == "log" else abs(row.value))


def read_measurements(path: str | Path) -> tuple[Measurement, ...]:
    """Read and check a table of measurements.

    Raises
    ------
    EvidenceError
        For the first mistake, with file and line.
    """
    table = read_table(Path(path), COLUMNS, EvidenceError)
    if not table.lines:
        message = f"{path}, line 1: the table has no rows; add measurements below its header."
        raise EvidenceError(message)
    rows = tuple(_read_measurement(line) for line in table.lines)
    seen: dict[str, int] = {}
    for row, line in zip(rows, table.lines, strict=True):
        if row.name in seen:
            line.fail("name", f"'{row.name}' is in line {seen[row.name]} already; give each row a name of its own.")
        seen[row.name] = line.number
    return rows


def load_measurements(model: Model) -> tuple[Measurement, ...]:
    """Read the measurement table that lies beside a model's file, and hold its expressions against the model.

    Raises
    ------
    EvidenceError, UnknownNameError
        If there is none, one of its rows is wrong, or an expression uses a name that the model lacks.
    """
    path = model.path.parent / MEASUREMENTS
    if not path.is_file():
        message = f"the model '{model.name}' has no measurements: put {MEASUREMENTS} beside {model.path.name}."
        raise EvidenceError(message)
    rows = read_measurements(path)
    for row in rows:
        as_outcome(row, model)
    return rows


def measurements_hash(model: Model) -> str:
    """Return the SHA-256 of a model's measurement table."""
    return hashlib.sha256(model.path.with_name(MEASUREMENTS).read_bytes()).hexdigest()


def _read_measurement(line: Line) -> Measurement:
    """Return one measurement."""
    factor = line.number_of("factor")
    if factor == 0:
        line.fail("factor", "a factor of 0 measures nothing; give the conversion into the unit of the series.")
    if factor != 1 and not line["factor_reason"]:
        line.fail("factor_reason", f"the factor {factor:g} has no reason; say what it converts, such as 'kilo'.")
    since = _since(line)
    return Measurement(
        name=line.filled("name"),
        series=line.filled("series", "the name of a series"),
        unit=line.filled("unit", "the unit that selects the rows of the series"),
        expression=_expression(line),
        factor=factor,
        factor_reason=line["factor_reason"],
        transform=line.one_of("transform", TRANSFORMS),
        rule="total" if since is not None else line.one_of("rule", RULES),
        since=since,
        model_sd=_sd(line, "model_sd"),
        source_sd=_sd(line, "source_sd") if line["source_sd"] else None,
        correlation=_correlation(line),
        used=_intervals(line),
        fitted=line.one_of("fitted", ("yes", "no")) == "yes",
        check=line["check"],
        note=line["note"],
        place=line.place,
    )


def _since(line: Line) -> date | None:
    """Return the day from which a rule counts up, None for a rule that does not."""
    words = line["rule"].split()
    if len(words) != 2 or words[0] != "since":
        return None
    try:
        return date.fromisoformat(words[1])
    except ValueError:
        line.fail("rule", f"expected a rule such as 'since 2022-01-01', found '{line['rule']}'.")


def _expression(line: Line) -> Expression:
    """Return the expression of a line, with the line as the place of its mistakes."""
    text = line.filled("expression", "an expression of model variables")
    try:
        return parse_expression(text, f"{line.place}, column 'expression'")
    except TrilemmaError as error:
        raise EvidenceError(str(error)) from error


def _sd(line: Line, column: str) -> float:
    """Return a standard deviation."""
    value = line.number_of(column)
    if value < 0:
        line.fail(column, f"a standard deviation is not negative, found {value:g}.")
    return value


def _correlation(line: Line) -> float:
    """Return the correlation within a series."""
    value = line.number_of("correlation")
    if not 0 <= value < 1:
        line.fail("correlation", f"expected a number from 0 to below 1, found {value:g}.")
    return value


def _intervals(line: Line) -> tuple[Interval, ...]:
    """Return when the periods used may end: pairs such as 2021-02-01/2024-07-28, '..' for no limit; empty for any."""
    found: list[Interval] = []
    for text in line["used"].split(";") if line["used"] else ["../.."]:
        ends = [end.strip() for end in text.split("/")]
        try:
            if len(ends) != 2:
                raise ValueError
            first, last = (None if end == ".." else date.fromisoformat(end) for end in ends)
        except ValueError:
            line.fail("used", f"expected dates such as 2021-02-01/2024-07-28 or 2025-07-28/.., found '{text.strip()}'.")
        if first is not None and last is not None and last < first:
            line.fail("used", f"the period '{text.strip()}' ends before it starts; exchange the dates.")
        found.append((first, last))
    return tuple(found)


def as_outcome(row: Measurement, model: Model) -> DerivedOutcome:
    """Return a measured expression as an outcome of the model, in terms of its variables alone.

    Raises
    ------
    EvidenceError, UnknownNameError
        If it uses a name that the model lacks, or is not one number at each time.
    """
    label = f"measured: {row.name}"
    outcome = DerivedOutcome(label, row.expression, row.unit, row.note)
    outcome = written_out({**model.derived, label: outcome})[label]
    place = f"{row.place}, column 'expression'"

    def lookup(name: str, elements: tuple[str, ...]) -> Labelled:
        picked = pick(model, name, elements, place)
        return picked.of(np.ones((1, *picked.variable.shape, 1)))

    dims = evaluate(outcome.expression, lookup, np.zeros(1)).dims
    if dims:
        message = (
            f"{place}: '{row.expression.text}' has a value for each element of {', '.join(dims)}; name an element, or "
            f"write sum(...[{dims[0]}!])."
        )
        raise EvidenceError(message)
    return outcome

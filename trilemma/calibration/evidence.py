"""The evidence on a model: observations.csv and events.csv beside its file, read, checked and listed.

A period runs from the start of its first day to the end of its last day. A date becomes a
decimal year as the year plus the share of its days that have passed, so that the end of 2025-12-31 is 2026.0.

Grades of observations: A audited or official, or read off it; B a reputable estimate, or exactly derived from A; C a
claim of the press or of an analyst; M from memory, which no fit may rest on. A projection (plan, guidance, forecast)
is no observation and is never fitted.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from trilemma.errors import EvidenceError, near_names
from trilemma.translation.csv_file import Line, read_table
from trilemma.translation.model import Model

OBSERVATIONS = "observations.csv"
EVENTS = "events.csv"
COLUMNS = (
    *("series", "period_start", "period_end", "value", "unit", "low", "high"),
    *("grade", "kind", "source", "url", "note"),
)
EVENT_COLUMNS = ("date", "layer", "actor", "action", "description", "url")
GRADES = ("A", "B", "C", "M")
KINDS = ("observation", "projection")
LAYERS = (
    *("EUV lithography", "DUV lithography", "SME", "foundry", "packaging", "HBM", "chips", "cloud", "API", "model"),
    *("model weights", "entities", "rare earths", "state funding"),
)
UNIT_WORDS = frozenset(
    (
        *("%", "x", "share", "fraction", "ratio", "percentage", "points", "index"),
        *("USD", "EUR", "RMB", "CNY", "JPY", "KRW", "TWD", "GBP", "thousand", "million", "billion", "trillion"),
        *(
            "units",
            "chips",
            "cards",
            "dies",
            "packages",
            "stacks",
            "wafers",
            "racks",
            "servers",
            "accelerators",
            "GPUs",
        ),
        *(
            "tokens",
            "models",
            "derivative",
            "downloads",
            "users",
            "developers",
            "firms",
            "entities",
            "accounts",
            "jobs",
        ),
        *("AI", "teacher", "ECI", "Elo", "OOM", "FLOP", "H100e"),
        *("W", "kW", "MW", "GW", "TW", "kWh", "MWh", "GWh", "TWh", "hours", "days", "months", "years"),
    )
)
"""What a unit may begin with; a slash ends the word, as in "wafers/month"."""

_FORETOLD = re.compile(r"\b(forecast|projection|projected|guidance|planned|expected|expectation)\b", re.IGNORECASE)
_LONGEST_HISTORY = date(1950, 1, 1)


@dataclass(frozen=True)
class Observation:
    """One row of evidence: a value over a period, or at a point in time where the period is one day."""

    series: str
    start: date
    end: date
    value: float
    unit: str
    low: float | None
    high: float | None
    grade: str
    kind: str
    source: str
    url: str
    note: str
    place: str

    @property
    def span(self) -> tuple[float, float]:
        """The start and the end of the period as decimal years."""
        return decimal_year(self.start), decimal_year(self.end + timedelta(days=1))


@dataclass(frozen=True)
class Event:
    """A dated event of policy, and the layers of the stack that it touches."""

    day: date
    layers: tuple[str, ...]
    actor: str
    action: str
    description: str
    url: str


@dataclass(frozen=True)
class Evidence:
    """What is known: observations in file order, events by date, and the SHA-256 of the file of observations."""

    path: Path
    observations: tuple[Observation, ...]
    events: tuple[Event, ...]
    hash: str


def decimal_year(day: date) -> float:
    """Return the start of a day as a decimal year: 2024-07-01 is 2024 + 182 / 366."""
    days = 366 if calendar.isleap(day.year) else 365
    return day.year + (day.timetuple().tm_yday - 1) / days


def load_evidence(model: Model) -> Evidence:
    """Read the evidence that lies beside a model's file.

    Raises
    ------
    EvidenceError
        If there is none, or one of its tables contradicts itself; with file and line.
    """
    path = model.path.parent / OBSERVATIONS
    if not path.is_file():
        message = f"the model '{model.name}' has no evidence: put {OBSERVATIONS} beside {model.path.name}."
        raise EvidenceError(message)
    evidence = read_observations(path)
    _check_words(evidence.observations)
    events = path.with_name(EVENTS)
    found = read_events(events) if events.is_file() else ()
    return Evidence(path, evidence.observations, found, evidence.hash)


def read_observations(path: str | Path) -> Evidence:
    """Read and check a table of observations, without events.

    Raises
    ------
    EvidenceError
        For the first mistake, with file and line; also if the table holds no observation.
    """
    table = read_table(Path(path), COLUMNS, EvidenceError)
    rows = tuple(_read_observation(line) for line in table.lines)
    if not rows:
        message = f"{path}, line 1: the table has no rows; add observations below its header."
        raise EvidenceError(message)
    _check_duplicates(rows, table.lines)
    return Evidence(Path(path), rows, (), table.hash)


def read_events(path: str | Path) -> tuple[Event, ...]:
    """Read and check a table of events; they come back by date.

    Raises
    ------
    EvidenceError
        For the first mistake, with file and line.
    """
    return tuple(sorted(map(_read_event, read_table(Path(path), EVENT_COLUMNS, EvidenceError).lines), key=_day))


def _day(event: Event) -> date:
    return event.day


def _read_event(line: Line) -> Event:
    """Return one event."""
    layers = tuple(layer.strip() for layer in line.filled("layer").split(";"))
    for layer in layers:
        if layer not in LAYERS:
            line.fail("layer", f"unknown layer '{layer}': {near_names(layer, LAYERS)}")
    return Event(
        day=line.date_of("date"),
        layers=layers,
        actor=line.filled("actor"),
        action=line.filled("action"),
        description=line.filled("description"),
        url=line["url"],
    )


def _read_observation(line: Line) -> Observation:
    """Return one observation."""
    low, high = (line.number_of(column) if line[column] else None for column in ("low", "high"))
    row = Observation(
        series=line.filled("series", "the name of a series"),
        start=line.date_of("period_start"),
        end=line.date_of("period_end"),
        value=line.number_of("value"),
        unit=line.filled("unit"),
        low=low,
        high=high,
        grade=line.one_of("grade", GRADES),
        kind=line.one_of("kind", KINDS),
        source=line.filled("source", "where the value is from"),
        url=line["url"],
        note=line["note"],
        place=line.place,
    )
    _check_period(row, line)
    if low is not None and low > row.value:
        line.fail("low", f"low is {low:g} and above the value, {row.value:g}; exchange or correct them.")
    if high is not None and high < row.value:
        line.fail("high", f"high is {high:g} and below the value, {row.value:g}; exchange or correct them.")
    return row


def _check_period(row: Observation, line: Line) -> None:
    """Refuse a period that runs backwards, lies before all history, or was not over when it was observed."""
    if row.end < row.start:
        line.fail("period_end", f"the period ends on {row.end} before it starts on {row.start}; exchange the dates.")
    if row.start < _LONGEST_HISTORY:
        line.fail("period_start", f"{row.start} is before {_LONGEST_HISTORY.year}; correct the year.")
    if row.kind == "observation" and row.end > date.today():
        line.fail("kind", f"a period that ends on {row.end} cannot have been observed; make it a 'projection'.")


def _check_duplicates(rows: Sequence[Observation], lines: Sequence[Line]) -> None:
    """Refuse a row that says the same as one above it: series, period, value, unit and source."""
    seen: dict[tuple[object, ...], int] = {}
    for row, line in zip(rows, lines, strict=True):
        key = (row.series, row.start, row.end, row.value, row.unit, row.source)
        if key in seen:
            line.fail("series", f"the same observation of '{row.series}' is in line {seen[key]}; keep one of them.")
        seen[key] = line.number


def _check_words(rows: Iterable[Observation]) -> None:
    """Refuse units that measure nothing known, and observations whose own note calls them foretold.

    A table that others bring is not held to these words; its rows are used where a measurement fits them.
    """
    for row in rows:
        word = re.split(r"[\s/,]", row.unit, maxsplit=1)[0]
        if word not in UNIT_WORDS:
            hint = near_names(word, sorted(UNIT_WORDS))
            message = f"{row.place}, column 'unit': '{row.unit}' does not begin with a known unit; {hint}"
            raise EvidenceError(message)
        foretold = _FORETOLD.search(row.note)
        if row.kind == "observation" and foretold is not None:
            message = (
                f"{row.place}, column 'kind': an observation whose note says '{foretold.group()}'; "
                "make it a 'projection', or say in the note what was observed."
            )
            raise EvidenceError(message)


def series_of(evidence: Evidence, name: str) -> tuple[Observation, ...]:
    """Return the observations of one series.

    Raises
    ------
    EvidenceError
        If there is none of that name, with near names.
    """
    found = tuple(row for row in evidence.observations if row.series == name)
    if not found:
        known = {row.series for row in evidence.observations}
        message = f"no series '{name}' in {evidence.path}: {near_names(name, sorted(known))}"
        raise EvidenceError(message)
    return found

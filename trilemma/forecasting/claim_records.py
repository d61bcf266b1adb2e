"""Claims that the record decides, not a simulation: observations of one period held against those of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import numpy as np

from trilemma.errors import ClaimError, unknown_name
from trilemma.forecasting.claim_file import Claim, Record
from trilemma.forecasting.claims import Verdict


class Observed(Protocol):
    """An observation: a value of a series over a period."""

    @property
    def series(self) -> str:
        """The series."""
        ...

    @property
    def start(self) -> date:
        """The first day of the period."""
        ...

    @property
    def end(self) -> date:
        """The last day of the period."""
        ...

    @property
    def value(self) -> float:
        """The value."""
        ...

    @property
    def kind(self) -> str:
        """Whether it is an observation, or a projection that decides nothing."""
        ...


@dataclass(frozen=True)
class Compared:
    """One comparison within the record: the ratio of two means, how many observations they stand on, and the result."""

    record: Record
    ratio: float
    observations: int
    holds: bool


@dataclass(frozen=True)
class RecordFinding:
    """What the record says of a claim: supported if all its comparisons hold, rejected if none does."""

    claim: Claim
    verdict: Verdict
    comparisons: tuple[Compared, ...]


def judge_records(claims: Sequence[Claim], observations: Sequence[Observed]) -> list[RecordFinding]:
    """Put claims to the test on the record; those that simulation decides are left out.

    Parameters
    ----------
    claims
        What `read_claims` returned.
    observations
        The record.

    Raises
    ------
    UnknownNameError
        For a series that the record lacks, with near names.
    ClaimError
        If no observation lies within a period.
    """
    return [_finding(claim, observations) for claim in claims if claim.by_data]


def _finding(claim: Claim, observations: Sequence[Observed]) -> RecordFinding:
    """Put one claim to the test."""
    comparisons = tuple(_compared(record, observations) for record in claim.record)
    held = sum(compared.holds for compared in comparisons)
    mixed = "undecided" if held else "rejected"
    return RecordFinding(claim, "supported" if held == len(comparisons) else mixed, comparisons)


def _compared(record: Record, observations: Sequence[Observed]) -> Compared:
    """Hold one period of a series against another."""
    series = [one for one in observations if one.series == record.series and one.kind == "observation"]
    if not series:
        error = unknown_name("series", record.series, sorted({one.series for one in observations}), record.where)
        raise error
    during, against = (_values(record, series, period) for period in (record.during, record.against))
    ratio = float(np.mean(during) / np.mean(against))
    above = -np.inf if record.above is None else record.above
    below = np.inf if record.below is None else record.below
    return Compared(record, ratio, len(during) + len(against), bool(above < ratio < below))


def _values(record: Record, series: Sequence[Observed], period: tuple[date, date]) -> list[float]:
    """Return the observations whose own period lies within another."""
    first, last = period
    found = [one.value for one in series if first <= one.start and one.end <= last]
    if not found:
        known = f"{min(one.start for one in series)} to {max(one.end for one in series)}"
        message = (
            f"{record.where}: no observation of '{record.series}' lies within {first} to {last}; "
            f"the series has {len(series)} from {known}."
        )
        raise ClaimError(message)
    return found

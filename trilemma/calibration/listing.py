"""Evidence as plain records for tables: the series, the rows of one series, the events."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from trilemma.calibration.evidence import Evidence, Observation, load_evidence, series_of
from trilemma.calibration.measurement import MEASUREMENTS, Measurement, load_measurements
from trilemma.translation.model import Model


def list_series(model: Model) -> list[dict[str, Any]]:
    """Return a record for every series and unit: how many rows, from when to when, which grades, how it is measured.

    "use" says whether a fit uses its observations ("fitted"), a comparison shows them ("shown"), or nothing does.
    """
    evidence = load_evidence(model)
    present = (model.path.parent / MEASUREMENTS).is_file()
    measurements = load_measurements(model) if present else ()
    ordered = sorted(evidence.observations, key=_series_and_unit)
    return [
        _series(series, unit, list(group), measurements)
        for (series, unit), group in groupby(ordered, key=_series_and_unit)
    ]


def _series_and_unit(row: Observation) -> tuple[str, str]:
    return row.series, row.unit


def _series(series: str, unit: str, rows: Sequence[Observation], measurements: Sequence[Measurement]) -> dict[str, Any]:
    """Return the record of one series in one unit."""
    by = [measurement for measurement in measurements if any(map(measurement.takes, rows))]
    use = "fitted" if any(measurement.fitted for measurement in by) else "shown" if by else ""
    return {
        "series": series,
        "unit": unit,
        "rows": len(rows),
        "from": min(row.start for row in rows).isoformat(),
        "to": max(row.end for row in rows).isoformat(),
        "grades": "".join(sorted({row.grade for row in rows})),
        "projections": sum(row.kind == "projection" for row in rows),
        "with range": sum(row.low is not None or row.high is not None for row in rows),
        "use": use,
    }


def list_observations(evidence: Evidence, series: str) -> list[dict[str, Any]]:
    """Return a record for every row of one series.

    Raises
    ------
    EvidenceError
        If there is no such series, with near names.
    """
    return [
        {
            "from": row.start.isoformat(),
            "to": row.end.isoformat(),
            "value": row.value,
            "low": row.low,
            "high": row.high,
            "unit": row.unit,
            "grade": row.grade,
            "kind": row.kind,
            "source": row.source,
            "url": row.url,
            "note": row.note,
        }
        for row in series_of(evidence, series)
    ]


def list_events(evidence: Evidence) -> list[dict[str, Any]]:
    """Return a record for every event, by date."""
    return [
        {
            "date": event.day.isoformat(),
            "layers": "; ".join(event.layers),
            "actor": event.actor,
            "action": event.action,
            "description": event.description,
            "url": event.url,
        }
        for event in evidence.events
    ]

"""Scores of forecasts as a table for the terminal and as the document that `trilemma score --json` prints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from trilemma.calibration.scoring import columns_of, mean, some
from trilemma.reporting.numerals import number, rounded

if TYPE_CHECKING:
    import pandas as pd

    from trilemma.calibration.score import Score

DIGITS = 6
NOT_SCORED = "–"


def score_document(score: Score) -> dict[str, Any]:
    """Return a score as plain data.

    "series" holds a record each, with the number of its "rows_not_measured"; "not_measured" names the series of which
    no observation is.
    """
    left: dict[str, int] = {}
    for row in _rows(score.not_measured):
        left[str(row["series"])] = left.get(str(row["series"]), 0) + int(row["rows"])
    series = [_record({**row, "rows_not_measured": left.get(row["series"], 0)}) for row in _rows(score.series)]
    return {"series": series, "not_measured": sorted(set(left) - {row["series"] for row in series})}


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def observation_records(score: Score) -> list[dict[str, Any]]:
    """Return a record for each observation: what was observed, the forecast with its bands, and the scores."""
    wanted = (
        *("series", "measurement", "start", "end", "unit", "observed", "p5", "p25", "median", "p75", "p95"),
        *("undefined", "crps", "last value", "trend"),
    )
    return [_record({key: row[key] for key in wanted}) for row in _rows(score.observations)]


def _record(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as plain data; undefined numbers are None."""
    return {key: _plain(value) for key, value in row.items()}


def _plain(value: object) -> object:
    """Return a cell as plain data; a date becomes text."""
    if isinstance(value, float):
        return rounded(value, DIGITS)
    return value if isinstance(value, bool | int | str) else str(value)


def score_table(score: Score) -> Table:
    """Return a table with a row a series."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    heads = (
        "series",
        "n",
        "CRPS",
        "in 50 %",
        "in 90 %",
        "MAPE",
        "bias",
        "UM",
        "US",
        "UC",
        "skill",
        "on last",
        "on trend",
    )
    for head in heads:
        table.add_column(head, justify="left" if head == "series" else "right", no_wrap=True)
    for row in _rows(score.series):
        parts = [row[f"theil_{part}"] for part in ("um", "us", "uc")]
        skills = [row[key] for key in ("skill", "skill_last", "skill_trend")]
        table.add_row(
            str(row["series"]),
            str(row["n"]),
            _shown(row["crps"], 3),
            *(_percent(row[key]) for key in ("coverage_50", "coverage_90", "mape")),
            _shown(row["bias"], 2),
            *(_shown(part, 2) for part in (*parts, *skills)),
        )
    return table


def _shown(value: float, places: int) -> str:
    """Return a number, or a dash where there is none."""
    return number(value, places) if math.isfinite(value) else NOT_SCORED


def _percent(value: float) -> str:
    """Return a share in per cent, or a dash where there is none."""
    return f"{number(100 * value, 0)} %" if math.isfinite(value) else NOT_SCORED


def score_summary(score: Score) -> str:
    """Return what the scores come to, and what was left out, in sentences."""
    rows, series = score.observations, score.series
    said = [
        f"{score.draws:,} draws of the {score.ensemble}; {_counted(len(rows), 'observation')} in {len(series)} series."
    ]
    if len(rows):
        said.append(totals(rows, series))
    if len(score.not_measured):
        said.append(_left_out(score.not_measured))
    if score.projections:
        said.append(f"{_counted(score.projections, 'projection')} not scored.")
    return "\n".join(said)


def totals(rows: pd.DataFrame, series: pd.DataFrame) -> str:
    """Return coverage over all observations and the median skill over series as a sentence."""
    scored = some(columns_of(rows), rows["crps"].notna().to_numpy(dtype=bool))
    skills = series["skill"].to_numpy(dtype=float)
    skills = skills[~np.isnan(skills)]
    text = (
        f"Inside the bands: {_percent(mean(scored['within_50']))} in the 50 % band, "
        f"{_percent(mean(scored['within_90']))} in the 90 % band."
    )
    if not skills.size:
        return f"{text} No series has a history before these observations: no skill."
    return (
        f"{text} Skill against the better naive forecast: median {number(float(np.median(skills)), 2)} over "
        f"{skills.size} series with a history; above 0 in {int((skills > 0).sum())} of them."
    )


def _left_out(not_measured: pd.DataFrame) -> str:
    """Return which observations no measurement takes, by reason."""
    rows = _rows(not_measured)
    lines = [f"Not measured ({_counted(sum(row['rows'] for row in rows), 'observation')}):"]
    for reason in dict.fromkeys(row["reason"] for row in rows):
        names = dict.fromkeys(str(row["series"]) for row in rows if row["reason"] == reason)
        lines.append(f"  {reason}: {', '.join(names)}")
    return "\n".join(lines)


def _counted(count: int, what: str) -> str:
    """Return a number of things."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"

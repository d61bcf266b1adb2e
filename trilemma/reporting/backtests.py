"""A backtest as tables and in words: how far to trust the model's forecasts, and where a naive one does better."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from trilemma.calibration.backtest import CALIBRATED, POOLED, PRIOR, totals
from trilemma.calibration.rivals import CARRIES
from trilemma.calibration.scoring import Columns, columns_of, some
from trilemma.reporting.numerals import number

if TYPE_CHECKING:
    import pandas as pd

ASKED = (0.80, 0.97)
"""The share of observations that the 90 % band is asked to hold."""

MISSED = 0.5
"""A series is called missed where the 90 % band holds less than this share of its observations."""

LISTED = 12
WIDTH = 118

HEADS = (
    *("from the end of", "years ahead", "forecast", "series", "n", "in 50 %", "in 90 %"),
    *("with a past", "skill", "better than naive"),
)


def total_rows(series: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the cells of the table of totals, below `HEADS`; a pooled row only where there are several origins."""
    found = [{str(key): value for key, value in row.items()} for row in totals(series).to_dict("records")]
    origins = {years: {row["origin"] for row in found if row["years_ahead"] == years} for years in _years(found)}
    shown = [row for row in found if row["origin"] != POOLED or len(origins[row["years_ahead"]]) > 2]
    ordered = sorted(shown, key=lambda row: (row["years_ahead"], row["origin"] == POOLED, row["origin"]))
    return [
        (
            "both" if row["origin"] == POOLED and len(origins[row["years_ahead"]]) == 3 else str(row["origin"])[:4],
            str(row["years_ahead"]),
            str(row["forecast"]),
            str(row["series"]),
            str(row["n"]),
            _percent(row["coverage_50"]),
            _percent(row["coverage_90"]),
            str(row["with_skill"]),
            number(row["skill"], 2),
            _percent(row["better"]),
        )
        for row in ordered
    ]


def _years(rows: list[dict[str, Any]]) -> set[int]:
    """Return how many years ahead there are."""
    return {row["years_ahead"] for row in rows}


def backtest_table(series: pd.DataFrame) -> Table:
    """Return the totals of a backtest as a table for the terminal."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in HEADS:
        table.add_column(head, justify="left" if head == "forecast" else "right")
    for cells in total_rows(series):
        table.add_row(*cells)
    return table


def findings(series: pd.DataFrame, hindsight: str = "") -> list[str]:
    """Return what a backtest says in sentences: bands, skill, what the fit adds, and where the model loses.

    Parameters
    ----------
    hindsight
        Which data the model was made with in view.
    """
    ahead = sorted({int(years) for years in series["years_ahead"]})
    said = [_bands_and_skill(series, years) for years in ahead]
    said += [
        _gain(series, ahead[0]),
        *_carrying(series),
        *(_losses(series, years) for years in ahead),
        _missed(series, ahead[0]),
    ]
    return [*(text for text in said if text), *([" ".join(hindsight.split())] if hindsight else [])]


def _bands_and_skill(series: pd.DataFrame, years: int) -> str:
    """Return how often the bands held, and the skill, beside what is asked of them."""
    total = _total(series, years, CALIBRATED)
    low, high = ASKED
    cover, skill = float(total["coverage_90"]), float(total["skill"])
    verdict = "as asked" if low <= cover <= high else "too narrow" if cover < low else "too wide"
    text = (
        f"{_ahead(years)}: {_percent(cover)} of {total['n']} held-back observations lie in the 90 % bands "
        f"({verdict}: {_percent(low)} to {_percent(high)}), {_percent(float(total['coverage_50']))} in the 50 % bands"
    )
    if math.isnan(skill):
        return f"{text}; no series has a past to make a naive forecast from."
    return (
        f"{text}; the median skill over {total['with_skill']} series is {number(skill, 2)}, so the model is "
        f"{'better' if skill > 0 else 'no better'} than the better naive forecast in the median."
    )


def _gain(series: pd.DataFrame, years: int) -> str:
    """Return what the data add to the priors."""
    fitted, prior = (_total(series, years, forecast) for forecast in (CALIBRATED, PRIOR))
    one, other = float(fitted["skill"]), float(prior["skill"])
    if math.isnan(one) or math.isnan(other):
        return ""
    word = "raises" if one > other else "lowers"
    return (
        f"Against draws from the priors, the fit {word} the median skill {_ahead(years).lower()} from "
        f"{number(other, 2)} to {number(one, 2)}; the share in the 90 % bands goes "
        f"from {_percent(float(prior['coverage_90']))} to "
        f"{_percent(float(fitted['coverage_90']))}."
    )


def _carrying(series: pd.DataFrame) -> list[str]:
    """Return of which fits the draws do not carry fully, so that they stand between approximation and posterior."""
    columns = columns_of(series)
    fits = dict.fromkeys(zip(columns["origin"], columns["k_hat"], columns["tempered_to"], strict=True))
    return [
        f"The fit to the end of {str(origin)[:4]} is approximate: the weights that correct it have a tail of k "
        f"{number(float(k), 2)} and were raised to {number(float(power), 2)}."
        for origin, k, power in fits
        if origin != POOLED and (k > CARRIES or power < 1)
    ]


def _losses(series: pd.DataFrame, years: int) -> str:
    """Return the series in which a naive forecast is better, the worst first."""
    part = _part(series, years, CALIBRATED)
    known = some(part, ~np.isnan(part["skill"].astype(float)))
    lost = some(known, known["skill"] <= 0)
    if not len(lost["series"]):
        return f"{_ahead(years)} no naive forecast is better in any series with a past." if len(known["series"]) else ""
    order = np.argsort(lost["skill"])
    names = [
        f"{lost['series'][i]} ({number(float(lost['skill'][i]), 2)} against the "
        f"{'last value' if _worse_on_last(lost, i) else 'trend'})"
        for i in order
    ]
    count = f"{len(names)} of {len(known['series'])} series"
    return f"{_ahead(years)} a naive forecast is better in {count}: {_listed(names)}."


def _worse_on_last(part: Columns, i: int) -> bool:
    """Whether the last value is the better of the two naive forecasts."""
    last, trend = float(part["skill_last"][i]), float(part["skill_trend"][i])
    return math.isnan(trend) or last <= trend


def _missed(series: pd.DataFrame, years: int) -> str:
    """Return the series that lie outside the bands more often than not, and to which side the model errs."""
    part = _part(series, years, CALIBRATED)
    missed = some(part, (part["n"] > 0) & (part["coverage_90"] < MISSED))
    if not len(missed["series"]):
        return f"{_ahead(years)} no series lies outside its 90 % bands more often than not."
    names = [
        f"{name} (too {'high' if bias > 0 else 'low'})"
        for name, bias in zip(missed["series"], missed["bias"], strict=True)
    ]
    return f"{_ahead(years)} mostly outside the 90 % bands: {_listed(names)}."


def _listed(names: list[str]) -> str:
    """Return the first of some names, and how many there are beside."""
    beside = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {beside} more" if beside > 0 else "")


def paragraphs(sentences: list[str]) -> str:
    """Return sentences for the terminal, a paragraph each."""
    return "\n".join(textwrap.fill(text, WIDTH, initial_indent="- ", subsequent_indent="  ") for text in sentences)


def _part(series: pd.DataFrame, years: int, forecast: str) -> Columns:
    """Return the series of all origins together, some years ahead."""
    columns = columns_of(series)
    which = (columns["origin"] == POOLED) & (columns["years_ahead"] == years) & (columns["forecast"] == forecast)
    return some(columns, which)


def _total(series: pd.DataFrame, years: int, forecast: str) -> dict[str, Any]:
    """Return the totals of all origins together, some years ahead."""
    rows = totals(series).to_dict("records")
    return next(
        {str(key): value for key, value in row.items()}
        for row in rows
        if (row["origin"], row["years_ahead"], row["forecast"]) == (POOLED, years, forecast)
    )


def _ahead(years: int) -> str:
    """Return how far ahead in words."""
    return "One year ahead" if years == 1 else f"{({2: 'Two', 3: 'Three'}).get(years, str(years))} years ahead"


def _percent(value: float) -> str:
    """Return a share in per cent."""
    return f"{number(100 * value, 0)} %"

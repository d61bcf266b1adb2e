"""Sentences from numbers: titles of figures and phrases whose words follow the data.

A difference is called higher or lower only if it is clear (`trilemma.reporting.statistics.direction`); else the words
are "no clear difference". A movement over time is judged the same way, draw by draw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trilemma.reporting.labels import outcome_label, pick, scenario_titles
from trilemma.reporting.numerals import decimals, difference_places, number, quantity, signed, span
from trilemma.reporting.statistics import bands, direction, draw_quantiles, nearest_time

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


def when(year: float) -> str:
    """Return a decimal year as readers write it: 2030, or "late 2026"."""
    whole = math.floor(year)
    part = year - whole
    if part < 0.125:
        return f"{whole}"
    return f"{'early' if part < 0.4 else 'mid' if part < 0.65 else 'late'} {whole}"


def level_note(value: float, low: float, high: float, year: float) -> str:
    """Return a panel's note on a level: ``20.1 (11.2–31.0) in 2030``."""
    places = decimals([low, value, high])
    return f"{number(value, places)} ({span(low, high, places)}) in {when(year)}"


def difference_note(band: Sequence[float], level: float, year: float) -> str:
    """Return a panel's note on a difference, or that none is clear."""
    low, value, high = band
    if not math.isfinite(value):
        return f"not defined in {when(year)}"
    if low == high == 0:
        return f"no difference in {when(year)}"
    places = decimals(band, 2)
    text = f"{signed(value, places)} ({span(low, high, places)}) in {when(year)}"
    return text if direction(band, level) else f"{text}: not clear"


def panel_note(value: float, difference: Sequence[float], year: float) -> str:
    """Return a panel's note on a level and its difference to the baseline."""
    low, step, high = difference
    if not math.isfinite(step):
        return f"{number(value)} in {when(year)}"
    places = decimals([value])
    if low == high == 0:
        return f"{number(value, places)} in {when(year)} (no difference)"
    if not direction(difference, value - step):
        return f"{number(value, places)} in {when(year)} (no clear difference)"
    return f"{number(value, places)} in {when(year)} ({signed(step, difference_places(difference, places))})"


def movement(
    data: xr.Dataset, outcome: str, *, scenario: str, start: float, end: float
) -> tuple[str, float, float]:
    """Return (verb, first median, last median) of an outcome between two years, judged draw by draw."""
    array = pick(data, outcome).sel(scenario=scenario)
    first = array.sel(time=nearest_time(data, start)).to_numpy()
    last = array.sel(time=nearest_time(data, end)).to_numpy()
    low, middle, high = (float(v) for v in draw_quantiles(last - first, axis=0))
    before, after = (float(draw_quantiles(values, axis=0)[1]) for values in (first, last))
    verb = {1: "grows", -1: "falls", 0: "has no clear trend,"}[direction((low, middle, high), before)]
    return verb, before, after


def fan_title(
    data: xr.Dataset,
    outcome: str,
    *,
    scenarios: Sequence[str],
    baseline: str,
    year: float,
    start: float,
) -> str:
    """Return the title of a fan chart: the baseline's movement, and the scenarios that differ most."""
    label, titles = outcome_label(data, outcome), scenario_titles(data)
    verb, before, after = movement(data, outcome, scenario=baseline, start=start, end=year)
    if math.isfinite(before):
        move = f"from {number(before)} in {when(start)} to {quantity(after, label.unit)} in {when(year)}"
    else:
        verb, move = "is", f"{quantity(after, label.unit)} in {when(year)}"
    text = f"{label.text} {verb} {move} in ‘{titles[baseline]}’"
    extremes = _extremes(data, outcome, scenarios=scenarios, baseline=baseline, year=year)
    if not extremes:
        return f"{text}; no other scenario shown differs clearly"
    named = " and ".join(f"‘{titles[name]}’ {'raises' if step > 0 else 'lowers'}" for name, step in extremes)
    return f"{text}; {named} it most"


def _clear_medians(
    data: xr.Dataset, outcome: str, *, scenarios: Sequence[str], baseline: str, year: float
) -> dict[str, float]:
    """Return the median differences of the scenarios whose band leaves zero out, the largest first."""
    band = bands(data, outcome, baseline=baseline, scenarios=scenarios, year=year)
    level = float(bands(data, outcome, scenarios=[baseline], year=year)[1, 0])
    clear: dict[str, float] = {}
    for scenario in scenarios:
        difference = [float(v) for v in band.sel(scenario=scenario)]
        if scenario != baseline and direction(difference, level):
            clear[scenario] = difference[1]
    return dict(sorted(clear.items(), key=lambda item: -item[1]))


def _extremes(
    data: xr.Dataset, outcome: str, *, scenarios: Sequence[str], baseline: str, year: float
) -> list[tuple[str, float]]:
    """Return the scenario that raises an outcome most and the one that lowers it most, where clear."""
    clear = list(_clear_medians(data, outcome, scenarios=scenarios, baseline=baseline, year=year).items())
    raising = [item for item in clear if item[1] > 0][:1]
    lowering = [item for item in clear if item[1] < 0][-1:]
    return raising + lowering


def difference_title(
    data: xr.Dataset, outcome: str, *, scenarios: Sequence[str], baseline: str, year: float
) -> str:
    """Return the title of a chart of differences: how many are clear, and the largest."""
    label, titles = outcome_label(data, outcome), scenario_titles(data)
    clear = _clear_medians(data, outcome, scenarios=scenarios, baseline=baseline, year=year)
    text = f"{label.text} in {when(year)}: {len(clear)} of {len(scenarios)} scenarios differ clearly"
    text += f" from ‘{titles[baseline]}’"
    if not clear:
        return text
    name = max(clear, key=lambda key: abs(clear[key]))
    return f"{text}, most of all ‘{titles[name]}’ ({signed(clear[name], decimals([clear[name]], 2))})"


def effect_title(
    data: xr.Dataset, outcomes: Sequence[str], *, scenarios: Sequence[str], baseline: str, year: float
) -> str:
    """Return the title of an effect chart: how many effects of all those drawn are clear."""
    titles = scenario_titles(data)
    total = len(outcomes) * len(scenarios)
    clear = sum(
        len(_clear_medians(data, name, scenarios=scenarios, baseline=baseline, year=year))
        for name in outcomes
    )
    return f"{clear} of {total} effects in {when(year)} differ clearly from ‘{titles[baseline]}’"


def driver_panel(text: str, year: float, *, paired: bool) -> str:
    """Return the title of one panel of a driver chart."""
    return (
        f"{'Difference in ' if paired else ''}{text[:1].lower() + text[1:] if paired else text}, {when(year)}"
    )


def driver_title(ranked: Mapping[str, pd.Series]) -> str:
    """Return the title of a driver chart: the strongest parameter of each outcome."""
    parts: list[str] = []
    for text, series in ranked.items():
        if not len(series):
            continue
        name, value = str(series.index[0]), float(series.iloc[0])
        parts.append(f"{text}: {name} ({signed(value, 2)})")
    return "Strongest rank correlation – " + "; ".join(parts) if parts else "No parameter was varied"


def triangle_title(
    data: xr.Dataset, indices: Sequence[str], *, scenarios: Sequence[str], baseline: str, year: float
) -> str:
    """Return the title of the triangle chart: which scenarios better all three goals at once."""
    titles = scenario_titles(data)
    better = better_everywhere(data, indices, scenarios=scenarios, baseline=baseline, year=year)
    if not better:
        return (
            f"No scenario shown clearly raises all three indices above ‘{titles[baseline]}’ in {when(year)}"
        )
    names = ", ".join(f"‘{titles[name]}’" for name in better)
    return f"{names} {'raises' if len(better) == 1 else 'raise'} all three indices above ‘{titles[baseline]}’ in {when(year)}"


def better_everywhere(
    data: xr.Dataset, indices: Sequence[str], *, scenarios: Sequence[str], baseline: str, year: float
) -> list[str]:
    """Return the scenarios whose difference to the baseline is clearly above zero on every index."""
    raised = [
        {
            name
            for name, step in _clear_medians(
                data, index, scenarios=scenarios, baseline=baseline, year=year
            ).items()
            if step > 0
        }
        for index in indices
    ]
    return [name for name in scenarios if all(name in found for found in raised)]

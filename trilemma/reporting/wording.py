"""Sentences from numbers: titles of figures and phrases whose words follow the data.

A difference is called higher or lower only if it is clear (`trilemma.reporting.statistics.direction`); else the words
are "no clear difference". A movement over time is judged the same way, draw by draw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trilemma.reporting.labels import Label, outcome_label, pick, scenario_titles
from trilemma.reporting.numerals import decimals, difference_places, number, of_draws, quantity, signed, span
from trilemma.reporting.statistics import bands, direction, draw_quantiles, nearest_time

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

DOMINANT = 0.7  # rank correlation above which one parameter explains about half of the ranks


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
    """Return a panel's note on a difference; ``≈`` before it where no direction is clear."""
    low, value, high = band
    if not math.isfinite(value):
        return f"not defined in {when(year)}"
    if low == high == 0:
        return f"no difference in {when(year)}"
    places = difference_places(band, decimals([level]))
    mark = "" if direction(band, level) else "≈ "
    return f"{mark}{signed(value, places)} ({span(low, high, places)}) in {when(year)}"


def panel_note(value: float, difference: Sequence[float], year: float) -> str:
    """Return a panel's note on a level and its difference to the baseline."""
    low, step, high = difference
    if not math.isfinite(step):
        return f"{number(value)} in {when(year)}"
    places = decimals([value, value - step])
    if low == high == 0:
        return f"{number(value, places)} in {when(year)} (no difference)"
    if not direction(difference, value - step):
        return f"{number(value, places)} in {when(year)} (no clear difference)"
    return f"{number(value, places)} in {when(year)} ({signed(step, difference_places(difference, places))})"


@dataclass(frozen=True)
class Movement:
    """How an outcome moves between two years: medians, share of draws that rise, whether it is clear."""

    before: float
    after: float
    rising: float
    clear: bool

    @property
    def verb(self) -> str:
        """The verb that suits the movement."""
        if not self.clear:
            return "goes"
        return "grows" if self.after > self.before else "falls"

    @property
    def way(self) -> str:
        """The way that most draws or, if they are split, the sentence takes: up or down."""
        return "up" if self.after > self.before or 0.4 < self.rising < 0.6 else "down"

    @property
    def agreement(self) -> str:
        """In how many draws it goes the way of the medians."""
        if 0.4 < self.rising < 0.6:
            return f"{of_draws(self.rising)}, down in the others"
        return of_draws(self.rising if self.after > self.before else 1 - self.rising)


def movement(data: xr.Dataset, outcome: str, *, scenario: str, start: float, end: float) -> Movement:
    """Return how an outcome moves between two years, judged draw by draw."""
    array = pick(data, outcome).sel(scenario=scenario)
    first = array.sel(time=nearest_time(data, start)).to_numpy().astype(float)
    last = array.sel(time=nearest_time(data, end)).to_numpy().astype(float)
    low, middle, high = (float(v) for v in draw_quantiles(last - first))
    before, after = (float(draw_quantiles(values)[1]) for values in (first, last))
    defined = np.isfinite(last - first)
    rising = float(np.mean((last > first)[defined])) if defined.any() else math.nan
    return Movement(before, after, rising, direction((low, middle, high), before) != 0)


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
    moved = movement(data, outcome, scenario=baseline, start=start, end=year)
    places = decimals([moved.before, moved.after])
    end = f"{quantity(moved.after, label.unit, places)} in {when(year)}"
    text = f"{label.text} is {end} in ‘{titles[baseline]}’"
    if math.isfinite(moved.before) and start < year:
        path = f"from {number(moved.before, places)} in {when(start)} to {end}"
        aside = "" if moved.clear else f" ({moved.way} in {moved.agreement})"
        text = f"{label.text} {moved.verb} {path} in ‘{titles[baseline]}’{aside}"
    if set(scenarios) <= {baseline}:
        return text
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


def difference_title(data: xr.Dataset, outcome: str, *, scenarios: Sequence[str], baseline: str, year: float) -> str:
    """Return the title of a chart of differences: how many are clear, and the largest."""
    label, titles = outcome_label(data, outcome), scenario_titles(data)
    clear = _clear_medians(data, outcome, scenarios=scenarios, baseline=baseline, year=year)
    verb = "differs" if len(clear) == 1 else "differ"
    count = f"{len(clear) or 'none'} of {len(scenarios)} scenarios"
    text = f"{label.text} in {when(year)}: {count} {verb} clearly from ‘{titles[baseline]}’"
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
    clear = sum(len(_clear_medians(data, name, scenarios=scenarios, baseline=baseline, year=year)) for name in outcomes)
    return f"{clear} of {total} differences to ‘{titles[baseline]}’ are clear in {when(year)}"


def driver_panel(label: Label, year: float, *, paired: bool) -> str:
    """Return the title of one panel of a driver chart."""
    return f"{f'Effect on {label.phrase}' if paired else label.text}, {when(year)}"


def driver_title(ranked: Mapping[str, pd.Series]) -> str:
    """Return the title of a driver chart: whether one parameter dominates, and the strongest of all."""
    firsts = [(text, str(series.index[0]), float(series.iloc[0])) for text, series in ranked.items() if len(series)]
    if not firsts:
        return "No parameter was varied"
    text, name, value = max(firsts, key=lambda first: abs(first[2]))
    strongest = f"{name} with {text} (rank correlation {signed(value, 2)})"
    if abs(value) < DOMINANT:
        return f"No single parameter dominates the spread; the strongest link is {strongest}"
    return f"One parameter dominates the spread: {strongest}"


def triangle_title(
    data: xr.Dataset, indices: Sequence[str], *, scenarios: Sequence[str], baseline: str, year: float
) -> str:
    """Return the title of the triangle chart: which scenarios better all three goals at once."""
    titles = scenario_titles(data)
    better = better_everywhere(data, indices, scenarios=scenarios, baseline=baseline, year=year)
    if not better:
        return f"No scenario shown clearly raises all three indices above ‘{titles[baseline]}’ in {when(year)}"
    names = ", ".join(f"‘{titles[name]}’" for name in better)
    verb = "raises" if len(better) == 1 else "raise"
    return f"{names} {verb} all three indices above ‘{titles[baseline]}’ in {when(year)}"


def better_everywhere(
    data: xr.Dataset, indices: Sequence[str], *, scenarios: Sequence[str], baseline: str, year: float
) -> list[str]:
    """Return the scenarios whose difference to the baseline is clearly above zero on every index."""
    raised = [
        {
            name
            for name, step in _clear_medians(data, index, scenarios=scenarios, baseline=baseline, year=year).items()
            if step > 0
        }
        for index in indices
    ]
    return [name for name in scenarios if all(name in found for found in raised)]

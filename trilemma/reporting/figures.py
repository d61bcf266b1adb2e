"""Figures of a comparison: a Dataset in, a matplotlib Figure out.

Fans over time, paired differences, effects of all scenarios, and what drives the spread. Titles are computed from the
data and say what is seen. The triangle of the three indices stands in `trilemma.reporting.triangle`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import seaborn as sns
from matplotlib.ticker import MaxNLocator

from trilemma.reporting import wording
from trilemma.reporting.labels import outcome_label, scenario_titles
from trilemma.reporting.numerals import number, signed
from trilemma.reporting.statistics import bands, direction, nearest_time, rank_correlation
from trilemma.reporting.style import (
    BLUE,
    BLUE_BAND,
    GREY,
    INK,
    ORANGE,
    headline,
    new_figure,
    panel_title,
    styled,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3


@styled
def fan_chart(
    data: xr.Dataset,
    outcome: str,
    *,
    scenarios: Sequence[str],
    baseline: str,
    year: float,
    window: tuple[float, float] | None = None,
    policy_start: float | None = None,
) -> Figure:
    """Draw one panel a scenario: median and 5-95 % band over time, on the grey median of the baseline.

    Parameters
    ----------
    data
        Results as stored.
    outcome
        ``name`` or ``name[element]``.
    scenarios
        The panels, in this order.
    baseline
        The scenario whose median is drawn grey in each panel.
    year
        The year whose median is written into the panel.
    window
        First and last year shown; all saved years when None.
    policy_start
        A thin line marks this year, from which the scenarios part.
    """
    band = _in_window(bands(data, outcome, scenarios=list(dict.fromkeys([baseline, *scenarios]))), window)
    difference = bands(data, outcome, baseline=baseline, scenarios=scenarios, year=year)
    label, titles = outcome_label(data, outcome), scenario_titles(data)
    at = nearest_time(data, year)
    figure, panels = _panels(len(scenarios))
    for axes, scenario in zip(panels, scenarios, strict=True):
        if scenario != baseline:
            middle = band.sel(quantile=0.5, scenario=baseline)
            axes.plot(middle["time"], middle, color=GREY, linestyle=(0, (4, 2)), linewidth=1.2)
        _fan(axes, band.sel(scenario=scenario))
        low, value, high = (float(v) for v in band.sel(scenario=scenario, time=at))
        axes.plot([at], [value], marker="o", color=BLUE, markersize=4, markeredgecolor="white", zorder=5)
        note = wording.level_note(value, low, high, year)
        if scenario != baseline:
            note = wording.panel_note(value, [float(v) for v in difference.sel(scenario=scenario)], year)
        panel_title(axes, titles[scenario], note)
        _mark_start(axes, policy_start)
    _share_time(panels, label.axis, figure)
    _limit(panels, band.sel(scenario=list(scenarios)))
    start = math.floor(float(band["time"][0]) if policy_start is None else policy_start)
    headline(
        figure,
        wording.fan_title(data, outcome, scenarios=scenarios, baseline=baseline, year=year, start=start),
    )
    return figure


@styled
def difference_chart(
    data: xr.Dataset,
    outcome: str,
    *,
    scenarios: Sequence[str],
    baseline: str,
    year: float,
    window: tuple[float, float] | None = None,
    policy_start: float | None = None,
) -> Figure:
    """Draw one panel a scenario: the paired difference to the baseline over time, median and 5-95 % band."""
    shown = [scenario for scenario in scenarios if scenario != baseline]
    band = _in_window(bands(data, outcome, baseline=baseline, scenarios=shown), window)
    label, titles = outcome_label(data, outcome), scenario_titles(data)
    at = nearest_time(data, year)
    level = bands(data, outcome, scenarios=[baseline], year=year)[1, 0]
    figure, panels = _panels(len(shown))
    for axes, scenario in zip(panels, shown, strict=True):
        axes.axhline(0, color=INK, linewidth=0.8)
        _fan(axes, band.sel(scenario=scenario))
        values = tuple(float(v) for v in band.sel(scenario=scenario, time=at))
        axes.plot([at], [values[1]], marker="o", color=BLUE, markersize=4, markeredgecolor="white", zorder=5)
        panel_title(axes, titles[scenario], wording.difference_note(values, float(level), year))
        _mark_start(axes, policy_start)
    _share_time(panels, label.difference_axis, figure)
    _limit(panels, band.sel(scenario=shown), include=0.0)
    headline(figure, wording.difference_title(data, outcome, scenarios=shown, baseline=baseline, year=year))
    return figure


@styled
def effect_chart(
    data: xr.Dataset, outcomes: Sequence[str], *, scenarios: Sequence[str], baseline: str, year: float
) -> Figure:
    """Draw the paired difference of every scenario to the baseline at one year, one panel an outcome.

    A filled mark says that the difference is clear; a hollow one that it is not.
    """
    shown = [scenario for scenario in scenarios if scenario != baseline]
    titles = scenario_titles(data)
    columns = min(COLUMNS, len(outcomes))
    rows = math.ceil(len(outcomes) / columns)
    figure = new_figure(0.75 + rows * (0.75 + 0.185 * len(shown)))
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes, outcome in zip(grid.flat, outcomes, strict=False):
        band = bands(data, outcome, baseline=baseline, scenarios=shown, year=year)
        level = bands(data, outcome, scenarios=[baseline], year=year)[1, 0]
        label = outcome_label(data, outcome)
        axes.axvline(0, color=INK, linewidth=0.8)
        for position, scenario in enumerate(shown):
            values = [float(v) for v in band.sel(scenario=scenario)]
            _interval(axes, position, values, clear=direction(values, float(level)) != 0)
        panel_title(axes, label.text, width=26)
        axes.set_xlabel(label.difference_axis)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_yticks(range(len(shown)), [titles[scenario] for scenario in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
    for axes in grid.flat[len(outcomes) :]:
        axes.set_visible(False)
    sns.despine(fig=figure, left=True)
    headline(figure, wording.effect_title(data, outcomes, scenarios=shown, baseline=baseline, year=year))
    return figure


@styled
def driver_chart(
    data: xr.Dataset,
    outcomes: Sequence[str],
    *,
    scenario: str,
    year: float,
    baseline: str | None = None,
    top: int = 10,
) -> Figure:
    """Draw the parameters that go with the spread of each outcome: Spearman's rank correlation, strongest first.

    With `baseline`, the paired difference ``scenario`` less ``baseline`` is correlated instead of the level.
    """
    columns = min(2, len(outcomes))
    rows = math.ceil(len(outcomes) / columns)
    figure = new_figure(0.7 + rows * (0.75 + 0.2 * top))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
    ranked = [rank_correlation(data, name, year=year, scenario=scenario, baseline=baseline) for name in outcomes]
    for axes, outcome, series in zip(grid.flat, outcomes, ranked, strict=False):
        _tornado(axes, series.iloc[:top].to_dict())
        label = outcome_label(data, outcome)
        panel_title(axes, wording.driver_panel(label, year, paired=baseline is not None), width=30)
        axes.set_xlabel("Rank correlation (no unit, −1 to 1)")
    for axes in grid.flat[len(outcomes) :]:
        axes.set_visible(False)
    sns.despine(fig=figure, left=True)
    labels = [outcome_label(data, outcome).text for outcome in outcomes]
    headline(figure, wording.driver_title(dict(zip(labels, ranked, strict=True))))
    return figure


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` panels of one size that share their axes."""
    columns = min(COLUMNS, max(1, count))
    rows = math.ceil(count / columns)
    figure = new_figure(0.75 + 2.05 * rows if rows > 1 else 3.4)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat[count:]:
        axes.set_visible(False)
        above = grid[-2, list(grid[-1]).index(axes)] if rows > 1 else None
        if above is not None:
            above.tick_params(labelbottom=True)
    return figure, list(grid.flat[:count])


def _fan(axes: Axes, band: xr.DataArray) -> None:
    """Draw a band and its median; thin edges keep the band visible in black and white."""
    time = band["time"].to_numpy()
    low, middle, high = (band.sel(quantile=q).to_numpy() for q in (0.05, 0.5, 0.95))
    axes.fill_between(time, low, high, color=BLUE_BAND, alpha=0.55, linewidth=0)
    for edge in (low, high):
        axes.plot(time, edge, color=BLUE, linewidth=0.5, alpha=0.7)
    axes.plot(time, middle, color=BLUE, linewidth=1.8)


def _interval(axes: Axes, position: int, band: Sequence[float], *, clear: bool) -> None:
    """Draw one effect: the band as a line, the median as a filled or a hollow mark."""
    low, middle, high = band
    if not math.isfinite(middle):
        return
    colour = BLUE if clear else GREY
    axes.plot([low, high], [position, position], color=colour, linewidth=1.6, solid_capstyle="butt")
    axes.plot(
        [middle],
        [position],
        marker="o",
        markersize=4.5,
        color=colour,
        markerfacecolor=colour if clear else "white",
    )


def _tornado(axes: Axes, values: dict[str, float]) -> None:
    """Draw signed bars with their values written beside them; falling ones are hatched."""
    names = list(values)
    sns.barplot(x=list(values.values()), y=names, ax=axes, color=BLUE_BAND, edgecolor=BLUE, linewidth=0.8, width=0.7)
    for position, (bar, value) in enumerate(zip(axes.patches, values.values(), strict=False)):
        if value < 0:
            bar.set(facecolor="white", edgecolor=ORANGE, hatch="////")
        offset = 3 if value >= 0 else -3
        axes.annotate(
            signed(value, 2),
            xy=(value, position),
            xytext=(offset, 0),
            textcoords="offset points",
            va="center",
            ha="left" if value >= 0 else "right",
        )
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlim(-1.25, 1.25)
    axes.set_xticks([-1, -0.5, 0, 0.5, 1], ["−1", "−0.5", "0", "0.5", "1"])
    axes.set_ylabel("")
    axes.tick_params(axis="y", length=0)


def _in_window(band: xr.DataArray, window: tuple[float, float] | None) -> xr.DataArray:
    """Return the part of a band that lies in the window of years."""
    return band if window is None else band.sel(time=slice(window[0], window[1]))


def _mark_start(axes: Axes, policy_start: float | None) -> None:
    """Mark the year from which the scenarios part."""
    if policy_start is not None:
        axes.axvline(policy_start, color=GREY, linewidth=0.8, linestyle=":")


def _share_time(panels: list[Axes], ylabel: str, figure: Figure) -> None:
    """Label the shared axes once."""
    figure.supylabel(ylabel, fontsize=8.0)
    figure.supxlabel("Year", fontsize=8.0)
    for axes in panels:
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(lambda value, _: _tick(value))


def _tick(value: float) -> str:
    """Return a tick's number without needless decimals."""
    places = next((p for p in range(4) if math.isclose(round(value, p), value, abs_tol=1e-9)), 3)
    return number(value, places)


def _limit(panels: list[Axes], band: xr.DataArray, include: float | None = None) -> None:
    """Give every panel the same range, without one outlying band edge setting it alone."""
    values = band.to_numpy()
    values = values[np.isfinite(values)]
    if not values.size:
        return
    low, high = float(values.min()), float(values.max())
    if include is not None:
        low, high = min(low, include), max(high, include)
    elif low > 0 and low < 0.4 * high:
        low = 0.0
    margin = 0.04 * (high - low or 1.0)
    panels[0].set_ylim(low - (margin if low != 0 else 0), high + margin)

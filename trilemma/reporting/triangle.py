"""The triangle of the three goals: each index on its own axis from 0 to 100, so that its level is seen.

A ternary plot would show shares only and hide that all three may fall together; this one shows levels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trilemma.reporting import wording
from trilemma.reporting.labels import outcome_label, scenario_titles
from trilemma.reporting.numerals import number
from trilemma.reporting.statistics import bands
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
    from numpy.typing import NDArray

ANGLES = np.deg2rad([90.0, 210.0, 330.0])
DIRECTIONS = np.column_stack([np.cos(ANGLES), np.sin(ANGLES)])
RINGS = (25, 50, 75, 100)
COLUMNS = 3


@styled
def triangle_chart(
    data: xr.Dataset,
    indices: Sequence[str],
    *,
    scenarios: Sequence[str],
    baseline: str,
    year: float,
    years: Sequence[float] = (),
) -> Figure:
    """Draw the three indices of each scenario as a triangle on axes from 0 to 100.

    Parameters
    ----------
    data
        Results as stored.
    indices
        Three outcomes on a scale of 0 to 100.
    scenarios
        The panels, in this order.
    baseline
        Its triangle at `year` is drawn grey in each panel.
    year
        The year of the main triangle, whose 5-95 % bands lie along the axes.
    years
        Up to two further years, whose medians are marked beside the axes.
    """
    titles = scenario_titles(data)
    texts = [outcome_label(data, index).text for index in indices]

    def at(scenario: str, when: float) -> NDArray[np.float64]:
        return np.stack([bands(data, index, scenarios=[scenario], year=when)[:, 0].to_numpy() for index in indices])

    columns = min(COLUMNS, len(scenarios))
    rows = math.ceil(len(scenarios) / columns)
    figure = new_figure(0.6 + 2.2 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, scenario in zip(grid.flat, scenarios, strict=False):
        _frame(axes)
        if scenario != baseline:
            _outline(axes, at(baseline, year)[:, 1], color=GREY, linewidth=1.2, linestyle=(0, (4, 2)))
        main = at(scenario, year)
        _outline(axes, main[:, 1], color=BLUE, linewidth=1.8, marker="o", markersize=3.5, fill=True)
        _along_axes(axes, main)
        for marker, other in zip("oD", [when for when in years if when != year], strict=False):
            _beside_axes(axes, at(scenario, other)[:, 1], marker)
        _corner_labels(axes, texts, main[:, 1])
        panel_title(axes, titles[scenario], width=36)
    for axes in grid.flat[len(scenarios) :]:
        axes.set_visible(False)
    headline(figure, wording.triangle_title(data, indices, scenarios=scenarios, baseline=baseline, year=year))
    return figure


def _points(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners of the triangle of three values, closed."""
    corners = DIRECTIONS * values[:, None]
    return np.vstack([corners, corners[:1]])


def _frame(axes: Axes) -> None:
    """Draw the rings and the three axes."""
    for ring in RINGS:
        corners = _points(np.full(3, float(ring)))
        axes.plot(*corners.T, color="#d0d0d0" if ring < 100 else GREY, linewidth=0.6, zorder=1)
    for direction in DIRECTIONS:
        axes.plot([0, 100 * direction[0]], [0, 100 * direction[1]], color="#d0d0d0", linewidth=0.6, zorder=1)
    for ring in (50, 100):
        left = ring * DIRECTIONS[:2].mean(axis=0)
        axes.text(left[0] - 2, left[1], str(ring), color=GREY, fontsize=8, va="center", ha="right", zorder=2)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_xlim(-118, 118)
    axes.set_ylim(-84, 120)


def _outline(axes: Axes, values: NDArray[np.float64], *, color: str, fill: bool = False, **line: object) -> None:
    """Draw the triangle of three medians."""
    corners = _points(values)
    if fill:
        axes.fill(*corners.T, color=BLUE_BAND, alpha=0.35, linewidth=0, zorder=2)
    axes.plot(corners[:, 0], corners[:, 1], color=color, zorder=4, **line)  # pyright: ignore[reportArgumentType]


def _along_axes(axes: Axes, band: NDArray[np.float64]) -> None:
    """Draw the 5-95 % band of each index as a bar along its axis."""
    for direction, (low, _, high) in zip(DIRECTIONS, band, strict=True):
        ends = np.outer([low, high], direction)
        axes.plot(ends[:, 0], ends[:, 1], color=BLUE, linewidth=4.5, alpha=0.45, solid_capstyle="butt", zorder=3)


def _beside_axes(axes: Axes, values: NDArray[np.float64], marker: str) -> None:
    """Mark the medians of another year a little beside each axis."""
    across = np.column_stack([-DIRECTIONS[:, 1], DIRECTIONS[:, 0]])
    points = DIRECTIONS * values[:, None] + 9 * across
    axes.plot(*points.T, linestyle="", marker=marker, markersize=3.8, color=ORANGE, markerfacecolor="white", zorder=5)


def _corner_labels(axes: Axes, texts: Sequence[str], values: NDArray[np.float64]) -> None:
    """Write each index and its median beside its corner."""
    _, left, right = (text.replace(" ", "\n", 1) for text in texts)
    axes.text(0, 106, f"{texts[0]} {number(float(values[0]), 0)}", ha="center", va="bottom", color=INK)
    axes.text(-118, -56, f"{left} {number(float(values[1]), 0)}", ha="left", va="top", color=INK)
    axes.text(118, -56, f"{right} {number(float(values[2]), 0)}", ha="right", va="top", color=INK)

"""The evidence on a page: every series as a small panel."""

from __future__ import annotations

import math
import textwrap
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator

from trilemma.calibration.evidence import Evidence, Observation
from trilemma.reporting.style import BLUE, GREY, INK, ORANGE, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 14
PANEL = (1.5, 1.15)  # inches
GRADE_COLOURS = {"A": INK, "B": BLUE, "C": ORANGE, "M": GREY}
SPREAD = 20
"""Series whose largest value is so many times the smallest are drawn on a logarithmic axis."""


@styled
def evidence_figure(evidence: Evidence) -> Figure:
    """Draw every series and unit as a small panel: points at the middle of their periods, bars for stated ranges."""
    groups: dict[tuple[str, str], list[Observation]] = defaultdict(list)
    for row in evidence.observations:
        groups[row.series, row.unit].append(row)
    rows = math.ceil(len(groups) / COLUMNS)
    height = rows * PANEL[1] + 0.8
    figure = new_figure(height, width=COLUMNS * PANEL[0])
    figure.set_layout_engine("none")  # three hundred panels of one size need no solver
    edges = {"left": 0.028, "right": 0.995, "top": 1 - 0.8 / height, "bottom": 0.25 / height}
    panels = figure.subplots(
        rows, COLUMNS, squeeze=False, gridspec_kw={**edges, "wspace": 0.42, "hspace": 0.75}
    ).ravel()
    for axes, (series, unit) in zip(panels, sorted(groups), strict=False):
        _panel(axes, series, unit, groups[series, unit])
    for axes in panels[len(groups) :]:
        axes.set_axis_off()
    first = min(row.start for row in evidence.observations).year
    last = max(row.end for row in evidence.observations).year
    counts = {grade: sum(row.grade == grade for row in evidence.observations) for grade in GRADE_COLOURS}
    title = (
        f"{len(evidence.observations)} observations in {len(groups)} series, {first} to {last}\n"
        f"{counts['A']} audited (black), {counts['B']} estimates (blue), {counts['C']} claims (orange), {counts['M']} "
        "from memory (grey); hollow: projections; upright bars: ranges that sources state; level bars: periods"
    )
    figure.text(edges["left"], 1 - 0.1 / height, title, va="top", fontsize=10, fontweight="bold")
    return figure


def _panel(axes: Axes, series: str, unit: str, rows: Sequence[Observation]) -> None:
    """Draw one series."""
    values = np.array([row.value for row in rows])
    if values.min() > 0 and values.max() >= SPREAD * values.min():
        axes.set_yscale("log")
    running = len(rows) > 1 and len({row.start for row in rows}) == 1  # sums since one day: they belong to their ends
    for row in rows:
        start, end = row.span
        at, colour = (end if running else (start + end) / 2), GRADE_COLOURS[row.grade]
        if not running:
            axes.plot([start, end], [row.value, row.value], color=colour, linewidth=0.5, alpha=0.6)
        low, high = (row.value if limit is None else limit for limit in (row.low, row.high))
        axes.plot([at, at], [low, high], color=colour, linewidth=0.7)
        face = "white" if row.kind == "projection" else colour
        axes.plot([at], [row.value], "o", color=colour, markerfacecolor=face, markersize=2.2, markeredgewidth=0.6)
    _dress(axes, series, unit, rows)


def _dress(axes: Axes, series: str, unit: str, rows: Sequence[Observation]) -> None:
    """Set the title and the ticks of a panel."""
    name = textwrap.shorten(series.replace("_", " ").replace(".", " "), 36, placeholder=" …")
    axes.set_title(name, fontsize=4.6, pad=7)
    axes.annotate(
        textwrap.shorten(unit, 40, placeholder=" …"),
        xy=(0, 1),
        xycoords="axes fraction",
        xytext=(0, 2),
        textcoords="offset points",
        fontsize=4.6,
        color=GREY,
    )
    start, end = min(row.span[0] for row in rows), max(row.span[1] for row in rows)
    middle, width = (start + end) / 2, max(end - start, 2.0)
    axes.set_xlim(middle - 0.56 * width, middle + 0.56 * width)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.xaxis.set_major_locator(MaxNLocator(2, integer=True, min_n_ticks=2))
    if len(rows) == 1:
        axes.set_yticks([rows[0].value], [f"{rows[0].value:,.10g}"])
    elif axes.get_yscale() == "linear":
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.ticklabel_format(axis="y", scilimits=(-3, 4), useOffset=False)
        axes.yaxis.get_offset_text().set_fontsize(4.4)
        axes.yaxis.get_offset_text().set_x(-0.2)
    else:
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelsize=4.4, length=1.5, pad=1, width=0.4)

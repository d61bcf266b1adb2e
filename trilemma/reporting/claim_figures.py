"""Figures of claims: how a metric spreads about its threshold, and how the verdict moves with an assumption."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from trilemma.forecasting.claims import SUPPORTED
from trilemma.forecasting.compare import PARAMETER
from trilemma.reporting.claim_words import PERCENT, asked_text, verdict_text
from trilemma.reporting.numerals import share
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

    from trilemma.forecasting.claim_metrics import Measured
    from trilemma.forecasting.claims import Finding

COLUMNS = 3
BARS = 36
TITLE = 87  # letters of a panel's title that fit into the width of a page
BINS = 10
TRIM = (0.02, 0.98)  # what lies outside is counted in the outermost bars


@styled
def metric_chart(finding: Finding) -> Figure:
    """Draw how each condition's metric spreads over the draws, and on which side of its threshold."""
    columns = min(COLUMNS, len(finding.conditions))
    rows = math.ceil(len(finding.conditions) / columns)
    figure = new_figure(0.65 + 2.1 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, measured in zip(grid.flat, finding.conditions, strict=False):
        _histogram(axes, measured, width=TITLE // columns)
    for axes in grid.flat[len(finding.conditions) :]:
        axes.set_visible(False)
    figure.supylabel("Draws (per cent)", fontsize=8.0)
    of = "" if finding.draws == 1 else " of draws"
    headline(figure, f"{finding.claim.name} holds in {verdict_text(finding)}{of}: {finding.verdict}")
    return figure


def _histogram(axes: Axes, measured: Measured, width: int) -> None:
    """Draw one metric; the draws in which its condition fails are hatched."""
    condition = measured.condition
    percent = condition.paired == "shortfall"
    values = measured.values * (PERCENT if percent else 1)
    defined = np.isfinite(values)
    limits = [limit * (PERCENT if percent else 1) for limit in (condition.above, condition.below) if limit is not None]
    edges = _edges(values[defined], limits)
    clipped = np.clip(values, edges[0], edges[-1])
    for holds, face, edge, hatch in ((True, BLUE_BAND, BLUE, None), (False, "white", ORANGE, "////")):
        chosen = clipped[defined & (measured.holds == holds)]
        weights = np.full(len(chosen), PERCENT / len(values))
        axes.hist(chosen, bins=edges, weights=weights, linewidth=0.5, facecolor=face, edgecolor=edge, hatch=hatch)  # type: ignore[arg-type]
    for limit in limits:
        axes.axvline(limit, color=INK, linewidth=1.2)
    unit = "%" if percent else measured.unit.replace("Dmnl", "")
    axes.set_xlabel(unit or "no unit")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    panel_title(axes, condition.title, f"{asked_text(condition)}: {share(measured.share)}", width=width)


def _edges(values: np.ndarray, limits: Sequence[float]) -> np.ndarray:
    """Return the edges of the bars: one at each threshold, the rest equal, without a few far outliers."""
    low, high = np.quantile(values, TRIM) if len(values) else (0.0, 1.0)
    low, high = min(low, *limits), max(high, *limits)
    low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
    width = (high - low) / BARS
    anchor = limits[0]
    first, last = math.floor((low - anchor) / width), math.ceil((high - anchor) / width)
    edges = anchor + width * np.arange(first, last + 1)
    return np.unique(np.concatenate([edges, [limit for limit in limits if limit < edges[-1]]]))


@styled
def verdict_chart(finding: Finding, data: xr.Dataset, variants: Mapping[str, str]) -> Figure:
    """Draw in how many draws a claim holds, by tenths of the assumptions that part them most, and by variant."""
    names = assumptions_of(finding)
    figure = new_figure(2.9)
    panels = len(names) + bool(finding.by_variant)
    grid = figure.subplots(1, max(panels, 1), squeeze=False, sharey=True)
    for axes, name in zip(grid.flat, names, strict=False):
        _by_tenths(axes, finding, data[f"{PARAMETER}{name}"], name)
    if finding.by_variant:
        _by_variant(grid.flat[panels - 1], finding, variants)
    for axes in grid.flat:
        axes.axhline(PERCENT * SUPPORTED, color=GREY, linewidth=0.8, linestyle=(0, (4, 2)))
        axes.axhline(PERCENT * (1 - SUPPORTED), color=GREY, linewidth=0.8, linestyle=(0, (4, 2)))
        axes.set_ylim(-3, 103)
    grid[0, 0].set_ylabel("Holds in (per cent of draws)")
    headline(figure, f"What the verdict on {finding.claim.name} turns on")
    return figure


def assumptions_of(finding: Finding) -> list[str]:
    """Return the assumptions, variants apart, that part the draws of a claim, at most three."""
    flip = finding.flip
    if flip is None:
        return []
    regions = [*flip.regions, *(flip.leading or ())]
    names = [bound.name for region in regions for bound in region.bounds if bound.is_in_force is None]
    return list(dict.fromkeys(names))[:COLUMNS]


def _by_tenths(axes: Axes, finding: Finding, assumption: xr.DataArray, name: str) -> None:
    """Draw the share of draws in which a claim holds within each tenth of an assumption, with its standard error."""
    values = assumption.to_numpy()
    order = np.array_split(np.argsort(values, kind="stable"), BINS)
    centres = [float(np.median(values[part])) for part in order]
    shares = np.array([finding.holds[part].mean() for part in order])
    errors = np.sqrt(shares * (1 - shares) / [len(part) for part in order])
    axes.errorbar(centres, PERCENT * shares, yerr=PERCENT * errors, color=BLUE, marker="o", markersize=4, linewidth=1.2)
    for limit in _splits(finding, name):
        axes.axvline(limit, color=INK, linewidth=1.0, linestyle=":")
    unit = str(assumption.attrs.get("units", "")).replace("Dmnl", "no unit")
    axes.set_xlabel(unit or "no unit")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    panel_title(axes, name, width=34)


def _splits(finding: Finding, name: str) -> list[float]:
    """Return the values of an assumption at which the draws of a claim were parted."""
    flip = finding.flip
    regions = () if flip is None else (*flip.regions, *(flip.leading or ()))
    bounds = [bound for region in regions for bound in region.bounds if bound.name == name]
    return sorted({value for bound in bounds for value in (bound.above, bound.below) if value is not None})


def _by_variant(axes: Axes, finding: Finding, variants: Mapping[str, str]) -> None:
    """Draw the share of draws in which a claim holds under each variant."""
    names = list(finding.by_variant)
    heights = [PERCENT * part for _, part in finding.by_variant.values()]
    axes.bar(range(len(names)), heights, color=BLUE_BAND, edgecolor=BLUE, linewidth=0.8, width=0.6)
    axes.set_xticks(range(len(names)), [variants.get(name, name) for name in names], rotation=25, ha="right")
    panel_title(axes, "Rival structures")

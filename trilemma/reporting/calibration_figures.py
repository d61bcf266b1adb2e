"""Figures of a calibration: fit and data, residuals, priors and posterior, parameters that trade off."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from trilemma.calibration.evidence import decimal_year
from trilemma.calibration.scoring import Columns, columns_of, some
from trilemma.reporting.fits import COLUMNS, PANEL, dress_panel
from trilemma.reporting.style import BLUE, BLUE_BAND, GREY, INK, ORANGE, headline, new_figure, panel_title, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LIGHT = "#deebf7"


@styled
def fit_bands(rows: pd.DataFrame, bands: np.ndarray) -> Figure:
    """Draw the posterior beside the data: a panel a measurement, what is foretold of an observation and what came.

    Parameters
    ----------
    rows
        What `trilemma.calibration.scoring.score_observations` returned.
    bands
        Quantiles of what the model shows for each observation (5, 50, 95 %), shape (3, observation).
    """
    columns = {**columns_of(rows), "low": bands[0], "middle": bands[1], "high": bands[2]}
    names = list(dict.fromkeys(columns["measurement"]))
    lines = math.ceil(len(names) / COLUMNS)
    height = lines * PANEL[1] + 0.6
    figure = new_figure(height, width=COLUMNS * PANEL[0])
    figure.set_layout_engine("none")  # panels of one size need no solver
    edges = {"left": 0.05, "right": 0.985, "top": 1 - 1.0 / height, "bottom": 0.25 / height}
    panels = figure.subplots(lines, COLUMNS, squeeze=False, gridspec_kw={**edges, "wspace": 0.32, "hspace": 0.75})
    for axes, name in zip(panels.ravel(), names, strict=False):
        _fit_panel(axes, str(name), some(columns, columns["measurement"] == name))
    for axes in panels.ravel()[len(names) :]:
        axes.set_axis_off()
    inside = columns["within_90"][~np.isnan(columns["within_90"])]
    title = (
        f"{int(inside.sum())} of {len(inside)} observations lie inside their 90 % bands (black), the others are orange"
    )
    figure.text(edges["left"], 1 - 0.12 / height, title, va="top", fontsize=10, fontweight="bold")
    return figure


def _fit_panel(axes: Axes, name: str, group: Columns) -> None:
    """Draw one measurement: the band of forecasts with errors, that of the model alone, its median, and the data."""
    at = np.array([decimal_year(day) for day in group["end"]])
    observed = group["observed"].astype(float)
    ends = [np.asarray(group[key], dtype=float) for key in ("p5", "low", "middle", "high", "p95")]
    order = np.argsort(at, kind="stable")
    if len(np.unique(at)) > 1:
        axes.fill_between(at[order], ends[0][order], ends[4][order], color=LIGHT, linewidth=0)
        axes.fill_between(at[order], ends[1][order], ends[3][order], color=BLUE_BAND, linewidth=0)
        axes.plot(at[order], ends[2][order], color=BLUE, linewidth=1.2)
    else:
        axes.vlines(at, ends[0], ends[4], color=LIGHT, linewidth=7)
        axes.vlines(at, ends[1], ends[3], color=BLUE_BAND, linewidth=7)
        axes.scatter(at, ends[2], marker="_", s=90, color=BLUE, zorder=2.5)
    colours = np.where(group["within_90"] == 1, INK, ORANGE)
    axes.scatter(at, observed, s=9, c=list(colours), zorder=3)
    dress_panel(axes, at, np.concatenate([observed, ends[2][np.isfinite(ends[2])]]))
    fitted = "" if group["fitted"][0] else ", not fitted"
    panel_title(axes, name, textwrap.shorten(str(group["unit"][0]), 22, placeholder=" …") + fitted, width=28)


@styled
def residual_chart(rows: pd.DataFrame) -> Figure:
    """Draw by how many predictive standard deviations observations lie from the median: over time, and in all."""
    columns = columns_of(rows)
    columns = some(columns, ~np.isnan(columns["crps"]))
    distance = residuals_of(columns)
    fitted = columns["fitted"].astype(bool)
    at = np.array([decimal_year(day) for day in columns["end"]])
    figure = new_figure(3.1)
    over, whole = figure.subplots(1, 2, width_ratios=(2.2, 1), sharey=True)
    shown = np.clip(distance, -4, 4)
    over.axhspan(-1.645, 1.645, color=LIGHT, linewidth=0)
    over.scatter(at[fitted], shown[fitted], s=10, color=BLUE, label="fitted")
    over.scatter(at[~fitted], shown[~fitted], s=10, facecolors="none", edgecolors=ORANGE, label="not fitted")
    over.axhline(0, color=GREY, linewidth=0.7)
    over.set_ylabel("observed less median, in predictive sd")
    over.xaxis.set_major_locator(MaxNLocator(integer=True))
    over.legend(loc="lower left", ncols=2)
    panel_title(over, "By the end of the period", "beyond ±4 at the edge; shaded: 90 %", width=60)
    edges = np.linspace(-4, 4, 17)
    whole.hist(shown, bins=list(edges), orientation="horizontal", color=BLUE_BAND)
    grid = np.linspace(-4, 4, 161)
    whole.plot(len(shown) * 0.5 * np.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi), grid, color=INK, linewidth=1)
    whole.set_xlabel("observations")
    panel_title(whole, "All", "line: as many as if exact")
    sd, off = float(np.std(distance)), float(np.median(distance))
    wide = "wider than needed" if sd < 0.9 else "too narrow" if sd > 1.1 else "about as wide as needed"
    headline(figure, f"Bands are {wide}: residuals have a standard deviation of {sd:.2f}, and a median of {off:+.2f}")
    return figure


def residuals_of(columns: Columns) -> np.ndarray:
    """Return observed less median, transformed, over the sd of a normal distribution with the same 90 % band."""
    logged = np.isclose(columns["deviation"] + columns["target"], _log(columns["median"]), atol=1e-9)
    low, high = (np.where(logged, _log(columns[key]), columns[key]) for key in ("p5", "p95"))
    return -columns["deviation"] / ((high - low) / (2 * 1.6449))


def _log(values: np.ndarray) -> np.ndarray:
    """Return logarithms where there are any."""
    return np.log(np.where(values > 0, values, 1.0))


@styled
def learning_chart(table: pd.DataFrame, top: int = 40) -> Figure:
    """Draw where the posterior of each parameter lies within its prior, those that were narrowed most on top.

    Parameters
    ----------
    table
        What `trilemma.reporting.calibration_study.learnt` returned.
    """
    columns = columns_of(table)
    shown = some(columns, np.arange(len(table)) < min(top, int(columns["fitted"].sum()) or top))
    count = len(shown["parameter"])
    figure = new_figure(0.2 * count + 1.1)
    axes = figure.subplots()
    y = np.arange(count)[::-1]
    axes.axvspan(0.05, 0.95, color="#f2f2f2", linewidth=0)
    axes.hlines(y, shown["low"], shown["high"], color=BLUE, linewidth=2.4)
    axes.scatter(shown["middle"], y, s=16, color=BLUE, zorder=3)
    axes.axvline(0.5, color=GREY, linewidth=0.7)
    axes.set_yticks(y, [textwrap.shorten(str(name), 44, placeholder=" …") for name in shown["parameter"]])
    axes.set_ylim(-0.7, count - 0.3)
    axes.set_xlim(0, 1)
    axes.set_xlabel("quantile of the prior; shaded: its 5–95 %")
    axes.grid(visible=False, axis="y")
    halved = int((columns["contraction"] >= 0.5).sum())
    headline(
        figure,
        f"The data take away at least half of the prior variance of {halved} of {len(table)} uncertain parameters",
        width=76,
    )
    return figure


@styled
def pair_chart(values: dict[str, np.ndarray], labels: Sequence[str], title: str) -> Figure:
    """Draw the draws of some parameters against each other.

    Parameters
    ----------
    values
        The draws of each parameter.
    labels
        The parameters, in the order of the panels.
    """
    count = len(labels)
    figure = new_figure(1.75 * count + 0.6)
    panels = figure.subplots(count, count, squeeze=False)
    for i, below in enumerate(labels):
        for j, right in enumerate(labels):
            axes = panels[i][j]
            if j > i:
                axes.set_axis_off()
                continue
            if i == j:
                axes.hist(values[below], bins=24, color=BLUE_BAND)
                axes.set_yticks([])
            else:
                axes.scatter(values[right], values[below], s=2, color=BLUE, alpha=0.35, linewidths=0, rasterized=True)
            axes.xaxis.set_major_locator(MaxNLocator(3))
            axes.yaxis.set_major_locator(MaxNLocator(3))
            axes.tick_params(labelbottom=i == count - 1, labelleft=j == 0 and i > 0)
            if i == count - 1:
                axes.set_xlabel(textwrap.fill(right, 20))
            if j == 0 and i > 0:
                axes.set_ylabel(textwrap.fill(below, 20))
    headline(figure, title)
    return figure

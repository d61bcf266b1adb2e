"""How a model fits its evidence, as records for a table and as a page of small panels."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator, NullLocator

from trilemma.calibration.evidence import decimal_year
from trilemma.reporting.numerals import rounded
from trilemma.reporting.style import BLUE, INK, ORANGE, new_figure, panel_title, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
PANEL = (2.6, 1.9)  # inches
SPREAD = 8
"""Series whose largest value is so many times the smallest are drawn on a logarithmic axis."""


@styled
def fit_figure(table: pd.DataFrame) -> Figure:
    """Draw a fit (see `trilemma.calibration.check.fit_table`): a panel a measurement, observed and model.

    Observations are dots at the end of their period, black where they agree and orange where they differ, with the
    ranges that sources state; the model is a line through its values for the same observations.
    """
    groups = list(table.groupby("measurement", sort=False))
    rows = math.ceil(len(groups) / COLUMNS)
    height = rows * PANEL[1] + 0.6
    figure = new_figure(height, width=COLUMNS * PANEL[0])
    figure.set_layout_engine("none")  # panels of one size need no solver
    edges = {"left": 0.05, "right": 0.985, "top": 1 - 1.0 / height, "bottom": 0.25 / height}
    panels = figure.subplots(
        rows, COLUMNS, squeeze=False, gridspec_kw={**edges, "wspace": 0.32, "hspace": 0.75}
    ).ravel()
    for axes, (name, group) in zip(panels, groups, strict=False):
        _panel(axes, str(name), group)
    for axes in panels[len(groups) :]:
        axes.set_axis_off()
    agreeing, fitted = list(table["verdict"]).count("agrees"), list(table["fitted"]).count(True)
    title = f"Model (blue) and {len(table)} observations, {fitted} of them for fitting: {agreeing} agree"
    title += " (black), the others are orange"
    figure.text(edges["left"], 1 - 0.12 / height, title, va="top", fontsize=10, fontweight="bold")
    return figure


def _panel(axes: Axes, name: str, group: pd.DataFrame) -> None:
    """Draw one measurement."""
    at = np.array([decimal_year(day) for day in group["end"]])
    observed, model = group["observed"].to_numpy(float), group["model"].to_numpy(float)
    low, high = (group[end].fillna(group["observed"]).to_numpy(float) for end in ("low", "high"))
    colours = np.where(group["verdict"] == "agrees", INK, ORANGE)
    axes.vlines(at, low, high, colors=list(colours), linewidth=0.8)
    axes.scatter(at, observed, s=9, c=list(colours), zorder=3)
    axes.plot(at, model, color=BLUE, linewidth=1.2, marker="D", markersize=3, markerfacecolor="white", zorder=2)
    dress_panel(axes, at, np.concatenate([observed, model[np.isfinite(model)]]))
    fitted = "" if group["fitted"].iloc[0] else ", not fitted"
    panel_title(axes, name, textwrap.shorten(str(group["unit"].iloc[0]), 26, placeholder=" …") + fitted, width=30)


def dress_panel(axes: Axes, at: np.ndarray, drawn: np.ndarray) -> None:
    """Set the axes of a small panel: years, and values that are drawn, logarithmic where they spread far."""
    if drawn.min() > 0 and drawn.max() >= SPREAD * drawn.min():
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(EngFormatter(sep="") if 1e3 <= drawn.max() < 1e9 else FuncFormatter(_plain_tick))
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    middle, width = (at.min() + at.max()) / 2, max(at.max() - at.min(), 2.0)
    axes.set_xlim(middle - 0.56 * width, middle + 0.56 * width)


def _plain_tick(value: float, _position: int) -> str:
    """Return a number as the label of a tick, without an offset for the whole axis."""
    return f"{value:g}"


def fit_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a fit (see `trilemma.calibration.check.fit_table`) as records; undefined is None."""
    return [
        {
            "quantity": row["check"] or row["measurement"],
            "series": row["series"],
            "from": row["start"].isoformat(),
            "to": row["end"].isoformat(),
            "observed": row["observed"],
            "low": rounded(row["low"]),
            "high": rounded(row["high"]),
            "unit": row["unit"],
            "model": rounded(row["model"], 5),
            "error %": rounded(100 * row["error"], 3),
            "source deviations": rounded(row["deviations"], 3),
            "verdict": row["verdict"],
        }
        for row in table.to_dict("records")
    ]

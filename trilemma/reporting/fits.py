"""How a model fits its evidence, as records for a table and as a page of small panels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import EngFormatter, MaxNLocator, NullLocator

from trilemma.calibration.evidence import decimal_year
from trilemma.reporting.style import BLUE, INK, ORANGE, headline, new_figure, panel_title, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
PANEL = (2.6, 1.75)  # inches
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
    figure = new_figure(rows * PANEL[1] + 0.6, width=COLUMNS * PANEL[0])
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes, (name, group) in zip(panels, groups, strict=False):
        _panel(axes, str(name), group)
    for axes in panels[len(groups) :]:
        axes.set_axis_off()
    agreeing, fitted = list(table["verdict"]).count("agrees"), list(table["fitted"]).count(True)
    title = f"Model (blue) and {len(table)} observations, {fitted} of them for fitting: {agreeing} agree"
    headline(figure, f"{title} (black), the others are orange", width=120)
    return figure


def _panel(axes: Axes, name: str, group: pd.DataFrame) -> None:
    """Draw one measurement."""
    at = np.array([decimal_year(day) for day in group["end"]])
    observed, model = group["observed"].to_numpy(float), group["model"].to_numpy(float)
    drawn = np.concatenate([observed, model[np.isfinite(model)]])
    if drawn.min() > 0 and drawn.max() >= SPREAD * drawn.min():
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
    low, high = (group[end].fillna(group["observed"]).to_numpy(float) for end in ("low", "high"))
    colours = np.where(group["verdict"] == "agrees", INK, ORANGE)
    axes.vlines(at, low, high, colors=list(colours), linewidth=0.8)
    axes.scatter(at, observed, s=9, c=list(colours), zorder=3)
    axes.plot(at, model, color=BLUE, linewidth=1.2, marker="D", markersize=3, markerfacecolor="white", zorder=2)
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    middle, width = (at.min() + at.max()) / 2, max(at.max() - at.min(), 2.0)
    axes.set_xlim(middle - 0.56 * width, middle + 0.56 * width)
    panel_title(axes, name, f"{group['unit'].iloc[0]}{'' if group['fitted'].iloc[0] else ', not fitted'}", width=34)


def fit_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a fit (see `trilemma.calibration.check.fit_table`) as records; undefined is None."""
    return [
        {
            "quantity": row["check"] or row["measurement"],
            "series": row["series"],
            "from": row["start"].isoformat(),
            "to": row["end"].isoformat(),
            "observed": row["observed"],
            "low": _plain(row["low"]),
            "high": _plain(row["high"]),
            "unit": row["unit"],
            "model": _plain(row["model"], 5),
            "error %": _plain(100 * row["error"], 3),
            "deviations": _plain(row["deviations"], 3),
            "verdict": row["verdict"],
        }
        for row in table.to_dict("records")
    ]


def _plain(value: float, digits: int = 15) -> float | None:
    """Return a number of so many digits that JSON can hold; undefined is None."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None

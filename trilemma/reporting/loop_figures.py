"""Which feedback loops matter when: the scores of a model's named loops over time, as a figure and a report's block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr

from trilemma.reporting.block import Block
from trilemma.reporting.blocks import figure_block
from trilemma.reporting.style import GREY, headline, new_figure, styled
from trilemma.translation.loops import read_loops
from trilemma.translation.model import load_model
from trilemma.translation.overrides import scalars
from trilemma.validation.loops import loop_scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from trilemma.reporting.study import Study

COLOURS = {"R": "#1b6e3c", "B": "#a3312a"}
ROWS = 10
"""Loops that a figure shows at most."""

STEPS = 4
"""Time steps from one score to the next."""

LEAST = 0.05
"""The share that a loop must reach to be shown."""


@dataclass(frozen=True)
class Period:
    """Years, the last one included, in which one loop has the largest share."""

    loop: str
    first: int
    last: int

    @property
    def years(self) -> str:
        """The years as text."""
        return f"{self.first}" if self.first == self.last else f"{self.first}–{self.last}"


def yearly_shares(scores: xr.Dataset) -> xr.DataArray:
    """Return the mean size of each loop's share by year, on (loop, year), for the group with most loops; whole years.

    A score has no value where the flow into a stock of the loop turns, and is large beside it; a year evens that out.

    Parameters
    ----------
    scores
        What `loop_scores` returns for one run.
    """
    groups, counts = np.unique(scores["group"].to_numpy(), return_counts=True)
    largest = scores["share"].isel(loop=np.flatnonzero(scores["group"].to_numpy() == groups[counts.argmax()]))
    years = xr.DataArray(np.floor(largest["time"].to_numpy() + 1e-9).astype(int), dims="time", name="year")
    _, counts = np.unique(years, return_counts=True)
    sizes = abs(largest).groupby(years).mean().isel(year=np.flatnonzero(counts > counts.max() / 2))
    return (sizes / sizes.sum("loop")).fillna(0.0).transpose("loop", "year")


def periods(shares: xr.DataArray) -> list[Period]:
    """Return which loop has the largest share when, from yearly shares."""
    names = [str(name) for name in shares["loop"].to_numpy()]
    sizes = shares.transpose("year", "loop").to_numpy()
    found: list[Period] = []
    for year, own in zip(map(int, shares["year"].to_numpy()), sizes, strict=True):
        if not own.max() > 0:
            continue
        loop = names[int(np.argmax(own))]
        if found and found[-1].loop == loop and found[-1].last == year - 1:
            found[-1] = Period(loop, found[-1].first, year)
        else:
            found.append(Period(loop, year, year))
    return found


@styled
def loop_chart(scores: xr.Dataset) -> Figure:
    """Draw the share of each loop by year, a row a loop, those that matter first on top.

    Parameters
    ----------
    scores
        What `loop_scores` returns for one run.
    """
    shares = yearly_shares(scores)
    large = shares.max("year")
    shown = [str(name) for name in large.sortby(large, ascending=False)["loop"].to_numpy()[:ROWS]]
    shown = [name for name in shown if float(large.sel(loop=name)) >= LEAST]
    shown.sort(key=lambda name: float((shares.sel(loop=name) * shares["year"]).sum() / shares.sel(loop=name).sum()))
    figure = new_figure(0.36 * len(shown) + 0.7)
    axes = figure.subplots(len(shown), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    years = shares["year"].to_numpy()
    for row, name in zip(axes, shown, strict=True):
        own = shares.sel(loop=name)
        colour = COLOURS[str(own["polarity"].item())]
        row.bar(years + 0.5, own, width=1.0, color=colour, linewidth=0)
        row.text(-0.01, 0.45, f"{own['label'].item()}  {name}", transform=row.transAxes, ha="right", va="center")
        row.set_ylim(0, 1)
        row.set_yticks([0, 1], ["", ""])
        row.spines["left"].set_color(GREY)
        row.grid(visible=False)
    axes[-1].set_xlim(years[0], years[-1] + 1)
    headline(figure, dominance_title(periods(shares)))
    return figure


def dominance_title(found: list[Period]) -> str:
    """Return which loops lead when, as a sentence; years of one loop between others are left out."""
    longest = sorted(sorted(found, key=lambda one: one.first - one.last)[:4], key=lambda one: one.first)
    if not longest:
        return "No named loop acts"
    return "Leading loop: " + "; ".join(f"‘{one.loop}’ {one.years}" for one in longest)


def dominance(study: Study) -> Block:
    """Return which loops matter when in the baseline of a study, at the central values of all parameters."""
    model = load_model(str(study.data.attrs["model"]))
    if not read_loops(model):
        return Block("<p>The model names no loops.</p>")
    settings = scalars(model, study.definitions[study.baseline]["overrides"])
    overrides = {
        name: xr.DataArray(value["value"], dims="time", coords={"time": value["time"]})
        if isinstance(value, dict)
        else value
        for name, value in settings.items()
    }
    method: Literal["euler", "rk4"] = "rk4" if study.data.attrs["method"] == "rk4" else "euler"
    scores = loop_scores(model, overrides, method=method, save_every=STEPS * model.time_step)
    figure = loop_chart(scores)
    alt = " ".join(figure.get_suptitle().split())
    caption = (
        "Share of each named loop in the scores of all of them, by year, in the baseline at central values; each row "
        "from 0 to 1, green reinforcing, red balancing. A score is the part of a change that the loop accounts for "
        "(Loops that Matter), from exact slopes of the equations. Loops without a name are not compared."
    )
    return figure_block(figure, alt, caption)

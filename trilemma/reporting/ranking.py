"""How the ranking of policies depends on the weights of the indices: one figure, with its words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from trilemma.forecasting.weights import ALL, components_of, rank_by_weights
from trilemma.reporting.block import Block
from trilemma.reporting.blocks import figure_block
from trilemma.reporting.labels import outcome_label
from trilemma.reporting.numerals import share
from trilemma.reporting.style import BLUE, GREY, INK, headline, new_figure, panel_title, styled
from trilemma.reporting.wording import when

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from trilemma.reporting.study import Study

COLUMNS = 2
OFFSET = 0.17


def ranking(study: Study, indices: Sequence[str], *, without: Sequence[str] = ()) -> Block:
    """Return how policies rank by each index and by all, over the weights of their parts and over the draws.

    `without` names scenarios that are no policies, such as futures and histories that did not happen.
    """
    weighed = [name for name in study.stored(indices) if "components" in study.data[name].attrs]
    if len(weighed) < len(indices) or not study.others:
        return Block("")
    policies = [name for name in study.scenarios if name not in without]
    ranks = rank_by_weights(study.data.sel(scenario=policies), weighed, at=study.year)
    figure = rank_chart(study, ranks, weighed)
    caption = (
        f"Ranks in {when(study.year)}, 1 the best. Blue: 5–95 % over all weights that sum to 1, each equally likely, "
        "of the mean over the draws. Grey: 5–95 % over the draws at the stated weights. Mark: rank of the mean at the "
        "stated weights. All goals together: the three indices weighed as well."
    )
    words = " ".join(_words(study, ranks, name) for name in (*weighed, ALL))
    parts = "".join(f"<li>{_parts(study, name)}</li>" for name in weighed)
    shown = figure_block(figure, f"Chart of ranks. {words}", caption).html
    return Block(f"<p>{words}</p><ul>{parts}</ul>{shown}")


@styled
def rank_chart(study: Study, ranks: pd.DataFrame, indices: Sequence[str]) -> Figure:
    """Draw the ranks of all policies, one panel an index and one for all together."""
    names = [*indices, ALL]
    together = ranks[ranks["index"] == ALL]
    order = [name for _, name in sorted(zip(together["stated"], together["scenario"], strict=True))]
    rows = math.ceil(len(names) / COLUMNS)
    figure = new_figure(0.7 + rows * (0.55 + 0.175 * len(order)))
    grid = figure.subplots(rows, COLUMNS, squeeze=False, sharey=True, sharex=True)
    for axes, name in zip(grid.flat, names, strict=False):
        _panel(axes, ranks[ranks["index"] == name].set_index("scenario").loc[order])
        panel_title(axes, _label(study, name), width=40)
        axes.set_yticks(range(len(order)), [study.titles[scenario] for scenario in order])
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.set_xlim(0.5, len(order) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.tick_params(axis="y", length=0)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    figure.supxlabel("Rank (1 the best)", fontsize=8.0)
    headline(figure, f"How far the weights decide who ranks first in {when(study.year)}")
    return figure


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the ranks by one index."""
    for place, (_, row) in enumerate(rows.iterrows()):
        for kind, colour, offset in (("weights", BLUE, -OFFSET), ("draws", GREY, OFFSET)):
            span = [row[f"{kind}_p5"], row[f"{kind}_p95"]]
            axes.plot(span, [place + offset] * 2, color=colour, linewidth=2.2, solid_capstyle="round")
        axes.plot([row["stated"]], [place], marker="D", color=INK, markersize=3.5)


def _label(study: Study, index: str) -> str:
    """Return what an index is called."""
    return "All goals together" if index == ALL else outcome_label(study.data, index).text


def _words(study: Study, ranks: pd.DataFrame, index: str) -> str:
    """Return which policy comes first, for which share of the weights and of the draws."""
    rows = ranks[ranks["index"] == index].set_index("scenario")
    first = str(rows["stated"].idxmin())
    weights, draws = (share(float(rows.loc[first, f"{kind}_first"])) for kind in ("weights", "draws"))  # type: ignore[arg-type]
    return (
        f"{_label(study, index)}: ‘{study.titles[first]}’ comes first at the stated weights, "
        f"for {weights} of the weights, and in {draws} of the draws."
    )


def _parts(study: Study, index: str) -> str:
    """Return what an index is made of."""
    listed = (
        f"{outcome_label(study.data, name).text} ({100 * weight:.0f} %)"
        for name, weight in components_of(study.data, index).items()
    )
    return f"{_label(study, index)}: {', '.join(listed)}"

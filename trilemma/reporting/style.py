"""The look of the figures: sizes, greys and two colours that differ in lightness, and the way to make a figure.

Figures are made without pyplot, so nothing global is left behind. Widths are those of a printed page, so that text of
8 points is 8 points on paper; the page scales them up on a screen.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from trilemma.errors import ReportError
from trilemma.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".png", ".svg", ".pdf")
PAGE_WIDTH = 7.4  # inches: A4 less its margins
INK = "#1b1b1b"
GREY = "#6b6b6b"
BLUE = "#08519c"
BLUE_BAND = "#9ecae1"
ORANGE = "#b84a00"

STYLE: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.0,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#ececec",
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "trilemma",
    "hatch.linewidth": 0.6,
}

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw a figure under the report's style and leave matplotlib's settings as they were."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            figure = draw(*args, **kwargs)
            figure.draw_without_rendering()
        return figure

    return drawn


def new_figure(height: float, width: float = PAGE_WIDTH) -> Figure:
    """Return an empty figure of a page's width that lays itself out."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def headline(figure: Figure, text: str, width: int = 80) -> None:
    """Set the finding of a figure as its title, flush left."""
    figure.suptitle(textwrap.fill(text, width), x=0.008, ha="left", fontsize=10, fontweight="bold")


def panel_title(axes: Axes, text: str, note: str = "", width: int = 34) -> None:
    """Set a panel's title, and below it a note in regular type."""
    title = textwrap.fill(text, width)
    axes.set_title(title + ("\n" if note else ""), linespacing=1.15)
    if note:
        axes.annotate(
            note,
            xy=(0, 1),
            xycoords="axes fraction",
            xytext=(0, 4),
            textcoords="offset points",
            fontsize=8.0,
            color=INK,
        )


def write_figure(figure: Figure, path: Path) -> Path:
    """Write a figure to a .png, .svg or .pdf file.

    Raises
    ------
    ReportError
        If the name has another ending, or the file cannot be written.
    """
    if path.suffix not in FORMATS:
        message = f"cannot write a figure to '{path}': the name must end in {', '.join(FORMATS)}."
        raise ReportError(message)
    try:
        with replacing(path) as part:
            figure.savefig(part, dpi=150)
    except OSError as error:
        message = f"cannot write '{path}': {error.strerror or error}."
        raise ReportError(message) from error
    return path

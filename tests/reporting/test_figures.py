"""Figures: what every figure must have, and that their words follow the data."""

from __future__ import annotations

from typing import TypedDict

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.reporting.synthetic import OUTCOMES
from trilemma.reporting import figures, triangle
from trilemma.reporting.style import PAGE_WIDTH
from trilemma.reporting.svg import inline_svg

SCENARIOS = ["as_enacted", "never_controlled", "hardware_only", "full_stack_tight"]


class Choice(TypedDict):
    scenarios: list[str]
    baseline: str
    year: float


CHOICE: Choice = {"scenarios": SCENARIOS, "baseline": "as_enacted", "year": 2030}
INDICES = [name for name in OUTCOMES if name.endswith("index")]


@pytest.fixture(scope="module")
def drawn(results: xr.Dataset) -> dict[str, Figure]:
    return {
        "fan": figures.fan_chart(results, "exact lag", **CHOICE, window=(2020, 2035), policy_start=2026.75),
        "difference": figures.difference_chart(results, "US RD Spend", **CHOICE, window=(2020, 2035)),
        "effect": figures.effect_chart(results, list(OUTCOMES)[:4], **CHOICE),
        "driver": figures.driver_chart(results, list(OUTCOMES)[:2], scenario="as_enacted", year=2030),
        "triangle": triangle.triangle_chart(results, INDICES, **CHOICE, years=(2026, 2030, 2035)),
    }


KINDS = ("fan", "difference", "effect", "driver", "triangle")


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_has_a_title_and_titled_panels(drawn: dict[str, Figure], kind: str) -> None:
    figure = drawn[kind]
    assert len(figure.get_suptitle()) > 20
    assert all(axes.get_title(loc="left") for axes in figure.axes if axes.get_visible())


@pytest.mark.parametrize("kind", KINDS)
def test_text_is_at_least_eight_points_at_print_width(drawn: dict[str, Figure], kind: str) -> None:
    figure = drawn[kind]
    assert figure.get_figwidth() <= PAGE_WIDTH
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    assert min(float(text.get_fontsize()) for text in texts) >= 8


@pytest.mark.parametrize("kind", KINDS)
def test_no_title_leaves_the_figure(drawn: dict[str, Figure], kind: str) -> None:
    figure = drawn[kind]
    title = next(text for text in figure.texts if text.get_text() == figure.get_suptitle())
    assert title.get_window_extent().x1 <= figure.bbox.x1


def test_axes_carry_units(drawn: dict[str, Figure]) -> None:
    assert drawn["fan"].get_supylabel() == "Capability lag (months)"
    assert drawn["fan"].get_supxlabel() == "Year"
    assert drawn["difference"].get_supylabel() == "Difference (billion US$ a year)"
    labels = [axes.get_xlabel() for axes in drawn["effect"].axes]
    assert labels[:2] == ["Difference (months)", "Difference (orders of magnitude)"]
    assert "no unit" in drawn["driver"].axes[0].get_xlabel()


def test_panels_of_a_fan_share_their_axes(drawn: dict[str, Figure]) -> None:
    shown = [axes for axes in drawn["fan"].axes if axes.get_visible()]
    assert len(shown) == len(SCENARIOS)
    assert len({axes.get_ylim() for axes in shown}) == 1


def test_titles_say_what_is_seen(drawn: dict[str, Figure]) -> None:
    title = " ".join(drawn["fan"].get_suptitle().split())
    assert title.startswith("Capability lag grows from")
    assert "‘Full stack, tight’ raises and ‘Never controlled’ lowers it most" in title
    panels = {axes.get_title(loc="left").strip(): axes for axes in drawn["fan"].axes if axes.get_visible()}
    notes = [text.get_text() for text in panels["Hardware controls only"].texts]
    assert any("no clear difference" in note for note in notes)


def test_the_largest_drivers_come_first(drawn: dict[str, Figure]) -> None:
    labels = [label.get_text() for label in drawn["driver"].axes[0].get_yticklabels()]
    assert labels[0] == "distill max"


def test_figures_leave_no_global_state(results: xr.Dataset) -> None:
    before, open_before = dict(mpl.rcParams), plt.get_fignums()
    figures.fan_chart(results, "exact lag", **CHOICE)
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == open_before


def test_an_inline_figure_loads_nothing_and_has_a_text(drawn: dict[str, Figure]) -> None:
    svg = inline_svg(drawn["fan"], 'lag "grows" <here>')
    assert svg.startswith('<svg viewBox="')
    assert 'aria-label="lag &quot;grows&quot; &lt;here&gt;"' in svg
    assert "http" not in svg
    assert "Capability lag (months)" in svg


def test_two_inline_figures_share_no_name(drawn: dict[str, Figure]) -> None:
    first, second = (inline_svg(drawn["fan"], alt) for alt in ("one", "two"))
    names = [set(part.split('"')[0] for part in svg.split(' id="')[1:]) for svg in (first, second)]
    assert names[0]
    assert not names[0] & names[1]


def test_a_figure_is_the_same_each_time(results: xr.Dataset) -> None:
    once, again = (inline_svg(figures.fan_chart(results, "exact lag", **CHOICE), "lag") for _ in range(2))
    assert once == again

"""Which loops matter when: yearly shares, periods, and the figure that shows them."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.patches import Rectangle

from trilemma.reporting.loop_figures import Period, dominance_title, loop_chart, periods, yearly_shares


@pytest.fixture
def scores() -> xr.Dataset:
    """Return the shares of three loops of one group and of one that stands apart; a lone save begins a last year."""
    time = np.arange(2020, 2024.01, 0.25)
    growth = np.clip((time - 2020) / 4, 0, 1)
    share = np.stack([growth, growth - 1, 0 * growth, np.ones_like(growth)])
    share[:, 2] = np.nan  # a flow turns
    return xr.Dataset(
        {"share": (("loop", "time"), share), "score": (("loop", "time"), share)},
        coords={
            "loop": ["late", "early", "never", "alone"],
            "time": time,
            "label": ("loop", ["R1", "B1", "R2", "R3"]),
            "polarity": ("loop", ["R", "B", "R", "R"]),
            "group": ("loop", [0, 0, 0, 3]),
        },
    )


def test_yearly_shares_are_those_of_whole_years_in_the_largest_group(scores: xr.Dataset) -> None:
    shares = yearly_shares(scores)
    assert list(shares["loop"].to_numpy()) == ["late", "early", "never"]
    assert list(shares["year"].to_numpy()) == [2020, 2021, 2022, 2023]
    np.testing.assert_allclose(shares.sum("loop"), 1.0)
    np.testing.assert_allclose(shares.sel(loop="late", year=2021), (4 + 5 + 6 + 7) / 16 / 4)


def test_periods_name_the_loop_with_the_largest_share(scores: xr.Dataset) -> None:
    found = periods(yearly_shares(scores))
    assert found == [Period("early", 2020, 2021), Period("late", 2022, 2023)]
    assert dominance_title(found) == "Leading loop: ‘early’ 2020–2021; ‘late’ 2022–2023"
    assert dominance_title([]) == "No named loop acts"
    assert Period("late", 2022, 2022).years == "2022"


def test_the_figure_has_a_row_for_each_loop_that_matters(scores: xr.Dataset) -> None:
    figure = loop_chart(scores)
    rows = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert rows == ["B1  early", "R1  late"]
    heights = [patch.get_bbox().height for patch in figure.axes[1].patches if isinstance(patch, Rectangle)]
    np.testing.assert_allclose(heights, yearly_shares(scores).sel(loop="late"))

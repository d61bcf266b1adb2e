"""The sweep of weights: ranks over weights and over draws, and results that cannot be ranked."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from trilemma.errors import TrilemmaError
from trilemma.forecasting.weights import ALL, components_of, rank_by_weights

DRAWS = 50


@pytest.fixture
def results() -> xr.Dataset:
    """Return an index of two parts: one policy leads in the first part, one in the second, one trails in both."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.01, (3, DRAWS, 2))
    first = np.array([1.0, 0.0, -1.0])[:, None, None] + noise
    second = np.array([0.0, 1.0, -1.0])[:, None, None] + noise[..., ::-1]
    dims = ("scenario", "draw", "time")
    parts = {"part one": 0.75, "part two": 0.25}
    index = 0.75 * first + 0.25 * second
    return xr.Dataset(
        {
            "part one": (dims, first),
            "part two": (dims, second),
            "index": (dims, index, {"components": json.dumps(parts)}),
            "copy": (dims, index, {"components": json.dumps(parts)}),
            "plain": (dims, index),
        },
        {"scenario": np.array(["a", "b", "c"], dtype=object), "draw": np.arange(DRAWS), "time": [2020.0, 2030.0]},
    )


def test_ranks_spread_over_weights_where_the_parts_disagree(results: xr.Dataset) -> None:
    rows = rank_by_weights(results, ["index"], at=2030).set_index(["index", "scenario"])
    a, b, c = (rows.loc[("index", name)] for name in "abc")
    assert (a["stated"], b["stated"], c["stated"]) == (1, 2, 3)
    assert (a["weights_p5"], a["weights_p95"]) == (1, 2)
    assert (c["weights_p5"], c["weights_p95"]) == (3, 3)
    assert a["weights_first"] == pytest.approx(0.5, abs=0.05)  # a leads where its part weighs more than a half
    assert a["weights_first"] + b["weights_first"] == pytest.approx(1)
    assert (a["draws_first"], a["draws_p95"]) == (1, 1)  # the draws hardly move it


def test_the_weights_come_from_the_seed(results: xr.Dataset) -> None:
    first, again, other = (rank_by_weights(results, ["index"], at=2030, seed=seed) for seed in (0, 0, 1))
    assert first.equals(again)
    assert not first.equals(other)


def test_all_goals_together_are_ranked_as_well(results: xr.Dataset) -> None:
    rows = rank_by_weights(results, ["index", "copy"], at=2025)
    assert rows["index"].unique().tolist() == ["index", "copy", ALL]
    together = rows[rows["index"] == ALL].set_index("scenario")
    assert together.loc["a", "stated"] == 1
    assert 0.3 < together.loc["a", "weights_first"] < 0.7


def test_equal_policies_share_their_rank(results: xr.Dataset) -> None:
    results["part one"][1] = results["part one"][0]
    results["part two"][1] = results["part two"][0]
    rows = rank_by_weights(results, ["index"], at=2030).set_index(["index", "scenario"])
    assert rows.loc[("index", "a"), "stated"] == rows.loc[("index", "b"), "stated"] == 1.5


def test_a_draw_that_lacks_a_part_ranks_nothing(results: xr.Dataset) -> None:
    results["part one"][0, :10] = np.nan
    rows = rank_by_weights(results, ["index"], at=2030)
    assert np.isfinite(rows.select_dtypes("number").to_numpy()).all()
    results["part one"][0] = np.nan
    with pytest.raises(TrilemmaError, match="no draw has a value for every component"):
        rank_by_weights(results, ["index"], at=2030)


def test_components_are_those_of_the_outcomes_file(results: xr.Dataset) -> None:
    assert components_of(results, "Index") == {"part one": 0.75, "part two": 0.25}


@pytest.mark.parametrize(
    ("index", "at", "sentence"),
    [
        ("indx", 2030, "unknown outcome 'indx'.*'index'"),
        ("plain", 2030, "'plain' is no index: give it 'components'"),
        ("index", 2050, "the time 2050 is outside the saved times"),
    ],
)
def test_what_cannot_be_ranked_is_one_sentence(results: xr.Dataset, index: str, at: float, sentence: str) -> None:
    with pytest.raises(TrilemmaError, match=sentence):
        rank_by_weights(results, [index], at=at)


def test_a_component_that_is_not_stored_is_named(results: xr.Dataset) -> None:
    with pytest.raises(TrilemmaError, match="unknown outcome 'part two'"):
        rank_by_weights(results.drop_vars("part two"), ["index"], at=2030)

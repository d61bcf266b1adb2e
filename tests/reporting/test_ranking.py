"""The figure of ranks over weights: every policy, stated components, nothing where indices have none."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from trilemma.forecasting.weights import rank_by_weights
from trilemma.reporting.ranking import rank_chart, ranking
from trilemma.reporting.study import Study

INDICES = ("commercial dominance index", "containment index", "innovation index")


@pytest.fixture
def weighed(study: Study) -> Study:
    """Return the study with two stored outcomes as the parts of each index."""
    data = study.data.copy()
    for name in INDICES:
        data[name] = data[name].assign_attrs(components=json.dumps({"capability gap": 0.4, "US RD Spend": 0.6}))
    return replace(study, data=data)


def test_every_policy_has_its_ranks_by_each_index_and_by_all(weighed: Study) -> None:
    ranks = rank_by_weights(weighed.data, INDICES, at=weighed.year)
    figure = rank_chart(weighed, ranks, INDICES)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels][-1] == "All goals together"
    assert len(panels) == len(INDICES) + 1
    for axes in panels:
        assert len(axes.lines) == 3 * len(weighed.scenarios)  # over weights, over draws, stated
    labels = [label.get_text() for label in panels[0].get_yticklabels()]
    assert sorted(labels) == sorted(weighed.titles.values())


def test_the_block_says_who_comes_first_and_what_is_weighed(weighed: Study) -> None:
    html = ranking(weighed, INDICES).html
    assert html.count("comes first at the stated weights") >= len(INDICES) + 1
    fewer = ranking(weighed, INDICES, without=["never_controlled"]).html
    assert "Never controlled" in html
    assert "Never controlled" not in fewer
    assert "(40 %)" in html
    assert "<figure>" in html


def test_indices_without_components_show_nothing(study: Study) -> None:
    assert ranking(study, INDICES).html == ""

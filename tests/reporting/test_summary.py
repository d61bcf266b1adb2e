"""The summary: its words follow the numbers."""

from __future__ import annotations

import pytest

from tests.reporting.synthetic import OUTCOMES, synthetic_results
from trilemma.errors import UnknownNameError
from trilemma.reporting import blocks, provenance, summary
from trilemma.reporting.study import Study, open_study

INDICES = [name for name in OUTCOMES if name.endswith("index")]


def test_a_finding_names_level_trend_reference_and_scenarios(study: Study) -> None:
    text = summary.outcome_finding(study, "exact lag").text
    cell = study.cells["exact lag", "as_enacted", 2030.0]
    assert f"the median is {cell.middle:.1f} months in 2030" in text
    assert "up from" in text
    assert "higher than in ‘Never controlled’" in text
    assert "1 clearly raises it (‘Full stack, tight’ +" in text
    assert "1 shows no clear difference" in text


def test_an_unclear_difference_is_called_unclear(study: Study) -> None:
    unclear = open_study(study.data, baseline="as_enacted", year=2030, reference="hardware_only")
    assert "but not clearly" in summary.outcome_finding(unclear, "exact lag").text


def test_undefined_draws_are_counted(study: Study) -> None:
    early = open_study(study.data, baseline="as_enacted", year=2018)
    assert "not defined in 1 of 200 draws" in summary.outcome_finding(early, "exact lag").text


def test_the_trilemma_is_not_said_to_be_solved(study: Study) -> None:
    text = summary.trilemma_finding(study, INDICES).text
    better = [n for n in study.others if all(study.cells[i, n, 2030.0].direction > 0 for i in INDICES)]
    assert ("No scenario clearly raises all three" in text) == (not better)


def test_the_glance_counts_clear_changes(study: Study) -> None:
    text = summary.glance(study, ["exact lag"], INDICES)
    assert "3 of the 4 other scenarios clearly change the capability lag" in text


def test_scenarios_that_part_early_are_named(study: Study) -> None:
    assert summary.early(study, ["exact lag"]) == ["never_controlled", "api_geofence_only", "full_stack_tight"]
    assert "‘Never controlled’" in blocks.scenario_note(study, ["exact lag"]).html


def test_drivers_are_listed_with_their_sign(study: Study) -> None:
    assert "distill max (+" in summary.driver_finding(study, ["exact lag"]).text


def test_the_standing_of_the_model_is_said_first(study: Study) -> None:
    assert "Model version 0, structure under revision." in blocks.masthead(study).html


def test_an_outcome_that_is_not_stored_is_said_to_be_missing(study: Study) -> None:
    assert "does not store nothing" in blocks.fans(study, "nothing").html


def test_definitions_list_what_differs_from_the_baseline(study: Study) -> None:
    html = provenance.definitions(study).html
    assert "control lever = CHIP 1, CLD 0.35" in html
    assert html.count("no setting of its own") == 4


def test_one_draw_and_one_scenario_still_make_a_summary() -> None:
    single = open_study(synthetic_results(1, ("as_enacted",)), baseline="as_enacted", year=2030)
    html = blocks.summary_block(single, ["exact lag"], indices=INDICES, drivers=["exact lag"]).html
    assert "it is" in html
    assert "5–95 %" not in html
    assert "No parameter was varied" in html


def test_an_unknown_baseline_is_refused(study: Study) -> None:
    with pytest.raises(UnknownNameError, match="as_enacted"):
        open_study(study.data, baseline="as_enactd", year=2030)

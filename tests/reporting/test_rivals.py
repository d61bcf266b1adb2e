"""Rival structures side by side: a row each, with the numbers of its own draws."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from trilemma.reporting.numerals import number
from trilemma.reporting.rivals import by_variant
from trilemma.reporting.study import Study

TITLES = {
    "one": {"title": "First link", "sentence": "As it is."},
    "two": {"title": "Second <link>", "sentence": "Else."},
}


def test_each_structure_has_the_numbers_of_its_own_draws(study: Study) -> None:
    two = study.data["parameter:spill rate"].to_numpy() > 0.5
    data = study.data.assign_coords(variant=("draw", np.where(two, "two", "one").astype(object)))
    html = by_variant(replace(study, data=data.assign_attrs(variants=json.dumps(TITLES))), ["US RD Spend"]).html
    assert html.count("<tr>") == 1 + len(TITLES)
    assert "Second &lt;link&gt;" in html
    for name in (~two, two):
        values = study.data["US RD Spend"].sel(scenario="as_enacted", time=2030).to_numpy()[name]
        assert f"<b>{number(float(np.median(values)), 1)}</b>" in html


def test_a_forecast_without_variants_shows_nothing(study: Study) -> None:
    assert by_variant(study, ["US RD Spend"]).html == ""

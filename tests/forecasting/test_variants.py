"""Rival structures: every draw under each variant, averaged or side by side, and stores that stay sound."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from trilemma.engine.simulate import simulate
from trilemma.errors import StoreError, TrilemmaError
from trilemma.forecasting.compare import compare
from trilemma.forecasting.spec import load_forecast
from trilemma.forecasting.sweep import sweep
from trilemma.forecasting.variants import Variant, deal, select_variant, variant_names

Edit = Callable[[str, str, str], None]

VARIANTS = """
[variants.usual]
title = "As usual"
sentence = "Both fleets start where they do."
[variants.behind]
title = "Far behind"
sentence = "The Chinese fleet starts small and American growth is known."
weight = 0.5
[variants.behind.overrides]
"start fleet" = { CN = 1 }
"growth[US]" = 0.15
"""


@pytest.fixture
def rivals(project: Path) -> Path:
    file = project / "forecasts" / "trial.toml"
    file.write_text(file.read_text() + VARIANTS)
    return project


def test_each_variant_takes_the_draws_that_its_weight_gives() -> None:
    variants = [Variant(name=str(weight), title="", sentence="", weight=weight) for weight in (0.8, 0.4, 0.001)]
    dealt = deal(variants, 10)
    assert np.bincount(dealt.variant).tolist() == [10, 5, 1]
    assert dealt.draw.tolist() == [*range(10), *range(5), 0]
    assert deal([], 4).draw.tolist() == [0, 1, 2, 3]


def test_every_run_of_a_variant_equals_a_single_run(rivals: Path) -> None:
    forecast = load_forecast("trial")
    data = sweep(forecast)
    assert (forecast.draws, data.sizes["draw"]) == (12, 12)
    assert data["variant"].to_numpy().tolist() == ["usual"] * 8 + ["behind"] * 4
    assert data["design_draw"].to_numpy().tolist() == [*range(8), *range(4)]
    for draw, overrides in {2: {}, 10: {"start fleet[CN]": 1, "growth[US]": 0.15}}.items():
        drawn = {f"growth[{actor}]": float(data[f"parameter:growth[{actor}]"][draw]) for actor in ("US", "CN")}
        alone = simulate(forecast.load_model(), {**drawn, **overrides, "lever": 1}, outcomes=["Fleet"], save_every=0.5)
        np.testing.assert_allclose(data["Fleet"].sel(scenario="tight").isel(draw=draw), alone["Fleet"], rtol=1e-6)


def test_variants_share_the_draws_of_the_parameters_that_they_leave_alone(rivals: Path) -> None:
    data = sweep(load_forecast("trial"))
    us, cn = (data[f"parameter:growth[{actor}]"].to_numpy() for actor in ("US", "CN"))
    np.testing.assert_array_equal(cn[8:], cn[:4])
    assert (us[8:] == 0.15).all()
    assert len(set(us[:8])) == 8
    assert "parameter:start fleet[CN]" not in data  # it is not drawn


def test_a_comparison_averages_over_variants_or_shows_one(rivals: Path) -> None:
    data = sweep(load_forecast("trial"))
    assert variant_names(data) == ["usual", "behind"]
    asked = {"scenarios": ["tight"], "outcomes": ["fleet ratio"], "at": 2024}
    both, usual, behind = (
        compare(data, **asked, variant=variant)  # type: ignore[arg-type]
        for variant in (None, "usual", "behind")
    )
    assert [frame["n"].item() for frame in (both, usual, behind)] == [12, 8, 4]
    xr.testing.assert_identical(select_variant(data, "behind").load(), data.isel(draw=slice(8, 12)).load())
    values = data["fleet ratio"].sel(scenario="tight", time=2024).to_numpy().astype(float)
    assert behind["p50"].item() == pytest.approx(np.median(values[8:]))
    assert both["p50"].item() == pytest.approx(np.median(values))


def test_a_forecast_without_variants_has_none(project: Path) -> None:
    data = sweep(load_forecast("trial"))
    assert "variant" not in data.coords
    assert variant_names(data) == []
    with pytest.raises(StoreError, match=r"hold no variant 'usual': the forecast has no \[variants\]"):
        compare(data, variant="usual")


def test_a_new_scenario_runs_alone_and_a_changed_variant_runs_all(rivals: Path, edit: Edit) -> None:
    first = sweep(load_forecast("trial")).load()
    edit("forecasts/trial.toml", '"fast", "never"]', '"never", "fast"]')
    kept = sweep(load_forecast("trial"))
    assert kept.attrs["created"] >= first.attrs["created"]
    xr.testing.assert_identical(kept["Fleet"].sel(scenario="fast").load(), first["Fleet"].sel(scenario="fast"))
    assert kept["variant"].to_numpy().tolist() == first["variant"].to_numpy().tolist()
    edit("forecasts/trial.toml", "CN = 1 }", "CN = 2 }")
    changed = sweep(load_forecast("trial"))
    cn = changed["Fleet"].sel(scenario="as_is", actor="CN", time=2020).to_numpy()
    assert cn.tolist() == [5.0] * 8 + [2.0] * 4
    assert json.loads(changed.attrs["variants"])["behind"]["overrides"]["start fleet"] == {"CN": 2.0}
    edit("forecasts/trial.toml", "weight = 0.5", "weight = 1")
    assert sweep(load_forecast("trial")).sizes["draw"] == 16


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("{ CN = 1 }", "{ CH = 1 }", r"unknown element of 'actor' 'CH'.*\[variants.behind\], 'overrides'.*'CN'"),
        ("weight = 0.5", "weight = 2", r"trial.toml: 'variants.behind.weight' is 2"),
        ("weight = 0.5", "wait = 0.5", r"unknown key 'wait' .*'variants.behind'.*'weight'"),
        ("{ CN = 1 }", "{ time = [2020, 2021], value = [1, 2] }", r"would be a series; a variant sets numbers"),
        ('"growth[US]" = 0.15', '"fleet ratio" = 1', r"'fleet ratio' would be an equation; a variant sets numbers"),
        ('"growth[US]" = 0.15', '"history switch" = 3', r"the switch 'history switch' is 3, allowed is 0 to 1"),
        ('"growth[US]" = 0.15', "lever = 0", r"scenario 'as_is' and the variant 'behind' both set 'lever': remove"),
        ("[variants.usual]", "[variants]\nother = 3\n[variants.usual]", r"\[variants.other\] is 3, expected a table"),
    ],
)
def test_a_mistake_in_a_variant_is_one_sentence(rivals: Path, edit: Edit, old: str, new: str, sentence: str) -> None:
    edit("forecasts/trial.toml", old, new)
    with pytest.raises(TrilemmaError, match=sentence) as caught:
        load_forecast("trial")
    assert "\n" not in str(caught.value)

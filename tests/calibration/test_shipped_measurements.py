"""The measurement table of the shipped model: what it covers, and that all of it can be differentiated."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from trilemma.calibration.predictions import Comparison, compare_with_evidence, residual_function
from trilemma.translation.model import load_model

HEADLINES = (
    *("US R&D", "Chinese chip revenue", "legal chips", "smuggled chips", "Chinese stock", "US stock", "world stock"),
    *("price per H100e", "exact lag", "open-closed lag", "AI power"),
)
SECTORS = {
    "revenue": ("nvda.rev", "openai_revenue", "anthropic_revenue"),
    "R&D": ("nvda.rnd", "openai_rd"),
    "capital spending": ("capex.us", "china_ai_capex"),
    "chips by owner": ("h100e.owner_stock", "h100e.china_stock"),
    "prices": ("price.h100", "h100e.chip_cost"),
    "Chinese imports": ("h100e.nvidia_cum.owner.china", "smuggling"),
    "domestic output": ("huawei", "h100e.china_stock.huawei"),
    "memory": ("china.hbm",),
    "wafers": ("smic",),
    "training compute": ("training_compute_top1_us", "training_compute_top1_cn"),
    "capability": ("eci_score", "capability_lag"),
    "open weights": ("hf_downloads", "open_closed_lag"),
    "power": ("power_mw",),
}


@pytest.fixture(scope="module")
def shipped() -> Comparison:
    return compare_with_evidence(load_model("export_controls"))


def test_it_covers_the_sectors_with_many_series_and_observations(shipped: Comparison) -> None:
    series = {datum.observation.series for datum in shipped.data}
    assert len(series) >= 35
    assert len(shipped.data) >= 250
    for sector, prefixes in SECTORS.items():
        for prefix in prefixes:
            assert any(name.startswith(prefix) for name in series), (sector, prefix)


def test_every_headline_quantity_is_checked(shipped: Comparison) -> None:
    assert {datum.measurement.check for datum in shipped.data} - {""} == set(HEADLINES)


def test_one_datum_under_two_names_is_fitted_once(shipped: Comparison) -> None:
    fitted = [d.observation for d in shipped.data if d.measurement.fitted]
    same = [(row.start, row.end, row.value, row.source) for row in fitted]
    assert len(set(same)) == len(same)


@pytest.mark.slow
def test_all_expressions_can_be_differentiated() -> None:
    comparison = compare_with_evidence(load_model("export_controls"), fitted=True)
    model = comparison.model
    function = residual_function(comparison, [row.name for row in model.parameters.uncertain[:3]])
    traced = jax.eval_shape(jax.jacrev(function.of), jnp.asarray(function.central))
    assert traced.shape == (len(comparison.data), 3)

"""Bands, paired differences and rank correlation."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.stats import spearmanr

from trilemma.errors import UnknownNameError
from trilemma.reporting.labels import outcome_names, pick
from trilemma.reporting.statistics import bands, direction, rank_correlation


def test_a_band_holds_the_quantiles_over_draws(results: xr.Dataset) -> None:
    band = bands(results, "capability gap")
    expected = results["capability gap"].astype(float).quantile([0.05, 0.5, 0.95], dim="draw")
    np.testing.assert_allclose(band.to_numpy(), expected.transpose("quantile", "scenario", "time").to_numpy())


def test_a_difference_is_paired_draw_by_draw(results: xr.Dataset) -> None:
    gap = results["US RD Spend"].astype(float).sel(time=2030)
    paired = gap.sel(scenario="full_stack_tight") - gap.sel(scenario="as_enacted")
    band = bands(results, "US RD Spend", baseline="as_enacted", scenarios=["full_stack_tight"], year=2030)
    np.testing.assert_allclose(band.to_numpy()[:, 0], np.quantile(paired, [0.05, 0.5, 0.95]), rtol=1e-5)


def test_undefined_draws_are_left_out(results: xr.Dataset) -> None:
    assert np.isnan(results["exact lag"].sel(draw=0, time=2018)).all()
    assert np.isfinite(bands(results, "exact lag", year=2018).to_numpy()).all()


def test_rank_correlation_agrees_with_scipy(results: xr.Dataset) -> None:
    found = rank_correlation(results, "exact lag", year=2030, scenario="full_stack_tight")
    values = results["exact lag"].sel(scenario="full_stack_tight", time=2030)
    for name, value in found.items():
        expected = np.asarray(spearmanr(results[f"parameter:{name}"], values))[0]
        assert value == pytest.approx(expected, abs=1e-12)
    assert list(found.abs()) == sorted(found.abs(), reverse=True)


def test_rank_correlation_leaves_undefined_draws_out(results: xr.Dataset) -> None:
    found = rank_correlation(results, "exact lag", year=2018, scenario="as_enacted")
    values = results["exact lag"].sel(scenario="as_enacted", time=2018)[1:]
    expected = np.asarray(spearmanr(results["parameter:distill max"][1:], values))[0]
    assert found.to_dict()["distill max"] == pytest.approx(expected, abs=1e-12)


def test_a_constant_parameter_has_no_rank_correlation(results: xr.Dataset) -> None:
    fixed = results.assign({"parameter:fixed": ("draw", np.ones(results.sizes["draw"]))})
    assert "fixed" not in rank_correlation(fixed, "exact lag", year=2030, scenario="as_enacted")


@pytest.mark.parametrize(
    ("band", "level", "expected"),
    [
        ((1.0, 2.0, 3.0), 20.0, 1),
        ((-3.0, -2.0, -1.0), 20.0, -1),
        ((-1.0, 2.0, 3.0), 20.0, 0),
        ((0.001, 0.002, 0.003), 20.0, 0),
        ((np.nan, np.nan, np.nan), 20.0, 0),
    ],
)
def test_a_difference_is_clear_if_its_band_leaves_zero_out_and_it_matters(
    band: tuple[float, float, float], level: float, expected: int
) -> None:
    assert direction(band, level) == expected


def test_an_element_is_picked_by_its_name(results: xr.Dataset) -> None:
    picked = pick(results, "Frontier Capability[CN]")
    assert picked.dims == ("scenario", "draw", "time")
    assert "Frontier Capability[US]" in outcome_names(results)


def test_an_outcome_is_shown_in_its_words_unit(results: xr.Dataset) -> None:
    np.testing.assert_allclose(pick(results, "self sufficiency"), 100 * results["self sufficiency"])


@pytest.mark.parametrize("name", ["exact lagg", "Frontier Capability[XX]", "Frontier Capability"])
def test_an_unknown_outcome_is_refused(results: xr.Dataset, name: str) -> None:
    with pytest.raises(UnknownNameError, match="unknown outcome"):
        pick(results, name)

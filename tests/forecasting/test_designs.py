"""Designs: seeded, filling the unit cube, the same for all scenarios."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trilemma.calibration.ensemble import prior_ensemble, write_ensemble
from trilemma.errors import EnsembleError, TrilemmaWarning
from trilemma.forecasting.designs import draws, source, uniforms
from trilemma.forecasting.spec import Design, Forecast, load_forecast
from trilemma.forecasting.sweep import sweep


def test_a_latin_hypercube_has_one_point_in_each_slice() -> None:
    points = uniforms(Design(method="latin_hypercube", draws=50, seed=3), 4)
    np.testing.assert_array_equal(np.sort(np.floor(points * 50).astype(int), axis=0).T, np.tile(np.arange(50), (4, 1)))


@pytest.mark.parametrize("method", ["latin_hypercube", "sobol"])
def test_draws_follow_the_seed_and_seed_zero_is_a_seed(method: str) -> None:
    first, again, other = (uniforms(Design(method=method, draws=16, seed=s), 3) for s in (0, 0, 1))  # type: ignore[arg-type]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.shape == (16, 3)
    assert ((first >= 0) & (first < 1)).all()


def test_draws_lie_in_their_priors_and_central_is_one_draw(project: Path) -> None:
    forecast = load_forecast("trial")
    model = forecast.load_model()
    found = draws(forecast, model)
    assert list(found) == ["growth[US]", "growth[CN]"]
    assert ((found["growth[US]"] > 0.1) & (found["growth[US]"] < 0.3)).all()
    central = forecast.model_copy(update={"design": Design(method="central")})
    assert {name: values.tolist() for name, values in draws(central, model).items()} == {
        "growth[US]": [0.2],
        "growth[CN]": [0.3],
    }


def with_design(**design: object) -> Forecast:
    """Return the trial forecast with another design."""
    return load_forecast("trial").model_copy(update={"design": Design.model_validate(design)})


def test_draws_come_from_the_calibrated_ensemble_where_there_is_one(project: Path) -> None:
    forecast = with_design(draws=20, seed=1)
    model = forecast.load_model()
    assert source(forecast.design, model) is None
    ensemble = prior_ensemble(model, 20, seed=7)
    write_ensemble(model, ensemble)
    found = draws(forecast, model, source(forecast.design, model))
    for name, values in ensemble.parameters.items():
        np.testing.assert_allclose(np.sort(found[name]), np.sort(values), rtol=1e-6)  # single precision
    # rows stay together
    rows = {tuple(row.tolist()) for row in ensemble.values.astype(np.float32)}
    assert {tuple(row.tolist()) for row in np.stack(list(found.values()), axis=1)} == rows
    assert source(with_design(draws=20, draws_from="prior").design, model) is None


def test_results_say_where_their_draws_come_from_and_are_made_anew(project: Path) -> None:
    forecast = with_design(draws=4, seed=1)
    before = sweep(forecast).load()  # the store is replaced
    assert before.attrs["draws_from"] == "prior"
    write_ensemble(forecast.load_model(), prior_ensemble(forecast.load_model(), 4, seed=3))
    after = sweep(forecast)
    assert after.attrs["draws_from"] == "posterior"
    assert after.attrs["ensemble_hash"]
    name = "parameter:growth[US]"
    assert not np.array_equal(np.sort(before[name]), np.sort(after[name]))


def test_an_ensemble_of_another_state_is_not_used_and_that_is_said(project: Path) -> None:
    forecast = with_design(draws=4)
    model = forecast.load_model()
    ensemble = prior_ensemble(model, 4, seed=3)
    write_ensemble(model, replace(ensemble, attrs={**ensemble.attrs, "model_hash": "old"}))
    with pytest.warns(TrilemmaWarning, match=r"draws come from the priors: posterior\.nc was made for other equations"):
        assert source(forecast.design, model) is None
    with pytest.raises(EnsembleError, match="made for other equations"):
        source(with_design(draws=4, draws_from="posterior").design, model)


def test_more_draws_than_are_held_go_round_again_and_that_is_said(project: Path) -> None:
    forecast = with_design(draws=5)
    model = forecast.load_model()
    with pytest.warns(TrilemmaWarning, match="5 draws are asked for and the calibrated ensemble holds 2"):
        found = draws(forecast, model, prior_ensemble(model, 2, seed=0))
    counts = np.unique(found["growth[US]"], return_counts=True)[1]
    assert sorted(counts) == [2, 3]

"""Designs: seeded, filling the unit cube, the same for all scenarios."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trilemma.forecasting.designs import draws, uniforms
from trilemma.forecasting.spec import Design, load_forecast


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
    table = forecast.load_model().parameters
    found = draws(forecast, table)
    assert list(found) == ["growth[US]", "growth[CN]"]
    assert ((found["growth[US]"] > 0.1) & (found["growth[US]"] < 0.3)).all()
    central = forecast.model_copy(update={"design": Design(method="central")})
    assert {name: values.tolist() for name, values in draws(central, table).items()} == {
        "growth[US]": [0.2],
        "growth[CN]": [0.3],
    }

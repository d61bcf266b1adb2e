"""Draws of the uncertain parameters: made once for a forecast, so that all scenarios share them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.stats import qmc

from trilemma.forecasting.spec import Design, Forecast
from trilemma.translation.parameters import ParameterTable, sample_priors
from trilemma.translation.priors import Limits


def draws(
    forecast: Forecast, table: ParameterTable, limits: Mapping[str, Limits | None] | None = None
) -> dict[str, np.ndarray]:
    """Return the values of each uncertain parameter, one a draw.

    Parameters
    ----------
    forecast
        Its design says how many draws are made, how, and from which seed.
    table
        The model's parameters with their priors.
    limits
        The limits of the model's variables by name, which cut unbounded priors.
    """
    design = forecast.design
    if design.method == "central":
        return {row.name: np.array([row.central], dtype=float) for row in table.uncertain}
    return sample_priors(table, uniforms(design, len(table.uncertain)), limits)


def uniforms(design: Design, count: int) -> np.ndarray:
    """Return the points of a design in the unit cube, on (draw, parameter)."""
    if count == 0:
        return np.empty((design.draws, 0))
    return _POINTS[design.method](design, count)


def _latin_hypercube(design: Design, count: int) -> np.ndarray:
    return qmc.LatinHypercube(d=count, rng=np.random.default_rng(design.seed)).random(design.draws)


def _sobol(design: Design, count: int) -> np.ndarray:
    sampler = qmc.Sobol(d=count, scramble=True, rng=np.random.default_rng(design.seed))
    return sampler.random_base2(design.draws.bit_length() - 1)


_POINTS: dict[str, Callable[[Design, int], np.ndarray]] = {
    "latin_hypercube": _latin_hypercube,
    "sobol": _sobol,
}

"""Draws of the uncertain parameters: made once for a forecast, so that all scenarios share them.

They come from the calibrated ensemble beside the model where there is one for its present state, else from the priors.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from scipy.stats import qmc

from trilemma.errors import EnsembleError, TrilemmaWarning
from trilemma.forecasting.spec import Design, Forecast
from trilemma.translation.ensemble import Ensemble, ensemble_path, read_ensemble
from trilemma.translation.model import Model
from trilemma.translation.parameters import sample_priors


def source(design: Design, model: Model) -> Ensemble | None:
    """Return the calibrated ensemble that draws are taken from; None where they come from the priors.

    Raises
    ------
    EnsembleError
        If the design asks for the posterior and there is none for this state of the model.

    Warns
    -----
    TrilemmaWarning
        If there is one for another state of the model and the design leaves the choice open.
    """
    if design.method == "central" or design.draws_from == "prior":
        return None
    if design.draws_from is None and not ensemble_path(model).is_file():
        return None
    try:
        return read_ensemble(model)
    except EnsembleError as error:
        if design.draws_from == "posterior":
            raise
        warnings.warn(f"draws come from the priors: {error}", TrilemmaWarning, stacklevel=3)
        return None


def draws(forecast: Forecast, model: Model, calibrated: Ensemble | None = None) -> dict[str, np.ndarray]:
    """Return the values of each uncertain parameter, one a draw.

    Parameters
    ----------
    forecast
        Its design says how many draws are made, how, and from which seed.
    model
        The model with its parameters and their priors.
    calibrated
        The ensemble that draws are taken from instead of the priors; see `source`.
    """
    design, table = forecast.design, model.parameters
    if design.method == "central":
        return {row.name: np.array([row.central], dtype=float) for row in table.uncertain}
    if calibrated is not None:
        rows = _rows(design, calibrated.draws)
        return {row.name: calibrated.parameters[row.name][rows] for row in table.uncertain}
    limits = {name: variable.limits for name, variable in model.variables.items()}
    return sample_priors(table, uniforms(design, len(table.uncertain)), limits)


def _rows(design: Design, held: int) -> np.ndarray:
    """Return which draws of an ensemble a forecast takes: each once, in an order of the seed; more go round again."""
    if design.draws > held:
        message = (
            f"{design.draws} draws are asked for and the calibrated ensemble holds {held}: some stand more than once; "
            f"ask for {held} at most, or calibrate with more draws."
        )
        warnings.warn(message, TrilemmaWarning, stacklevel=4)
    rng = np.random.default_rng(design.seed)
    rounds = [rng.permutation(held) for _ in range(-(-design.draws // held))]
    return np.concatenate(rounds)[: design.draws]


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

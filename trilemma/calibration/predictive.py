"""What an ensemble says that will be observed: the prediction in every draw, and about it the error of measuring.

The error is normal in the transformed space: what the source can be off by, and what the expression can be off by
although both are right, that times the scale of the draw. It is correlated within a measurement, as in a fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from trilemma.calibration.predictions import Comparison, predictions, run_comparison, transform
from trilemma.translation.ensemble import Ensemble

ERRORS = 4
"""Errors drawn for each draw of an ensemble, so that they add little noise of their own."""


@dataclass(frozen=True, eq=False)
class Predictive:
    """The predictive distribution of every observation of a comparison, in the transformed space.

    Attributes
    ----------
    centres
        What the model shows in each draw, shape (draw, observation); NaN where it is undefined.
    sd
        The standard deviations of the errors, shape (draw, observation).
    draws
        Centres with errors, `ERRORS` for each draw, shape (ERRORS * draw, observation).
    """

    comparison: Comparison
    centres: np.ndarray
    sd: np.ndarray
    draws: np.ndarray


def predict_observations(comparison: Comparison, ensemble: Ensemble, *, seed: int = 0) -> Predictive:
    """Run an ensemble in one batch and return what it says of each observation.

    Parameters
    ----------
    seed
        Of the errors.
    """
    runs = xr.Dataset({label: ("run", values) for label, values in ensemble.parameters.items()})
    shown = np.atleast_2d(predictions(comparison, run_comparison(comparison, runs)))
    return with_errors(comparison, np.asarray(transform(comparison, shown.T)).T, ensemble.error_scale, seed=seed)


def with_errors(
    comparison: Comparison, centres: np.ndarray, error_scale: np.ndarray | float = 1.0, *, seed: int = 0
) -> Predictive:
    """Return the predictive distribution about centres (draw, observation) that are known.

    Parameters
    ----------
    error_scale
        How many times the stated `model_sd` the model's errors are, in each draw.
    """
    scale = np.broadcast_to(np.asarray(error_scale, dtype=float), centres.shape[:1])[:, None]
    by = [datum.measurement for datum in comparison.data]
    stated = np.array([measurement.model_sd for measurement in by])
    source = np.array([datum.measurement.source_sd_of(datum.observation) for datum in comparison.data])
    sd = np.hypot(scale * stated, source)
    normal = np.random.default_rng(seed).standard_normal((ERRORS * len(centres), len(by)))
    errors = normal @ np.linalg.cholesky(_correlations(comparison)).T
    repeated = (np.repeat(part, ERRORS, axis=0) for part in (centres, sd))
    return Predictive(comparison, centres, sd, next(repeated) + next(repeated) * errors)


def _correlations(comparison: Comparison) -> np.ndarray:
    """Return the correlations of the errors; measurements are independent."""
    names = np.array([datum.measurement.name for datum in comparison.data])
    within = np.array([datum.measurement.correlation for datum in comparison.data])
    matrix = np.where(names[:, None] == names, within, 0.0)
    np.fill_diagonal(matrix, 1.0)
    return matrix

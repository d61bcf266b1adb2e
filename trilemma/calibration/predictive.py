"""What an ensemble says that will be observed: the prediction in every draw, and about it the error of measuring.

The error is normal in the transformed space: what the source can be off by, and what the expression can be off by
although both are right, that times the scale of the draw. Errors within a measurement are correlated, as in a fit. So
how far a series was from the model in the past tells how far it will be: where past observations are given, the error
of a later one is what is still unknown of it after them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from trilemma.calibration.matching import Datum
from trilemma.calibration.predictions import Comparison, predictions, run_comparison, transform
from trilemma.calibration.problem import errors_of
from trilemma.translation.ensemble import Ensemble

ERRORS = 4
"""Errors drawn for each draw of an ensemble, so that they add little noise of their own."""


@dataclass(frozen=True, eq=False)
class Shown:
    """What an ensemble shows for the observations of a comparison, in the transformed space.

    Attributes
    ----------
    centres
        The model's value in each draw, shape (draw, observation); NaN where it is undefined.
    sd
        The standard deviations of the errors, shape (draw, observation).
    """

    comparison: Comparison
    centres: np.ndarray
    sd: np.ndarray


@dataclass(frozen=True, eq=False)
class Predictive:
    """The predictive distributions of some observations, in the transformed space.

    Attributes
    ----------
    data, observed
        The observations with their measurements, and their values.
    centres, sd
        Mean and standard deviation in each draw, shape (draw, observation); NaN where the model is undefined.
    draws
        Centres with errors, `ERRORS` for each draw, shape (ERRORS * draw, observation).
    """

    data: tuple[Datum, ...]
    observed: np.ndarray
    centres: np.ndarray
    sd: np.ndarray
    draws: np.ndarray


def show(comparison: Comparison, ensemble: Ensemble) -> Shown:
    """Run an ensemble in one batch and return what it shows for every observation of a comparison."""
    runs = xr.Dataset({label: ("run", values) for label, values in ensemble.parameters.items()})
    found = np.atleast_2d(predictions(comparison, run_comparison(comparison, runs)))
    return with_errors(comparison, np.asarray(transform(comparison, found.T)).T, ensemble.error_scale)


def with_errors(comparison: Comparison, centres: np.ndarray, error_scale: np.ndarray | float = 1.0) -> Shown:
    """Return values (draw, observation) that are known, with the errors about them.

    Parameters
    ----------
    error_scale
        How many times the stated `model_sd` the model's errors are, in each draw.
    """
    scale = np.broadcast_to(np.asarray(error_scale, dtype=float), centres.shape[:1])
    return Shown(comparison, centres, errors_of(comparison).sd(scale).T)


def past_of(data: Sequence[Datum], targets: Sequence[int], known: Sequence[int]) -> list[np.ndarray]:
    """Return for each target the known observations of its measurement that ended before it.

    Parameters
    ----------
    data
        All observations; the other arguments and the result are positions in it.
    """
    found: list[np.ndarray] = []
    for target in targets:
        name, end = data[target].measurement.name, data[target].observation.end
        own = [place for place in known if data[place].measurement.name == name and data[place].observation.end < end]
        found.append(np.array(own, dtype=int))
    return found


def foretell(
    shown: Shown, targets: Sequence[int], past: Sequence[np.ndarray] | None = None, *, seed: int = 0
) -> Predictive:
    """Return the predictive distributions of some of the observations that an ensemble was shown for.

    Parameters
    ----------
    targets
        Their positions in the comparison.
    past
        What `past_of` returned; nothing of the past is known by default.
    seed
        Of the errors.
    """
    parts = [
        _given(shown, target, past[i] if past is not None else np.array([], int)) for i, target in enumerate(targets)
    ]
    centres, sd = (np.stack([part[k] for part in parts], axis=1) for k in (0, 1))
    normal = np.random.default_rng(seed).standard_normal((ERRORS * len(centres), len(targets)))
    return Predictive(
        data=tuple(shown.comparison.data[target] for target in targets),
        observed=shown.comparison.observed[list(targets)],
        centres=centres,
        sd=sd,
        draws=np.repeat(centres, ERRORS, axis=0) + np.repeat(sd, ERRORS, axis=0) * normal,
    )


def _given(shown: Shown, target: int, past: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of a target in each draw, given the errors of past observations.

    Of n standard normal errors with one correlation r, another has the mean r / (1 + (n - 1) r) times their sum, and
    the variance 1 - n r^2 / (1 + (n - 1) r).
    """
    centre, sd = shown.centres[:, target], shown.sd[:, target]
    errors = (shown.comparison.observed[past] - shown.centres[:, past]) / shown.sd[:, past]
    count = (~np.isnan(errors)).sum(axis=1)
    r = shown.comparison.data[target].measurement.correlation
    weight = r / (1 + (count - 1) * r)
    return centre + sd * weight * np.nansum(errors, axis=1), sd * np.sqrt(1 - count * r * weight)

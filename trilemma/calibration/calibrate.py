"""Calibration from end to end without chains: a model in, an approximate posterior ensemble out, by one of two ways.

``laplace``
    Normal mixtures about the mode, corrected by importance: a minute, for backtests.
``weights``
    Draws from the priors, weighed by what the data say: needs neither gradients nor a mode.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any, Literal

import numpy as np

from trilemma.calibration.ensemble import error_scale, prior_ensemble
from trilemma.calibration.evidence import load_evidence
from trilemma.calibration.fit import Fit, fit
from trilemma.calibration.importance import LEAST, Weights, resample, weigh
from trilemma.calibration.laplace import laplace
from trilemma.calibration.predictions import compare_with_evidence
from trilemma.calibration.predictive import show
from trilemma.calibration.problem import Problem, Tell, errors_of, pose, provenance, silent
from trilemma.calibration.search import search
from trilemma.errors import CalibrationError
from trilemma.translation.ensemble import Ensemble
from trilemma.translation.model import Model, load_model

Approximation = Literal["laplace", "weights"]

PROPOSALS = 8192
"""Draws that are weighed; an ensemble is resampled from them."""


def posterior_ensemble(
    model: Model | str,
    *,
    until: date | None = None,
    draws: int = 1000,
    method: Approximation = "laplace",
    global_check: bool = False,
    seed: int = 0,
    tell: Tell = silent,
) -> Ensemble:
    """Return equally likely settings of a model's parameters, given its evidence.

    Parameters
    ----------
    until
        Only observations whose period has ended by this day.
    draws
        The size of the ensemble.
    global_check
        Look for other modes than that of the fit, see `trilemma.calibration.search`.

    Raises
    ------
    CalibrationError
        If a fit does not converge, there is nothing to fit, or other modes are looked for where no mode is used.
    EvidenceError
        If the evidence is wrong, or none is left.
    """
    loaded = model if isinstance(model, Model) else load_model(model)
    if method == "weights":
        if global_check:
            message = "method 'weights' uses no mode: leave out the search for other modes, or choose another method."
            raise CalibrationError(message)
        return weighted_ensemble(loaded, until=until, draws=draws, seed=seed, tell=tell)
    problem = pose(loaded, until=until)
    return laplace_ensemble(problem, draws=draws, global_check=global_check, seed=seed, tell=tell)


def find_mode(
    problem: Problem, *, global_check: bool, seed: int, tell: Tell = silent
) -> tuple[Fit, dict[str, str | float]]:
    """Return the mode of a posterior, and what a search for other ones said, as attributes of results."""
    mode = fit(problem, seed=seed, tell=tell)
    if not global_check:
        return mode, {}
    found = search(problem, mode, seed=seed, tell=tell)
    return found.mode, found.attrs


def laplace_ensemble(
    problem: Problem, *, draws: int, global_check: bool = False, seed: int, tell: Tell = silent
) -> Ensemble:
    """Return draws about the mode, corrected by importance."""
    rng = np.random.default_rng(seed)
    mode, checked = find_mode(problem, global_check=global_check, seed=seed, tell=tell)
    approximation = laplace(problem, mode, tell=tell)
    tell(0, 1, "weighing draws")
    z, which = approximation.draw(PROPOSALS, rng)
    scales = approximation.scales[which]
    exact = problem.log_posterior(z, error_scale(scales)) - 0.5 * scales**2
    weights = weigh(exact - approximation.log_density(z, which), LEAST * draws)
    chosen = resample(weights.values, draws, rng)
    within = approximation.spacing * (rng.random(draws) - 0.5)
    attrs = {"inference": "laplace", "seed": seed, **checked, **_told(weights)}
    return assemble(problem, z[chosen], scales[chosen] + within, seed=seed, attrs=attrs)


def weighted_ensemble(
    model: Model, *, until: date | None = None, draws: int = 1000, seed: int = 0, tell: Tell = silent
) -> Ensemble:
    """Return draws from the priors, weighed by what the data say. All parameters count as fitted: all are weighed."""
    evidence = load_evidence(model)
    comparison = compare_with_evidence(model, evidence, fitted=True, until=until)
    prior = prior_ensemble(model, PROPOSALS, seed)
    tell(0, 1, "weighing draws from the priors")
    deviations = show(comparison, prior).centres.T - comparison.observed[:, None]
    weights = weigh(errors_of(comparison).log_likelihood(deviations, prior.error_scale), LEAST * draws)
    chosen = resample(weights.values, draws, np.random.default_rng(seed))
    attrs = {**prior.attrs, **provenance(comparison, evidence, until), "inference": "weights", **_told(weights)}
    return replace(
        prior,
        values=prior.values[chosen],
        error_scale=prior.error_scale[chosen],
        fitted=np.ones_like(prior.fitted),
        attrs=attrs,
    )


def assemble(problem: Problem, z: np.ndarray, scales: np.ndarray, *, seed: int, attrs: dict[str, Any]) -> Ensemble:
    """Return an ensemble of all parameters: the fitted ones at z (draws, fitted), the others drawn from their priors.

    Parameters
    ----------
    scales
        The scale of model errors in each draw, as a standard normal number.
    """
    prior = prior_ensemble(problem.model, len(z), seed)
    columns = [prior.labels.index(label) for label in problem.labels]
    values, fitted = prior.values.copy(), prior.fitted.copy()
    values[:, columns] = problem.priors.only(problem.fitted).at(z)
    fitted[columns] = True
    return replace(
        prior,
        values=values,
        fitted=fitted,
        error_scale=error_scale(scales),
        attrs={**prior.attrs, **problem.attrs, **attrs},
    )


def _told(weights: Weights) -> dict[str, float]:
    """Return what is reported of weights."""
    return {
        "proposals": float(PROPOSALS),
        "effective_draws": weights.effective,
        "tempered_to": weights.power,
        "k_hat": weights.k_hat,
    }

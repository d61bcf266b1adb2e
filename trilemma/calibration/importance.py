"""Draws that are weighed instead of walked to: from an approximation of the posterior, or from the priors alone.

Weights correct what draws were made from towards what they should be from. How well they can is told by the effective
sample size, (sum w)^2 / sum w^2. Where it is too small, weights are tempered: raised to a power below 1, at which the
ensemble stands between the two; the power is reported and never silent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from arviz_stats.base import array_stats  # pyright: ignore[reportPrivateImportUsage]

LEAST = 0.1
"""Effective draws that an ensemble must have, as a share of its draws; weights are tempered until it does."""


EVEN = 1e-9
"""Log weights that differ by less are equal, and have no tail to smooth."""


@dataclass(frozen=True, eq=False)
class Weights:
    """Normalised weights of draws.

    Attributes
    ----------
    values
        Shape (draws,), summing to 1.
    effective
        Their effective sample size.
    power
        To which they were raised; 1 if they are what they should be.
    k_hat
        The shape of their tail: above 0.7 the untempered weights do not carry (Vehtari et al., 2024).
    """

    values: np.ndarray
    effective: float
    power: float
    k_hat: float


def weigh(log_weights: np.ndarray, least: float) -> Weights:
    """Return smoothed weights, tempered if they have fewer than `least` effective draws."""
    logs, k_hat = _smoothed(log_weights)
    power = 1.0
    if _effective(logs) < least:
        low, high = 0.0, 1.0
        for _ in range(40):  # halving: the effective sample size falls as the power rises
            power = (low + high) / 2
            low, high = (power, high) if _effective(power * logs) > least else (low, power)
    scaled = power * logs
    weights = np.exp(scaled - np.logaddexp.reduce(scaled))
    return Weights(weights, float(1 / (weights**2).sum()), power, k_hat)


def _smoothed(log_weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Return log weights with a smoothed tail, and its shape; as they are where they are too uneven to be smoothed."""
    known = np.isfinite(log_weights)
    logs = np.where(known, log_weights, -np.inf)
    if np.ptp(log_weights[known]) < EVEN:
        return logs, -math.inf
    with np.errstate(all="ignore"):
        smooth, k_hat = array_stats.psislw(-log_weights[known])  # it is made for likelihoods to be left out
    found = np.asarray(smooth, dtype=float)
    if not np.isfinite(found).all() or not np.isfinite(k_hat):
        return logs, math.inf
    logs[known] = found
    return logs, float(k_hat)


def _effective(logs: np.ndarray) -> float:
    """Return the effective sample size of log weights."""
    return float(np.exp(2 * np.logaddexp.reduce(logs) - np.logaddexp.reduce(2 * logs)))


def resample(weights: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return the positions of `count` equally likely draws, in random order; systematic, so with little noise."""
    points = (np.arange(count) + rng.random()) / count
    found = np.searchsorted(np.cumsum(weights), points)
    return rng.permutation(np.minimum(found, len(weights) - 1))

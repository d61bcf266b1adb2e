"""The posterior as a mixture of normal distributions about its mode, and exact draws from it by importance.

Where the model is close to linear in z over the width of the posterior, the posterior given the scale of model errors
is normal, and how likely each scale is follows in closed form. That costs a handful of Jacobians, so that a backtest
can afford it, and gives a sampler its whitening. Draws are weighed by the exact density and resampled: what the
approximation gets wrong is corrected as far as the weights carry, and the effective sample size says how far.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from trilemma.calibration.ensemble import error_scale
from trilemma.calibration.fit import Fit, polish
from trilemma.calibration.problem import Problem, Tell, silent

NODES = np.linspace(-4, 4, 81)
"""Standard normal numbers at which the scale of model errors is looked at; weights of all but a few are nothing."""

ROUNDS = 4
SETTLED = 0.1
"""How often the scale is found anew about a new mode at most, and the change at which it stays."""


@dataclass(frozen=True, eq=False)
class Laplace:
    """A mixture of normals for z, one for each scale of model errors.

    Attributes
    ----------
    mode
        Of z, at the most likely scale; shape (parameters,).
    scales, weights
        The scales, as standard normal numbers, and their probabilities; shape (nodes,).
    means, roots
        The mean of each normal (nodes, parameters), and the Cholesky root of its precision (nodes, parameters,
        parameters).
    """

    mode: np.ndarray
    scales: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    roots: np.ndarray

    def draw(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return draws of z (count, parameters), and which scale each belongs to (count,)."""
        which = np.sort(rng.choice(len(self.weights), size=count, p=self.weights))
        noise = rng.standard_normal((count, self.means.shape[1]))
        for node in np.unique(which):
            rows = which == node
            noise[rows] = solve_triangular(self.roots[node], noise[rows].T, lower=True, trans=1).T
        return self.means[which] + noise, which

    def log_density(self, z: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Return the log density of draws (count, parameters) together with their scales, up to a constant."""
        found = np.log(self.weights[which])
        for node in np.unique(which):
            rows, root = which == node, self.roots[node]
            apart = (z[rows] - self.means[node]) @ root
            found[rows] += np.log(np.diag(root)).sum() - 0.5 * (apart**2).sum(axis=1)
        return found

    @property
    def spacing(self) -> float:
        """The distance of neighbouring scales."""
        return float(NODES[1] - NODES[0])

    @property
    def mean(self) -> np.ndarray:
        """The mean of [z; scale], shape (parameters + 1,)."""
        return np.append(self.weights @ self.means, self.weights @ self.scales)

    @property
    def covariance(self) -> np.ndarray:
        """The covariance of [z; scale]."""
        count = self.means.shape[1]
        found = np.zeros((count + 1, count + 1))
        for weight, root in zip(self.weights, self.roots, strict=True):
            inverse = solve_triangular(root, np.eye(count), lower=True)
            found[:count, :count] += weight * inverse.T @ inverse
        apart = np.column_stack([self.means, self.scales]) - self.mean
        return found + (self.weights * apart.T) @ apart


def laplace(problem: Problem, mode: Fit, *, tell: Tell = silent) -> Laplace:
    """Return the normal mixture about a mode: the scale of model errors and the mode at it, found in turns."""
    z, scale = mode.z, 0.0
    found = _linear(problem, z)
    for turn in range(ROUNDS):
        tell(turn, ROUNDS, "how large model errors are")
        likely = float(found.scales[np.argmax(found.weights)])
        if abs(likely - scale) < SETTLED and turn > 0:
            break
        scale = likely
        z = np.asarray(polish(problem, z, float(error_scale(np.array(scale)))).x)
        found = _linear(problem, z)
    return found


def _linear(problem: Problem, z: np.ndarray) -> Laplace:
    """Return the posterior of the model made linear at z: exact for a linear model."""
    deviations, slopes = problem.deviations(z), problem.slopes(z)
    means, roots, evidence = zip(
        *(_given_scale(problem, deviations - slopes @ z, slopes, float(error_scale(node))) for node in NODES),
        strict=True,
    )
    logs = np.array(evidence) - 0.5 * NODES**2
    weights = np.exp(logs - np.logaddexp.reduce(logs))
    kept = weights > 1e-6
    return Laplace(z, NODES[kept], weights[kept] / weights[kept].sum(), np.array(means)[kept], np.array(roots)[kept])


def _given_scale(
    problem: Problem, offset: np.ndarray, slopes: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return mean, Cholesky root of the precision, and log evidence of deviations offset + slopes z at a scale."""
    scales = np.array([scale])
    white = problem.errors.whitened(slopes, scales)
    residuals = problem.errors.whitened(offset[:, None], scales)[:, 0]
    precision = np.eye(white.shape[1]) + white.T @ white
    factor = cho_factor(precision, lower=True)
    mean = -cho_solve(factor, white.T @ residuals)
    root = np.tril(factor[0])
    left = residuals + white @ mean
    density = -0.5 * (left @ left + mean @ mean) - np.log(problem.errors.sd(scales)).sum()
    return mean, root, float(density - np.log(np.diag(root)).sum())

"""The mode of the posterior: least squares on residuals and prior pulls, from many starts.

With normal errors and standard normal priors the log posterior is minus half the sum of squares of [whitened residuals;
z], which `scipy.optimize.least_squares` minimises with the exact Jacobian. A model is not convex: starts are the best
of a Sobol design, worked out in one batch. `trilemma.calibration.search` looks for what they all have missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, least_squares
from scipy.special import ndtri
from scipy.stats import qmc

from trilemma.calibration.problem import Problem, Tell, silent
from trilemma.errors import CalibrationError

DESIGN = 512
POLISHED = 2
EVALUATIONS = 60
"""Starts tried, how many of the best are polished beside the central values, and Jacobians for each at most."""

DECREMENT = 0.1
"""A mode counts as found if a quadratic model of the log posterior promises less than so much more of it: a standard
deviation away it is lower by 1/2. At a corner of the model, where modes often lie, it is not 0."""

EXTREME = 3.0
"""Prior standard deviations from the prior's median at which a value counts as pressed against its bound."""

SAME = 0.5
"""Log posteriors of two polished starts that differ by less count as one mode."""


@dataclass(frozen=True, eq=False)
class Fit:
    """The mode of a posterior.

    Attributes
    ----------
    z, values
        The mode, and the values of the fitted parameters there.
    labels
        The fitted parameters.
    cost
        Half the sum of squares: minus the log posterior up to a constant.
    data_cost
        The part of it that the data make.
    gradient
        The largest derivative of the cost with regard to a z.
    decrement
        How much less the cost could still become, by its quadratic model.
    converged
        Whether that is as good as nothing.
    extreme
        Parameters further than `EXTREME` from the middle of their priors.
    costs
        The costs reached from all polished starts; the first is that from the central values.
    evaluations
        Jacobians worked out.
    """

    z: np.ndarray
    values: np.ndarray
    labels: tuple[str, ...]
    cost: float
    data_cost: float
    gradient: float
    decrement: float
    converged: bool
    extreme: tuple[str, ...]
    costs: tuple[float, ...]
    evaluations: int

    @property
    def agreeing(self) -> int:
        """How many of the polished starts reached this mode."""
        return sum(cost - self.cost < SAME for cost in self.costs)


def fit(problem: Problem, *, seed: int, starts: int = DESIGN, tell: Tell = silent) -> Fit:
    """Return the mode of the posterior at the stated errors.

    Parameters
    ----------
    starts
        Points of the Sobol design, a power of 2; the best `POLISHED` are polished beside the central values.

    Raises
    ------
    CalibrationError
        If none of the polished starts converges.
    """
    tried = design(len(problem.fitted), starts, seed)
    tell(0, POLISHED + 2, "trying starts")
    best = np.argsort(-problem.log_posterior(tried))[:POLISHED]
    found: list[OptimizeResult] = []
    for point in (problem.start, *tried[best]):
        tell(len(found) + 1, POLISHED + 2, "polishing")
        found.append(polish(problem, point))
    result = summarise(problem, found)
    if not result.converged:
        message = (
            f"the fit of '{problem.model.name}' did not converge: after {EVALUATIONS} Jacobians from each of "
            f"{len(found)} starts the log posterior could still rise by {result.decrement:.2g}; nothing was written."
        )
        raise CalibrationError(message)
    return result


def summarise(problem: Problem, found: list[OptimizeResult]) -> Fit:
    """Return the best of some polished points as a fit."""
    best = min(found, key=lambda result: float(result.cost))
    z = np.asarray(best.x)
    decrement = decrement_of(best)
    return Fit(
        z=z,
        values=problem.priors.only(problem.fitted).at(z),
        labels=problem.labels,
        cost=float(best.cost),
        data_cost=float(best.cost - 0.5 * (z**2).sum()),
        gradient=float(np.abs(best.grad).max()),
        decrement=decrement,
        converged=decrement < DECREMENT,
        extreme=tuple(label for label, at in zip(problem.labels, z, strict=True) if abs(at) > EXTREME),
        costs=tuple(float(result.cost) for result in found),
        evaluations=sum(int(result.njev) for result in found),
    )


def polish(problem: Problem, z: np.ndarray, scale: float = 1.0, evaluations: int = EVALUATIONS) -> OptimizeResult:
    """Return the local mode that is reached from z, at some scale of model errors.

    Raises
    ------
    CalibrationError
        If the model is undefined at z.
    """
    scales = np.array([scale])

    def residuals(z: np.ndarray) -> np.ndarray:
        return np.concatenate([problem.errors.whitened(problem.deviations(z)[:, None], scales)[:, 0], z])

    def jacobian(z: np.ndarray) -> np.ndarray:
        return np.concatenate([problem.errors.whitened(problem.slopes(z), scales), np.eye(len(z))])

    if not np.isfinite(residuals(z)).all():
        message = f"'{problem.model.name}' gives no value for some observation at a start of the fit; nothing was done."
        raise CalibrationError(message)
    slopes: Any = jacobian  # the stubs of SciPy know words alone
    return least_squares(residuals, z, slopes, method="trf", xtol=1e-6, ftol=1e-5, gtol=1e-6, max_nfev=evaluations)


def design(count: int, points: int, seed: int) -> np.ndarray:
    """Return starts from the priors, a scrambled Sobol design (points, count)."""
    sampler = qmc.Sobol(d=count, scramble=True, rng=np.random.default_rng(seed))
    return ndtri(np.clip(sampler.random(points), 1e-6, 1 - 1e-6))


def decrement_of(result: OptimizeResult) -> float:
    """Return how much the cost could still fall by its quadratic model: g' H^-1 g / 2."""
    step = np.linalg.lstsq(result.jac, result.fun, rcond=None)[0]
    return float(0.5 * ((result.jac @ step) ** 2).sum())

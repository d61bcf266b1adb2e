"""Priors as functions of standard normal numbers: value = quantile(Phi(z)), one z for each uncertain parameter.

Fitting and sampling happen in z, where the prior is the same for all families: independent standard normals. The
quantile functions are those of `sample_priors`, tabulated on a fine grid and read by cubic interpolation, so that no
family needs code of its own and JAX can trace them. The members of a dirichlet group depend on each other's z; they
have no function of their own here, are never fitted, and are drawn from their prior with the group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import ndtr

from trilemma.translation.labelled import Array, namespace
from trilemma.translation.model import Model
from trilemma.translation.parameters import ParameterTable, sample_priors

REACH = 6.0
"""Values stand still beyond so many standard deviations: the uniform numbers there have lost their digits."""
SPACING = 0.01


@dataclass(frozen=True, eq=False)
class Priors:
    """The quantile functions of some parameters.

    Attributes
    ----------
    labels
        The parameters, in the order of the table.
    values, slopes
        Of each parameter at the points of a grid from -REACH to REACH, shape (points, parameters).
    """

    labels: tuple[str, ...]
    values: np.ndarray
    slopes: np.ndarray

    def at(self, z: Array) -> Array:
        """Return the values at z (..., parameters), an array of any library."""
        xp = namespace(z)
        columns = np.arange(len(self.labels))
        position = (xp.clip(z, -REACH, REACH) + REACH) / SPACING
        left = xp.clip(xp.floor(position), 0, len(self.values) - 2).astype(int)
        t = position - left
        values, slopes = xp.asarray(self.values), SPACING * xp.asarray(self.slopes)
        start, end = values[left, columns], values[left + 1, columns]
        rise, fall = slopes[left, columns], slopes[left + 1, columns]
        curve = (1 + 2 * t) * start + t * rise
        return (1 - t) ** 2 * curve + t**2 * ((3 - 2 * t) * end + (t - 1) * fall)

    def slopes_at(self, z: np.ndarray) -> np.ndarray:
        """Return the derivatives of the values at z (..., parameters); 0 beyond the reach."""
        columns = np.arange(len(self.labels))
        position = (np.clip(z, -REACH, REACH) + REACH) / SPACING
        left = np.clip(np.floor(position), 0, len(self.values) - 2).astype(int)
        t = position - left
        secant = (self.values[left + 1, columns] - self.values[left, columns]) / SPACING
        inner = 6 * t * (1 - t) * secant
        outer = (1 - t) * (1 - 3 * t) * self.slopes[left, columns] + t * (3 * t - 2) * self.slopes[left + 1, columns]
        return np.where(np.abs(z) < REACH, inner + outer, 0.0)

    def positions(self, values: np.ndarray | Sequence[float]) -> np.ndarray:
        """Return the z at which the parameters have some values, shape (parameters,); to the accuracy of the grid."""
        grid = np.linspace(-REACH, REACH, len(self.values))
        wanted = np.asarray(values, dtype=float)
        return np.array([np.interp(wanted[k], self.values[:, k], grid) for k in range(len(self.labels))])

    def only(self, which: np.ndarray) -> Priors:
        """Return those of some of the parameters, by their positions."""
        labels = tuple(self.labels[k] for k in which)
        return Priors(labels, self.values[:, which], self.slopes[:, which])


def priors_of(model: Model) -> Priors:
    """Return the priors of a model's parameters that move by themselves: those outside dirichlet groups."""
    rows = tuple(row for row in model.parameters.uncertain if row.family != "dirichlet")
    grid = np.linspace(-REACH, REACH, round(2 * REACH / SPACING) + 1)
    uniforms = np.repeat(ndtr(grid)[:, None], len(rows), axis=1)
    drawn = sample_priors(ParameterTable(rows), uniforms, limits_of(model))
    values = np.stack([drawn[row.name] for row in rows], axis=1) if rows else np.empty((len(grid), 0))
    slopes = CubicSpline(grid, values).derivative()(grid) if rows else values
    return Priors(tuple(row.name for row in rows), values, np.maximum(slopes, 0.0))


def limits_of(model: Model) -> dict[str, tuple[float | None, float | None] | None]:
    """Return the limits of a model's variables, which cut unbounded priors."""
    return {name: variable.limits for name, variable in model.variables.items()}

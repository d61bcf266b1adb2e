"""What a fit works on: data with their errors, the parameters that the data can tell something about, and the model.

A point is z, one standard normal number for each fitted parameter, see `trilemma.calibration.priors`. All other
parameters stay at their central values. Which ones are fitted is not listed anywhere: it follows from the Fisher
information of the data at the central values, one Jacobian.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np

from trilemma.calibration.evidence import Evidence, load_evidence
from trilemma.calibration.measurement import measurements_hash
from trilemma.calibration.predictions import (
    Comparison,
    Method,
    compare_with_evidence,
    decorrelation,
    deviation_function,
)
from trilemma.calibration.priors import Priors, priors_of
from trilemma.engine.vector_function import VectorFunction
from trilemma.errors import CalibrationError
from trilemma.translation.labelled import Array, namespace
from trilemma.translation.model import Model

THRESHOLD = 0.1
"""Information (in units of the prior's) from which on a parameter is fitted. Below it, even if the data told of nothing
else, they would narrow the prior by less than 5 %: its standard deviation would be 1 / sqrt(1 + 0.1)."""


@dataclass(frozen=True, eq=False)
class Errors:
    """How the errors of data are distributed: normal, correlated within a measurement.

    Attributes
    ----------
    source, model
        Standard deviations of what the sources can be off by, and as the measurements state them (`model_sd`), of
        what the model can be off by although it is right; shape (data,).
    root
        The matrix that makes errors in units of their standard deviations independent.
    """

    source: np.ndarray
    model: np.ndarray
    root: np.ndarray

    def sd(self, scale: Array) -> Array:
        """Return standard deviations (data, runs) where the model is off by `scale` (runs,) times what is stated."""
        xp = namespace(scale)
        return xp.sqrt(self.source[:, None] ** 2 + (self.model[:, None] * xp.reshape(scale, (1, -1))) ** 2)

    def whitened(self, deviations: Array, scale: Array) -> Array:
        """Return independent standard normal residuals (data, runs) from deviations (data, runs)."""
        return namespace(deviations, scale).matmul(self.root, deviations / self.sd(scale))

    def log_likelihood(self, deviations: Array, scale: Array) -> Array:
        """Return the log-likelihood of each run (runs,), up to a constant; deviations (data, runs), scale (runs,)."""
        xp = namespace(deviations, scale)
        squares = xp.sum(self.whitened(deviations, scale) ** 2, axis=0)
        return -0.5 * squares - xp.sum(xp.log(self.sd(scale)), axis=0)


def errors_of(comparison: Comparison) -> Errors:
    """Return the errors of the data of a comparison."""
    data = comparison.data
    return Errors(
        np.array([datum.measurement.source_sd_of(datum.observation) for datum in data]),
        np.array([datum.measurement.model_sd for datum in data]),
        decorrelation(comparison),
    )


@dataclass(frozen=True, eq=False)
class Problem:
    """A model with the data that it is fitted to.

    Attributes
    ----------
    comparison, errors
        The data used, the measurements they stand on, and the errors.
    priors, function
        Of every parameter that moves by itself: priors, and the deviations as a function of values.
    central
        Their central values.
    information
        The Fisher information of the data on each at the central values and the stated errors, in units of its prior's.
    fitted
        The positions of those that are fitted.
    attrs
        Hashes of what the data were read from, the last day of data, and how the model is integrated.
    """

    model: Model
    comparison: Comparison
    errors: Errors
    priors: Priors
    function: VectorFunction
    central: np.ndarray
    information: np.ndarray
    fitted: np.ndarray
    attrs: dict[str, str | float]

    @property
    def labels(self) -> tuple[str, ...]:
        """The fitted parameters."""
        return tuple(self.priors.labels[k] for k in self.fitted)

    @property
    def start(self) -> np.ndarray:
        """Where the fitted parameters have their central values."""
        return self.priors.positions(self.central)[self.fitted]

    def values(self, z: np.ndarray) -> np.ndarray:
        """Return the values of all parameters that move (..., moving) at z (..., fitted)."""
        values = np.broadcast_to(self.central, (*z.shape[:-1], len(self.central))).copy()
        values[..., self.fitted] = self.priors.only(self.fitted).at(z)
        return values

    def deviations(self, z: np.ndarray) -> np.ndarray:
        """Return model less observation at z (fitted,) or (runs, fitted): (data,) or (runs, data). One batch."""
        return self.function(self.values(z))

    def slopes(self, z: np.ndarray) -> np.ndarray:
        """Return the exact derivatives of the deviations at z (fitted,), shape (data, fitted)."""
        jacobian = self.function.jacobian(self.values(z))
        return jacobian[:, self.fitted] * self.priors.only(self.fitted).slopes_at(z)

    def log_posterior(self, z: np.ndarray, scale: np.ndarray | float = 1.0) -> np.ndarray:
        """Return the log density of z (runs, fitted) given the scale of errors, up to a constant; -inf if undefined."""
        deviations = self.deviations(z).T
        scales = np.broadcast_to(np.asarray(scale, dtype=float), (len(z),))
        found = self.errors.log_likelihood(deviations, scales) - 0.5 * (z**2).sum(axis=1)
        return np.where(np.isfinite(found), found, -np.inf)


Tell = Callable[[int, int, str], None]
"""Is told how many parts are done, of how many, and what is going on."""


def silent(_done: int, _total: int, _label: str) -> None:
    """Say nothing."""


def pose(model: Model, *, until: date | None = None, method: Method = "rk4") -> Problem:
    """Bring together what a fit of a model works on.

    Parameters
    ----------
    until
        Only observations whose period has ended by this day.
    method
        How the model is integrated; a fit is to be made as forecasts are.

    Raises
    ------
    EvidenceError
        If a table is wrong, or no observation is left.
    CalibrationError
        If the model has no parameters to fit, is undefined at the central values, or the data say nothing about it.
    """
    evidence = load_evidence(model)
    comparison = compare_with_evidence(model, evidence, fitted=True, until=until, method=method)
    priors = priors_of(model)
    if not priors.labels:
        message = f"the model '{model.name}' has no parameter to fit: give priors in its parameters.csv."
        raise CalibrationError(message)
    function = deviation_function(comparison, priors.labels)
    rows = model.parameters.by_name
    central = np.array([rows[label].central for label in priors.labels])
    errors = errors_of(comparison)
    information = _information(model, comparison, priors, function, central, errors)
    fitted = np.flatnonzero(information > THRESHOLD)
    if not fitted.size:
        message = f"the {len(comparison.data)} observations used say next to nothing about '{model.name}': none to fit."
        raise CalibrationError(message)
    attrs = provenance(comparison, evidence, until)
    return Problem(model, comparison, errors, priors, function, central, information, fitted, attrs)


def provenance(comparison: Comparison, evidence: Evidence, until: date | None) -> dict[str, str | float]:
    """Return what data a fit stands on, and how the model is integrated for it, as attributes of its results."""
    last = max(datum.observation.end for datum in comparison.data)
    return {
        "evidence_hash": evidence.hash,
        "measurements_hash": measurements_hash(comparison.model),
        "observations": float(len(comparison.data)),
        "until": (until or last).isoformat(),
        "method": comparison.method,
        "time_step": comparison.model.clock.time_step,
    }


def _information(
    model: Model,
    comparison: Comparison,
    priors: Priors,
    function: VectorFunction,
    central: np.ndarray,
    errors: Errors,
) -> np.ndarray:
    """Return the information of the data on each parameter at the central values, in units of its prior's.

    Raises
    ------
    CalibrationError
        If the model gives no value for an observation there.
    """
    lost = np.flatnonzero(~np.isfinite(function(central)))
    if lost.size:
        datum = comparison.data[lost[0]]
        message = (
            f"{datum.observation.place}: at its central values '{model.name}' gives no value for "
            f"'{datum.measurement.name}'; leave the row out by column 'used' of {datum.measurement.place}."
        )
        raise CalibrationError(message)
    slopes = function.jacobian(central) * priors.slopes_at(priors.positions(central))
    return (errors.whitened(slopes, np.ones(1)) ** 2).sum(axis=0)

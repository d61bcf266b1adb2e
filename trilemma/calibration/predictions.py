"""What a model shows for each observation: predictions and residuals, from results or as a function of parameters.

Predictions are linear in the saved values of each measured expression: a fixed matrix of weights.
The same few lines work them out for NumPy and, under tracing, for the engine's arrays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

import numpy as np
import xarray as xr

from trilemma.calibration.evidence import Evidence, load_evidence
from trilemma.calibration.matching import Datum, measured, refuse_empty
from trilemma.calibration.measurement import Measurement, as_outcome, load_measurements
from trilemma.engine.inputs import Overrides
from trilemma.engine.simulate import simulate
from trilemma.engine.vector_function import VectorFunction, vector_function
from trilemma.errors import EvidenceError
from trilemma.translation.labelled import Array, namespace, time_weights
from trilemma.translation.model import Model

SAVES_A_YEAR = 16
FLOOR = 1e-6
"""A prediction under this share of an observation counts as this share, so that its logarithm stays finite."""

Method = Literal["euler", "rk4"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """A model beside its evidence, ready to be worked out.

    Attributes
    ----------
    model
        The model, with each measured expression among its derived outcomes.
    data
        The observations used with their measurements, those of a measurement side by side.
    times
        The saved times that predictions stand on.
    weights
        By the name of the outcome, one a measurement and in the order of the data: what each prediction takes from
        each saved time, shape (observations, times).
    """

    model: Model
    data: tuple[Datum, ...]
    times: np.ndarray
    weights: Mapping[str, np.ndarray]
    method: Method

    @property
    def observed(self) -> np.ndarray:
        """The observed values, transformed."""
        return np.array([datum.measurement.transformed(datum.observation.value) for datum in self.data])

    @property
    def sd(self) -> np.ndarray:
        """The standard deviations of the observations, in the transformed space."""
        return np.array([datum.measurement.sd_of(datum.observation) for datum in self.data])


def compare_with_evidence(
    model: Model,
    evidence: Evidence | None = None,
    *,
    measurements: Sequence[Measurement] | None = None,
    fitted: bool = False,
    until: date | None = None,
    method: Method = "rk4",
) -> Comparison:
    """Bring a model, its measurements and its evidence together.

    Parameters
    ----------
    evidence, measurements
        Those beside the model's file by default.
    fitted
        Only what a fit may use: measurements marked so, and no observation from memory (grade M).
    until
        Only observations whose period has ended by this day.
    method
        How the model is integrated. What is held against the world should not carry the error of a step.

    Raises
    ------
    EvidenceError, UnknownNameError
        If a table is wrong, a measurement finds no observation, or an observation lies outside the model's run.
    """
    own = evidence is None
    evidence = load_evidence(model) if evidence is None else evidence
    rows = load_measurements(model) if measurements is None else tuple(measurements)
    data = measured(rows, evidence.observations, own=own)
    if own:
        refuse_empty(rows, data)
    data = tuple(
        datum
        for datum in data
        if (until is None or datum.observation.end <= until)
        and not (fitted and (not datum.measurement.fitted or datum.observation.grade == "M"))
    )
    if not data:
        what = "; check series, units and dates." if until is None else f" up to {until}; choose a later day."
        message = f"no observation of {evidence.path} is left to compare with{what}"
        raise EvidenceError(message)
    _check_times(model, data, own=own)
    used = tuple(dict.fromkeys(datum.measurement for datum in data))
    times = _saved_times(model, data)
    outcomes = [as_outcome(row, model) for row in used]
    weights = {
        outcome.name: _weights(row, [datum for datum in data if datum.measurement is row], times)
        for row, outcome in zip(used, outcomes, strict=True)
    }
    extended = replace(model, derived={**model.derived, **{outcome.name: outcome for outcome in outcomes}})
    return Comparison(extended, data, times, weights, method)


def _check_times(model: Model, data: Sequence[Datum], *, own: bool) -> None:
    """Refuse an observation that the model's run does not cover; of other evidence than its own the row has to go."""
    first, last = model.clock.initial_time, model.clock.final_time
    for datum in data:
        start, end = datum.measurement.span_of(datum.observation)
        if start < first or end > last:
            remedy = f"leave it out by column 'used' of {datum.measurement.place}." if own else "remove the row."
            message = (
                f"{datum.observation.place}: {datum.observation.start} to {datum.observation.end} is outside the run "
                f"of '{model.name}', {first:g} to {last:g}; {remedy}"
            )
            raise EvidenceError(message)


def _saved_times(model: Model, data: Sequence[Datum]) -> np.ndarray:
    """Return the times to save at, to the end of the year of the last observation, or of the model's run.

    So tables of observations that end in one year share a compiled program.
    """
    first, step = model.clock.initial_time, model.clock.time_step
    every = max(1, math.floor(1 / SAVES_A_YEAR / step + 1e-9)) * step
    last = min(math.ceil(max(datum.observation.span[1] for datum in data) - 1e-9), model.clock.final_time)
    return first + np.arange(math.ceil((last - first) / every - 1e-9) + 1) * every


def _weights(row: Measurement, data: Sequence[Datum], times: np.ndarray) -> np.ndarray:
    """Return what each observation takes from each saved time, the factor included."""
    spans = [row.span_of(datum.observation) for datum in data]
    scale = [end - start if row.rule == "total" else 1.0 for start, end in spans]
    return np.stack([row.factor * s * time_weights(times, *span) for s, span in zip(scale, spans, strict=True)])


# ---------------------------------------------------------------------------------------------- predictions


def predict(comparison: Comparison, outcomes: Mapping[str, Array]) -> Array:
    """Return the predictions, in the units of the series, from the outcomes at the saved times.

    Parameters
    ----------
    outcomes
        By name, each (time or 1, runs), arrays of any library.

    Returns
    -------
    Array
        On (observations, runs). NaN where an expression is undefined at a time that the observation takes.
    """
    xp = namespace(*outcomes.values())
    parts: list[Array] = []
    for name, weights in comparison.weights.items():
        values = xp.broadcast_to(outcomes[name], (len(comparison.times), outcomes[name].shape[-1]))
        # a time that no observation takes may be undefined: 0 times NaN would spoil the sum
        needed = np.any(weights != 0, axis=0)[:, None]
        known = xp.where(needed & ~xp.isnan(values), values, 0.0)
        lost = xp.matmul((weights != 0).astype(float), xp.where(xp.isnan(values), 1.0, 0.0)) > 0
        parts.append(xp.where(lost, xp.nan, xp.matmul(weights, known)))
    runs = np.broadcast_shapes(*((part.shape[-1],) for part in parts))
    return xp.concat([xp.broadcast_to(part, (part.shape[0], *runs)) for part in parts], axis=0)


def transform(comparison: Comparison, predicted: Array) -> Array:
    """Return predictions (observations, runs) in the space where errors are normal."""
    xp = namespace(predicted)
    logged = np.array([datum.measurement.transform == "log" for datum in comparison.data])[:, None]
    least = FLOOR * np.array([abs(datum.observation.value) for datum in comparison.data])[:, None]
    least = np.where(least > 0, least, FLOOR)
    inside = xp.where(predicted > least, predicted, xp.where(xp.isnan(predicted), xp.nan, least))
    return xp.where(logged, xp.log(xp.where(logged, inside, 1.0)), predicted)


def whitening(comparison: Comparison) -> np.ndarray:
    """Return the matrix that makes the errors independent with a standard deviation of 1; one block a measurement."""
    return decorrelation(comparison) / comparison.sd


def decorrelation(comparison: Comparison) -> np.ndarray:
    """Return the matrix that makes errors in units of their standard deviations independent."""
    matrix = np.zeros((len(comparison.data), len(comparison.data)))
    names = np.array([datum.measurement.name for datum in comparison.data])
    for measurement in dict.fromkeys(datum.measurement for datum in comparison.data):
        where = np.flatnonzero(names == measurement.name)
        own = np.full((len(where), len(where)), measurement.correlation)
        np.fill_diagonal(own, 1.0)
        matrix[np.ix_(where, where)] = np.linalg.inv(np.linalg.cholesky(own))
    return matrix


def predictions(comparison: Comparison, results: xr.Dataset | None = None) -> np.ndarray:
    """Return what the model shows for each observation, in the unit of its series.

    Parameters
    ----------
    results
        What `run_comparison` returned; the central run by default.

    Returns
    -------
    numpy.ndarray
        On (observations,), or (run, observations) where the results have runs.
    """
    results = run_comparison(comparison) if results is None else results
    runs = "run" in results.dims
    arrays = {name: _time_run(results[name], len(comparison.times)) for name in comparison.weights}
    found = np.asarray(predict(comparison, arrays)).T
    return found if runs else found[0]


def _time_run(values: xr.DataArray, times: int) -> np.ndarray:
    """Return an outcome as an array (time, run)."""
    if "time" not in values.dims:
        values = values.expand_dims(time=times)
    if "run" not in values.dims:
        values = values.expand_dims("run")
    return values.transpose("time", "run").to_numpy()


def run_comparison(comparison: Comparison, overrides: Overrides | None = None) -> xr.Dataset:
    """Run the model for a comparison: the measured expressions at the saved times."""
    times = comparison.times
    return simulate(
        comparison.model,
        overrides,
        outcomes=list(comparison.weights),
        save_every=float(times[1] - times[0]),
        stop=float(times[-1]),
        method=comparison.method,
        warn=False,
    )


def residuals(comparison: Comparison, results: xr.Dataset | None = None) -> np.ndarray:
    """Return the whitened residuals, model less observation; shapes as in `predictions`."""
    predicted = np.atleast_2d(predictions(comparison, results)).T
    white = whitening(comparison) @ (np.asarray(transform(comparison, predicted)) - comparison.observed[:, None])
    return white.T if results is not None and "run" in results.dims else white[:, 0]


def residual_function(
    comparison: Comparison, parameters: Sequence[str], overrides: Mapping[str, Any] | None = None
) -> VectorFunction:
    """Return the whitened residuals as a function of some of the model's constants, with its exact Jacobian.

    Parameters
    ----------
    parameters
        Constants: ``name``, ``name[element]``, or a subscripted ``name`` for all its elements.
    overrides
        As in `simulate`, without runs.

    Examples
    --------
    >>> f = residual_function(compare_with_evidence(model, fitted=True), ["armington", "catch up total"])
    >>> scipy.optimize.least_squares(f, f.central, f.jacobian)  # doctest: +SKIP
    """
    return _function(comparison, whitening(comparison), parameters, overrides)


def deviation_function(comparison: Comparison, parameters: Sequence[str]) -> VectorFunction:
    """Return model less observation, in the space where errors are normal, as a function of constants; not whitened."""
    return _function(comparison, None, parameters, None)


def _function(
    comparison: Comparison, white: np.ndarray | None, parameters: Sequence[str], overrides: Mapping[str, Any] | None
) -> VectorFunction:
    """Return the deviations as a function of constants, multiplied by a matrix if there is one."""
    observed = comparison.observed[:, None]

    def reduce(outcomes: Mapping[str, Array]) -> Array:
        found = transform(comparison, predict(comparison, outcomes)) - observed
        return found if white is None else namespace(found).matmul(white, found)

    times = comparison.times
    return vector_function(
        comparison.model,
        reduce,
        parameters,
        outcomes=list(comparison.weights),
        overrides=overrides,
        save_every=float(times[1] - times[0]),
        stop=float(times[-1]),
        method=comparison.method,
    )

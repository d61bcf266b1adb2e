"""Scores of a model's released ensemble on a file of observations, without fitting anything.

The model's own evidence is what was known before: naive forecasts go on from it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from trilemma.calibration.ensemble import prior_ensemble
from trilemma.calibration.evidence import OBSERVATIONS, Observation, load_evidence, read_observations
from trilemma.calibration.matching import Datum, measured
from trilemma.calibration.measurement import Measurement, load_measurements
from trilemma.calibration.naive import naive_forecasts
from trilemma.calibration.predictions import compare_with_evidence
from trilemma.calibration.predictive import Shown, foretell, past_of, show
from trilemma.calibration.scoring import score_observations, score_series
from trilemma.errors import EnsembleError, TrilemmaWarning
from trilemma.translation.ensemble import FILE, Ensemble, ensemble_path, read_ensemble
from trilemma.translation.model import Model, load_model

DRAWS = 1000
"""Draws from the priors, where there is no posterior."""


@dataclass(frozen=True, eq=False)
class Score:
    """How well a model foretold some observations.

    Attributes
    ----------
    series, observations
        A row a series and a row an observation, see `trilemma.calibration.scoring`.
    not_measured
        A row for each series and unit of which some observations were not taken by a measurement: series, unit, rows,
        reason.
    projections
        How many rows are projections; they are not scored.
    ensemble
        What was scored: "posterior" or "prior".
    draws
        The size of the ensemble.
    """

    series: pd.DataFrame
    observations: pd.DataFrame
    not_measured: pd.DataFrame
    projections: int
    ensemble: str
    draws: int


def score(
    model: Model | str | Path,
    observations: str | Path,
    *,
    prior: bool = False,
    carry: bool = False,
    draws: int = DRAWS,
    seed: int = 0,
) -> Score:
    """Score what a model foretells of the observations in a file, against naive forecasts from its own evidence.

    Parameters
    ----------
    model
        A loaded model, its name under models/, or the path of its file.
    observations
        A file in the format of observations.csv. Projections in it are passed over.
    prior
        Score draws from the priors, even where a posterior lies beside the model.
    carry
        Let each series go on with the errors that it had in the model's own evidence, as far as they are correlated.
    draws
        How many draws from the priors.
    seed
        Of the draws and of the errors of measuring.

    Returns
    -------
    Score
        The tables.

    Raises
    ------
    EvidenceError, UnknownNameError
        If the file or a table beside the model is wrong, or an observation lies outside the model's run.
    """
    loaded = model if isinstance(model, Model) else load_model(model)
    measurements = load_measurements(loaded)
    brought = read_observations(observations)
    data = measured(measurements, brought.observations, own=False)
    own = own_evidence(loaded)
    both = replace(brought, observations=(*own, *brought.observations))
    comparison = compare_with_evidence(loaded, both, measurements=measurements) if data else None
    ensemble, kind = _ensemble(loaded, prior, draws, seed)
    rows = pd.DataFrame()
    if comparison is not None:
        rows = _score_rows(show(comparison, ensemble), own, carry=carry, seed=seed)
        _warn_undefined(rows)
    return Score(
        series=score_series(rows),
        observations=rows,
        not_measured=_not_measured(measurements, brought.observations, data),
        projections=sum(row.kind == "projection" for row in brought.observations),
        ensemble=kind,
        draws=ensemble.draws,
    )


def own_evidence(model: Model) -> tuple[Observation, ...]:
    """Return the observations beside a model's file; none where there is no evidence."""
    return load_evidence(model).observations if (model.path.parent / OBSERVATIONS).is_file() else ()


def _score_rows(shown: Shown, own: Sequence[Observation], *, carry: bool, seed: int) -> pd.DataFrame:
    """Return the scores of what is not the model's own evidence, which is the history of all forecasts."""
    data, ours = shown.comparison.data, set(map(id, own))
    known = [place for place, datum in enumerate(data) if id(datum.observation) in ours]
    targets = [place for place, datum in enumerate(data) if id(datum.observation) not in ours]
    past = past_of(data, targets, known) if carry else None
    predictive = foretell(shown, targets, past, seed=seed)
    return score_observations(predictive, naive_forecasts(predictive.data, [data[place] for place in known]))


def _ensemble(model: Model, prior: bool, draws: int, seed: int) -> tuple[Ensemble, str]:
    """Return the posterior of a model, or draws from its priors where there is none that fits."""
    if not prior:
        if ensemble_path(model).is_file():
            try:
                return read_ensemble(model), "posterior"
            except EnsembleError as error:
                message = f"{str(error).rstrip('.')}; scoring draws from the priors."
        else:
            message = f"the model '{model.name}' has no {FILE}: scoring draws from its priors."
        warnings.warn(message, TrilemmaWarning, stacklevel=3)
    return prior_ensemble(model, draws, seed), "prior"


def _not_measured(
    measurements: Sequence[Measurement], rows: Sequence[Observation], data: Sequence[Datum]
) -> pd.DataFrame:
    """Return which observations no measurement takes, and why."""
    taken = {id(datum.observation) for datum in data}
    left: dict[tuple[str, str, str], int] = {}
    for row in rows:
        if row.kind == "observation" and id(row) not in taken:
            key = (row.series, row.unit, _reason(measurements, row))
            left[key] = left.get(key, 0) + 1
    records = [
        {"series": series, "unit": unit, "rows": count, "reason": reason}
        for (series, unit, reason), count in sorted(left.items())
    ]
    return pd.DataFrame(records, columns=["series", "unit", "rows", "reason"])


def _reason(measurements: Sequence[Measurement], row: Observation) -> str:
    """Return why no measurement takes an observation."""
    same = [measurement for measurement in measurements if measurement.series == row.series]
    if not same:
        return "no measurement"
    if row.unit not in {measurement.unit for measurement in same}:
        units = " or ".join(dict.fromkeys(f"'{measurement.unit}'" for measurement in same))
        return f"measured in {units}"
    if any(measurement.takes(row) for measurement in same):
        return "no logarithm of a value that is not above 0"
    return "outside the periods that are measured"


def _warn_undefined(rows: pd.DataFrame) -> None:
    """Say where draws without a value were left out."""
    undefined = rows["undefined"].to_numpy(dtype=float)
    if (undefined > 0).any():
        lost = int(np.isnan(rows["crps"].to_numpy(dtype=float)).sum())
        message = (
            f"{int((undefined > 0).sum())} of {len(rows)} observations have draws in which the model has no value for "
            f"them (the largest share is {undefined.max():.0%}); these draws are left out, and {lost} observations "
            "with fewer than half of the draws are not scored."
        )
        warnings.warn(message, TrilemmaWarning, stacklevel=3)

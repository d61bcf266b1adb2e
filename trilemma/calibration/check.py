"""The model's central run beside its evidence, before or after a fit: a row an observation, with a verdict."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trilemma.calibration.predictions import (
    Comparison,
    Method,
    compare_with_evidence,
    predictions,
    run_comparison,
    transform,
)
from trilemma.engine.inputs import Overrides
from trilemma.translation.model import Model

SHARE = 0.35
DEVIATIONS = 2.0
"""A prediction agrees within this share of the observation, or within so many standard deviations of its source."""


def fit_table(comparison: Comparison, overrides: Overrides | None = None) -> pd.DataFrame:
    """Return what the model shows beside what was observed, a row an observation.

    Parameters
    ----------
    comparison
        From `compare_with_evidence`.
    overrides
        As in `simulate`, without runs; the central run by default.

    Returns
    -------
    pandas.DataFrame
        measurement, check, series, start, end, unit, observed, low, high (as the source states them), grade, model,
        error (model over observed, less 1), deviations (of the source, in the space where its errors are normal),
        fitted, verdict: "agrees", "differs" or, where the model gives no value, "undefined".
    """
    model = predictions(comparison, run_comparison(comparison, overrides))
    distance = np.asarray(transform(comparison, model[:, None]))[:, 0] - comparison.observed
    rows = [datum.observation for datum in comparison.data]
    by = [datum.measurement for datum in comparison.data]
    observed = np.array([row.value for row in rows])
    error = np.divide(model, observed, out=np.full(len(rows), np.nan), where=observed != 0) - 1
    deviations = distance / np.array([m.source_sd_of(row) for m, row in zip(by, rows, strict=True)])
    near = (np.abs(error) <= SHARE) | (np.abs(deviations) <= DEVIATIONS)
    return pd.DataFrame(
        {
            "measurement": [row.name for row in by],
            "check": [row.check for row in by],
            "series": [row.series for row in rows],
            "start": [row.start for row in rows],
            "end": [row.end for row in rows],
            "unit": [row.unit for row in rows],
            "observed": observed,
            "low": [np.nan if row.low is None else row.low for row in rows],
            "high": [np.nan if row.high is None else row.high for row in rows],
            "grade": [row.grade for row in rows],
            "model": model,
            "error": error,
            "deviations": deviations,
            "fitted": [row.fitted for row in by],
            "verdict": np.where(np.isnan(model), "undefined", np.where(near, "agrees", "differs")),
        }
    )


def evidence_check(model: Model, *, everything: bool = False, method: Method = "rk4") -> pd.DataFrame:
    """Return the rows of `fit_table` of the central run that check a headline quantity; none rests on memory alone.

    Parameters
    ----------
    everything
        All rows, also those that check no headline quantity or are from memory.

    Raises
    ------
    EvidenceError, UnknownNameError
        If the evidence or the measurements of the model are wrong, or there are none.
    """
    table = fit_table(compare_with_evidence(model, method=method))
    return table if everything else table.query("check != '' and grade != 'M'").reset_index(drop=True)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row a measurement: how many observations agree, and the median and the largest error."""
    grouped = table.groupby("measurement", sort=False)
    return pd.DataFrame(
        {
            "series": grouped["series"].first(),
            "unit": grouped["unit"].first(),
            "fitted": grouped["fitted"].first(),
            "observations": grouped.size(),
            "agree": grouped["verdict"].agg(lambda verdicts: int((verdicts == "agrees").sum())),
            "median error": grouped["error"].median(),
            "largest deviation": grouped["deviations"].agg(lambda values: values.abs().max()),
        }
    ).reset_index()

"""Scores of predictive distributions: a row an observation, and a row a series.

All scores are taken in the space in which errors are normal: for "log" an error is one of the logarithm, so that the
scores of series of any size can stand side by side. CRPS, interval score and log score are smaller for the better
forecast. A draw in which the model has no value is left out and counted; an observation that fewer than half of the
draws have a value for is not scored, and counted too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd
import scoringrules

from trilemma.calibration.matching import Datum
from trilemma.calibration.naive import NAMES, Normal
from trilemma.calibration.predictive import Predictive

Columns: TypeAlias = dict[str, np.ndarray]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
ENOUGH = 0.5
"""The share of draws that must have a value for an observation to be scored."""

_LEAST_SD = 1e-9
"""What a normal distribution without spread counts as."""


def score_observations(predictive: Predictive, naive: Mapping[str, Sequence[Normal | None]]) -> pd.DataFrame:
    """Return the scores of each observation.

    Parameters
    ----------
    predictive
        What `trilemma.calibration.predictive.foretell` returned.
    naive
        What `trilemma.calibration.naive.naive_forecasts` returned for the same observations.

    Returns
    -------
    pandas.DataFrame
        measurement, series, start, end, unit, grade, fitted, observed; p5, p25, median, p75, p95 in the unit of the
        series; undefined (share of draws without a value), within_50, within_90, crps, interval_90 (Winkler's score),
        log_score (minus the log density), deviation (median less observed, transformed), relative (that in the unit of
        the series, as a share of the observation), target (the observation, transformed), and the CRPS of the naive
        forecasts, "last value" and "trend". NaN where there is none.
    """
    shares = np.isnan(predictive.centres).sum(axis=0) / len(predictive.centres)
    rows = [
        _described(datum)
        | {"undefined": float(share), "target": float(value)}
        | _scored(predictive, place, datum, float(value))
        | {name: _crps(naive[name][place], float(value)) for name in NAMES}
        for place, (datum, value, share) in enumerate(zip(predictive.data, predictive.observed, shares, strict=True))
    ]
    return pd.DataFrame(rows)


def _described(datum: Datum) -> dict[str, object]:
    """Return what an observation is."""
    row, by = datum.observation, datum.measurement
    return {
        "measurement": by.name,
        "series": row.series,
        "start": row.start,
        "end": row.end,
        "unit": row.unit,
        "grade": row.grade,
        "fitted": by.fitted,
        "observed": row.value,
    }


def _scored(predictive: Predictive, place: int, datum: Datum, observed: float) -> dict[str, float]:
    """Return the scores of one observation; NaN where too few draws have a value."""
    names = ("p5", "p25", "median", "p75", "p95")
    draws = predictive.draws[:, place]
    centres = predictive.centres[:, place]
    defined = ~np.isnan(centres)
    draws, centres, sd = draws[~np.isnan(draws)], centres[defined], predictive.sd[defined, place]
    if centres.size < ENOUGH * predictive.centres.shape[0] or not centres.size:
        others = ("within_50", "within_90", "crps", "interval_90", "log_score", "deviation", "relative")
        return dict.fromkeys((*names, *others), math.nan)
    p5, p25, middle, p75, p95 = (float(np.quantile(draws, share)) for share in QUANTILES)
    back = math.exp if datum.measurement.transform == "log" else float
    value = datum.observation.value
    return {
        **dict(zip(names, map(back, (p5, p25, middle, p75, p95)), strict=True)),
        "within_50": float(p25 <= observed <= p75),
        "within_90": float(p5 <= observed <= p95),
        "crps": float(np.asarray(scoringrules.crps_ensemble(observed, draws, estimator="pwm"))),
        "interval_90": float(scoringrules.interval_score(observed, p5, p95, 0.1)),
        "log_score": -_log_density(observed, centres, sd),
        "deviation": middle - observed,
        "relative": back(middle) / value - 1 if value else math.nan,
    }


def _log_density(observed: float, centres: np.ndarray, sd: np.ndarray) -> float:
    """Return the log density of an observation under equally likely normals."""
    logs = -0.5 * ((observed - centres) / sd) ** 2 - np.log(sd * math.sqrt(2 * math.pi))
    return float(np.logaddexp.reduce(logs)) - math.log(centres.size)


def _crps(forecast: Normal | None, observed: float) -> float:
    """Return the CRPS of a normal forecast; NaN where there is none."""
    if forecast is None:
        return math.nan
    return float(scoringrules.crps_normal(observed, forecast.mean, max(forecast.sd, _LEAST_SD)))


def score_series(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of each series, from those of its observations.

    Returns
    -------
    pandas.DataFrame
        A row a series, in the order in which they first appear: series, measurements, unit, fitted (whether a fit uses
        any of it), n (observations scored), not_scored (too few draws with a value), undefined (mean share of draws
        without a value); means of crps, interval_90 and log_score; coverage_50 and coverage_90; mape (mean absolute
        relative error of the median, in the unit of the series); bias (mean deviation, transformed); theil_um,
        theil_us, theil_uc (of two observations and more); with_naive (observations with a naive forecast), skill_last,
        skill_trend, and skill, the smaller of the two.
    """
    columns = columns_of(rows)
    names = list(dict.fromkeys(map(str, columns["series"]))) if columns else []
    found = [_of_series(name, some(columns, columns["series"] == name)) for name in names]
    return pd.DataFrame(found, columns=list(SERIES_COLUMNS))


SERIES_COLUMNS = (
    *("series", "measurements", "unit", "fitted", "n", "not_scored", "undefined", "crps", "interval_90", "log_score"),
    *("coverage_50", "coverage_90", "mape", "bias", "theil_um", "theil_us", "theil_uc"),
    *("with_naive", "skill", "skill_last", "skill_trend"),
)


def _of_series(name: str, group: Columns) -> dict[str, object]:
    """Return the scores of one series."""
    scored = some(group, ~np.isnan(group["crps"]))
    um, us, uc = theil(scored["target"] + scored["deviation"], scored["target"])
    last, trend = (skill(scored, naive) for naive in NAMES)
    return {
        "series": name,
        "measurements": "; ".join(dict.fromkeys(map(str, group["measurement"]))),
        "unit": "; ".join(dict.fromkeys(map(str, group["unit"]))),
        "fitted": bool(np.any(group["fitted"])),
        "n": len(scored["crps"]),
        "not_scored": len(group["crps"]) - len(scored["crps"]),
        "undefined": mean(group["undefined"]),
        **{key: mean(scored[key]) for key in ("crps", "interval_90", "log_score")},
        "coverage_50": mean(scored["within_50"]),
        "coverage_90": mean(scored["within_90"]),
        "mape": mean(np.abs(scored["relative"])),
        "bias": mean(scored["deviation"]),
        "theil_um": um,
        "theil_us": us,
        "theil_uc": uc,
        "with_naive": int(np.sum(np.any([~np.isnan(scored[naive]) for naive in NAMES], axis=0))),
        "skill": float(np.fmin(last, trend)),
        "skill_last": last,
        "skill_trend": trend,
    }


def columns_of(frame: pd.DataFrame) -> Columns:
    """Return the columns of a frame as arrays."""
    return {str(name): frame[name].to_numpy() for name in frame.columns}


def some(columns: Columns, which: np.ndarray) -> Columns:
    """Return some of the rows, as `which` says."""
    return {name: values[which] for name, values in columns.items()}


def mean(values: np.ndarray) -> float:
    """Return the mean; NaN of nothing."""
    return float(np.mean(values)) if values.size else math.nan


def skill(rows: Columns, naive: str) -> float:
    """Return 1 less the ratio of the CRPS to that of a naive forecast, over the observations that have one."""
    both = some(rows, ~np.isnan(rows["crps"]) & ~np.isnan(rows[naive]))
    return 1 - mean(both["crps"]) / mean(both[naive])


def theil(predicted: np.ndarray, observed: np.ndarray) -> tuple[float, float, float]:
    """Return the shares of bias, unequal variation and unequal covariation in the mean squared error; they sum to 1.

    NaN for fewer than two points, and where there is no error.
    """
    p, a = np.asarray(predicted, dtype=float), np.asarray(observed, dtype=float)
    if p.size < 2:
        return math.nan, math.nan, math.nan
    mse = float(np.mean((p - a) ** 2))
    if mse == 0:
        return math.nan, math.nan, math.nan
    bias = float((p.mean() - a.mean()) ** 2)
    variation = float((p.std() - a.std()) ** 2)
    covariation = 2 * (float(p.std() * a.std()) - float(np.mean((p - p.mean()) * (a - a.mean()))))
    return bias / mse, variation / mse, covariation / mse

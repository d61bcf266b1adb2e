"""Backtests with a rolling origin: fit to what was known at a day, and score what was observed after it.

Each origin has three forecasts of the same observations. "calibrated": the posterior given what is fitted until the
origin, as a forecast uses it. "errors carried": the same, but each series goes on with the errors that it had by then,
as far as the stated correlation goes. "prior only": draws from the priors, no data at all.

What is held back is what ended after the origin, fitted or not, but for observations from memory. It is kept apart by
how far ahead it lies: within a year of the origin, within two years, and so on. Naive forecasts have the same history.

The result is kept in a file beside the model, with the hashes of what it was made from. Nothing is chosen by it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from trilemma.calibration.calibrate import posterior_ensemble
from trilemma.calibration.ensemble import prior_ensemble
from trilemma.calibration.evidence import decimal_year, load_evidence
from trilemma.calibration.matching import Datum
from trilemma.calibration.measurement import measurements_hash
from trilemma.calibration.naive import naive_forecasts
from trilemma.calibration.predictions import compare_with_evidence
from trilemma.calibration.predictive import Shown, foretell, past_of, show
from trilemma.calibration.problem import Tell, silent
from trilemma.calibration.scoring import columns_of, mean, score_observations, score_series, some
from trilemma.errors import CalibrationError, EvidenceError
from trilemma.files import replacing
from trilemma.translation.ensemble import Ensemble, priors_hash
from trilemma.translation.model import Model, load_model

FILE = "backtest.csv"
CALIBRATED, CARRIED, PRIOR = "calibrated", "errors carried", "prior only"
FORECASTS = (CALIBRATED, CARRIED, PRIOR)
POOLED = "all"
"""The origin of rows that hold all origins together."""

DRAWS = 1000
HASHES = {
    "model_hash": "equations",
    "priors_hash": "priors",
    "evidence_hash": "evidence",
    "measurements_hash": "measurements",
}
"""What a backtest was made from: the columns of hashes in its file, and what each stands for."""

DIGITS = 16


@dataclass(frozen=True, eq=False)
class Backtest:
    """Scores of what was held back.

    Attributes
    ----------
    observations
        A row an origin, forecast and observation: `origin`, `forecast`, `years_ahead`; the columns of
        `trilemma.calibration.scoring.score_observations`; of the fit `k_hat` and `tempered_to`, the shape of the tail
        of its weights and the power to which they were raised, see `trilemma.calibration.importance`.
    """

    observations: pd.DataFrame

    @property
    def series(self) -> pd.DataFrame:
        """A row an origin (and `POOLED` for all), years ahead, forecast and series, scored as by `score_series`."""
        columns = columns_of(self.observations)
        parts: list[pd.DataFrame] = []
        for origin in (*dict.fromkeys(columns["origin"]), POOLED):
            for years in sorted(set(columns["years_ahead"].tolist())):
                for forecast in FORECASTS:
                    of_origin = (
                        np.full(len(self.observations), True) if origin == POOLED else columns["origin"] == origin
                    )
                    rows = of_origin & (columns["years_ahead"] == years) & (columns["forecast"] == forecast)
                    if rows.any():
                        found = score_series(self.observations.loc[rows])
                        found["k_hat"] = float(np.max(columns["k_hat"][rows]))
                        found["tempered_to"] = float(np.min(columns["tempered_to"][rows]))
                        found.insert(0, "forecast", forecast)
                        found.insert(0, "years_ahead", years)
                        found.insert(0, "origin", origin)
                        parts.append(found)
        return pd.concat(parts, ignore_index=True)


def fit_origins(
    model: Model, origins: Sequence[date] | None = None, *, draws: int = DRAWS, seed: int = 0, tell: Tell = silent
) -> dict[date, Ensemble]:
    """Return the posterior of a model given what was known at each origin.

    Parameters
    ----------
    origins
        Last days of what is fitted; the ends of the last two years before that of the last observation by default.
    draws
        Of each ensemble.
    tell
        Is told how many parts are done, of how many, and what is going on.

    Raises
    ------
    EvidenceError
        If the evidence or a measurement is wrong, or nothing is left to hold back after an origin.
    CalibrationError
        If a fit does not converge.
    """
    data = compare_with_evidence(model).data
    days = tuple(origins) if origins is not None else _origins(data)
    for origin in days:
        if not held_back(data, origin):
            message = f"nothing in the evidence on '{model.name}' ended after {origin}: choose an earlier origin."
            raise EvidenceError(message)
    found: dict[date, Ensemble] = {}
    for done, origin in enumerate(days):
        tell(done, len(days), f"fitting to the end of {origin}")
        found[origin] = posterior_ensemble(model, until=origin, draws=draws, method="laplace", seed=seed)
    return found


def backtest(model: Model | str | Path, fitted: Mapping[date, Ensemble] | None = None, *, seed: int = 0) -> Backtest:
    """Score what came after each origin by a model that was fitted to what was known there.

    Parameters
    ----------
    fitted
        What `fit_origins` returned; made by default, which takes minutes.
    seed
        Of draws and errors.

    Raises
    ------
    EvidenceError, CalibrationError
        As `fit_origins` does.
    """
    loaded = model if isinstance(model, Model) else load_model(model)
    ensembles = fit_origins(loaded, seed=seed) if fitted is None else fitted
    comparison = compare_with_evidence(loaded)
    prior = show(comparison, prior_ensemble(loaded, max(ensemble.draws for ensemble in ensembles.values()), seed))
    parts: list[pd.DataFrame] = []
    for origin, ensemble in ensembles.items():
        targets = held_back(comparison.data, origin)
        shown = show(comparison, ensemble)
        found = [_scored(part, kind, origin, targets, seed) for part, kind in _forecasts(shown, prior)]
        told = {name: float(ensemble.attrs.get(name, np.nan)) for name in ("k_hat", "tempered_to")}
        parts += [rows.assign(**told) for rows in found]
    return Backtest(pd.concat(parts, ignore_index=True))


def _forecasts(fitted: Shown, prior: Shown) -> list[tuple[Shown, str]]:
    """Return what each forecast shows."""
    return [(fitted, CALIBRATED), (fitted, CARRIED), (prior, PRIOR)]


def _origins(data: Sequence[Datum]) -> tuple[date, ...]:
    """Return the ends of the two years before that of the last observation."""
    last = max(datum.observation.end for datum in data).year
    return date(last - 2, 12, 31), date(last - 1, 12, 31)


def held_back(data: Sequence[Datum], origin: date) -> list[int]:
    """Return the positions of what ended after an origin and is not from memory."""
    return [
        place for place, datum in enumerate(data) if datum.observation.end > origin and datum.observation.grade != "M"
    ]


def years_ahead(origin: date, end: date) -> int:
    """Return within how many years of an origin a period ended: 1 to its first anniversary."""
    start = decimal_year(origin + timedelta(days=1))
    return max(1, math.ceil(decimal_year(end + timedelta(days=1)) - start - 1e-9))


def _scored(shown: Shown, kind: str, origin: date, targets: Sequence[int], seed: int) -> pd.DataFrame:
    """Return the scores of one forecast from one origin."""
    data = shown.comparison.data
    known = [place for place, datum in enumerate(data) if datum.observation.end <= origin]
    past = past_of(data, targets, known) if kind == CARRIED else None
    predictive = foretell(shown, targets, past, seed=seed)
    rows = score_observations(predictive, naive_forecasts(predictive.data, data, origin))
    ahead = [years_ahead(origin, datum.observation.end) for datum in predictive.data]
    rows.insert(0, "years_ahead", ahead)
    rows.insert(0, "forecast", kind)
    rows.insert(0, "origin", origin.isoformat())
    return rows


def totals(series: pd.DataFrame) -> pd.DataFrame:
    """Return a row an origin, years ahead and forecast, from the scores of the series.

    Returns
    -------
    pandas.DataFrame
        origin, years_ahead, forecast; series and n (observations); coverage_50, coverage_90; with_skill (series with a
        naive forecast), skill (their median), better (the share of them above 0).
    """
    columns = columns_of(series)
    keys = dict.fromkeys(zip(columns["origin"], columns["years_ahead"], columns["forecast"], strict=True))
    return pd.DataFrame([_total(columns, *key) for key in keys])


def _total(columns: dict[str, np.ndarray], origin: str, years: int, forecast: str) -> dict[str, object]:
    """Return the row of one forecast."""
    which = (columns["origin"] == origin) & (columns["years_ahead"] == years) & (columns["forecast"] == forecast)
    part = some(columns, which)
    n, skills = part["n"].astype(float), part["skill"][~np.isnan(part["skill"])]
    scored = some(part, n > 0)
    return {
        "origin": origin,
        "years_ahead": years,
        "forecast": forecast,
        "series": int((n > 0).sum()),
        "n": int(n.sum()),
        "coverage_50": float(np.average(scored["coverage_50"], weights=scored["n"])) if n.sum() else math.nan,
        "coverage_90": float(np.average(scored["coverage_90"], weights=scored["n"])) if n.sum() else math.nan,
        "with_skill": len(skills),
        "skill": float(np.median(skills)) if skills.size else math.nan,
        "better": mean(skills > 0),
    }


# ------------------------------------------------------------------------------------------------------ the file


def identity(model: Model) -> dict[str, str]:
    """Return the first digits of the hashes by which a backtest belongs to a model, its priors and its evidence."""
    whole = (model.hash, priors_hash(model.parameters), load_evidence(model).hash, measurements_hash(model))
    return {name: value[:DIGITS] for name, value in zip(HASHES, whole, strict=True)}


def write_backtest(model: Model, result: Backtest, path: Path | None = None) -> Path:
    """Write the scores of the series into a file, the one beside the model's file by default.

    Raises
    ------
    CalibrationError
        If it cannot be written; what was there is untouched.
    """
    return write_stamped(result.series, model, model.path.with_name(FILE) if path is None else path)


def write_stamped(table: pd.DataFrame, model: Model, file: Path) -> Path:
    """Write a table with the hashes of what it was made from, whole or not at all.

    Raises
    ------
    CalibrationError
        If it cannot be written; what was there is untouched.
    """
    stamped = table.assign(**identity(model))
    try:
        with replacing(file) as part:
            stamped.to_csv(part, index=False, float_format="%.4g", lineterminator="\n")
    except OSError as error:
        message = f"{file} cannot be written ({error.strerror or error}): free space or choose another folder."
        raise CalibrationError(message) from error
    return file


def read_backtest(model: Model, path: Path | None = None) -> pd.DataFrame:
    """Read the scores of the series from the file beside a model's file.

    Raises
    ------
    CalibrationError
        As `read_stamped` does.
    """
    return read_stamped(model, model.path.with_name(FILE) if path is None else path)


def read_stamped(model: Model, file: Path) -> pd.DataFrame:
    """Read a table that `write_stamped` wrote, without the hashes.

    Raises
    ------
    CalibrationError
        If there is none, it is damaged, or it was made for other equations or other evidence.
    """
    remedy = f"'trilemma backtest {model.name}' makes it."
    if not file.is_file():
        message = f"the model '{model.name}' has no {file.name}: {remedy}"
        raise CalibrationError(message)
    try:
        table = pd.read_csv(file, dtype=dict.fromkeys((*HASHES, "origin"), str))
        stamps = {name: set(table[name]) for name in HASHES}
    except (OSError, ValueError, KeyError) as error:
        reason = f"it has no column {error}" if isinstance(error, KeyError) else error
        message = f"{file.name} of '{model.name}' cannot be read ({reason}): {remedy}"
        raise CalibrationError(message) from error
    for name, value in identity(model).items():
        if stamps[name] != {value}:
            message = f"{file.name} was made with other {HASHES[name]} than '{model.name}' has now: {remedy}"
            raise CalibrationError(message)
    return table.drop(columns=list(HASHES))

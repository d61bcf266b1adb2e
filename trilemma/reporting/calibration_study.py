"""All that is shown of a model's calibration: posterior beside priors, fit to the evidence, backtest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from trilemma.calibration import backtest
from trilemma.calibration.ensemble import prior_ensemble
from trilemma.calibration.naive import NAMES
from trilemma.calibration.predictions import compare_with_evidence
from trilemma.calibration.predictive import Shown, foretell, show
from trilemma.calibration.rivals import read_rivals
from trilemma.calibration.scoring import score_observations, score_series
from trilemma.translation.ensemble import Ensemble, read_ensemble
from trilemma.translation.model import Model, load_model


@dataclass(frozen=True, eq=False)
class CalibrationStudy:
    """A calibrated model with what is shown of it.

    Attributes
    ----------
    posterior, prior
        The ensembles.
    rows, series
        Scores of the posterior on the evidence, by observation and by series, without a series' own past errors.
    bands
        Of what the model shows for each observation in the posterior, without errors: its 5, 50 and 95 % quantiles in
        the unit of the series, shape (3, observation).
    backtest, rivals
        The scores of what was held back, and the comparison of rival structures; None where none was made.
    """

    model: Model
    posterior: Ensemble
    prior: Ensemble
    rows: pd.DataFrame
    series: pd.DataFrame
    bands: np.ndarray
    backtest: pd.DataFrame | None
    rivals: pd.DataFrame | None = None


def open_calibration(posterior: str | Path, backtested: str | Path | None = None, *, seed: int = 0) -> CalibrationStudy:
    """Return what is shown of the calibrated ensemble in a file, which lies beside its model.

    Parameters
    ----------
    posterior
        The file of the ensemble; the model is the one in the same folder.
    backtested
        The file of the backtest; none is shown by default.

    Raises
    ------
    EnsembleError
        If the ensemble is missing, or was made for another state of the model.
    CalibrationError
        If the backtest was.
    """
    file = Path(posterior)
    model = load_model(str(file.parent))
    ensemble = read_ensemble(model, file)
    comparison = compare_with_evidence(model)
    shown = show(comparison, ensemble)
    predictive = foretell(shown, range(len(comparison.data)), seed=seed)
    nothing = {name: [None] * len(comparison.data) for name in NAMES}
    rows = score_observations(predictive, nothing)
    return CalibrationStudy(
        model=model,
        posterior=ensemble,
        prior=prior_ensemble(model, ensemble.draws, seed),
        rows=rows,
        series=score_series(rows),
        bands=_bands(shown),
        backtest=None if backtested is None else backtest.read_backtest(model, Path(backtested)),
        rivals=None if backtested is None else read_rivals(model),
    )


def _bands(shown: Shown) -> np.ndarray:
    """Return the quantiles of what the model shows, in the unit of the series."""
    found = np.nanquantile(shown.centres, (0.05, 0.5, 0.95), axis=0)
    logged = np.array([datum.measurement.transform == "log" for datum in shown.comparison.data])
    return np.where(logged, np.exp(np.where(logged, found, 0.0)), found)


# ---------------------------------------------------------------------------------------------- what was learnt


def learnt(study: CalibrationStudy) -> pd.DataFrame:
    """Return what the data told about each parameter, what was narrowed most first.

    Returns
    -------
    pandas.DataFrame
        parameter, unit, fitted; p5, p50, p95 of the posterior and prior_p5, prior_p50, prior_p95; low, middle, high
        (where the posterior's quantiles lie among the draws of the prior, 0 to 1); contraction, 1 less the ratio of the
        variances of the normal scores (ranks among the prior's draws): 0 where nothing was learnt, 1 where all was.
    """
    rows = study.model.parameters.by_name
    records = [
        {"parameter": label, "unit": rows[label].unit, "fitted": bool(fitted), **_learnt(study, place)}
        for place, (label, fitted) in enumerate(zip(study.posterior.labels, study.posterior.fitted, strict=True))
    ]
    return pd.DataFrame(records).sort_values("contraction", ascending=False, kind="stable", ignore_index=True)


def _learnt(study: CalibrationStudy, place: int) -> dict[str, float]:
    """Return what the data told about one parameter."""
    label = study.posterior.labels[place]
    prior, posterior = np.sort(study.prior.parameters[label]), study.posterior.values[:, place]
    after, before = (np.quantile(values, (0.05, 0.5, 0.95)) for values in (posterior, prior))
    ranks = np.clip(_ranks(prior, after), 0.0, 1.0)
    spread = np.var(normal_scores(prior, posterior)) / np.var(normal_scores(prior, prior))
    names = ("p5", "p50", "p95")
    return {
        **{name: float(value) for name, value in zip(names, after, strict=True)},
        **{f"prior_{name}": float(value) for name, value in zip(names, before, strict=True)},
        **{name: float(value) for name, value in zip(("low", "middle", "high"), ranks, strict=True)},
        "contraction": max(0.0, 1 - float(spread)),
    }


def normal_scores(prior: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return values as normal scores among the sorted draws of a prior, on whose scale all priors are alike."""
    from scipy.special import ndtri  # here, since it takes a third of a second to load

    count = len(prior)
    return ndtri(np.clip(_ranks(prior, values), 0.5 / count, 1 - 0.5 / count))


def _ranks(prior: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the shares of sorted draws below some values."""
    return np.interp(values, prior, (np.arange(len(prior)) + 0.5) / len(prior))


def trade_offs(study: CalibrationStudy, count: int) -> list[tuple[str, str, float]]:
    """Return the pairs of fitted parameters whose posterior correlation is largest: what only their mix is known of."""
    places = np.flatnonzero(study.posterior.fitted)
    scores = np.stack(
        [
            normal_scores(np.sort(study.prior.parameters[study.posterior.labels[k]]), study.posterior.values[:, k])
            for k in places
        ],
        axis=1,
    )
    correlation = np.atleast_2d(np.corrcoef(scores.T))
    pairs = [(i, j) for i in range(len(places)) for j in range(i)]
    pairs.sort(key=lambda pair: -abs(correlation[pair]))
    labels = study.posterior.labels
    return [(labels[places[j]], labels[places[i]], float(correlation[i, j])) for i, j in pairs[:count]]

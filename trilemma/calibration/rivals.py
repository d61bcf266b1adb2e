"""Rival structures of a model compared by what they would have foretold, and averaged by stacking.

A structure is a model with some constants set, such as its switches. Fitting each anew from each origin takes long, so
the draws of the fitted model are run under every structure and weighed by how much better or worse it explains the
data up to the origin (Pareto-smoothed importance sampling, Vehtari et al. 2024); the shape k of the weights' tail says
whether that carries: above 0.7 it does not, and the row says so. What is compared is the log density of what was held
back within a year of the origins, each observation once. Stacking (Yao et al. 2018) finds the average of the structures
that would have foretold best, which is not the chance that a structure is right.

Observations of one series go together, so the standard errors of differences are too small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats import ELPDData
from arviz_stats.loo import compare as compare_densities

from trilemma.calibration.backtest import held_back, read_stamped, write_stamped, years_ahead
from trilemma.calibration.evidence import load_evidence
from trilemma.calibration.importance import LEAST, resample, weigh
from trilemma.calibration.naive import NAMES
from trilemma.calibration.predictions import Comparison, compare_with_evidence
from trilemma.calibration.predictive import Shown, foretell, show
from trilemma.calibration.problem import Tell, errors_of, silent
from trilemma.calibration.scoring import score_observations
from trilemma.errors import CalibrationError
from trilemma.translation.ensemble import Ensemble
from trilemma.translation.model import Model

FILE = "rivals.csv"
CARRIES = 0.7
"""The shape of the tail of weights up to which they are reliable."""

Structures = Mapping[str, Mapping[str, float]]


def compare_structures(
    model: Model, structures: Structures, fitted: Mapping[date, Ensemble], *, seed: int = 0, tell: Tell = silent
) -> pd.DataFrame:
    """Compare structures by the log density of what was held back within a year of each origin.

    Parameters
    ----------
    structures
        By name, the constants that each sets; the model as it is has none.
    fitted
        The posterior of the model as it is at each origin, from `trilemma.calibration.backtest.fit_origins`.
    seed
        Of resampling.

    Returns
    -------
    pandas.DataFrame
        A row a structure, the best first: structure, n (observations that all structures have a value for), log_score
        (sum of log densities), behind (how much less than the best), error (standard error of that), weight (of
        stacking), k_hat and effective (the worst over the origins), reliable, weight_reliable (of stacking the reliable
        structures alone).

    Raises
    ------
    CalibrationError
        If there are fewer than two structures, or no observation has a value in all of them.
    """
    if len(structures) < 2:
        message = f"{len(structures)} structure of '{model.name}' cannot be compared: name two or more."
        raise CalibrationError(message)
    evidence = load_evidence(model)
    comparison = compare_with_evidence(model, evidence)
    densities: dict[str, list[np.ndarray]] = {name: [] for name in structures}
    shapes: dict[str, list[tuple[float, float]]] = {name: [] for name in structures}
    for turn, (origin, ensemble) in enumerate(fitted.items()):
        known = compare_with_evidence(model, evidence, fitted=True, until=origin)
        targets = [i for i in held_back(comparison.data, origin) if _ahead(comparison, i, origin) == 1]
        base = _log_likelihood(known, show(comparison, ensemble), ensemble)
        for done, (name, settings) in enumerate(_completed(model, structures, ensemble).items()):
            tell(turn * len(structures) + done, len(fitted) * len(structures), f"structure {name}")
            shown = show(comparison, _under(ensemble, settings))
            log_weights = _log_likelihood(known, shown, ensemble) - base if structures[name] else np.zeros(len(base))
            chosen, shape = _weighed(log_weights, seed)
            part = replace(shown, centres=shown.centres[chosen], sd=shown.sd[chosen])
            densities[name].append(_densities(part, targets))
            shapes[name].append(shape)
    return _table({name: np.concatenate(parts) for name, parts in densities.items()}, shapes)


def _ahead(comparison: Comparison, place: int, origin: date) -> int:
    """Return how many years ahead an observation lies."""
    return years_ahead(origin, comparison.data[place].observation.end)


def _completed(model: Model, structures: Structures, ensemble: Ensemble) -> dict[str, dict[str, np.ndarray]]:
    """Return the values of every constant that any structure sets, so that all run by one compiled program."""
    drawn, constants = ensemble.parameters, model.constants()
    names = list(dict.fromkeys(name for settings in structures.values() for name in settings))
    return {
        structure: {
            name: np.full(ensemble.draws, settings[name])
            if name in settings
            else drawn.get(name, np.full(ensemble.draws, constants[name]))
            for name in names
        }
        for structure, settings in structures.items()
    }


def _under(ensemble: Ensemble, settings: Mapping[str, np.ndarray]) -> Ensemble:
    """Return an ensemble with constants as a structure sets them."""
    values = {**ensemble.parameters, **settings}
    fitted = dict(zip(ensemble.labels, ensemble.fitted.tolist(), strict=True))
    return replace(
        ensemble,
        values=np.stack(list(values.values()), axis=1),
        labels=tuple(values),
        fitted=np.array([fitted.get(label, False) for label in values]),
    )


def _log_likelihood(known: Comparison, shown: Shown, ensemble: Ensemble) -> np.ndarray:
    """Return the log-likelihood of what a fit may use up to an origin, one a draw; -inf where a value is undefined."""
    places = {(datum.measurement.name, id(datum.observation)): i for i, datum in enumerate(shown.comparison.data)}
    chosen = [places[datum.measurement.name, id(datum.observation)] for datum in known.data]
    deviations = (shown.centres[:, chosen] - known.observed).T
    found = np.asarray(errors_of(known).log_likelihood(deviations, ensemble.error_scale))
    return np.where(np.isfinite(found), found, -np.inf)


def _weighed(log_weights: np.ndarray, seed: int) -> tuple[np.ndarray, tuple[float, float]]:
    """Return draws resampled by weight, with the shape of the weights' tail and the effective draws."""
    if not log_weights.any():
        return np.arange(len(log_weights)), (0.0, float(len(log_weights)))
    weights = weigh(log_weights, LEAST * len(log_weights))
    chosen = resample(weights.values, len(log_weights), np.random.default_rng(seed))
    return chosen, (weights.k_hat, weights.effective)


def _densities(shown: Shown, targets: list[int]) -> np.ndarray:
    """Return the log densities of some observations; NaN where too few draws have a value."""
    nothing = {name: [None] * len(targets) for name in NAMES}
    return -score_observations(foretell(shown, targets), nothing)["log_score"].to_numpy(dtype=float)


def _table(densities: Mapping[str, np.ndarray], shapes: Mapping[str, list[tuple[float, float]]]) -> pd.DataFrame:
    """Return the comparison, the best structure first."""
    defined = np.isfinite(np.stack(list(densities.values()))).all(axis=0)
    if not defined.any():
        message = "no observation that was held back has a value under all structures: they cannot be compared."
        raise CalibrationError(message)
    kept = {name: part[defined] for name, part in densities.items()}
    sound = {name: max(k for k, _ in shapes[name]) <= CARRIES for name in kept}
    among = _stacked({name: part for name, part in kept.items() if sound[name]})
    rows = [
        {
            "structure": name,
            "n": int(defined.sum()),
            **row,
            "k_hat": max(k for k, _ in shapes[name]),
            "effective": min(n for _, n in shapes[name]),
            "reliable": sound[name],
            "weight_reliable": among[name]["weight"] if sound[name] else 0.0,
        }
        for name, row in _stacked(kept).items()
    ]
    return pd.DataFrame(rows)


def _stacked(densities: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Return log scores, differences from the best and the weights of stacking, the best first."""
    if len(densities) < 2:
        return {
            name: {"log_score": float(part.sum()), "behind": 0.0, "error": 0.0, "weight": 1.0}
            for name, part in densities.items()
        }
    found = compare_densities({name: _as_elpd(part) for name, part in densities.items()}, method="stacking")
    names = {"log_score": "elpd", "behind": "elpd_diff", "error": "dse", "weight": "weight"}
    columns = {key: found[column].to_numpy(dtype=float) for key, column in names.items()}
    return {
        str(name): {key: float(values[place]) for key, values in columns.items()}
        for place, name in enumerate(found.index)
    }


def _as_elpd(density: np.ndarray) -> ELPDData:
    """Return log densities in the form in which ArviZ compares them."""
    count = len(density)
    return ELPDData(
        kind="loo",
        elpd=float(density.sum()),
        se=float(np.sqrt(count * density.var())),
        p=0.0,
        n_samples=count,
        n_data_points=count,
        scale="log",
        warning=False,
        good_k=CARRIES,
        elpd_i=xr.DataArray(density, dims="observation"),
    )


# ------------------------------------------------------------------------------------------------------ the file


def write_rivals(model: Model, table: pd.DataFrame) -> Path:
    """Write a comparison beside the model's file, with the hashes of what it was made from.

    Raises
    ------
    CalibrationError
        If it cannot be written; what was there is untouched.
    """
    return write_stamped(table, model, model.path.with_name(FILE))


def read_rivals(model: Model) -> pd.DataFrame | None:
    """Return the comparison beside a model's file; None where there is none that belongs to it."""
    file = model.path.with_name(FILE)
    if not file.is_file():
        return None
    try:
        return read_stamped(model, file)
    except CalibrationError:
        return None

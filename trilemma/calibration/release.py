"""Calibrate a model and release the result: the file of its ensemble, written only when all is well, and its table."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from scipy.special import ndtr

from trilemma.calibration.calibrate import Approximation, posterior_ensemble
from trilemma.calibration.ensemble import prior_ensemble, write_ensemble
from trilemma.calibration.fit import EXTREME
from trilemma.calibration.problem import Tell, pose, silent
from trilemma.errors import CalibrationError
from trilemma.translation.ensemble import ENGINE, Ensemble
from trilemma.translation.model import Model, load_model

Inference = Literal["nuts"] | Approximation
"""Chains that walk by the exact gradient, the reference; or an approximation, see `trilemma.calibration.calibrate`."""

CHAINS = 4


def calibrate(
    model: Model | str | Path,
    *,
    until: date | None = None,
    draws: int = 1000,
    chains: int = CHAINS,
    method: Inference = "nuts",
    global_check: bool = False,
    seed: int = 0,
    path: Path | None = None,
    tell: Tell = silent,
) -> xr.DataTree:
    """Calibrate a model on its evidence and write the ensemble, by default beside the model's file.

    Parameters
    ----------
    model
        A loaded model, a name under models/, or a path.
    until
        Only observations whose period has ended by this day.
    draws, chains
        The size of the ensemble: draws of all chains together; and the chains.
    method
        nuts, laplace or weights; see `trilemma.calibration.calibrate`.
    global_check
        Look for other modes than that of the fit; the attribute ``global_check`` of the result says what was found.
    seed
        Of everything random.
    path
        Where to write.
    tell
        Is told how many parts are done, of how many, and what is going on.

    Returns
    -------
    xarray.DataTree
        The groups of the file.

    Raises
    ------
    CalibrationError
        If the fit or the chains do not converge; nothing is written then.
    EvidenceError
        If the evidence is wrong.
    """
    loaded = model if isinstance(model, Model) else load_model(model)
    groups: dict[str, xr.Dataset] = {}
    if method == "nuts":
        from trilemma.calibration.chains import sampled_ensemble  # here, since BlackJAX takes seconds to load

        problem = pose(loaded, until=until)
        sampled = sampled_ensemble(problem, draws=draws, chains=chains, global_check=global_check, seed=seed, tell=tell)
        ensemble, groups = sampled.ensemble, sampled.groups
    else:
        ensemble = posterior_ensemble(
            loaded, until=until, draws=draws, method=method, global_check=global_check, seed=seed, tell=tell
        )
    file = write_ensemble(loaded, ensemble, groups, path)
    with xr.open_datatree(file, engine=ENGINE) as tree:
        return tree.load()


def calibration_rows(model: Model, ensemble: Ensemble, diagnosed: xr.Dataset | None = None) -> list[dict[str, Any]]:
    """Return a record a fitted parameter: prior and posterior 5, 50 and 95 %, contraction, R-hat, effective draws.

    Contraction is 1 - posterior / prior variance of the ranks in the prior; a parameter that data do not inform has 0.
    `extreme` marks a median further than `EXTREME` prior standard deviations from the prior's.
    """
    prior = prior_ensemble(model, max(ensemble.draws, 1000), 0)
    told = {} if diagnosed is None else {str(name): k for k, name in enumerate(diagnosed["parameter"].to_numpy())}
    rows: list[dict[str, Any]] = []
    tail = float(ndtr(-EXTREME))
    for k, label in enumerate(ensemble.labels):
        if not ensemble.fitted[k]:
            continue
        before, after = np.sort(prior.values[:, k]), ensemble.values[:, k]
        ranks = np.searchsorted(before, after) / len(before)
        row: dict[str, Any] = {"parameter": label}
        for name, values in (("prior", before), ("posterior", after)):
            row |= {f"{name} {q}": float(np.quantile(values, q / 100)) for q in (5, 50, 95)}
        row["contraction"] = round(float(1 - 12 * ranks.var()), 3)
        at = told.get(label)
        for name in ("r_hat", "ess_bulk"):
            known = diagnosed is not None and at is not None
            row[name] = float(diagnosed[name].to_numpy()[at]) if known and diagnosed is not None else None
        row["extreme"] = bool(np.median(ranks) < tail or np.median(ranks) > 1 - tail)
        rows.append(row)
    return sorted(rows, key=lambda row: -row["contraction"])


def read_inference(text: str) -> Inference:
    """Return the name of a way to calibrate.

    Raises
    ------
    CalibrationError
        If there is no such way.
    """
    if text not in ("nuts", "laplace", "weights"):
        message = f"unknown method '{text}': expected 'nuts', 'laplace' or 'weights'."
        raise CalibrationError(message)
    return text


def read_day(text: str | None) -> date | None:
    """Return a day written as 2024-12-31.

    Raises
    ------
    CalibrationError
        If it is none.
    """
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        message = f"'{text}' is no day: expected one such as 2024-12-31."
        raise CalibrationError(message) from None

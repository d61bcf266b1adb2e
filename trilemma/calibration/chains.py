"""What chains say of themselves, and the ensemble that comes out of them.

A chain that has not forgotten where it started, or met corners that it could not turn, is no sample of the posterior.
R-hat, effective sample sizes and divergences tell (Vehtari et al., 2021); an ensemble is refused where they are bad,
and what is short of the aim is said.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats  # pyright: ignore[reportPrivateImportUsage]

from trilemma.calibration.calibrate import assemble, find_mode
from trilemma.calibration.laplace import laplace
from trilemma.calibration.posterior import Chains, sample
from trilemma.calibration.problem import Problem, Tell, silent
from trilemma.errors import CalibrationError, TrilemmaWarning
from trilemma.translation.ensemble import Ensemble

R_HAT, EFFECTIVE, DIVERGING = 1.01, 400.0, 0.001
"""The aim: R-hat below, effective draws of every parameter above, and share of divergences below."""

R_HAT_REFUSED, DIVERGING_REFUSED = 1.05, 0.02
"""Beyond these nothing is written."""

LEAST = 500
"""Draws of each chain at least; an ensemble of fewer takes them evenly from all."""

SCALE = "scale of model errors"
"""How the last column of chains is called."""


@dataclass(frozen=True, eq=False)
class Sampled:
    """A posterior ensemble with the chains behind it."""

    ensemble: Ensemble
    groups: dict[str, xr.Dataset]


def sampled_ensemble(
    problem: Problem, *, draws: int, chains: int, global_check: bool = False, seed: int, tell: Tell = silent
) -> Sampled:
    """Fit, walk the posterior, and return its draws.

    Parameters
    ----------
    draws
        Of all chains together.
    global_check
        Look for other modes than that of the fit, see `trilemma.calibration.search`.

    Raises
    ------
    CalibrationError
        If the fit does not converge, or chains disagree.

    Warns
    -----
    TrilemmaWarning
        If chains are short of the aim.
    """
    mode, checked = find_mode(problem, global_check=global_check, seed=seed, tell=tell)
    about = laplace(problem, mode, tell=tell)
    each = max(-(-draws // chains), LEAST)
    found = sample(problem, about, chains=chains, draws=each, seed=seed, tell=tell)
    diagnosed = diagnose(problem, found)
    judge(diagnosed, float(found.diverging.mean()))
    kept = np.linspace(0, chains * each - 1, draws).round().astype(int)
    z, scales = found.z.reshape(-1, found.z.shape[2])[kept], found.scales.reshape(-1)[kept]
    attrs = {
        "inference": "nuts",
        "seed": seed,
        "chains": chains,
        "r_hat": float(diagnosed["r_hat"].max()),
        "ess_bulk": float(diagnosed["ess_bulk"].min()),
        "diverging": float(found.diverging.mean()),
        "gradients": found.gradients,
        **checked,
    }
    ensemble = assemble(problem, z, scales, seed=seed, attrs=attrs)
    return Sampled(ensemble, {"diagnostics": diagnosed, **_kept(problem, found)})


def diagnose(problem: Problem, chains: Chains) -> xr.Dataset:
    """Return R-hat, effective draws and contraction (1 - posterior / prior variance) of each fitted parameter.

    The last row is that of the scale of model errors.
    """
    drawn = np.concatenate([chains.z, chains.scales[..., None]], axis=2)
    axes: Any = {"chain_axis": 0, "draw_axis": 1}
    columns = {
        "r_hat": array_stats.rhat(drawn, **axes),
        "ess_bulk": array_stats.ess(drawn, method="bulk", **axes),
        "ess_tail": array_stats.ess(drawn, method="tail", prob=(0.05, 0.95), **axes),
        "contraction": 1 - drawn.var(axis=(0, 1)),
    }
    labels = np.array([*problem.labels, SCALE], dtype=object)
    return xr.Dataset({name: ("parameter", np.asarray(of)) for name, of in columns.items()}, {"parameter": labels})


def judge(diagnosed: xr.Dataset, diverging: float) -> None:
    """Refuse chains that are no sample of the posterior, and warn of what is short of the aim.

    Raises
    ------
    CalibrationError
        If they disagree, or too many paths diverged.
    """
    r_hat, effective = diagnosed["r_hat"], diagnosed["ess_bulk"]
    worst = str(diagnosed["parameter"].to_numpy()[int(np.argmax(r_hat.to_numpy()))])
    said = (
        f"R-hat is {float(r_hat.max()):.3f} at most ('{worst}'), effective draws are {float(effective.min()):.0f} "
        f"at least, and {diverging:.1%} of the paths diverged"
    )
    if not (float(r_hat.max()) < R_HAT_REFUSED and diverging < DIVERGING_REFUSED):
        message = f"the chains did not converge: {said}; nothing was written. Ask for more draws."
        raise CalibrationError(message)
    if not (float(r_hat.max()) < R_HAT and float(effective.min()) > EFFECTIVE and diverging < DIVERGING):
        aim = f"the aim is below {R_HAT:g}, above {EFFECTIVE:g} and below {DIVERGING:.1%}"
        warnings.warn(f"the chains are short of the aim: {said} ({aim}).", TrilemmaWarning, stacklevel=2)


def _kept(problem: Problem, chains: Chains) -> dict[str, xr.Dataset]:
    """Return the chains as the groups that ArviZ knows, in single precision."""
    values = problem.priors.only(problem.fitted).at(chains.z)
    dims = ("chain", "draw", "parameter")
    labels = np.array(problem.labels, dtype=object)
    stats = {"lp": chains.log_density, "acceptance_rate": chains.acceptance}
    return {
        "posterior": xr.Dataset({"value": (dims, values.astype(np.float32))}, {"parameter": labels}),
        "sample_stats": xr.Dataset(
            {name: (dims[:2], of.astype(np.float32)) for name, of in stats.items()}
            | {"n_steps": (dims[:2], chains.steps.astype(np.int16)), "diverging": (dims[:2], chains.diverging)},
        ),
    }

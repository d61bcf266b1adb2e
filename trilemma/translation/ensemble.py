"""An ensemble: many equally likely settings of a model's uncertain parameters; and how a file keeps one.

posterior.nc beside a model's file holds the calibrated ensemble. Calibration writes it and forecasting reads it,
without knowing each other: what they share is this format. Its groups:

``ensemble``
    ``value`` (draw, parameter): every parameter with a prior, in each draw. ``fitted`` (parameter): whether data
    constrained it; the others are draws from their priors. ``error_scale`` (draw): see `Ensemble`.
``posterior``, ``sample_stats``, ``diagnostics``
    The chains behind the ensemble, as ArviZ names them; not needed for a forecast.

The attributes at its root say what it was made from: hashes of model, priors and evidence, method, seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trilemma.errors import EnsembleError
from trilemma.translation.model import Model
from trilemma.translation.parameters import ParameterTable

FILE = "posterior.nc"
ENGINE = "h5netcdf"
GROUP = "ensemble"


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Equally likely settings of the uncertain parameters.

    Attributes
    ----------
    values
        Shape (draws, parameters), a column for each parameter with a prior.
    labels
        The parameters, as overrides name them.
    fitted
        Whether data constrained each parameter; the others are draws from their priors. Shape (parameters,).
    error_scale
        How many times the stated `model_sd` of measurements errors are, in each draw. Shape (draws,).
    attrs
        What it was made from, and how.
    """

    values: np.ndarray
    labels: tuple[str, ...]
    fitted: np.ndarray
    error_scale: np.ndarray
    attrs: Mapping[str, Any]

    @property
    def draws(self) -> int:
        """The number of draws."""
        return len(self.values)

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """The values by parameter, each one a draw."""
        return {label: self.values[:, k] for k, label in enumerate(self.labels)}


def ensemble_path(model: Model) -> Path:
    """Return where the calibrated ensemble of a model lies, whether or not there is one."""
    return model.path.parent / FILE


def priors_hash(table: ParameterTable) -> str:
    """Return the hash of what priors are made of: names, families and numbers of all parameters that have one."""
    rows = [(row.name, row.prior, row.central, row.low, row.high) for row in table.uncertain]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def identity(model: Model) -> dict[str, str]:
    """Return the attributes by which an ensemble belongs to a model."""
    return {"model": model.name, "model_hash": model.hash, "priors_hash": priors_hash(model.parameters)}


def read_ensemble(model: Model, path: str | Path | None = None) -> Ensemble:
    """Read the calibrated ensemble of a model.

    Parameters
    ----------
    path
        The file; the one beside the model's file by default.

    Raises
    ------
    EnsembleError
        If there is none, it is damaged, or it was made for another state of the model.
    """
    import xarray as xr  # here, since it takes a third of a second to load

    file = ensemble_path(model) if path is None else Path(path)
    remedy = f"'trilemma calibrate {model.name}' makes one."
    if not file.is_file():
        message = f"the model '{model.name}' has no calibrated ensemble {file.name}: {remedy}"
        raise EnsembleError(message)
    try:
        with xr.open_dataset(file, engine=ENGINE) as root, xr.open_dataset(file, group=GROUP, engine=ENGINE) as data:
            attrs = dict(root.attrs)
            found = Ensemble(
                values=data["value"].transpose("draw", "parameter").to_numpy().astype(np.float64),
                labels=tuple(str(label) for label in data["parameter"].to_numpy()),
                fitted=data["fitted"].to_numpy().astype(bool),
                error_scale=data["error_scale"].to_numpy().astype(np.float64),
                attrs=attrs,
            )
    except (OSError, KeyError, ValueError) as error:
        message = f"the calibrated ensemble {file.name} of '{model.name}' cannot be read ({error}): {remedy}"
        raise EnsembleError(message) from error
    for name, own in identity(model).items():
        if attrs.get(name) != own:
            what = {"model": "another model", "model_hash": "other equations"}.get(name, "other priors")
            message = f"{file.name} was made for {what} than those of '{model.name}' now: {remedy}"
            raise EnsembleError(message.replace("another model than those", "another model than that"))
    return found

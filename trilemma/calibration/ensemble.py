"""Ensembles made and written: draws from the priors, and the file of a calibrated ensemble.

`trilemma.translation.ensemble` reads such a file and says what is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import ndtri
from scipy.stats import qmc

from trilemma.calibration.priors import limits_of
from trilemma.content import installed_version
from trilemma.errors import CalibrationError
from trilemma.files import replacing
from trilemma.translation.ensemble import ENGINE, GROUP, Ensemble, ensemble_path, identity, read_ensemble
from trilemma.translation.labelled import Array, namespace
from trilemma.translation.model import Model
from trilemma.translation.parameters import sample_priors

__all__ = ["Ensemble", "error_scale", "prior_ensemble", "read_ensemble", "write_ensemble"]

ERROR_SCALE_SD = 0.42
"""Of the logarithm of the scale of model errors, whose median is 1: the stated `model_sd` holds within a factor of 2 in
nine cases of ten. They are judgements, so that data shall say how good they were, and bands do not rest on them."""


def error_scale(z: Array) -> Array:
    """Return the scale of model errors at standard normal numbers, an array of any library."""
    return namespace(z).exp(ERROR_SCALE_SD * z)


def prior_ensemble(model: Model, draws: int, seed: int) -> Ensemble:
    """Return draws from the priors alone, a Latin hypercube: what is known before any data.

    Raises
    ------
    CalibrationError
        If the model has no parameter with a prior.
    """
    rows = model.parameters.uncertain
    if not rows:
        message = f"the model '{model.name}' has no parameter with a prior: give priors in its parameters.csv."
        raise CalibrationError(message)
    uniforms = qmc.LatinHypercube(d=len(rows) + 1, rng=np.random.default_rng(seed)).random(draws)
    drawn = sample_priors(model.parameters, uniforms[:, :-1], limits_of(model))
    return Ensemble(
        values=np.stack([drawn[row.name] for row in rows], axis=1),
        labels=tuple(row.name for row in rows),
        fitted=np.zeros(len(rows), dtype=bool),
        error_scale=error_scale(ndtri(uniforms[:, -1])),
        attrs={**identity(model), "inference": "prior", "seed": seed, "version": installed_version("trilemma")},
    )


def write_ensemble(
    model: Model, ensemble: Ensemble, groups: Mapping[str, xr.Dataset] | None = None, path: Path | None = None
) -> Path:
    """Write an ensemble into a file, whole or not at all.

    Parameters
    ----------
    groups
        What else is kept in the file, by the name of the group.
    path
        The file; the one beside the model's file by default.

    Raises
    ------
    CalibrationError
        If the file cannot be written; what was there is untouched.
    """
    file = ensemble_path(model) if path is None else Path(path)
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=_plain(ensemble.attrs)), GROUP: _dataset(model, ensemble)})
    for name, group in (groups or {}).items():
        tree[name] = xr.DataTree(group)
    encoding = {
        node.path: {str(name): {"zlib": True, "complevel": 6} for name in node.data_vars}
        for node in tree.subtree
        if node.data_vars
    }
    try:
        with replacing(file) as part:
            tree.to_netcdf(part, engine=ENGINE, encoding=encoding)
    except OSError as error:
        message = f"{file.name} cannot be written ({error.strerror or error}): free space or choose another folder."
        raise CalibrationError(message) from error
    return file


def _dataset(model: Model, ensemble: Ensemble) -> xr.Dataset:
    """Return an ensemble as a dataset, in single precision: draws have no more than that to say."""
    rows = model.parameters.by_name
    return xr.Dataset(
        {
            "value": (("draw", "parameter"), ensemble.values.astype(np.float32)),
            "fitted": ("parameter", ensemble.fitted),
            "error_scale": ("draw", ensemble.error_scale.astype(np.float32)),
        },
        {
            "parameter": np.array(ensemble.labels, dtype=object),
            "unit": ("parameter", np.array([rows[label].unit for label in ensemble.labels], dtype=object)),
        },
    )


def _plain(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as a netCDF file takes them: no attribute is None."""
    return {name: "" if value is None else value for name, value in attrs.items()}

"""A model that is linear in its parameters, with normal priors and errors: its posterior is known on paper.

Amount = start + pace * (Time - 2020). Both are observed at the ends of years, with independent errors whose standard
deviation is that of the source alone unless a `model_sd` is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trilemma.calibration import evidence, measurement
from trilemma.translation.model import Model, load_model
from trilemma.translation.parameters import COLUMNS

EQUATIONS = """{UTF-8}
start = 10 ~ units ~|
pace = 2 ~ units/Year ~|
unseen = 1 ~ units ~|
Amount = INTEG(pace, start) ~ units ~|
apart = unseen ~ units ~|
INITIAL TIME = 2020 ~ Year ~|
FINAL TIME = 2030 ~ Year ~|
TIME STEP = 0.25 ~ Year ~|
SAVEPER = 0.25 ~ Year ~|
"""
WIDTH = 2 * 1.6448536269514722
"""Standard deviations from 5 to 95 %. Priors are narrow: cut at 0, they would be no normals."""

PRIOR_MEAN, PRIOR_SD = np.array([10.0, 2.0]), np.array([1.0, 0.25])
SOURCE_SD = 0.6
YEARS = np.arange(2021, 2027)
OBSERVED = np.array([13.1, 14.8, 17.5, 19.1, 21.9, 23.6])


@dataclass(frozen=True)
class Linear:
    """The model, and its posterior without an error of the model's own."""

    model: Model
    mean: np.ndarray
    covariance: np.ndarray


def write_linear(folder: Path, model_sd: float = 0.0, observed: np.ndarray = OBSERVED) -> Linear:
    """Write the model with evidence on it."""
    (folder / "linear.mdl").write_text(EQUATIONS, encoding="utf-8")
    table = [
        f"start,units,10,{10 - WIDTH / 2},{10 + WIDTH / 2},normal,parameter,assumption,",
        f"pace,units/Year,2,{2 - WIDTH / 8},{2 + WIDTH / 8},normal,parameter,assumption,",
        "unseen,units,1,0.5,2,lognormal,parameter,assumption,",
    ]
    (folder / "parameters.csv").write_text("\n".join([",".join(COLUMNS), *table]) + "\n", encoding="utf-8")
    rows = [
        f"amount,{year - 1}-12-31,{year - 1}-12-31,{value},units,,,B,observation,a count,,"
        for year, value in zip(YEARS, observed, strict=False)
    ]
    columns = ",".join(evidence.COLUMNS)
    (folder / evidence.OBSERVATIONS).write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
    measured = f"amount,amount,units,Amount,1,,none,end,{model_sd},{SOURCE_SD},0,,yes,,"
    header = ",".join(measurement.COLUMNS)
    (folder / measurement.MEASUREMENTS).write_text(f"{header}\n{measured}\n", encoding="utf-8")
    mean, covariance = exact(YEARS[: len(observed)], observed, np.hypot(SOURCE_SD, model_sd))
    return Linear(load_model(folder / "linear.mdl"), mean, covariance)


def exact(years: np.ndarray, observed: np.ndarray, sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the covariance of start and pace given some observations."""
    design = np.stack([np.ones(len(years)), years - 2020.0], axis=1)
    precision = np.diag(PRIOR_SD**-2.0) + design.T @ design / sd**2
    covariance = np.linalg.inv(precision)
    return covariance @ (PRIOR_MEAN / PRIOR_SD**2 + design.T @ observed / sd**2), covariance

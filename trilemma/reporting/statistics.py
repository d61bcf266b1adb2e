"""Bands over draws: 5/50/95 % quantiles, paired differences, and rank correlation with the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from trilemma.errors import unknown_name
from trilemma.forecasting.compare import quantiles_over
from trilemma.reporting.labels import pick

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

QUANTILES = (0.05, 0.5, 0.95)
PARAMETER = "parameter:"
MATERIAL = 0.005


def draw_quantiles(values: NDArray[np.floating], axis: int = 0) -> NDArray[np.float64]:
    """Return the 5, 50 and 95 % quantiles over the draws, undefined values left out; the first axis holds them."""
    moved = np.moveaxis(np.asarray(values, dtype=np.float64), axis, 0)
    return quantiles_over(moved[None], QUANTILES)[0][:, 0]


def bands(
    data: xr.Dataset,
    outcome: str,
    *,
    baseline: str | None = None,
    scenarios: Sequence[str] | None = None,
    year: float | None = None,
) -> xr.DataArray:
    """Return the band of an outcome on (quantile, scenario, time), or (quantile, scenario) at one year.

    Parameters
    ----------
    data
        Results as stored: outcomes on (scenario, draw, time).
    outcome
        ``name`` or ``name[element]``.
    baseline
        When given, the band is that of the paired difference: scenario less baseline, draw by draw.
    scenarios
        The scenarios wanted; all by default.
    year
        The year wanted, at the nearest saved time; all by default.
    """
    array = pick(data, outcome)
    if year is not None:
        array = array.sel(time=[nearest_time(data, year)])
    shown = array if scenarios is None else array.sel(scenario=[require_scenario(data, s) for s in scenarios])
    if baseline is not None:
        shown = shown - array.sel(scenario=require_scenario(data, baseline), drop=True)
    coords = {
        "quantile": list(QUANTILES),
        "scenario": shown["scenario"].to_numpy(),
        "time": shown["time"].to_numpy(),
    }
    found = type(array)(draw_quantiles(shown.to_numpy(), axis=1), dims=("quantile", "scenario", "time"), coords=coords)
    return found if year is None else found.isel(time=0)


def direction(difference: Sequence[float], level: float) -> int:
    """Return 1 or -1 where a paired difference is clear, else 0.

    Clear means that the 5-95 % band leaves zero out and that the median is at least half a per cent of the level it
    is held against; smaller differences hold in every draw and still do not matter.
    """
    low, middle, high = difference
    if not (low > 0 or high < 0) or abs(middle) < MATERIAL * abs(level):
        return 0
    return 1 if middle > 0 else -1


def require_scenario(data: xr.Dataset, scenario: str) -> str:
    """Return the scenario's name, or say which names exist."""
    known = [str(name) for name in data["scenario"].to_numpy()]
    if scenario not in known:
        raise unknown_name("scenario", scenario, known, "the results")
    return scenario


def nearest_time(data: xr.Dataset, year: float) -> float:
    """Return the saved time that is nearest to `year`."""
    times = data["time"].to_numpy()
    return float(times[int(np.abs(times - year).argmin())])


def rank_correlation(
    data: xr.Dataset, outcome: str, *, year: float, scenario: str, baseline: str | None = None
) -> pd.Series:
    """Return Spearman's rank correlation of an outcome with every parameter, the strongest first.

    Parameters
    ----------
    data
        Results with the draws' parameter values as ``parameter:NAME`` on (draw).
    outcome
        ``name`` or ``name[element]``.
    year
        The year at which the outcome is read.
    scenario
        The scenario in which it is read.
    baseline
        When given, the paired difference to this scenario is correlated instead of the level.
    """
    array = pick(data, outcome).sel(time=nearest_time(data, year))
    values = array.sel(scenario=require_scenario(data, scenario)).to_numpy().astype(np.float64)
    if baseline is not None:
        values = values - array.sel(scenario=require_scenario(data, baseline)).to_numpy()
    names = [str(name) for name in data.data_vars if str(name).startswith(PARAMETER)]
    defined = np.isfinite(values)
    table = np.array([data[name].to_numpy() for name in names], dtype=np.float64).reshape(len(names), -1)
    table, values = table[:, defined], values[defined]
    labels = [str(data[name].attrs.get("name", name.removeprefix(PARAMETER))) for name in names]
    series = pd.Series(_spearman(table, values), index=labels, dtype=float).dropna()
    return series.reindex(series.abs().sort_values(ascending=False, kind="stable").index)


def _spearman(table: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank correlation of each row of `table` with `values`; NaN where a row is constant."""
    if table.shape[0] == 0 or values.size < 3:
        return np.full(table.shape[0], np.nan)
    rows = rankdata(table, axis=1)
    ranks = rankdata(values)
    rows -= rows.mean(axis=1, keepdims=True)
    ranks -= ranks.mean()
    scale = np.sqrt((rows**2).sum(axis=1) * (ranks**2).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(scale > 0, rows @ ranks / scale, np.nan)

"""Scenarios side by side: levels, and differences to a baseline paired draw by draw, with their bands.

Every scenario runs on the same draws, so a difference is taken within each draw before its quantiles are: it
shows the policy alone. Undefined values are left out and counted, never taken for 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import xarray as xr

from trilemma.errors import StoreError, unknown_name
from trilemma.forecasting.store import read_values
from trilemma.forecasting.variants import select_variant

BAND = (0.05, 0.5, 0.95)
COLUMNS = ("p5", "p50", "p95")
CORE_DIMS = ("scenario", "draw", "time")
NOT_OUTCOMES = ("result",)
PARAMETER = "parameter:"


def compare(
    ds: xr.Dataset,
    *,
    scenarios: Sequence[str] | None = None,
    baseline: str | None = None,
    at: float | Sequence[float] | None = None,
    outcomes: Sequence[str] | None = None,
    variant: str | None = None,
) -> pd.DataFrame:
    """Return a tidy table of outcomes by scenario, with paired differences to a baseline.

    Parameters
    ----------
    ds
        Results as `sweep` and `open_results` return them.
    scenarios
        Names; all by default. The baseline is needed only in the results, not in this list.
    baseline
        Name of the scenario that differences are taken against; the forecast's own by default.
    at
        One or several times, linear between saved times; the last saved time by default.
    outcomes
        ``name`` (with all its elements) or ``name[element]``; all by default.
    variant
        One of the forecast's variants; the draws of all of them by default.

    Returns
    -------
    pandas.DataFrame
        One row an outcome, element (empty where there is none), scenario and time. Columns: outcome, element,
        unit, scenario, time, p5, p50, p95, difference_p5, difference_p50, difference_p95,
        relative_p5, relative_p50, relative_p95, share_higher (of the draws that are defined in both scenarios),
        n and undefined (numbers of draws).
        A relative difference is A / B - 1 of scenario A to baseline B, taken within each draw; the shortfall 1 - A / B
        is the same with its sign turned. ``attrs["baseline"]`` names the baseline.

    Raises
    ------
    UnknownNameError
        For a scenario, variant or outcome that is not in the results, with near names.
    StoreError
        For a time outside the saved ones.
    """
    names = _names(ds)
    ds = ds if variant is None else select_variant(ds, variant)
    shown = list(names if scenarios is None else scenarios)
    baseline = str(ds.attrs.get("baseline", names[0])) if baseline is None else baseline
    for name in (*shown, baseline):
        _check(name, "scenario", names)
    times = _times(ds, at)
    frames = [
        _frame(part, shown, baseline, times, ds) for part in (_part(ds, name) for name in outcome_names(ds, outcomes))
    ]
    frame = pd.concat(frames, ignore_index=True)
    frame.attrs["baseline"] = baseline
    return frame


def quantiles_over(values: np.ndarray, quantiles: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return quantiles along axis 1, the draws, on (quantile, ...), and the number of defined draws.

    Linear between order statistics, as numpy.nanquantile does, but with one sort for all.
    """
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=1)  # NaN goes to the end
    n = np.isfinite(ordered).sum(axis=1)
    found = [_at_rank(ordered, n, quantile) for quantile in quantiles]
    return np.stack(found), n


def _at_rank(ordered: np.ndarray, n: np.ndarray, quantile: float) -> np.ndarray:
    """Return one quantile of sorted values of which the first n are defined."""
    rank = quantile * np.maximum(n - 1, 0)
    below = np.floor(rank).astype(int)
    above = np.minimum(below + 1, np.maximum(n - 1, 0))
    low, high = (np.take_along_axis(ordered, i[:, None], axis=1)[:, 0] for i in (below, above))
    return low + (rank - below) * (high - low)


# ----------------------------------------------------------------------------------------- selecting


@dataclass(frozen=True)
class _Part:
    """An outcome as asked for: the stored variable, and the element of its ranges or None for all of them."""

    variable: str
    element: dict[str, str] | None


def outcome_names(ds: xr.Dataset, outcomes: Sequence[str] | None = None) -> list[str]:
    """Return the outcomes in some results, or check the given ones.

    Raises
    ------
    UnknownNameError
        For one that is not there.
    """
    if outcomes is None:
        return [
            str(name)
            for name, data in ds.data_vars.items()
            if str(name) not in NOT_OUTCOMES and "scenario" in data.dims and not str(name).startswith(PARAMETER)
        ]
    for name in outcomes:
        _part(ds, name)
    return list(outcomes)


def _part(ds: xr.Dataset, outcome: str) -> _Part:
    """Find an outcome; case does not matter."""
    known = {name.lower(): name for name in outcome_names(ds)}
    if outcome.lower() in known:
        return _Part(known[outcome.lower()], None)
    base, bracket, rest = outcome.partition("[")
    variable = known.get(base.strip().lower())
    if variable is None or not bracket:
        error = unknown_name("outcome", outcome, known.values(), "the results")
        raise error
    ranges = _ranges(ds[variable])
    wanted = [label.strip() for label in rest.rstrip().removesuffix("]").split(",")]
    if len(wanted) != len(ranges):
        message = f"'{outcome}' names {len(wanted)} element(s), but '{variable}' has {len(ranges)} range(s)."
        raise StoreError(message)
    element: dict[str, str] = {}
    for dim, label in zip(ranges, wanted, strict=True):
        labels = {str(item).lower(): str(item) for item in ds[dim].to_numpy()}
        if label.lower() not in labels:
            error = unknown_name(f"element of '{dim}'", label, labels.values(), f"'{outcome}'")
            raise error
        element[dim] = labels[label.lower()]
    return _Part(variable, element)


def _ranges(data: xr.DataArray) -> list[str]:
    """Return the dimensions of an outcome that are the model's own."""
    return [str(dim) for dim in data.dims if dim not in CORE_DIMS]


def _names(ds: xr.Dataset) -> list[str]:
    """Return the scenarios of some results."""
    if "scenario" not in ds.coords or "draw" not in ds.sizes:
        message = "these are no results of a sweep: expected the dimensions scenario, draw and time."
        raise StoreError(message)
    return [str(name) for name in ds["scenario"].to_numpy()]


def _check(name: str, kind: str, known: Sequence[str]) -> None:
    """Refuse an unknown name."""
    if name not in known:
        error = unknown_name(kind, name, known, "the results")
        raise error


def _times(ds: xr.Dataset, at: float | Sequence[float] | None) -> np.ndarray:
    """Return the asked times, all within the saved ones."""
    saved = ds["time"].to_numpy()
    times = np.atleast_1d(np.asarray(saved[-1] if at is None else at, dtype=float))
    for time in times:
        if not saved[0] <= time <= saved[-1]:
            window = f"{saved[0]:g} to {saved[-1]:g}"
            message = f"the time {time:g} is outside the saved times, {window}: choose one inside."
            raise StoreError(message)
    return times


# ----------------------------------------------------------------------------------------- computing


def _loaded(data: xr.DataArray, scenarios: Sequence[str]) -> np.ndarray:
    """Return the values of some scenarios in float64."""
    return read_values(data.sel(scenario=list(scenarios))).to_numpy().astype(np.float64)


def _frame(part: _Part, scenarios: list[str], baseline: str, times: np.ndarray, ds: xr.Dataset) -> pd.DataFrame:
    """Return the rows of one outcome."""
    data = ds[part.variable]
    if part.element is not None:
        data = data.sel({dim: [label] for dim, label in part.element.items()})
    ranges = _ranges(data)
    data = at_times(data, times).transpose("scenario", "draw", "time", *ranges)
    values = _loaded(data, scenarios)
    held_against = _loaded(data, [baseline])
    differences = values - held_against
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(held_against != 0, differences / held_against, np.nan)
    level, n = quantiles_over(values, BAND)
    difference, pairs = quantiles_over(differences, BAND)
    relative, _ = quantiles_over(ratios, BAND)
    with np.errstate(invalid="ignore"):
        higher = np.where(pairs > 0, (differences > 0).sum(axis=1) / pairs, np.nan)
    labels = [",".join(map(str, element)) for element in product(*(data[dim].to_numpy() for dim in ranges))]
    index = list(product(scenarios, times, labels))  # the order of the arrays
    frame = pd.DataFrame(
        {
            "outcome": part.variable,
            "element": [label for _, _, label in index],
            "unit": str(data.attrs.get("units", "")),
            "scenario": [scenario for scenario, _, _ in index],
            "time": [time for _, time, _ in index],
            **{name: level[i].ravel() for i, name in enumerate(COLUMNS)},
            **{f"difference_{name}": difference[i].ravel() for i, name in enumerate(COLUMNS)},
            **{f"relative_{name}": relative[i].ravel() for i, name in enumerate(COLUMNS)},
            "share_higher": higher.ravel(),
            "n": n.ravel(),
            "undefined": values.shape[1] - n.ravel(),
        }
    )
    ranks = {label: rank for rank, label in enumerate(labels)}
    order = sorted(range(len(index)), key=lambda i: ranks[index[i][2]])
    return frame.iloc[order]


def at_times(data: xr.DataArray, times: np.ndarray) -> xr.DataArray:
    """Return an outcome at some times, linear between saved ones; a constant is the same at all."""
    if "time" not in data.dims:
        return data.expand_dims(time=times)
    saved = data["time"].to_numpy()
    right = np.clip(np.searchsorted(saved, times), 0, len(saved) - 1)
    left = np.where(saved[right] == times, right, np.maximum(right - 1, 0))
    before = read_values(data.isel(time=left))
    if np.array_equal(left, right):
        return before.assign_coords(time=times)
    after = read_values(data.isel(time=right)).assign_coords(time=before["time"])
    gap = np.where(right > left, saved[right] - saved[left], 1.0)
    share = xr.DataArray((times - saved[left]) / gap, dims="time")
    # at a saved time the share is 0 and both sides are the same value, so nothing undefined comes in
    return (before + share.astype(data.dtype) * (after - before)).assign_coords(time=times).assign_attrs(data.attrs)

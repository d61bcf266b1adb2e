"""How much a ranking of policies hangs on how the parts of an index are weighed.

The weights of an index are a value judgement, so they stay outside the equations. Here they are drawn, uniformly over
all weights that sum to 1 (Dirichlet(1, 1, ...)), and each policy's rank is told over the weights, and over the draws of
the model at the weights that outcomes.toml states.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import rankdata

from trilemma.errors import StoreError
from trilemma.forecasting.compare import BAND, at_times
from trilemma.forecasting.store import read_values
from trilemma.forecasting.stored import find_variable

ALL = "all"
VECTORS = 2000


def components_of(ds: xr.Dataset, index: str) -> dict[str, float]:
    """Return the components of a stored index with their stated weights.

    Raises
    ------
    UnknownNameError
        If the index, or one of its components, is not stored.
    StoreError
        If the outcome is no index.
    """
    attrs = ds[find_variable(ds, index)].attrs
    if "components" not in attrs:
        message = f"'{index}' is no index: give it 'components' with their weights in outcomes.toml, then sweep again."
        raise StoreError(message)
    weights = {str(name): float(weight) for name, weight in json.loads(attrs["components"]).items()}
    for name in weights:
        find_variable(ds, name)
    return weights


def rank_by_weights(ds: xr.Dataset, indices: Sequence[str], *, at: float, seed: int = 0) -> pd.DataFrame:
    """Return the ranks of policies over the weights of indices, and over the draws at the stated weights.

    Parameters
    ----------
    ds
        Results that hold the indices and all their components.
    indices
        Indices on one scale, of which more is better.
    at
        The time of the comparison.
    seed
        Of the weights.

    Returns
    -------
    pandas.DataFrame
        One row an index, and "all" of them together, and scenario. Columns: index, scenario, stated (the rank of the
        mean over the draws at the stated weights; the indices weigh the same in "all"), weights_p5, weights_p50,
        weights_p95 and weights_first (ranks of that mean over the weights, and the share of weights for which the
        policy comes first), draws_p5, draws_p50, draws_p95 and draws_first (the same over the draws at the stated
        weights).

    Raises
    ------
    UnknownNameError
        If an index or a component is not stored.
    StoreError
        If an outcome is no index, or the time is outside the saved ones.
    """
    rng = np.random.default_rng(seed)
    values = _defined({index: _components(ds, index, at) for index in indices})
    stated = {index: np.array(list(components_of(ds, index).values())) for index in indices}
    drawn = {index: rng.dirichlet(np.ones(len(stated[index])), VECTORS) for index in indices}
    by_weights = {index: values[index].mean(axis=2).T @ drawn[index].T for index in indices}  # (scenario, vector)
    by_draws = {index: np.einsum("csd,c->sd", values[index], stated[index]) for index in indices}
    goals = rng.dirichlet(np.ones(len(indices)), VECTORS).T
    by_weights[ALL] = sum(goals[i] * by_weights[index] for i, index in enumerate(indices))  # type: ignore[assignment]
    by_draws[ALL] = sum(by_draws[index] for index in indices) / len(indices)  # type: ignore[assignment]
    scenarios = [str(name) for name in ds["scenario"].to_numpy()]
    frames = [_frame(name, scenarios, by_weights[name], by_draws[name]) for name in by_draws]
    return pd.concat(frames, ignore_index=True)


def _components(ds: xr.Dataset, index: str, at: float) -> np.ndarray:
    """Return the components of an index on (component, scenario, draw)."""
    first, last = float(ds["time"][0]), float(ds["time"][-1])
    if not first <= at <= last:
        message = f"the time {at:g} is outside the saved times, {first:g} to {last:g}: choose one inside."
        raise StoreError(message)
    parts = [
        read_values(at_times(ds[find_variable(ds, name)], np.array([at])).isel(time=0)).transpose("scenario", "draw")
        for name in components_of(ds, index)
    ]
    return np.stack([part.to_numpy().astype(np.float64) for part in parts])


def _defined(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the draws in which every component of every index is defined in every scenario."""
    whole = np.logical_and.reduce([np.isfinite(part).all(axis=(0, 1)) for part in values.values()])
    if not whole.any():
        message = "no draw has a value for every component in every scenario: policies cannot be ranked."
        raise StoreError(message)
    return {index: part[:, :, whole] for index, part in values.items()}


def _frame(index: str, scenarios: Sequence[str], by_weights: np.ndarray, by_draws: np.ndarray) -> pd.DataFrame:
    """Return the rows of one index."""
    stated = rankdata(-by_draws.mean(axis=1))
    columns: Mapping[str, object] = {
        "index": index,
        "scenario": list(scenarios),
        "stated": stated,
        **_ranks("weights", by_weights),
        **_ranks("draws", by_draws),
    }
    return pd.DataFrame(columns)


def _ranks(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Return the quantiles of ranks over the last axis, and how often each policy comes first."""
    ranks = rankdata(-values, axis=0)
    quantiles = np.quantile(ranks, BAND, axis=1)
    found = {f"{name}_{label}": quantiles[i] for i, label in enumerate(("p5", "p50", "p95"))}
    return {**found, f"{name}_first": (ranks == ranks.min(axis=0)).mean(axis=1)}

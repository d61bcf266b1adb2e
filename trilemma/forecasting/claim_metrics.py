"""The conditions of claims on the draws of some results: the metric, and whether it is what it must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from trilemma.errors import ClaimError
from trilemma.forecasting.claim_file import EVERY, Condition
from trilemma.forecasting.compare import BAND, quantiles_over
from trilemma.forecasting.stored import find_variable
from trilemma.translation.expressions import Lookup, Reference, evaluate
from trilemma.translation.labelled import Labelled, mean_over


@dataclass(frozen=True)
class Measured:
    """A condition on some results.

    Attributes
    ----------
    condition
        The condition.
    values
        The metric in each draw; of several scenarios, the one that fails or is nearest to failing.
    holds
        Whether it holds in each draw; not where it is undefined.
    unit
        The unit of the metric.
    band
        The 5, 50 and 95 % quantiles of the metric over the draws.
    """

    condition: Condition
    values: np.ndarray
    holds: np.ndarray
    unit: str
    band: tuple[float, float, float]

    @property
    def fails(self) -> np.ndarray:
        """Whether the condition fails in each draw; not where it is undefined."""
        return ~np.isnan(self.values) & ~self.holds

    @property
    def share(self) -> float:
        """The share of all draws in which it holds."""
        return float(self.holds.mean())


def measure(ds: xr.Dataset, condition: Condition, lookup: Callable[[str], Lookup]) -> Measured:
    """Work one condition out in each draw.

    Parameters
    ----------
    ds
        Results as `sweep` and `open_results` return them.
    condition
        The condition; the results hold all that it needs.
    lookup
        Gives the lookup of a scenario.
    """
    scenarios = scenarios_of(ds, condition) or (None,)
    columns = np.stack([_metric(ds, condition, scenario, lookup) for scenario in scenarios])
    margins = np.stack([_margin(condition, column) for column in columns])
    # it must hold in each scenario: a failure comes first, then what is undefined, then the narrowest margin
    order = np.where(np.isnan(margins), np.nextafter(0, 1), margins)
    nearest = order.argmin(axis=0)[None]
    values = np.take_along_axis(columns, nearest, axis=0)[0]
    band, _ = quantiles_over(values[None], BAND)
    return Measured(
        condition=condition,
        values=values,
        holds=np.take_along_axis(margins, nearest, axis=0)[0] > 0,
        unit=_unit(ds, condition),
        band=(float(band[0, 0]), float(band[1, 0]), float(band[2, 0])),
    )


def scenarios_of(ds: xr.Dataset, condition: Condition) -> tuple[str, ...]:
    """Return the scenarios that a condition must hold in."""
    if condition.scenarios == (EVERY,):
        return tuple(str(name) for name in ds["scenario"].to_numpy() if name != condition.against)
    return condition.scenarios


def _margin(condition: Condition, values: np.ndarray) -> np.ndarray:
    """Return by how much a condition holds; 0 or less where it fails, NaN where it is undefined."""
    above = values - (-np.inf if condition.above is None else condition.above)
    below = (np.inf if condition.below is None else condition.below) - values
    return np.minimum(above, below)


def _metric(ds: xr.Dataset, condition: Condition, scenario: str | None, lookup: Callable[[str], Lookup]) -> np.ndarray:
    """Return the metric in each draw, held against the other scenario where there is one."""
    value = _in_scenario(ds, condition, scenario, lookup)
    if condition.against is None:
        return value
    other = _in_scenario(ds, condition, condition.against, lookup)
    if condition.paired == "difference":
        return value - other
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(other != 0, value / other, np.nan)
    return ratio if condition.paired == "ratio" else 1 - ratio


def _in_scenario(
    ds: xr.Dataset, condition: Condition, scenario: str | None, lookup: Callable[[str], Lookup]
) -> np.ndarray:
    """Return the metric of one scenario in each draw, at its time or over its span."""
    times = ds["time"].to_numpy()
    found = evaluate(condition.expression, _nowhere if scenario is None else lookup(scenario), times, under=lookup)
    if found.dims:
        message = (
            f"{condition.where}: the metric '{condition.metric}' has a value for each {' and '.join(found.dims)}; "
            f"name an element in brackets, or reduce it, as in sum(x[{found.dims[0]}!])."
        )
        raise ClaimError(message)
    span = condition.over or (None if condition.at is None else (condition.at, condition.at))
    values = np.asarray(found.values, dtype=np.float64)
    values = values if span is None else mean_over(values, times, *span)
    if values.shape[0] != 1:
        message = f"{condition.where}: the metric '{condition.metric}' varies over time; give 'at' or 'over'."
        raise ClaimError(message)
    return np.broadcast_to(values[0], ds.sizes["draw"])


def _nowhere(name: str, _: tuple[str, ...]) -> Labelled:
    """Stand in for the lookup of a condition whose names all say their scenario."""
    raise AssertionError(name)


def _unit(ds: xr.Dataset, condition: Condition) -> str:
    """Return the unit of a condition's metric: its own, or that of the one outcome that it is."""
    tree = condition.expression.tree
    if condition.unit is not None or condition.paired != "difference" or not isinstance(tree, Reference):
        return condition.unit or ""
    return str(ds[find_variable(ds, tree.name, tree.elements)].attrs.get("units", ""))

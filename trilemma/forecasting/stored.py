"""Outcomes of a result store as the expression language wants them: labelled arrays, read when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import xarray as xr

from trilemma.errors import StoreError, unknown_name
from trilemma.forecasting.compare import outcome_names
from trilemma.forecasting.store import read_values
from trilemma.translation.expressions import Lookup
from trilemma.translation.ir import normalise
from trilemma.translation.labelled import Labelled


def lookups(ds: xr.Dataset) -> Callable[[str], Lookup]:
    """Return the function that gives the lookup of a scenario; what was read once is kept."""

    @cache
    def values(scenario: str, variable: str) -> xr.DataArray:
        return read_values(ds[variable].sel(scenario=scenario)).astype(np.float64)

    def lookup(scenario: str) -> Lookup:
        def find(name: str, elements: tuple[str, ...]) -> Labelled:
            variable = find_variable(ds, name, elements)
            data = values(scenario, variable)
            if normalise(variable) == normalise(name):
                data = data.isel(_picked(ds, variable, elements))
            dims = tuple(str(dim) for dim in data.dims if dim not in ("time", "draw"))
            time = ["time"] if "time" in data.dims else []
            array = data.transpose(*time, *dims, "draw").to_numpy()
            return Labelled(dims, array if time else array[None])

        return find

    return lookup


def find_variable(ds: xr.Dataset, name: str, elements: Sequence[str] = ()) -> str:
    """Return what an outcome of an expression is stored as: whole, or the one element that is asked for.

    Raises
    ------
    UnknownNameError
        If it is not stored.
    """
    known = {normalise(stored): stored for stored in outcome_names(ds)}
    label = f"{name}[{','.join(elements)}]" if elements else name
    found = known.get(normalise(name)) or known.get(normalise(label))
    if found is None:
        error = unknown_name("outcome", label, known.values(), "the results")
        raise error
    return found


def _picked(ds: xr.Dataset, variable: str, elements: Sequence[str]) -> dict[str, int]:
    """Return the positions of the elements that are asked for; a range among them stays whole.

    Raises
    ------
    UnknownNameError
        For an element that does not exist.
    StoreError
        If their number is wrong.
    """
    ranges = [str(dim) for dim in ds[variable].dims if dim not in ("scenario", "draw", "time")]
    if elements and len(elements) != len(ranges):
        message = (
            f"'{variable}[{','.join(elements)}]' names {len(elements)} element(s), but it has {len(ranges)} range(s)."
        )
        raise StoreError(message)
    positions: dict[str, int] = {}
    for dim, element in zip(ranges, elements, strict=False):
        labels = [str(label) for label in ds[dim].to_numpy()]
        lowered = [label.lower() for label in labels]
        if element.lower() in lowered:
            positions[dim] = lowered.index(element.lower())
        elif element.lower() != dim.lower():
            error = unknown_name(f"element of '{dim}'", element, [*labels, dim], f"'{variable}[{','.join(elements)}]'")
            raise error
    return positions

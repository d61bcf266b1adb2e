"""A single run as records, and written to a file that the reader's own tools open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from trilemma.errors import StoreError
from trilemma.files import replacing


def run_frame(result: xr.Dataset) -> pd.DataFrame:
    """Return a run as a table: the time, then one column a scalar element; constants are repeated."""
    columns: dict[str, np.ndarray] = {}
    times = result["time"].values
    elements = {dim: [str(label) for label in result[dim].values] for dim in result.dims if dim != "time"}
    for name in result.data_vars:
        if name == "result":
            continue
        array = result.variables[name]  # of a dataset with so many variables, an array with coordinates takes 1 ms
        own = [dim for dim in array.dims if dim != "time"]
        held = array.transpose(*own, ...).values  # picking each element by label takes ten times as long
        values = np.broadcast_to(
            held if "time" in array.dims else held[..., None], (*held.shape[: len(own)], len(times))
        )
        for place in np.ndindex(*values.shape[:-1]):
            labels = ",".join(elements[dim][i] for dim, i in zip(own, place, strict=True))
            columns[f"{name}[{labels}]" if own else str(name)] = values[place]
    return pd.DataFrame({"time": times, **columns})


def run_table(result: xr.Dataset) -> list[dict[str, Any]]:
    """Return a run as records: a row a time, or, for many outcomes, a row an outcome at the first and last time."""
    frame = run_frame(result)
    if frame.shape[1] <= 9:
        return [{str(k): _plain(v) for k, v in row.items()} for row in frame.to_dict("records")]
    first, last = frame.iloc[0], frame.iloc[-1]
    units = {str(name): str(result.variables[name].attrs.get("units", "")) for name in result.data_vars}
    return [
        {
            "outcome": name,
            "unit": units.get(name, units.get(name.partition("[")[0], "")),
            f"at {first['time']:g}": _plain(first[name]),
            f"at {last['time']:g}": _plain(last[name]),
        }
        for name in map(str, frame.columns[1:])
    ]


def _plain(value: float) -> float | None:
    """Return a number that JSON can hold; undefined is null."""
    return float(value) if np.isfinite(value) else None


def write_run(result: xr.Dataset, path: Path) -> Path:
    """Write a run to a .csv table or a .zarr store.

    Raises
    ------
    StoreError
        If the name has another ending, the file exists as something else, or it cannot be written.
    """
    try:
        if path.suffix == ".csv":
            with replacing(path) as part:
                run_frame(result).to_csv(part, index=False)
        elif path.suffix == ".zarr":
            if path.exists():
                message = f"'{path}' exists already: remove it, or choose another name."
                raise StoreError(message)
            result.to_zarr(path, zarr_format=3, consolidated=False)
        else:
            message = f"cannot write a run to '{path}': the name must end in .csv or .zarr."
            raise StoreError(message)
    except OSError as error:
        message = f"cannot write '{path}': {error.strerror or error}."
        raise StoreError(message) from error
    return path

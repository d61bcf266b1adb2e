"""Result stores: one Zarr v3 folder a forecast, opened with plain ``xarray.open_zarr``.

A store is built in a hidden folder beside its place and takes that place by a rename when it is whole: a
crash, a full disk or Ctrl-C leaves the store that was there before. Coordinates and parameters are written
through xarray; outcomes are written block by block into arrays made beforehand, so that memory does not grow
with the draws.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import shutil
import socket
import tempfile
import warnings
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec

from trilemma.content import results_dir
from trilemma.errors import StoreError

FORMAT = "trilemma results 1"
CORE_DIMS = ("scenario", "draw", "time")
ORIGINAL = "original_name"
LONGEST_NAME = 200  # bytes; file systems stop at 255
MEGABYTE = 1 << 20
Stored = TypeVar("Stored", xr.Dataset, xr.DataArray)


def store_path(name: str) -> Path:
    """Return where the results of a forecast are kept."""
    return results_dir() / f"{name}.zarr"


# --------------------------------------------------------------------------------------------- names


def encoded(name: str) -> str:
    """Return a name that is safe as a folder; one that Zarr would lose gets a readable stand-in.

    Zarr takes ``/`` for a path, loses ``..`` and reserved beginnings, and file systems refuse long names.
    """
    risky = "/" in name or "\\" in name or ".." in name or name[:1] in (".", "") or name.startswith("__")
    if not risky and name != "zarr.json" and name.isprintable() and len(name.encode()) <= LONGEST_NAME:
        return name
    readable = re.sub(r"[^\w \[\]:-]", "_", name, flags=re.ASCII)[:100].lstrip("_ ")
    return f"{readable}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _encode_names(header: xr.Dataset) -> xr.Dataset:
    """Return a dataset whose variables and dimensions have safe names, the original in the attributes."""
    names = {str(name): encoded(str(name)) for name in (*header.variables, *header.dims)}
    changed = {name: safe for name, safe in names.items() if safe != name}
    renamed = header.rename(changed)
    for name, safe in changed.items():
        if safe in renamed.variables:
            renamed[safe].attrs[ORIGINAL] = name
    return renamed


def _decode_names(data: xr.Dataset) -> xr.Dataset:
    """Return a dataset with the original names."""
    originals = {str(name): str(data[name].attrs[ORIGINAL]) for name in data.variables if ORIGINAL in data[name].attrs}
    restored = data.rename(originals)
    for name in originals.values():
        restored[name].attrs.pop(ORIGINAL, None)
    return restored


# ------------------------------------------------------------------------------------------- reading


def is_there(path: Path) -> bool:
    """Whether anything is at the place of a store, after a swap that was cut short is undone."""
    _recover(path)
    return path.exists()


def open_store(path: Path) -> xr.Dataset:
    """Open a store lazily, with original names and strings as objects.

    Raises
    ------
    StoreError
        If there is none, or what is there is damaged or was not written by this program.
    """
    if not is_there(path):
        message = f"there are no results of '{path.stem}' yet: run 'trilemma sweep {path.stem}' first."
        raise StoreError(message)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a foreign store brings warnings; one sentence is enough
            data = xr.open_zarr(path, chunks=None)
        data.attrs["format"]  # noqa: B018 - a foreign store lacks it
    except Exception as error:
        message = (
            f"'{path.name}' in the results folder is damaged or is no result store of this program: "
            "move it away or delete it, then sweep again."
        )
        raise StoreError(message) from error
    if data.attrs["format"] != FORMAT:
        message = (
            f"'{path.name}' has the format '{data.attrs['format']}', this version reads '{FORMAT}': "
            "move it away, then sweep again."
        )
        raise StoreError(message)
    _check_blocks(path, data)
    data = _decode_names(data)
    texts = {name: data[name].astype(object) for name in data.coords if data[name].dtype.kind in "TU"}
    return data.assign_coords(texts)[_ordered(data)]


def _check_blocks(path: Path, data: xr.Dataset) -> None:
    """Refuse a store that has lost blocks of values: Zarr would read them as undefined, without a word."""
    for name, array in data.data_vars.items():
        chunks = array.encoding.get("chunks")
        if chunks is None or "scenario" not in array.dims:
            continue
        expected = math.prod(-(-size // chunk) for size, chunk in zip(array.shape, chunks, strict=True))
        found = sum(len(files) for _, _, files in os.walk(path / str(name) / "c"))
        if found < expected:
            message = (
                f"'{path.name}' in the results folder has lost {expected - found} of {expected} blocks of "
                f"'{array.attrs.get(ORIGINAL, name)}': move it away or delete it, then sweep again."
            )
            raise StoreError(message)


def read_values(stored: Stored) -> Stored:
    """Return a part of an opened store with its values read.

    Raises
    ------
    StoreError
        If they are damaged.
    """
    try:
        return stored.load()
    except (OSError, RuntimeError, ValueError) as error:
        message = (
            "the stored results are damaged, some values cannot be read: "
            "move the store in the results folder away or delete it, then sweep again."
        )
        raise StoreError(message) from error


def _ordered(data: xr.Dataset) -> list[str]:
    """Return the outcomes in the order of the forecast, then the rest; Zarr lists names in no order."""
    first = [name for name in json.loads(data.attrs.get("outcomes", "[]")) if name in data.data_vars]
    return [*first, *(str(name) for name in data.data_vars if name not in first)]


# ------------------------------------------------------------------------------------------- writing


class Writer:
    """The outcome arrays of a store in the making; `create` makes it."""

    def __init__(self, folder: Path, arrays: Mapping[str, zarr.Array[Any]]) -> None:
        self._folder = folder
        self._arrays = arrays

    def write(self, name: str, scenarios: slice, draws: slice, values: np.ndarray) -> None:
        """Write a block of a variable on (scenario, draw, ...)."""
        self._arrays[name][scenarios, draws] = values

    def finish(self, undefined: Mapping[str, int]) -> None:
        """Note how many values of each variable are undefined, and gather the metadata in one file."""
        for name, count in undefined.items():
            self._arrays[name].attrs["undefined"] = int(count)
        with warnings.catch_warnings():  # consolidated metadata is not yet part of Zarr 3; xarray wants it
            warnings.simplefilter("ignore", category=UserWarning)
            zarr.consolidate_metadata(str(self._folder))


def create(folder: Path, header: xr.Dataset, outcomes: Mapping[str, xr.Variable], draw_block: int) -> Writer:
    """Make a store with coordinates, parameters and attributes, and empty arrays for the outcomes.

    Parameters
    ----------
    folder
        An empty folder.
    header
        Coordinates, parameters, attributes.
    outcomes
        A sample of each outcome on (run, ...), for its dimensions, type and attributes.
    draw_block
        How many draws a chunk holds; blocks that are written must begin and end with chunks.
    """
    header = header.assign_attrs(format=FORMAT)
    _encode_names(header).to_zarr(folder, mode="w", zarr_format=3, consolidated=False)
    group = zarr.open_group(str(folder), mode="a", zarr_format=3)
    arrays = {name: _array(group, name, sample, header, draw_block) for name, sample in outcomes.items()}
    return Writer(folder, arrays)


def _array(group: zarr.Group, name: str, sample: xr.Variable, header: xr.Dataset, draw_block: int) -> zarr.Array[Any]:
    """Make the empty array of one outcome."""
    own = [str(dim) for dim in sample.dims if dim != "run"]
    dims = ["scenario", "draw", *own]
    shape = tuple(header.sizes[dim] for dim in dims)
    whole = np.dtype(np.int8) if sample.dtype.kind in "iub" else np.dtype(np.float32)
    safe = encoded(name)
    attributes = dict(sample.attrs) | ({ORIGINAL: name} if safe != name else {})
    return group.create_array(
        safe,
        shape=shape,
        chunks=(1, min(draw_block, shape[1]), *shape[2:]),
        dtype=whole,
        compressors=[BloscCodec(cname="lz4", clevel=1, shuffle="shuffle")],
        fill_value=0 if whole.kind == "i" else np.nan,
        dimension_names=[encoded(dim) for dim in dims],
        attributes=attributes,
        config={"write_empty_chunks": True},  # so that a block of values that is not there is a lost one
    )


@contextmanager
def replacing(target: Path, needed: int) -> Generator[Path]:
    """Give an empty folder that takes the place of `target` when the block ends without an error.

    Parameters
    ----------
    target
        The place of the store. What is there stays until the new store is whole.
    needed
        The bytes that the new store takes, for the check of the free space.

    Raises
    ------
    StoreError
        If the disk is full or the place cannot be written to.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_litter(target)
        _check_space(target.parent, needed)
        building = Path(tempfile.mkdtemp(prefix=hidden_prefix(target, "building"), dir=target.parent))
    except OSError as error:
        raise _write_error(error, target, needed) from error
    try:
        yield building
        _swap(building, target)
    except OSError as error:
        raise _write_error(error, target, needed) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def hidden_prefix(target: Path, purpose: str) -> str:
    """Return how hidden folders of this process beside a store are called."""
    return f".{target.name}.{purpose}-{socket.gethostname()}-{os.getpid()}-"


def _swap(building: Path, target: Path) -> None:
    """Put the new store in the place of the old one; at any moment one of them is whole."""
    building.chmod(0o755)  # mkdtemp makes it private
    if not target.exists():
        building.rename(target)
        return
    previous = Path(tempfile.mkdtemp(prefix=hidden_prefix(target, "previous"), dir=target.parent))
    try:
        target.rename(previous / target.name)
        building.rename(target)
    except BaseException:
        if not target.exists():
            (previous / target.name).rename(target)
        raise
    finally:
        if target.exists():
            shutil.rmtree(previous, ignore_errors=True)


def _hidden(target: Path, purpose: str) -> Iterator[Path]:
    """Yield the hidden folders beside a store whose process on this machine has ended."""
    if not target.parent.is_dir():
        return
    for path in sorted(target.parent.glob(f".{target.name}.{purpose}-*")):
        host, _, rest = path.name.removeprefix(f".{target.name}.{purpose}-").rpartition("-")[0].rpartition("-")
        if host == socket.gethostname() and rest.isdigit() and not _is_running(int(rest)):
            yield path


def _is_running(process: int) -> bool:
    """Whether a process of that number runs; where that cannot be asked, it is taken to run."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _recover(target: Path) -> None:
    """Bring back a store whose swap was cut short between its two renames."""
    if target.exists():
        return
    for previous in _hidden(target, "previous"):
        if (previous / target.name).is_dir():
            (previous / target.name).rename(target)
            return


def _remove_litter(target: Path) -> None:
    """Remove what processes that have ended left behind."""
    _recover(target)
    for purpose in ("building", "previous"):
        for path in _hidden(target, purpose):
            shutil.rmtree(path, ignore_errors=True)


def _check_space(folder: Path, needed: int) -> None:
    """Refuse to begin on a disk that cannot hold the store."""
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _write_error(error: OSError, target: Path, needed: int) -> StoreError:
    """Return one sentence for a store that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(target.parent).free
        return StoreError(
            f"the disk is full: '{target.name}' needs about {_size(needed)} and {_size(free)} are free; "
            "make room or store fewer draws or outcomes (the previous results are untouched)."
        )
    return StoreError(
        f"'{target.name}' cannot be written to '{target.parent}': {error.strerror or error}; "
        "check the folder's permissions or choose another with --project."
    )


def _size(count: int) -> str:
    """Return a number of bytes for people."""
    return f"{count / MEGABYTE:,.0f} MB" if count >= MEGABYTE else "less than 1 MB"

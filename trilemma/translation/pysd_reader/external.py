"""Reads subscripts, constants, lookups and data from spreadsheets and text files, with PySD's own readers.

What comes back are plain numbers: nothing of the files is needed once a model is translated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from pysd.py_backend import external
from pysd.translators.structures import abstract_expressions as ae

from trilemma.errors import ModelFileError

_T = TypeVar("_T")
_ERRORS = (OSError, ValueError, KeyError, AttributeError, IndexError, TypeError, ImportError, StopIteration)


@dataclass(frozen=True)
class Place:
    """Where a file is asked for: the model, the variable and the line."""

    model: Path
    name: str
    line: int | None


@dataclass(frozen=True)
class Series:
    """Values at points: `x` has shape (points,), `y` has shape (points, elements of each subscript)."""

    x: np.ndarray
    y: np.ndarray
    file: Path


def clean() -> None:
    """Forget all files that were read, so that a file that changes is read again."""
    external.Excels.clean()


def read_subscripts(model: Path, name: str, content: dict[str, str]) -> tuple[list[str], Path]:
    """Return the elements of a range that stands in another file, and that file."""
    place = Place(model, name, None)

    def read() -> list[str]:
        found = external.ExtSubscript(
            content["file"],
            content["tab"],
            content["firstcell"],
            content["lastcell"],
            content["prefix"],
            root=model.parent,
        )
        return [str(label) for label in found.subscript]

    labels = _checked(place, content["file"], f"sheet '{content['tab']}', cell '{content['firstcell']}'", read)
    if not labels:
        message = f"'{model}': the subscript range '{name}' has no elements in '{content['file']}'."
        raise ModelFileError(message)
    return labels, model.parent / content["file"]


def read_constants(
    place: Place, tree: ae.GetConstantsStructure, elements: Sequence[tuple[str, ...]]
) -> tuple[np.ndarray, Path]:
    """Return the numbers of GET CONSTANTS in the shape of the left-hand side, and their file."""

    def read() -> np.ndarray:
        coords = _coordinates(elements)
        reader = external.ExtConstant(tree.file, tree.tab, tree.cell, coords, place.model.parent, coords, place.name)
        reader.initialize()
        return np.asarray(reader.data, dtype=float)

    numbers = _checked(place, tree.file, f"sheet '{tree.tab}', cell '{tree.cell}'", read)
    _no_gaps(place, tree.file, tree.cell, numbers)
    return numbers, place.model.parent / tree.file


def read_lookups(place: Place, tree: ae.GetLookupsStructure, elements: Sequence[tuple[str, ...]]) -> Series:
    """Return the points of GET LOOKUPS."""

    def read() -> Series:
        coords = _coordinates(elements)
        reader = external.ExtLookup(
            tree.file, tree.tab, tree.x_row_or_col, tree.cell, coords, place.model.parent, coords, place.name
        )
        reader.initialize()
        array = reader.data
        return Series(
            np.asarray(array["lookup_dim"], dtype=float),
            np.asarray(array, dtype=float),
            place.model.parent / tree.file,
        )

    series = _checked(place, tree.file, f"sheet '{tree.tab}', cell '{tree.cell}'", read)
    _no_gaps(place, tree.file, tree.cell, series.y)
    return series


def read_data(
    place: Place, tree: ae.GetDataStructure, elements: Sequence[tuple[str, ...]], keyword: str | None
) -> Series:
    """Return the points of GET DATA."""

    def read() -> Series:
        coords = _coordinates(elements)
        reader = external.ExtData(
            tree.file,
            tree.tab,
            tree.time_row_or_col,
            tree.cell,
            keyword,
            coords,
            place.model.parent,
            coords,
            place.name,
        )
        reader.initialize()
        array = reader.data
        return Series(
            np.asarray(array["time"], dtype=float),
            np.asarray(array, dtype=float),
            place.model.parent / tree.file,
        )

    return _checked(place, tree.file, f"sheet '{tree.tab}', cell '{tree.cell}'", read)


def _coordinates(elements: Sequence[tuple[str, ...]]) -> dict[str, list[str]]:
    """Return coordinates for PySD, under names of our own."""
    return {f"axis {i}": list(labels) for i, labels in enumerate(elements)}


def _checked(place: Place, file: str, cells: str, read: Callable[[], _T]) -> _T:
    """Read something; an error becomes one sentence with variable, line, file and cells.

    Raises
    ------
    ModelFileError
        If the file, the sheet or the cells do not exist or hold no numbers.
    """
    where = f"'{place.model}'{f', line {place.line}' if place.line else ''}"
    if file.startswith("?"):
        message = f"{where}: '{place.name}' reads the file '{file}' indirectly: write the file's name in the equation."
        raise ModelFileError(message)
    full = place.model.parent / file
    if not full.is_file():
        message = f"{where}: '{place.name}' reads '{file}', which is not beside the model: put it at '{full}'."
        raise ModelFileError(message)
    try:
        return read()
    except _ERRORS as error:
        known = (place.name, "File name:", "Sheet name:")
        lines = [" ".join(line.split()) for line in str(error).splitlines()]
        reason = " ".join(line for line in lines if line and not line.startswith(known)) or type(error).__name__
        message = f"{where}: '{place.name}' cannot be read from '{file}', {cells}: {reason.rstrip('.')}."
        raise ModelFileError(message) from error


def _no_gaps(place: Place, file: str, cell: str, numbers: np.ndarray) -> None:
    """Refuse cells without a number."""
    if np.isnan(numbers).any():
        where = f"'{place.model}'{f', line {place.line}' if place.line else ''}"
        message = f"{where}: '{place.name}' reads cells of '{file}' from '{cell}' on that hold no number."
        raise ModelFileError(message)

"""Words for outcomes: which label, unit and scale a report gives to a model's variable.

The wording is content and stands in ``notebooks/labels.toml``. This module reads it and applies it; an outcome that
has no entry there keeps the model's own name and unit.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from trilemma.content import content_folders
from trilemma.errors import ReportError, unknown_name

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

LABEL_FILE = "labels.toml"
LABEL_KEYS = ("label", "unit", "scale", "difference_unit", "about", "phrase")
CORE_DIMS = ("scenario", "draw", "time")


@dataclass(frozen=True)
class Label:
    """How one outcome is shown: its words, its unit, and the factor from the stored value to the shown one."""

    name: str
    text: str
    unit: str = ""
    scale: float = 1.0
    difference_unit: str = ""
    about: str = ""
    phrase: str = ""

    @property
    def axis(self) -> str:
        """The text beside an axis: label and unit."""
        return f"{self.text} ({self.unit})" if self.unit else f"{self.text} (no unit)"

    @property
    def difference_axis(self) -> str:
        """The text beside an axis of differences."""
        return f"Difference ({self.difference_unit})" if self.difference_unit else "Difference (no unit)"


def label_files() -> list[Path]:
    """Return the label files in use, a project's own before the shipped one."""
    files = [folder / LABEL_FILE for folder in content_folders("notebooks")]
    return [file for file in files if file.is_file()]


def read_labels(path: Path) -> dict[str, dict[str, Any]]:
    """Return the tables of a label file.

    Raises
    ------
    ReportError
        If the file is not TOML, or an entry has a key that does not exist.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        message = f"the label file '{path}' cannot be read as TOML ({error}): mend the line it names."
        raise ReportError(message) from error
    for name, table in tables.items():
        wrong = [key for key in table if key not in LABEL_KEYS] if name != "units" else []
        if wrong:
            raise unknown_name("key", wrong[0], LABEL_KEYS, f"{path}, table '{name}'")
    return tables


@lru_cache(maxsize=8)
def _merged(paths: tuple[Path, ...], _times: tuple[int, ...]) -> dict[str, dict[str, Any]]:
    """Return the tables of several label files as one, the first file winning entry by entry."""
    merged: dict[str, dict[str, Any]] = {}
    for path in reversed(paths):
        for name, table in read_labels(path).items():
            merged[name] = {**merged.get(name, {}), **table}
    return merged


def label(name: str, unit: str = "") -> Label:
    """Return how the outcome `name` with the model's `unit` is shown."""
    files = tuple(label_files())
    tables = _merged(files, tuple(file.stat().st_mtime_ns for file in files))
    entry = tables.get(name, {})
    shown = entry.get("unit", tables.get("units", {}).get(unit, unit))
    text = entry.get("label", name[:1].upper() + name[1:])
    return Label(
        name=name,
        text=text,
        unit=shown,
        scale=float(entry.get("scale", 1.0)),
        difference_unit=entry.get("difference_unit", shown),
        about=entry.get("about", ""),
        phrase=entry.get("phrase", text),
    )


def outcome_names(data: xr.Dataset) -> list[str]:
    """Return the outcomes of a store, one name an element: ``name`` or ``name[element]``."""
    names: list[str] = []
    for key, variable in data.data_vars.items():
        if not set(CORE_DIMS) <= set(variable.dims):
            continue
        extra = [dim for dim in variable.dims if dim not in CORE_DIMS]
        if not extra:
            names.append(str(key))
        elif len(extra) == 1:
            names += [f"{key}[{element}]" for element in data[extra[0]].to_numpy()]
    return names


def pick(data: xr.Dataset, outcome: str) -> xr.DataArray:
    """Return one outcome, ``name`` or ``name[element]``, on (scenario, draw, time), in the unit it is shown in.

    Raises
    ------
    UnknownNameError
        If the results do not hold it.
    """
    name, _, element = outcome.partition("[")
    if outcome in data:
        array = data[outcome]
    elif element and name in data:
        array = data[name]
        dim = next((d for d in array.dims if d not in CORE_DIMS), None)
        if dim is None or element.rstrip("]") not in array[dim].to_numpy():
            raise unknown_name("outcome", outcome, outcome_names(data), "the results")
        array = array.sel({dim: element.rstrip("]")}, drop=True)
    else:
        raise unknown_name("outcome", outcome, outcome_names(data), "the results")
    if set(array.dims) != set(CORE_DIMS):
        raise unknown_name("outcome", outcome, outcome_names(data), "the results")
    scale = outcome_label(data, outcome).scale
    loaded = array.transpose(*CORE_DIMS).load()
    return loaded if scale == 1.0 else loaded * scale


def outcome_label(data: xr.Dataset, outcome: str) -> Label:
    """Return how an outcome of a store is shown, from the label file and the units in the store."""
    variable = data.get(outcome, data.get(outcome.partition("[")[0]))
    unit = "" if variable is None else str(variable.attrs.get("units", ""))
    return label(outcome, unit)


def scenario_titles(data: xr.Dataset) -> dict[str, str]:
    """Return the titles of the scenarios by name; a store without titles gives the names with spaces."""
    names = [str(name) for name in data["scenario"].to_numpy()]
    if "scenario_title" in data.coords:
        titles = [str(title) for title in data["scenario_title"].to_numpy()]
    else:
        titles = [name.replace("_", " ").capitalize() for name in names]
    return dict(zip(names, titles, strict=True))

"""What a scenario or a check changes: overrides spelt as in the model, merged element by element, checked, expanded.

Inside, they are kept by scalar element, ``{"control lever": {"EUV": 1.0, ...}}``, where the element ``""``
stands for the whole variable. Written out again they are numbers, ``{element: number}`` or
``{"time": ..., "value": ...}``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any, TypeAlias

from trilemma.errors import OverrideError, unknown_name
from trilemma.translation.ir import Variable
from trilemma.translation.model import Model

Series: TypeAlias = dict[str, list[float]]
Value: TypeAlias = float | Series
Override: TypeAlias = float | dict[str, float] | Series
ByElement: TypeAlias = dict[str, dict[str, Value]]

WHOLE = ""
SERIES_KEYS = {"time", "value"}


def by_element(model: Model, raw: Mapping[str, object], where: str) -> ByElement:
    """Return overrides as written in TOML by variable and element, names spelt as in the model.

    Parameters
    ----------
    model
        The model that the names are looked up in.
    raw
        ``name`` or ``name[element]`` to a number, ``{element: number}`` or a series with time and value.
    where
        File and key, for error messages.

    Raises
    ------
    UnknownNameError
        For a variable or an element that does not exist.
    OverrideError
        For a value of another form.
    """
    found: ByElement = {}
    for name, value in raw.items():
        selection = model.resolve(name, where)
        variable = selection.variable
        own = found.setdefault(variable.name, {})
        place = f"{where}, '{name}'"
        if isinstance(value, dict) and not value.keys() & SERIES_KEYS:
            if selection.indices is not None or not variable.dims:
                message = f"{place} is a single number: give a number, or time and value."
                raise OverrideError(message)
            for element, number in value.items():
                label = _element(model, variable, str(element), place)
                own[label] = _number(number, f"{place}, element '{element}'")
            continue
        element = WHOLE if selection.indices is None else selection.label[len(variable.name) + 1 : -1]
        setting = _series(value, place) if isinstance(value, dict) else _number(value, place)
        _set(own, element, setting)
    return {name: elements for name, elements in found.items() if elements}


def _element(model: Model, variable: Variable, element: str, where: str) -> str:
    """Return an element of a variable in the model's spelling."""
    label = model.resolve(f"{variable.name}[{element}]", where).label
    return label[len(variable.name) + 1 : -1]


def _set(own: dict[str, Value], element: str, setting: Value) -> None:
    """Set one element, or the whole variable, which takes the place of all that was set before."""
    if element == WHOLE:
        own.clear()
    own[element] = setting


def _number(value: object, where: str) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        expected = "a finite number, { element = number } or { time = [...], value = [...] }"
        message = f"{where} is {value!r}: expected {expected}."
        raise OverrideError(message)
    return float(value)


def _series(value: dict[str, Any], where: str) -> Series:
    """Return a time series: equally many times and values, the times rising."""
    for key in value:
        if key not in SERIES_KEYS:
            error = unknown_name("key", key, sorted(SERIES_KEYS), where)
            raise error
    lists: list[list[Any]] = [items for items in value.values() if isinstance(items, list) and items]
    if len(lists) != len(SERIES_KEYS) or len(lists[0]) != len(lists[1]):
        message = f"{where}: a series needs 'time' and 'value', two lists of the same length."
        raise OverrideError(message)
    time, values = ([_number(item, where) for item in value[key]] for key in ("time", "value"))
    if any(later <= earlier for earlier, later in zip(time, time[1:], strict=False)):
        message = f"{where}: the times of a series must rise, got {time}."
        raise OverrideError(message)
    return {"time": time, "value": values}


def merge(parent: ByElement, child: ByElement) -> ByElement:
    """Return the parent's overrides with the child's on top, element by element."""
    merged = {name: dict(elements) for name, elements in parent.items()}
    for name, elements in child.items():
        for element, setting in elements.items():
            _set(merged.setdefault(name, {}), element, setting)
    return merged


def written(model: Model, overrides: ByElement) -> dict[str, Override]:
    """Return overrides in the form that files and results use."""
    found: dict[str, Override] = {}
    for name, elements in overrides.items():
        if list(elements) == [WHOLE]:
            found[name] = elements[WHOLE]
            continue
        spread = _spread(model.resolve(name).variable, elements)
        numbers: dict[str, float] = {element: value for element, value in spread.items() if not isinstance(value, dict)}
        if numbers:
            found[name] = numbers
        found |= {f"{name}[{element}]": value for element, value in spread.items() if isinstance(value, dict)}
    return found


def _spread(variable: Variable, elements: Mapping[str, Value]) -> dict[str, Value]:
    """Return a variable's settings by element, the whole-variable setting given to each that has no own."""
    if WHOLE not in elements:
        return dict(elements)
    labels = [",".join(labels) for labels in product(*variable.elements)]
    return {label: elements.get(label, elements[WHOLE]) for label in labels}


def scalars(model: Model, overrides: Mapping[str, object]) -> dict[str, Value]:
    """Return overrides by scalar name: ``name`` of a variable without ranges, else ``name[element]``."""
    found: dict[str, Value] = {}
    for name, elements in by_element(model, overrides, "overrides").items():
        for element, value in _spread(model.resolve(name).variable, elements).items():
            found[f"{name}[{element}]" if element != WHOLE else name] = value
    return found


def check_limits(model: Model, overrides: Mapping[str, object], where: str) -> None:
    """Refuse a lever or switch outside the hard limits of the model's parameters.csv.

    Raises
    ------
    OverrideError
        Naming the lever, the value and the limits.
    """
    rows = {row.name: row for row in model.parameters.rows if row.role in ("lever", "switch")}
    for name, value in scalars(model, overrides).items():
        row = rows.get(name)
        if row is None:
            continue
        for number in _numbers(value):
            if not row.low <= number <= row.high:
                message = f"{where}: the {row.role} '{name}' is {number:g}, allowed is {row.low:g} to {row.high:g}."
                raise OverrideError(message)


def _numbers(value: Value) -> Iterable[float]:
    """Return all numbers of a setting."""
    return value["value"] if isinstance(value, dict) else (value,)

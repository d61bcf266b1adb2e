"""Many scenarios of one model as calls of the engine: which runs go together, and what they are given.

All scenarios give the engine the same set of inputs, those they leave alone at the model's own values, and
all calls have one size, so that one compiled program serves them all. A constant that one scenario sets to a series is
a series in all of them, for the same reason. Scenarios that replace equations, or set initial values, need a program
of their own and are grouped apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import xarray as xr

from trilemma.translation.model import Model
from trilemma.translation.overrides import Value, scalars

Structure: TypeAlias = tuple[tuple[tuple[str, tuple[float, ...]], ...], tuple[str, ...]]


class Scenario(Protocol):
    """What a scenario changes, as its file says it."""

    @property
    def overrides(self) -> Mapping[str, object]:
        """Values by name."""
        ...

    @property
    def initial(self) -> Mapping[str, object]:
        """Initial values by name."""
        ...


@dataclass(frozen=True)
class Segment:
    """Draws `first` to `last` (not included) of one scenario, by its position in the list."""

    scenario: int
    first: int
    last: int

    @property
    def size(self) -> int:
        """The number of runs."""
        return self.last - self.first


@dataclass(frozen=True)
class Call:
    """One call of the engine: segments end to end, filled up to `size` runs with copies of the last run."""

    segments: tuple[Segment, ...]
    size: int

    @property
    def wanted(self) -> int:
        """The number of runs without the filling."""
        return sum(segment.size for segment in self.segments)


@dataclass(frozen=True)
class Settings:
    """What the scenarios set, by scalar name, in their order, and what everything else is.

    Attributes
    ----------
    overrides, initial
        One mapping a scenario.
    parameters
        The drawn values by scalar name, one a draw.
    defaults
        The model's own value of every constant.
    knots
        The times of every constant that some scenario sets to a series: those of all its series together.
    numbers
        The number of each draw, which random functions go by; counted from 0 where it is None.
    """

    overrides: tuple[Mapping[str, Value], ...]
    initial: tuple[Mapping[str, Value], ...]
    parameters: Mapping[str, np.ndarray]
    defaults: Mapping[str, float]
    knots: Mapping[str, tuple[float, ...]]
    numbers: np.ndarray | None = None

    def structure(self, scenario: int) -> Structure:
        """Return what sets a scenario's program apart: replaced equations with their knots, initial values."""
        own = self.overrides[scenario]
        replaced = {
            name: tuple(value["time"]) if isinstance(value, dict) else ()
            for name, value in own.items()
            if name not in self.defaults
        }
        return tuple(sorted(replaced.items())), tuple(sorted(self.initial[scenario]))

    def names(self, scenario: int) -> list[str]:
        """Return the inputs that the program of a scenario is given."""
        shared = {name for own in self.overrides for name in own if name in self.defaults}
        return sorted(shared | set(self.parameters) | set(self.overrides[scenario]))


def settings(
    model: Model,
    scenarios: Sequence[Scenario],
    parameters: Mapping[str, np.ndarray],
    numbers: np.ndarray | None = None,
) -> Settings:
    """Return the settings of scenarios and draws by scalar name, spelt as in the model."""
    overrides = tuple(scalars(model, scenario.overrides) for scenario in scenarios)
    defaults = model.constants()
    times: dict[str, set[float]] = {}
    for own in overrides:
        for name, value in own.items():
            if isinstance(value, dict) and name in defaults:
                times.setdefault(name, set()).update(value["time"])
    return Settings(
        overrides=overrides,
        initial=tuple(scalars(model, scenario.initial) for scenario in scenarios),
        parameters={model.resolve(name).label: values for name, values in parameters.items()},
        defaults=defaults,
        knots={name: tuple(sorted(own)) for name, own in times.items()},
        numbers=numbers,
    )


def calls(given: Settings, missing: Sequence[int], draws: int, limit: int) -> Iterator[Call]:
    """Yield the calls that run the missing scenarios, each of at most `limit` runs.

    Parameters
    ----------
    given
        The settings.
    missing
        The positions of the scenarios to run.
    draws
        The number of draws.
    limit
        The most runs in a call. Few draws: several whole scenarios a call; many: a part of one.
    """
    groups: dict[Structure, list[int]] = {}
    for scenario in missing:
        groups.setdefault(given.structure(scenario), []).append(scenario)
    block = draw_block(draws, limit)
    together = max(1, limit // draws) if block == draws else 1
    largest = max((len(group) for group in groups.values()), default=1)
    together = -(-largest // -(-largest // together))  # shared out evenly, so that little is filled up
    for group in groups.values():
        for first in range(0, len(group), together):
            some = group[first : first + together]
            for start in range(0, draws, block):
                segments = tuple(Segment(s, start, min(start + block, draws)) for s in some)
                yield Call(segments, together * block)


def draw_block(draws: int, limit: int) -> int:
    """Return how many draws are run and stored together: all, or equal parts of at most `limit`."""
    return -(-draws // -(-draws // limit))


def inputs(given: Settings, call: Call) -> tuple[dict[str, xr.DataArray], dict[str, xr.DataArray]]:
    """Return the overrides and the initial values of a call, each with a run dimension.

    A scenario's value comes before a draw's, and a draw's before the model's. Runs are numbered by their draw, so that
    random functions give the same numbers in every scenario, whatever is run together.
    """
    scenario = call.segments[0].scenario
    overrides = {name: _column(given, call, name, given.overrides) for name in given.names(scenario)}
    initial = {name: _column(given, call, name, given.initial) for name in sorted(given.initial[scenario])}
    return overrides, initial


def _column(given: Settings, call: Call, name: str, own: Sequence[Mapping[str, Value]]) -> xr.DataArray:
    """Return the values of one input over the runs of a call."""
    knots = given.knots.get(name) if own is given.overrides else None
    parts: list[np.ndarray] = []
    for segment in call.segments:
        value = own[segment.scenario].get(name)
        if isinstance(value, dict):
            knots = knots or tuple(value["time"])
            series = np.interp(knots, value["time"], value["value"])
            parts.append(np.repeat(series[:, None], segment.size, axis=1))
            continue
        if value is not None:
            column = np.full(segment.size, value)
        elif name in given.parameters:
            column = np.asarray(given.parameters[name])[segment.first : segment.last]
        else:
            column = np.full(segment.size, given.defaults[name])
        parts.append(column if knots is None else np.repeat(column[None], len(knots), axis=0))
    values = np.concatenate(parts, axis=-1)
    draws = np.concatenate([np.arange(segment.first, segment.last) for segment in call.segments])
    numbers = draws if given.numbers is None else given.numbers[draws]
    filling = (0, call.size - len(numbers))
    run = ("run", np.pad(numbers, filling, mode="edge"))
    values = np.pad(values, [*[(0, 0)] * (values.ndim - 1), filling], mode="edge")
    if knots is None:
        return xr.DataArray(values, dims="run", coords={"run": run})
    return xr.DataArray(values, dims=("time", "run"), coords={"time": list(knots), "run": run})

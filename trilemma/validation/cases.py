"""The runs that statements are held against: what each changes, all of them in batched calls, and their values.

Runs that change constants alone share one program of the engine, and go through it together, `FEW_RUNS` at a time: a
program for so many compiles in a third of the time, and here compiling is what takes time. A run that replaces an
equation needs a program of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import xarray as xr

from trilemma.engine import runs
from trilemma.engine.programs import FEW_RUNS
from trilemma.engine.simulate import simulate
from trilemma.translation import ir
from trilemma.translation.expressions import Expression, Lookup, evaluate
from trilemma.translation.labelled import Labelled
from trilemma.translation.model import Model
from trilemma.translation.overrides import ByElement, Override, Value, by_element, merge, written
from trilemma.translation.parameters import sample_priors
from trilemma.translation.picking import pick
from trilemma.validation.scalable import factor_of

SCALE = "scale"
"""The key of ``{ scale = 3 }``: three times what the base run has, at every step."""

Method = Literal["euler", "rk4"]


@dataclass(frozen=True)
class Case:
    """What one run changes, in the form of files."""

    overrides: Mapping[str, Override] = field(default_factory=dict[str, Override])
    initial: Mapping[str, Override] = field(default_factory=dict[str, Override])


@dataclass(frozen=True)
class Results:
    """The values of runs by the name of their case, and the times at which they were saved."""

    model: Model
    times: np.ndarray
    data: Mapping[str, xr.Dataset]

    def lookup(self, case: str) -> Lookup:
        """Return what finds the values of a run for an expression."""
        data = self.data[case]

        def find(name: str, subscripts: tuple[str, ...]) -> Labelled:
            outcome = next((o for o in self.model.derived if ir.normalise(o) == ir.normalise(name)), None)
            if outcome is not None:
                own = tuple(str(dim) for dim in data[outcome].dims if dim != "time")
                return Labelled(own, _with_time_and_run(data[outcome]))
            picked = pick(self.model, name, subscripts)
            return picked.of(_with_time_and_run(data[picked.variable.name]))

        return find

    def value(self, expression: Expression, case: str) -> Labelled:
        """Work an expression out in a run; `under` in it names other cases."""
        return evaluate(expression, self.lookup(case), self.times, under=self.lookup)

    def failure(self, case: str) -> str:
        """Return what went wrong in a run if it is not finite, else an empty text."""
        data = self.data[case]
        return str(data["result_sentence"].item()) if int(data["result"]) == 1 else ""


def _with_time_and_run(array: xr.DataArray) -> np.ndarray:
    """Return values on (time or 1, dimensions, 1)."""
    values = np.asarray(array.values, dtype=float)
    return (values if "time" in array.dims else values[None])[..., None]


def make_case(
    model: Model,
    layers: Iterable[tuple[Mapping[str, Any], Mapping[str, Any], str]],
    series: Mapping[str, Value],
) -> Case:
    """Return a case from layers of overrides and initial values, later ones on top of earlier ones.

    Parameters
    ----------
    layers
        Overrides and initial values as written in the file, ``{ scale = 3 }`` included; and where, for messages.
    series
        What `base_series` returned.
    """
    overrides: ByElement = {}
    initial: ByElement = {}
    for own, start, where in layers:
        overrides = merge(overrides, by_element(model, _unscaled(model, own, series), where))
        initial = merge(initial, by_element(model, start, where))
    return Case(written(model, overrides), written(model, initial))


def is_scaled(value: object) -> bool:
    """Whether a value is written ``{ scale = number }``."""
    return isinstance(value, dict) and set(value) == {SCALE} and isinstance(value[SCALE], int | float)


def _unscaled(model: Model, overrides: Mapping[str, Any], series: Mapping[str, Value]) -> dict[str, Any]:
    """Return overrides with numbers and series in the place of what is scaled."""
    found: dict[str, Any] = {}
    for name, value in overrides.items():
        factor = factor_of(model, name) if is_scaled(value) else None
        if factor is not None:
            found[factor] = value[SCALE]
        elif is_scaled(value):
            found |= {label: scaled(series[label], value[SCALE]) for label in _labels(model, name)}
        else:
            found[name] = value
    return found


def scaled(value: Value, factor: float) -> Value:
    """Return a number or a series multiplied by a factor."""
    if isinstance(value, dict):
        return {**value, "value": [factor * number for number in value["value"]]}
    return factor * value


def _labels(model: Model, name: str) -> list[str]:
    """Return the scalar elements that a name stands for."""
    selection = model.resolve(name)
    return [selection.label] if selection.indices is not None else list(ir.element_names(selection.variable))


def base_series(model: Model, names: Iterable[str], method: Method) -> dict[str, Value]:
    """Return what variables are in the base run, by scalar element: a number, or a series over its steps."""
    labels = [label for name in names for label in _labels(model, name)]
    if not labels:
        return {}
    data = simulate(model, outcomes=labels, method=method, save_every=model.time_step, warn=False)
    times = data["time"].values.tolist()
    return {
        label: {"time": times, "value": data[label].values.tolist()}
        if "time" in data[label].dims
        else float(data[label])
        for label in labels
    }


def run_cases(
    model: Model,
    cases: Mapping[str, Case],
    outcomes: Sequence[str],
    *,
    method: Method,
    save_every: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Results:
    """Run all cases, those of one structure in one batched call.

    Parameters
    ----------
    outcomes
        Variables, whole, and derived outcomes.
    """
    names = list(cases)
    given = runs.settings(model, list(cases.values()), {})
    data: dict[str, xr.Dataset] = {}
    for call in runs.calls(given, range(len(names)), 1, FEW_RUNS):
        overrides, initial = runs.inputs(given, call)
        found = simulate(
            model,
            overrides,
            outcomes=outcomes,
            method=method,
            save_every=save_every,
            initial=initial,
            warn=False,
        )
        for position, segment in enumerate(call.segments):
            data[names[segment.scenario]] = found.isel(run=position, drop=True) if "run" in found.dims else found
        if progress is not None:
            progress(len(data), len(names))
    times = next(iter(data.values()))["time"].values if data else np.array([])
    return Results(model, times, {name: data[name] for name in names})


def prior_draws(model: Model, count: int, seed: int) -> dict[str, np.ndarray]:
    """Return values of the uncertain parameters drawn from their priors; nothing for a model without priors."""
    from scipy.stats import qmc  # here, since SciPy takes a third of a second to load

    table = model.parameters
    if not table.uncertain:
        return {}
    points = qmc.LatinHypercube(d=len(table.uncertain), rng=np.random.default_rng(seed)).random(count)
    return sample_priors(table, points, {variable.name: variable.limits for variable in model.variables.values()})


def run_draws(
    model: Model, drawn: Mapping[str, np.ndarray], outcomes: Sequence[str] | None, *, method: Method
) -> Iterator[xr.Dataset]:
    """Yield the results of draws, block by block; `outcomes` are all variables where there are none."""
    count = len(next(iter(drawn.values())))
    for first in range(0, count, FEW_RUNS):
        block = np.arange(first, first + FEW_RUNS)
        inputs = {name: ("run", values[np.minimum(block, count - 1)]) for name, values in drawn.items()}
        data = simulate(model, xr.Dataset(inputs, {"run": block}), outcomes=outcomes, method=method, warn=False)
        yield data.isel(run=slice(0, count - first))


def drawn_cases(model: Model, count: int, seed: int) -> dict[str, Case]:
    """Return a case for each of some draws from the priors."""
    drawn = prior_draws(model, count, seed)
    numbers = range(count if drawn else 0)
    return {f"draw {i}": Case({name: float(values[i]) for name, values in drawn.items()}) for i in numbers}

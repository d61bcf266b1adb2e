"""A model for EMA Workbench (the extra `ema`): its Model, and an evaluator that runs all experiments in one batch.

The only place that knows ema_workbench. With any other evaluator the model runs once for each experiment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ema_workbench as workbench
import numpy as np
import xarray as xr
from ema_workbench.em_framework.evaluators import BaseEvaluator
from ema_workbench.em_framework.points import experiment_generator

from trilemma.engine.simulate import simulate
from trilemma.errors import OverrideError, unknown_name
from trilemma.translation.model import Model, load_model

Bounds = Mapping[str, tuple[float, float]] | Sequence[str]
"""Low and high by parameter, or names whose bounds stand in parameters.csv."""


class EmaModel(workbench.Model):
    """A model as EMA Workbench runs it; made by `as_ema_model`."""

    def __init__(self, model: Model, options: dict[str, Any]) -> None:
        super().__init__("".join(c for c in model.name if c.isalnum()) or "model", function=self.once)
        self.model = model
        self.options = options

    def once(self, **values: float) -> dict[str, Any]:
        """Return the outcomes of one experiment."""
        return self.batch([values])[0]

    def batch(self, experiments: Sequence[Mapping[str, float]]) -> list[dict[str, Any]]:
        """Return the outcomes of many experiments, by name, from one batched call."""
        names = list(experiments[0])
        runs = {name: xr.DataArray([float(e[name]) for e in experiments], dims="run") for name in names}
        asked: Any = self.outcomes
        wanted = [str(outcome.name) for outcome in asked if outcome.name != "TIME"]
        found = simulate(self.model, runs, outcomes=wanted, warn=False, **self.options)
        times = found["time"].to_numpy()
        arrays: dict[str, np.ndarray] = {}
        for outcome in asked:
            if outcome.name == "TIME":
                arrays["TIME"] = np.broadcast_to(times, (len(experiments), len(times)))
                continue
            values = found[outcome.name]
            if "time" not in values.dims:
                values = values.expand_dims(time=times, axis=-1)
            final = isinstance(outcome, workbench.ScalarOutcome)
            arrays[outcome.name] = values.isel(time=-1).to_numpy() if final else values.to_numpy()
        return [{name: array[run] for name, array in arrays.items()} for run in range(len(experiments))]


def as_ema_model(
    model: Model | str | Path,
    *,
    uncertainties: Bounds = (),
    levers: Bounds = (),
    outcomes: Sequence[str],
    final: bool = False,
    **options: Any,  # noqa: ANN401 - those of `simulate`, which checks them
) -> EmaModel:
    """Return a model for EMA Workbench.

    Parameters
    ----------
    uncertainties, levers
        Constants with their bounds, or names whose bounds are in parameters.csv beside the model.
    outcomes
        Names of variables without dimensions, of elements, or of derived outcomes.
    final
        Make the outcomes numbers, at the last saved time, instead of series; optimisation needs that.
    options
        As in `simulate`.

    Raises
    ------
    UnknownNameError, OverrideError
        If a name does not exist, or a parameter has no bounds.

    Examples
    --------
    >>> ema_model = as_ema_model("export_controls", uncertainties=["armington"], outcomes=["capability gap"])
    >>> with BatchEvaluator(ema_model) as evaluator:  # doctest: +SKIP
    ...     experiments, outcomes = evaluator.perform_experiments(1000)
    """
    loaded = model if isinstance(model, Model) else load_model(model)
    made = EmaModel(loaded, dict(options))
    made.uncertainties = _parameters(loaded, uncertainties)
    made.levers = _parameters(loaded, levers)
    kind = workbench.ScalarOutcome if final else workbench.TimeSeriesOutcome
    made.outcomes = [kind(_outcome(loaded, name)) for name in outcomes]
    if not final:
        made.outcomes.extend([workbench.TimeSeriesOutcome("TIME")])
    return made


def _parameters(model: Model, bounds: Bounds) -> list[Any]:
    """Return parameters with their bounds."""
    if isinstance(bounds, Mapping):
        spans = {name: (float(low), float(high)) for name, (low, high) in bounds.items()}
    else:
        rows = model.parameters.by_name
        for name in bounds:
            if name not in rows:
                raise unknown_name("parameter", name, rows, "parameters.csv; give its bounds as {name: (low, high)}")
        spans = {name: (float(rows[name].low), float(rows[name].high)) for name in bounds}
    for name, (low, high) in spans.items():
        model.resolve(name, "the parameters")
        if not low < high:
            message = f"the bounds of '{name}' are {low:g} and {high:g}: the first must be below the second."
            raise OverrideError(message)
    return [workbench.RealParameter(name, low, high) for name, (low, high) in spans.items()]


def _outcome(model: Model, name: str) -> str:
    """Return the name of an outcome that is a series of numbers."""
    if name in model.derived:
        return name
    selection = model.resolve(name, "the outcomes")
    if selection.indices is None and selection.variable.dims:
        message = f"'{name}' has the dimensions {', '.join(selection.variable.dims)}: name one element."
        raise OverrideError(message)
    return selection.label


class BatchEvaluator(BaseEvaluator):
    """Runs all experiments of each model in one batched call."""

    def initialize(self) -> None:
        """Do nothing: there is nothing to set up."""

    def finalize(self) -> None:
        """Do nothing: there is nothing to take down."""

    def evaluate_experiments(
        self,
        scenarios: Any,  # noqa: ANN401
        policies: Any,  # noqa: ANN401
        callback: Callable[[Any, dict[str, Any]], None],
        combine: str = "factorial",
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Run the experiments and hand each to the callback."""
        experiments = list(experiment_generator(scenarios, self._msis, policies, combine=combine))
        models: Any = self._msis
        for model in models:
            own = [experiment for experiment in experiments if experiment.model_name == model.name]
            held = {constant.name: constant.value for constant in model.constants}
            if own:
                points = [{**held, **experiment.scenario, **experiment.policy} for experiment in own]
                for experiment, found in zip(own, model.batch(points), strict=True):
                    model.outcomes_output = found  # EMA's own way: an outcome's function is applied to it
                    callback(experiment, model.outcomes_output)

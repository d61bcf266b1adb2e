"""What a forecast asks: forecasts/NAME.toml and the scenarios.toml beside it, checked against their model.

`load_forecast` resolves everything: scenarios are merged with what they extend, names have the model's
spelling, values are checked. Every mistake is one sentence with file and key. Nothing is run here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, PrivateAttr

from trilemma.content import content_folders, find_forecast, find_model
from trilemma.errors import ForecastFileError, unknown_name
from trilemma.forecasting.variants import Variant, deal, read_variants, refuse_overlap
from trilemma.translation.ir import normalise
from trilemma.translation.model import Model, load_model
from trilemma.translation.overrides import ByElement, Override, by_element, check_limits, merge, written
from trilemma.translation.toml_file import read_toml, shown
from trilemma.translation.toml_tables import STRICT, validated

SCENARIO_FILE = "scenarios.toml"
ON_GRID = 1e-9  # steps; decimal years such as 0.1 are not exact in binary


class Design(BaseModel):
    """How the uncertain parameters are drawn; `draws_from` None: from the calibrated ensemble if the model has one."""

    model_config = STRICT
    method: Literal["latin_hypercube", "sobol", "central"] = "latin_hypercube"
    draws: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    draws_from: Literal["prior", "posterior"] | None = None


class Horizon(BaseModel):
    """The years that are simulated and saved; None takes the model's own."""

    model_config = STRICT
    start: float | None = None
    stop: float | None = None
    save_every: float | None = Field(default=None, gt=0)


class Scenario(BaseModel):
    """One policy: what it changes in the model.

    `overrides` and `initial` map names to a number, ``{element: number}`` or
    ``{"time": [...], "value": [...]}``.
    """

    model_config = STRICT
    name: str
    title: str
    sentence: str
    overrides: dict[str, Override] = {}
    initial: dict[str, Override] = {}


class Forecast(BaseModel):
    """A resolved forecast: a model, scenarios, a design, outcomes, a horizon, and rival structures if any."""

    model_config = STRICT
    name: str
    title: str
    sentence: str
    model: str
    scenarios: tuple[Scenario, ...]
    baseline: str
    outcomes: tuple[str, ...]
    design: Design
    horizon: Horizon
    method: Literal["euler", "rk4"] = "euler"
    variants: tuple[Variant, ...] = ()
    _model: Model | None = PrivateAttr(default=None)
    _described: tuple[str, ...] = PrivateAttr(default=())

    @property
    def hash(self) -> str:
        """The SHA-256 of the canonical JSON of everything above."""
        return digest(self.model_dump(mode="json"))

    @property
    def draws(self) -> int:
        """The number of draws in a scenario, those of all variants."""
        return len(deal(self.variants, self.design.draws).draw)

    def with_files(self, model: Model, described: Iterable[str]) -> Forecast:
        """Return this forecast holding its loaded model and the names in its scenario file: neither is read twice."""
        copy = self.model_copy()
        copy._model, copy._described = model, tuple(described)
        return copy

    @property
    def described(self) -> tuple[str, ...]:
        """The scenarios that its scenario file describes, asked for or not."""
        return self._described or tuple(scenario.name for scenario in self.scenarios)

    def load_model(self) -> Model:
        """Return the model as it was when this forecast was loaded."""
        return self._model if self._model is not None else load_model(self.model)


class _ScenarioTable(BaseModel):
    """One table of scenarios.toml as written."""

    model_config = STRICT
    title: str
    sentence: str
    extends: str | None = None
    overrides: dict[str, Any] = {}
    initial: dict[str, Any] = {}


class _ForecastTable(BaseModel):
    """A forecast file as written."""

    model_config = STRICT
    title: str
    sentence: str = ""
    model: str
    baseline: str
    scenarios: list[str] = Field(min_length=1)
    outcomes: list[str] = Field(min_length=1)
    design: Design = Design(method="central")
    horizon: Horizon = Horizon()
    method: Literal["euler", "rk4"] = "euler"
    variants: dict[str, Any] = {}


def digest(content: object) -> str:
    """Return the SHA-256 of the canonical JSON of some plain data."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def load_forecast(name_or_path: str | Path) -> Forecast:
    """Load and check a forecast by its name under forecasts/, or from a .toml file.

    Parameters
    ----------
    name_or_path
        A file name such as "policy_comparison", or a path.

    Returns
    -------
    Forecast
        With its scenarios merged with what they extend, and names as the model spells them.

    Raises
    ------
    ForecastFileError
        For a wrong key or value, with file, key and what is allowed.
    UnknownNameError
        For a scenario, outcome, variable, element or model that does not exist, with near names.
    """
    path = find_forecast(name_or_path)
    file = shown(path)
    table = validated(_ForecastTable, read_toml(path, ForecastFileError), file, ForecastFileError)
    model = _load_model(table.model, path)
    _refuse_repeats(table.scenarios, f"{file}, 'scenarios'")
    if table.baseline not in table.scenarios:
        error = unknown_name("scenario", table.baseline, table.scenarios, f"{file}, 'baseline' (one of 'scenarios')")
        raise error
    _check_clock(table.horizon, model, f"{file}, 'horizon'")
    _check_design(table.design, model, f"{file}, 'design'")
    described = _scenario_tables(_scenario_file(path))
    scenarios = _read_scenarios(table.scenarios, described, model, f"{file}, 'scenarios'")
    variants = read_variants(table.variants, model, file)
    refuse_overlap(variants, {scenario.name: scenario.overrides for scenario in scenarios}, model)
    forecast = Forecast(
        name=path.stem,
        title=table.title,
        sentence=table.sentence,
        model=table.model,
        scenarios=scenarios,
        baseline=table.baseline,
        outcomes=resolve_outcomes(model, table.outcomes, f"{file}, 'outcomes'"),
        design=table.design,
        horizon=table.horizon,
        method=table.method,
        variants=variants,
    )
    return forecast.with_files(model, described.tables)


def _load_model(name: str, forecast_file: Path) -> Model:
    """Load the forecast's model: a file beside the forecast file, else a name or path as everywhere."""
    beside = forecast_file.parent / name
    return load_model(beside if beside.is_file() else find_model(name))


def _scenario_file(path: Path) -> Path:
    """Return the scenario file of a forecast: the one beside it, else the project's or the shipped one."""
    folders = [path.parent, *content_folders("forecasts")]
    files = [folder / SCENARIO_FILE for folder in folders if (folder / SCENARIO_FILE).is_file()]
    if not files:
        message = f"{shown(path)}: there is no {SCENARIO_FILE} beside it; write one with a table for each scenario."
        raise ForecastFileError(message)
    return files[0]


# ------------------------------------------------------------------------------------------- scenarios


@dataclass(frozen=True)
class _Described:
    """The tables of a scenario file, and how messages name the file."""

    file: str
    tables: Mapping[str, _ScenarioTable]


def _scenario_tables(path: Path) -> _Described:
    """Return all tables of a scenario file, each checked by itself."""
    file = shown(path)
    raw = read_toml(path, ForecastFileError)
    tables: dict[str, _ScenarioTable] = {}
    for name, content in raw.items():
        if not isinstance(content, dict):
            message = f"{file}: '{name}' is {content!r}, expected a table [{name}] with title and sentence."
            raise ForecastFileError(message)
        tables[name] = validated(_ScenarioTable, content, file, ForecastFileError, table=name)
    return _Described(file, tables)


def _read_scenarios(names: list[str], described: _Described, model: Model, asked: str) -> tuple[Scenario, ...]:
    """Return the asked scenarios, each merged with what it extends."""
    for name in names:
        if name not in described.tables:
            error = unknown_name("scenario", name, described.tables, f"{asked} ({described.file})")
            raise error
    return tuple(_scenario(name, described.tables, model, described.file) for name in names)


def _scenario(name: str, tables: Mapping[str, _ScenarioTable], model: Model, file: str) -> Scenario:
    """Return one scenario, merged and checked."""
    overrides: ByElement = {}
    initial: ByElement = {}
    for ancestor in _lineage(name, tables, file):
        place = f"{file}, [{ancestor}.overrides]"
        overrides = merge(overrides, by_element(model, tables[ancestor].overrides, place))
        check_limits(model, written(model, overrides), place)
        initial = merge(initial, by_element(model, tables[ancestor].initial, f"{file}, [{ancestor}.initial]"))
    _check_initial(initial, model, f"{file}, [{name}.initial]")
    table = tables[name]
    return Scenario(
        name=name,
        title=table.title,
        sentence=table.sentence,
        overrides=written(model, overrides),
        initial=written(model, initial),
    )


def _lineage(name: str, tables: Mapping[str, _ScenarioTable], file: str) -> list[str]:
    """Return a scenario and its ancestors, the eldest first."""
    line = [name]
    while (parent := tables[line[-1]].extends) is not None:
        if parent not in tables:
            error = unknown_name("scenario", parent, tables, f"{file}, [{line[-1]}], 'extends'")
            raise error
        if parent in line:
            circle = " -> ".join([*line[line.index(parent) :], parent])
            message = f"{file}: scenarios extend each other in a circle ({circle}); remove one 'extends'."
            raise ForecastFileError(message)
        line.append(parent)
    return line[::-1]


def _check_initial(initial: ByElement, model: Model, where: str) -> None:
    """Refuse initial values of what is not a stock, and time series as initial values."""
    for name, elements in initial.items():
        if model.resolve(name).variable.kind != "stock":
            message = f"{where}: '{name}' is not a stock; only stocks have initial values."
            raise ForecastFileError(message)
        if any(isinstance(value, dict) for value in elements.values()):
            message = f"{where}: the initial value of '{name}' must be a number, not a series."
            raise ForecastFileError(message)


# --------------------------------------------------------------------------------------------- checks


def resolve_outcomes(model: Model, names: list[str], where: str) -> tuple[str, ...]:
    """Return outcome names in the model's spelling.

    Raises
    ------
    UnknownNameError
        If a name is neither a variable nor a derived outcome of the model.
    ForecastFileError
        If an outcome is named twice.
    """
    derived = {normalise(name): name for name in model.derived}
    known = [*model.derived, *model.variables]
    found: list[str] = []
    for name in names:
        if normalise(name) in derived:
            found.append(derived[normalise(name)])
        elif normalise(name.partition("[")[0]) in model.nodes:
            found.append(model.resolve(name, where).label)
        else:
            error = unknown_name("outcome", name, known, where)
            raise error
    _refuse_repeats(found, where)
    return tuple(found)


def _refuse_repeats(names: list[str], where: str) -> None:
    """Refuse a list that names something twice."""
    repeated = [name for i, name in enumerate(names) if name in names[:i]]
    if repeated:
        message = f"{where} names '{repeated[0]}' twice; remove one."
        raise ForecastFileError(message)


def _check_clock(horizon: Horizon, model: Model, where: str) -> None:
    """Refuse a horizon that runs backwards or does not fit the model's steps."""
    start = model.initial_time if horizon.start is None else horizon.start
    stop = model.final_time if horizon.stop is None else horizon.stop
    if stop <= start:
        message = f"{where}: stop {stop:g} must come after start {start:g}."
        raise ForecastFileError(message)
    every = model.saveper if horizon.save_every is None else horizon.save_every
    for name, span in (("save_every", every), ("stop - start", stop - start)):
        steps = span / model.time_step
        if round(steps) < 1 or abs(steps - round(steps)) > ON_GRID * max(1, steps):
            message = f"{where}: {name} is {span:g}, it must be a multiple of the model's step {model.time_step:g}."
            raise ForecastFileError(message)


def _check_design(design: Design, model: Model, where: str) -> None:
    """Refuse a design that cannot be drawn for this model."""
    uncertain = model.parameters.uncertain
    if design.method == "central" and design.draws != 1:
        message = f"{where}: method 'central' is one draw at the central values; set draws = 1, got {design.draws}."
    elif design.method != "central" and not uncertain:
        message = f"{where}: model '{model.name}' has no parameter with a prior to draw; use method = 'central'."
    elif design.method == "sobol" and design.draws & (design.draws - 1):
        below = 1 << (design.draws.bit_length() - 1)
        example = f"such as {below} or {2 * below}, got {design.draws}"
        message = f"{where}: a Sobol design needs a power of 2 as draws, {example}."
    else:
        return
    raise ForecastFileError(message)

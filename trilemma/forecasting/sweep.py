"""Runs what is missing in a forecast's store and keeps the rest.

A scenario is run again only when something that its numbers depend on has changed: the model, its parameters,
the design, the outcomes, the horizon, its own overrides, or this program. All other scenarios are copied.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
import shlex
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xarray as xr

from trilemma.content import PACKAGE, find_forecast, installed_version
from trilemma.engine import runs
from trilemma.engine.budget import default_limit
from trilemma.engine.checks import DETAILS, RESULT
from trilemma.engine.simulate import simulate, without_effect
from trilemma.engine.stream import ahead
from trilemma.errors import TrilemmaWarning
from trilemma.forecasting.designs import draws as draw_parameters
from trilemma.forecasting.designs import source
from trilemma.forecasting.spec import Forecast, digest
from trilemma.forecasting.store import Writer, create, is_there, open_store, read_values, replacing, store_path
from trilemma.forecasting.variants import DESIGN_DRAW, VARIANT, Deal, coordinates, deal, spread
from trilemma.translation.ensemble import ensemble_path
from trilemma.translation.model import Model

PARAMETER = "parameter:"
BLOCK_RUNS = 8192
BLOCK_BYTES = 192 << 20  # of outcomes in one call of the engine
_OWN_COORDS = ["scenario", "draw", "scenario_title", VARIANT, DESIGN_DRAW]  # those that no run of the engine has
PACKAGES = ("trilemma", "jax", "numpy", "scipy", "xarray", "zarr", "pysd")


class Progress(Protocol):
    """Is told how far a sweep is."""

    def __call__(self, done: int, total: int, label: str, /) -> None:
        """Take the finished and the total number of runs, and what is going on."""
        ...


def sweep(forecast: Forecast, *, progress: Progress | None = None, max_memory: float | None = None) -> xr.Dataset:
    """Run what is missing in a forecast's store; return the whole store, lazily.

    Parameters
    ----------
    forecast
        What `load_forecast` returned.
    progress
        Called with the finished runs, all runs to do, and what is going on.
    max_memory
        Bytes that results may take on their way to the store; half of what is free by default.

    Returns
    -------
    xarray.Dataset
        Outcomes on (scenario, draw, time, ...), parameters as ``parameter:NAME`` on (draw).

    Raises
    ------
    StoreError
        If the store cannot be written, or something else lies in its place. What was there is untouched.
    """
    model = forecast.load_model()
    target = store_path(forecast.name)
    stored = open_store(target) if is_there(target) else None
    attrs = _attributes(forecast, model)
    if stored is not None and _is_current(stored, attrs):
        return stored
    _warn_without_effect(forecast, model)
    task = _task(forecast, model, stored, max_memory)
    with replacing(target, task.bytes_per_run * len(forecast.scenarios) * forecast.draws) as folder:
        _fill(folder, task, attrs, progress)
    return open_store(target)


def stream(
    forecast: Forecast, *, progress: Progress | None = None, max_memory: float | None = None
) -> Iterator[tuple[runs.Segment, xr.Dataset]]:
    """Yield the results of all runs of a forecast block by block, as `sweep` writes them, without a store.

    Two blocks are in memory at a time, however many runs there are: the one that is handed over, and the next one.

    Parameters
    ----------
    forecast, progress, max_memory
        As in `sweep`.

    Yields
    ------
    tuple
        Which draws of which scenario, by its position in the forecast, and their outcomes on (run, time, ...).
    """
    yield from _blocks(_task(forecast, forecast.load_model(), None, max_memory), progress)


def open_results(forecast: Forecast | str) -> xr.Dataset:
    """Open the stored results of a forecast lazily.

    Parameters
    ----------
    forecast
        A forecast, its name, or the path of its file.

    Returns
    -------
    xarray.Dataset
        As `sweep` returns it.

    Raises
    ------
    StoreError
        If there are none yet, or they cannot be read.

    Warns
    -----
    TrilemmaWarning
        If they are not those of the forecast as it is now; not checked for a name.
    """
    if not isinstance(forecast, Forecast):
        return open_store(store_path(find_forecast(forecast).stem))
    stored = open_store(store_path(forecast.name))
    if not _is_current(stored, _attributes(forecast, forecast.load_model())):
        message = (
            f"the stored results of '{forecast.name}' are older than its model, its files or this program: "
            f"'trilemma sweep {forecast.name}' brings them up to date."
        )
        warnings.warn(message, TrilemmaWarning, stacklevel=2)
    return stored


def _is_current(stored: xr.Dataset, attrs: Mapping[str, Any]) -> bool:
    """Whether a store holds what its attributes ought to say."""
    return all(stored.attrs.get(name) == value for name, value in attrs.items())


def _warn_without_effect(forecast: Forecast, model: Model) -> None:
    """Warn of settings of scenarios that cannot change any outcome of the forecast."""
    named: dict[str, list[str]] = {}
    for scenario in forecast.scenarios:
        for name in without_effect(model, [*scenario.overrides, *scenario.initial], forecast.outcomes):
            named.setdefault(name, []).append(scenario.name)
    if named:
        settings = "; ".join(f"'{name}' (in {', '.join(scenarios)})" for name, scenarios in named.items())
        message = f"no outcome of the forecast '{forecast.name}' depends on these settings of scenarios: {settings}."
        warnings.warn(message, TrilemmaWarning, stacklevel=3)


# ------------------------------------------------------------------------------------- what to run


@dataclass(frozen=True)
class _Task:
    """One sweep: the forecast, its draws, and the scenarios that the old store already holds."""

    forecast: Forecast
    model: Model
    given: runs.Settings
    drawn: tuple[str, ...]  # the parameters with a prior
    dealt: Deal
    stored: xr.Dataset | None
    kept: Mapping[int, int]  # position in the forecast -> position in the old store
    bytes_per_run: int
    memory: int

    @property
    def limit(self) -> int:
        """The most runs in one call: the engine holds them in float64, twice the stored size.

        Two calls are in memory, and so is what the engine works on: a call may have a quarter of the limit.
        """
        return max(1, min(BLOCK_RUNS, min(BLOCK_BYTES, self.memory // 4) // (2 * self.bytes_per_run)))


def _task(forecast: Forecast, model: Model, stored: xr.Dataset | None, max_memory: float | None) -> _Task:
    """Return what a sweep has to do."""
    drawn = draw_parameters(forecast, model, source(forecast.design, model))
    dealt = deal(forecast.variants, forecast.design.draws)
    parameters = spread(drawn, forecast.variants, dealt, model)
    old = {} if stored is None else json.loads(stored.attrs["scenarios"])
    places = {name: i for i, name in enumerate(old)}
    keys = scenario_keys(forecast, model)
    kept = {i: places[name] for i, (name, key) in enumerate(keys.items()) if old.get(name, {}).get("key") == key}
    return _Task(
        forecast=forecast,
        model=model,
        given=runs.settings(model, forecast.scenarios, parameters, dealt.draw),
        drawn=tuple(model.resolve(name).label for name in drawn),
        dealt=dealt,
        stored=stored,
        kept=kept,
        bytes_per_run=_bytes_per_run(forecast, model),
        memory=default_limit() if max_memory is None else int(max_memory),
    )


def scenario_keys(forecast: Forecast, model: Model) -> dict[str, str]:
    """Return, by scenario, the hash of everything that its numbers depend on."""
    used = {name: model.derived[name] for name in forecast.outcomes if name in model.derived}
    shared = {
        "model": model.hash,
        "parameters": model.parameters.hash,
        "ensemble": _provenance(forecast, model),
        "design": forecast.design.model_dump(),
        "horizon": forecast.horizon.model_dump(),
        "method": forecast.method,
        "outcomes": forecast.outcomes,
        "variants": [variant.model_dump(include={"name", "weight", "overrides"}) for variant in forecast.variants],
        "derived": {name: [repr(o.expression.tree), o.unit, o.sentence, o.components] for name, o in used.items()},
        "program": _program_hash(),
    }
    return {s.name: digest({**shared, "overrides": s.overrides, "initial": s.initial}) for s in forecast.scenarios}


def _provenance(forecast: Forecast, model: Model) -> dict[str, str]:
    """Return where draws come from, as attributes of results: priors, or the file of the calibrated ensemble."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrilemmaWarning)  # said once, when they are drawn
        calibrated = source(forecast.design, model)
    if calibrated is None:
        return {"draws_from": "central" if forecast.design.method == "central" else "prior", "ensemble_hash": ""}
    content = ensemble_path(model).read_bytes()
    return {"draws_from": "posterior", "ensemble_hash": hashlib.sha256(content).hexdigest()}


@lru_cache(maxsize=1)
def _program_hash() -> str:
    """Return the hash of the code that computes results, so that results of other code are not kept."""
    sources = sorted(path for room in ("engine", "translation") for path in (PACKAGE / room).glob("*.py"))
    sources += [PACKAGE / "forecasting" / name for name in ("designs.py", "variants.py")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources if path.is_file())).hexdigest()


def _bytes_per_run(forecast: Forecast, model: Model) -> int:
    """Return about how much one run takes in the store."""
    horizon = forecast.horizon
    start = model.initial_time if horizon.start is None else horizon.start
    stop = model.final_time if horizon.stop is None else horizon.stop
    every = model.saveper if horizon.save_every is None else horizon.save_every
    selections = [model.resolve(name) for name in forecast.outcomes if name not in model.derived]
    scalars = sum(1 if s.indices is not None else math.prod(s.variable.shape) for s in selections)
    scalars += len(forecast.outcomes) - len(selections)
    return 4 * scalars * (round((stop - start) / every) + 1)


# --------------------------------------------------------------------------------- running and writing


def _fill(folder: Path, task: _Task, attrs: Mapping[str, Any], progress: Progress | None) -> None:
    """Write a whole store into an empty folder."""
    block = runs.draw_block(task.forecast.draws, task.limit)
    writer: Writer | None = None
    undefined: dict[str, int] = {}
    for segment, data in _blocks(task, progress):
        if writer is None:
            samples = {str(name): variable.variable for name, variable in data.data_vars.items()}
            writer = create(folder, _header(task, data, attrs), samples, block)
        scenarios, draws = slice(segment.scenario, segment.scenario + 1), slice(segment.first, segment.last)
        for name, variable in data.data_vars.items():
            values = variable.values.astype(np.int8 if variable.dtype.kind in "iub" else np.float32)
            writer.write(str(name), scenarios, draws, values[None])
            undefined[str(name)] = undefined.get(str(name), 0) + int(np.isnan(values).sum())
    if writer is not None:
        undefined.pop(RESULT, None)
        writer.finish(undefined)


def _blocks(task: _Task, progress: Progress | None) -> Iterator[tuple[runs.Segment, xr.Dataset]]:
    """Yield the results of every scenario and block of draws on (run, ...): run first, then copied."""
    draws = task.forecast.draws
    missing = [i for i in range(len(task.forecast.scenarios)) if i not in task.kept]
    calls = list(runs.calls(task.given, missing, draws, task.limit))
    done = accumulate((call.wanted for call in calls), initial=0)
    tasks = (
        partial(_call, task, call, at, len(missing) * draws, progress) for call, at in zip(calls, done, strict=False)
    )
    for call, data in zip(calls, ahead(tasks), strict=True):
        first = 0
        for segment in call.segments:
            yield segment, data.isel(run=slice(first, first + segment.size))
            first += segment.size
    if task.stored is None:
        return
    results = [*task.forecast.outcomes, RESULT]
    block = runs.draw_block(draws, task.limit)
    for place, old in task.kept.items():
        for first in range(0, draws, block):
            segment = runs.Segment(place, first, min(first + block, draws))
            part = task.stored[results].isel(scenario=old, draw=slice(segment.first, segment.last))
            yield segment, read_values(part.drop_vars(_OWN_COORDS, errors="ignore").rename(draw="run"))


def _call(task: _Task, call: runs.Call, done: int, total: int, progress: Progress | None) -> xr.Dataset:
    """Run one call of the engine."""
    forecast = task.forecast
    overrides, initial = runs.inputs(task.given, call)
    names = [forecast.scenarios[segment.scenario].title for segment in call.segments]
    label = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"

    def tell(finished: int, _all: int) -> None:
        if progress is not None:
            progress(done + min(finished, call.wanted), total, label)

    tell(0, call.size)
    data = simulate(
        task.model,
        overrides,
        outcomes=list(forecast.outcomes),
        save_every=forecast.horizon.save_every,
        start=forecast.horizon.start,
        stop=forecast.horizon.stop,
        method=forecast.method,
        initial=initial,
        seed=forecast.design.seed,
        warn=False,
        progress=tell,
        max_memory=task.memory // 2,
    )
    tell(call.wanted, call.size)
    data = data.drop_vars(DETAILS)  # a store holds numbers
    return data if "run" in data.dims else data.expand_dims(run=call.size)


def _header(task: _Task, data: xr.Dataset, attrs: Mapping[str, Any]) -> xr.Dataset:
    """Return coordinates, parameters and attributes of a store."""
    forecast = task.forecast
    rows = task.model.parameters.by_name
    parameters = {
        f"{PARAMETER}{name}": (
            "draw",
            np.asarray(task.given.parameters[name], dtype=np.float64),
            {"units": rows[name].unit, "long_name": name, "name": name, "description": rows[name].note},
        )
        for name in task.drawn
    }
    names, titles = ([getattr(s, field) for s in forecast.scenarios] for field in ("name", "title"))
    coords = {
        "scenario": ("scenario", np.array(names, dtype=object)),
        "scenario_title": ("scenario", np.array(titles, dtype=object)),
        "draw": ("draw", np.arange(forecast.draws)),
    } | coordinates(forecast.variants, task.dealt)
    coords |= {str(dim): data[dim].variable for dim in data.dims if dim != "run" and dim in data.coords}
    packages = {name: installed_version(name) for name in PACKAGES}
    origin = {
        "versions": json.dumps({"python": platform.python_version()} | packages),
        "command": _command(forecast),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return xr.Dataset(parameters, coords, {**attrs, **origin})


def _attributes(forecast: Forecast, model: Model) -> dict[str, Any]:
    """Return the attributes that say what a store holds; equal ones need no new run."""
    keys = scenario_keys(forecast, model)
    scenarios = {s.name: s.model_dump(exclude={"name"}) | {"key": keys[s.name]} for s in forecast.scenarios}
    return {
        "forecast": forecast.name,
        "title": forecast.title,
        "sentence": forecast.sentence,
        "model": model.name,
        "model_title": model.title,
        "model_version": model.version,
        "model_status": model.status,
        "model_hash": model.hash,
        "parameters_hash": model.parameters.hash,
        "forecast_hash": forecast.hash,
        "seed": forecast.design.seed,
        "draws": forecast.design.draws,
        "design": forecast.design.method,
        **_provenance(forecast, model),
        "baseline": forecast.baseline,
        "method": forecast.method,
        "time_step": model.time_step,
        "outcomes": json.dumps(forecast.outcomes, ensure_ascii=False),
        "scenarios": json.dumps(scenarios, ensure_ascii=False),
        "variants": json.dumps({v.name: v.model_dump(exclude={"name"}) for v in forecast.variants}, ensure_ascii=False),
    }


def _command(forecast: Forecast) -> str:
    """Return the command that made a store, without the way to anything on this machine."""
    program = Path(sys.argv[0]).name
    if program != "trilemma":
        return f"trilemma.sweep(trilemma.load_forecast('{forecast.name}'))"
    return shlex.join([program, *(Path(word).name if "/" in word else word for word in sys.argv[1:])])

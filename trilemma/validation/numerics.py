"""Numerics: half the time step changes little, and no draw from the priors gives nonsense."""

from __future__ import annotations

import numpy as np
import xarray as xr

from trilemma.engine.simulate import simulate
from trilemma.errors import unknown_name
from trilemma.translation import ir
from trilemma.translation.model import Model
from trilemma.validation.cases import prior_draws, run_draws
from trilemma.validation.plans import Setting
from trilemma.validation.result import Check, Verdict

CATEGORY = "numerics"

FLOOR = 0.01
"""A difference is held against the value at its time, but against this share of the largest value at least."""

ROUNDING = 1e-9
"""How far below 0 a stock may fall, as a share of its largest value in the run."""


def checks(setting: Setting) -> list[Check]:
    """Return the checks of the time step and of the draws."""
    return [*_steps(setting), *_draws(setting)]


def _steps(setting: Setting) -> list[Check]:
    """Return a check for each headline outcome: how much half the step changes it."""
    model, table = setting.model, setting.spec.numerics
    if not table.outcomes:
        return []
    known = {ir.normalise(name) for name in model.derived}
    for name in table.outcomes:
        if ir.normalise(name) not in known and ir.normalise(model.split(name)[0]) not in model.nodes:
            raise unknown_name("outcome", name, [*model.derived, *model.variables], f"{setting.spec.file}, [numerics]")
    method = setting.spec.method
    coarse = simulate(model, outcomes=table.outcomes, method=method, save_every=model.saveper)
    step = model.time_step / 2
    fine = simulate(model, outcomes=table.outcomes, method=method, time_step=step, save_every=model.saveper)
    names = [str(name) for name in coarse.data_vars if name != "result"]
    return [_step(setting, name, coarse[name], fine[name]) for name in names]


def _step(setting: Setting, name: str, coarse: xr.DataArray, fine: xr.DataArray) -> Check:
    """Return the check of one outcome."""
    tolerance = setting.spec.numerics.tolerance
    a, b = (np.asarray(array.values, dtype=float) for array in (coarse, fine))
    level = np.maximum(np.abs(b), FLOOR * np.nanmax(np.abs(b), axis=0))
    error = np.divide(np.abs(a - b), level, out=np.zeros_like(b), where=level > 0)
    defined = np.isfinite(error)
    worst = np.unravel_index(np.where(defined, error, -1.0).argmax(), error.shape)
    share, time = float(error[worst]), float(coarse["time"].values[worst[0]]) if "time" in coarse.dims else np.nan
    verdict: Verdict = "passed" if defined.any() and share <= tolerance else "failed"
    expected, measured = f"half the step changes it by <= {100 * tolerance:g} %", f"{100 * share:.2g} %"
    said = (
        f"Half the time step ({setting.model.time_step / 2:g} instead of {setting.model.time_step:g}, "
        f"{setting.spec.method}) changes '{name}' by {measured} at most, at {time:g}; "
        f"allowed are {100 * tolerance:g} %."
    )
    return Check(CATEGORY, f"time step: {name}", expected, measured, verdict, said)


def _draws(setting: Setting) -> list[Check]:
    """Return the checks of the draws from the priors: finite, in range, no stock below 0."""
    model, table = setting.model, setting.spec.numerics
    drawn = prior_draws(model, table.draws, table.seed)
    if not drawn:
        return []
    blocks = [_watched(model, data) for data in run_draws(model, drawn, None, method=setting.spec.method)]
    data = xr.concat(blocks, "run")
    return [
        _flagged(data, 1, "every draw is finite", "finite"),
        _flagged(data, 2, "every draw stays in the declared ranges", "in the ranges that the model file declares"),
        _negative(model, data, table.may_be_negative, f"{setting.spec.file}, [numerics]"),
    ]


def _watched(model: Model, data: xr.Dataset) -> xr.Dataset:
    """Return what is looked at in the results of draws: how each run ended, and the lowest share of each stock."""
    stocks = [v.name for v in model.variables.values() if v.kind == "stock"]
    flat = {name: data[name].values.reshape((data.sizes["run"], -1)) for name in stocks}
    lowest = {
        name: ("run", values.min(axis=1) / np.maximum(np.abs(values).max(axis=1), 1e-300))
        for name, values in flat.items()
    }
    return data[["result"]].assign(lowest)


def _flagged(data: xr.Dataset, code: int, name: str, what: str) -> Check:
    """Return the check that no draw has a result code."""
    found = np.flatnonzero(data["result"].values == code)
    total = data.sizes["run"]
    verdict: Verdict = "failed" if len(found) else "passed"
    measured = f"{total - len(found)} of {total}"
    said = f"{measured} draws from the priors are {what}."
    if len(found):
        said += f" In draw {found[0]} {data['result_sentence'].values[found[0]]}"
    return Check(CATEGORY, name, f"{total} of {total}", measured, verdict, said)


def _negative(model: Model, data: xr.Dataset, allowed: list[str], where: str) -> Check:
    """Return the check that no stock falls below 0."""
    free = {model.resolve(name, where).variable.name for name in allowed}
    stocks = [v.name for v in model.variables.values() if v.kind == "stock" and v.name not in free]
    negative = [name for name in stocks if float(data[name].min()) < -ROUNDING]
    verdict: Verdict = "failed" if negative else "passed"
    measured = f"{len(negative)} of {len(stocks)} stocks"
    said = f"No stock falls below 0 in {data.sizes['run']} draws from the priors."
    if negative:
        shares = {name: data[name].values for name in negative}
        told = [
            f"{name} (to {100 * v.min():.2g} % of its largest value, in draw {v.argmin()})"
            for name, v in shares.items()
        ]
        said = f"In {data.sizes['run']} draws from the priors these stocks fall below 0: {', '.join(told)}."
    return Check(CATEGORY, "no stock is negative", "0 stocks", measured, verdict, said)

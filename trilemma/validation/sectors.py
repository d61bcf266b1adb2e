"""Sectors: each view of the sketch runs alone, with what it takes from other views held at the base run.

Euler's method with every step saved: a held series is exact at the steps, and Euler looks at nothing in between, so
that a view alone must repeat the base run to rounding. A view may also have statements of its own: a partial test
[Homer2012]_ sees the structure of one sector while the others cannot make up for its faults.

References
----------
.. [Homer2012] Homer, J. B. (2012). Partial-model testing as a validation tool for system dynamics (1983). System
   Dynamics Review 28(3), 281-294.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import xarray as xr

from trilemma.engine.simulate import simulate
from trilemma.translation import ir
from trilemma.translation.model import Model
from trilemma.translation.overrides import Value, scalars
from trilemma.validation.cases import Case, Results
from trilemma.validation.plans import Setting, judge, outcomes_of, refuse_unknown_cases, state
from trilemma.validation.result import Check, Verdict
from trilemma.validation.statements import BASE, SectorTable

CATEGORY = "sectors"

TOLERANCE = 1e-9
"""By how much a variable of a view alone may differ from the base run, as a share of its largest value: rounding."""


def members(model: Model, view: str) -> list[ir.Variable]:
    """Return the variables of a view that change over time."""
    return [v for v in model.variables.values() if v.view == view and v.kind in ("stock", "auxiliary", "data")]


def inputs_of(model: Model, view: str) -> list[ir.Variable]:
    """Return the variables of other views that a view takes: what is worked out there, not constants."""
    own = {variable.key for variable in members(model, view)}
    inside = {key for key in model.nodes if key.partition("|")[0] in own}
    used = {key for name in inside for key in model.references[name]} - inside
    visible = {key.partition("|")[0] for key in used}
    found = [model.nodes[key] for key in sorted(visible) if key in model.nodes]
    return [v for v in found if v.kind in ("stock", "auxiliary") and not v.hidden and v.key not in model.fixed]


def checks(setting: Setting) -> list[Check]:
    """Return a check for each view, and one for each statement about a view alone."""
    model = setting.model
    views = {view: members(model, view) for view in model.views}
    views = {view: own for view, own in views.items() if own}
    if not views:
        return []
    names = dict.fromkeys(v.name for view, own in views.items() for v in [*own, *inputs_of(model, view)])
    base = _run(model, {}, {}, names)
    found: list[Check] = []
    for view, own in views.items():
        held = _held(model, base, inputs_of(model, view))
        found.append(_alone(view, base, _run(model, held, {}, [v.name for v in own]), own, len(inputs_of(model, view))))
        if view in setting.spec.sectors:
            found += _stated(setting, view, setting.spec.sectors[view], held)
    return found


def _run(model: Model, held: Mapping[str, Value], initial: Mapping[str, Value], outcomes: Iterable[str]) -> xr.Dataset:
    """Run a model by Euler's method, with every step saved."""
    overrides = {
        name: xr.DataArray(value["value"], dims="time", coords={"time": value["time"]})
        if isinstance(value, dict)
        else value
        for name, value in held.items()
    }
    return simulate(model, overrides, outcomes=list(outcomes), save_every=model.time_step, initial=initial, warn=False)


def _held(model: Model, base: xr.Dataset, inputs: list[ir.Variable]) -> dict[str, Value]:
    """Return the series of the inputs of a view in the base run, by scalar element."""
    times = base["time"].values.tolist()
    held: dict[str, Value] = {}
    for variable in inputs:
        values = base[variable.name].values.reshape((len(times), -1))
        for label, column, owner in zip(
            ir.element_names(variable), values.T, model.owners[variable.key].ravel(), strict=True
        ):
            if owner >= 0:
                held[label] = {"time": times, "value": column.tolist()}
    return held


def _alone(view: str, base: xr.Dataset, alone: xr.Dataset, own: list[ir.Variable], inputs: int) -> Check:
    """Return the check that a view alone repeats the base run."""
    gaps = {variable.name: _gap(alone[variable.name].values, base[variable.name].values) for variable in own}
    worst = max(gaps, key=lambda name: gaps[name])
    verdict: Verdict = "passed" if gaps[worst] <= TOLERANCE else "failed"
    said = f"The view '{view}' alone, with {inputs} inputs held at the base run, "
    said += (
        f"repeats the base run: its {len(own)} variables differ by {gaps[worst]:.1g} of their largest value at most."
        if verdict == "passed"
        else f"does not repeat the base run: '{worst}' differs by {gaps[worst]:.2g} of its largest value."
    )
    return Check(CATEGORY, view, "runs alone as in the base run", f"{gaps[worst]:.1g}", verdict, said)


def _gap(alone: np.ndarray, base: np.ndarray) -> float:
    """Return the largest difference of two series, as a share of the largest value; infinite where one is undefined."""
    both = np.isnan(alone) & np.isnan(base)
    gap = np.abs(np.where(both, 0.0, alone - base)).max()
    level = np.abs(np.where(both, 0.0, base)).max()
    return float(np.inf if np.isnan(gap) else gap / level if level > 0 else gap)


def _stated(setting: Setting, view: str, table: SectorTable, held: Mapping[str, Value]) -> list[Check]:
    """Return a check for each condition on a view alone."""
    model, where = setting.model, setting.spec.place(CATEGORY, view)
    statement = state(setting, CATEGORY, view, table.sentence, table.expect)
    refuse_unknown_cases(setting, statement.expressions, where)
    case: Case = setting.case(where, table.overrides, under=table.under, initial=table.initial)
    outcomes = outcomes_of(model, statement.expressions)
    changed = _run(model, {**held, **scalars(model, case.overrides)}, scalars(model, case.initial), outcomes)
    runs = {statement.case: changed, BASE: _run(model, held, {}, outcomes)}
    return judge(statement, Results(model, changed["time"].values, runs))

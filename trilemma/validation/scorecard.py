"""The scorecard of a model: all its tests, by category, each with what was expected and what came out.

The kinds of test are those of the field: structure, extreme conditions and units [Forrester1980]_, behaviour and its
sensitivities [Barlas1996]_. What a model must do is said in the checks.toml beside it; units, views alone and
evidence need no statement.

References
----------
.. [Forrester1980] Forrester, J. W., and Senge, P. M. (1980). Tests for building confidence in system dynamics models.
   TIMS Studies in the Management Sciences 14, 209-228.
.. [Barlas1996] Barlas, Y. (1996). Formal aspects of model validity and validation in system dynamics. System Dynamics
   Review 12(3), 183-210.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from trilemma.errors import TrilemmaWarning, unknown_name
from trilemma.translation.model import Model, load_model
from trilemma.validation import (
    conservation,
    evidence,
    exogenous,
    extreme,
    loops,
    mechanisms,
    numerics,
    sectors,
    sign,
    units,
)
from trilemma.validation.cases import base_series, is_scaled, run_cases
from trilemma.validation.plans import Plan, Setting, outcomes_of
from trilemma.validation.result import Check
from trilemma.validation.scalable import factor_of, scalable, tables_of_time
from trilemma.validation.spec import FILE, Spec, read_checks

Progress: TypeAlias = Callable[[int, int, str], None]

PLANS: dict[str, Callable[[Setting], Plan]] = {
    sign.CATEGORY: sign.plan,
    extreme.CATEGORY: extreme.plan,
    exogenous.CATEGORY: exogenous.plan,
    mechanisms.CATEGORY: mechanisms.plan,
}
"""Categories whose runs go together, in one call of the engine."""

OWN_RUNS: dict[str, Callable[[Setting], list[Check]]] = {
    "units": lambda setting: units.unit_checks(setting.model),
    loops.CATEGORY: lambda setting: loops.loop_checks(setting.model, method=setting.spec.method),
    conservation.CATEGORY: conservation.checks,
    sectors.CATEGORY: sectors.checks,
    numerics.CATEGORY: numerics.checks,
    evidence.CATEGORY: evidence.checks,
}
"""Categories that run the model in their own way."""

CATEGORIES = (
    "units",
    "loops",
    "sign",
    "extreme",
    "conservation",
    "exogenous",
    "mechanisms",
    "sectors",
    "numerics",
    "evidence",
)
"""All categories, in the order of the scorecard."""


def check(
    model: Model | str | Path, *, only: Iterable[str] | None = None, progress: Progress | None = None
) -> list[Check]:
    """Test a model against what its checks.toml says of it.

    Parameters
    ----------
    model
        A loaded model, its name under models/, or the path of its file.
    only
        Categories to test; all by default.
    progress
        Called with the finished and with all parts of the work, and what is going on.

    Returns
    -------
    list of Check
        In the order of the categories, and within them of the file.

    Raises
    ------
    UnknownNameError
        If a category, a variable, a case or a view does not exist.
    ChecksFileError, ModelFileError, OverrideError
        If the file has a mistake.

    Warns
    -----
    TrilemmaWarning
        If there is no checks.toml beside the model: then only what needs no statement is tested.
    """
    loaded = model if isinstance(model, Model) else load_model(model)
    wanted = _wanted(only)
    spec = read_checks(loaded)
    if not spec.file:
        message = f"there is no {FILE} beside '{loaded.path.name}': only what needs no statement is tested."
        warnings.warn(message, TrilemmaWarning, stacklevel=2)
    tell = progress or (lambda done, total, label: None)
    tell(0, len(wanted), "")
    tested = scalable(loaded)
    series = base_series(tested, _scaled_names(tested, spec), spec.method)
    setting = Setting(tested, spec, series, tuple(tables_of_time(loaded)))
    found = _planned(setting, [name for name in wanted if name in PLANS])
    for category in (name for name in wanted if name in OWN_RUNS):
        tell(len(found), len(wanted), category)
        found[category] = OWN_RUNS[category](setting)
    tell(len(wanted), len(wanted), "")
    return [_noted(one, spec) for category in wanted for one in found[category]]


def _noted(one: Check, spec: Spec) -> Check:
    """Return a check with what is known of it, where it fails for a fault that the file tells of."""
    known = spec.known.get(known_as(one))
    return one if one.passes or known is None else replace(one, sentence=f"{one.sentence} A known fault: {known}")


def known_as(one: Check) -> str:
    """Return the name under which the file tells of a fault."""
    return f"{one.category}.{one.name}"


def _wanted(only: Iterable[str] | None) -> list[str]:
    """Return categories in the order of the scorecard."""
    asked = list(CATEGORIES if only is None else only)
    for name in asked:
        if name not in CATEGORIES:
            raise unknown_name("category", name, CATEGORIES)
    return [name for name in CATEGORIES if name in asked]


def _planned(setting: Setting, categories: Sequence[str]) -> dict[str, list[Check]]:
    """Return the checks of the categories whose runs go together."""
    plans = {name: PLANS[name](setting) for name in categories}
    expressions = [expression for plan in plans.values() for expression in plan.expressions]
    if not expressions:
        return {name: [] for name in plans}
    cases = {name: case for plan in plans.values() for name, case in plan.cases.items()}
    outcomes = outcomes_of(setting.model, expressions)
    results = run_cases(setting.model, cases, outcomes, method=setting.spec.method)
    return {name: plan.judge(results) for name, plan in plans.items()}


def _scaled_names(model: Model, spec: Spec) -> list[str]:
    """Return the variables whose series in the base run are needed, since something scales them."""
    tables: list[dict[str, Any]] = [table.overrides for table in spec.cases.values()]
    tables += [table.overrides for table in (*spec.extreme.values(), *spec.sectors.values())]
    tables += [table.off for table in spec.mechanisms.values()]
    names = {name for table in tables for name, value in table.items() if is_scaled(value)}
    return sorted(name for name in names if factor_of(model, name) is None)

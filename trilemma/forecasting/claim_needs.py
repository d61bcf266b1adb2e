"""What claims need of results: scenarios, outcomes and times, and what to add to which file where they lack them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import xarray as xr

from trilemma.errors import ClaimError, list_names, unknown_name
from trilemma.forecasting.claim_file import CLAIM_FILE, EVERY, Claim, Condition
from trilemma.forecasting.compare import outcome_names
from trilemma.forecasting.spec import Forecast
from trilemma.translation.ir import normalise


def check_stored(ds: xr.Dataset, claims: Sequence[Claim], forecast: Forecast | None = None) -> None:
    """Refuse claims that need what some results lack.

    Parameters
    ----------
    ds
        Results as `sweep` and `open_results` return them.
    claims
        What is put to the test on them.
    forecast
        The forecast, so that a name that does not exist is told apart from one that is only not stored.

    Raises
    ------
    ClaimError
        Naming all that is lacking, and the files and lists to add it to.
    UnknownNameError
        For a scenario or outcome that neither the results nor the forecast's files know, with near names.
    """
    lacking: dict[str, dict[str, list[str]]] = {"scenarios": {}, "outcomes": {}}
    for claim in claims:
        for condition in claim.condition:
            _check_times(ds, condition)
            for name in _lacking_scenarios(ds, condition):
                _refuse_unknown("scenario", name, forecast.described if forecast else (), condition.where)
                lacking["scenarios"].setdefault(name, []).append(claim.name)
            for name, label in _lacking_outcomes(ds, condition).items():
                _refuse_unknown("outcome", name, _model_names(forecast), condition.where)
                lacking["outcomes"].setdefault(label, []).append(claim.name)
    if any(lacking.values()):
        raise ClaimError(_what_to_add(str(ds.attrs.get("forecast", "the forecast")), lacking))


def _what_to_add(forecast: str, lacking: Mapping[str, Mapping[str, Sequence[str]]]) -> str:
    """Return the sentence on all that the results of a forecast lack."""
    found = {kind: sorted(names) for kind, names in lacking.items() if names}
    what = [f"the {kind if len(names) > 1 else kind[:-1]} {list_names(names, 'and')}" for kind, names in found.items()]
    claims = {claim for names in lacking.values() for some in names.values() for claim in some}
    who = sorted(claims, key=lambda name: (len(name), name))  # H2 before H10
    return (
        f"{CLAIM_FILE}: the results of '{forecast}' lack {' and '.join(what)}, which {', '.join(who)} "
        f"need{'s' if len(who) == 1 else ''}: add them to {list_names(found, 'and')} in forecasts/{forecast}.toml, "
        f"then run 'trilemma sweep {forecast}'."
    )


def _lacking_scenarios(ds: xr.Dataset, condition: Condition) -> list[str]:
    """Return the scenarios that a condition names and the results lack."""
    named = [*condition.scenarios, condition.against, *condition.expression.scenarios]
    stored = {str(name) for name in ds["scenario"].to_numpy()}
    return sorted({name for name in named if name is not None and name != EVERY} - stored)


def _lacking_outcomes(ds: xr.Dataset, condition: Condition) -> dict[str, str]:
    """Return the outcomes that a condition uses and the results lack, each with how it is written with its element."""
    stored = {normalise(name) for name in outcome_names(ds)}
    labels = {
        (name, f"{name}[{element}]" if element else name)
        for name, element in sorted(condition.expression.names, key=str)
    }
    return {name: label for name, label in sorted(labels) if not {normalise(name), normalise(label)} & stored}


def _model_names(forecast: Forecast | None) -> list[str]:
    """Return all that the model of a forecast has a value for."""
    if forecast is None:
        return []
    model = forecast.load_model()
    return [*model.derived, *model.variables]


def _refuse_unknown(kind: str, name: str, known: Sequence[str], where: str) -> None:
    """Refuse a name that nobody knows."""
    if known and normalise(name) not in {normalise(one) for one in known}:
        error = unknown_name(kind, name, known, where)
        raise error


def _check_times(ds: xr.Dataset, condition: Condition) -> None:
    """Refuse a time outside the saved ones."""
    first, last = float(ds["time"][0]), float(ds["time"][-1])
    own = (condition.at,) if condition.at is not None else condition.over or ()
    for time in (*own, *condition.expression.times):
        if not first <= time <= last:
            message = f"{condition.where}: the time {time:g} is outside the saved times, {first:g} to {last:g}."
            raise ClaimError(message)

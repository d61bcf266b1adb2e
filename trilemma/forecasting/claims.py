"""Claims put to the test on the stored results of a forecast: supported, rejected or undecided, and where that flips.

Every condition is worked out within each draw, differences between scenarios too. A claim holds in a draw if all its
conditions do; it is supported if it holds in at least four fifths of the draws, and rejected if it fails in as many.
Draws in which a metric is undefined count for neither side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from trilemma.errors import StoreError, UnknownNameError
from trilemma.forecasting.claim_file import CLAIM_FILE, Claim, Condition, choose, read_claims
from trilemma.forecasting.claim_metrics import Measured, measure
from trilemma.forecasting.claim_needs import check_stored
from trilemma.forecasting.compare import PARAMETER
from trilemma.forecasting.regions import Flip, find_flip
from trilemma.forecasting.spec import Forecast
from trilemma.forecasting.stored import lookups
from trilemma.forecasting.sweep import open_results
from trilemma.forecasting.variants import DESIGN_DRAW, VARIANT, variant_names
from trilemma.translation.expressions import Lookup

SUPPORTED = 0.8

Verdict = Literal["supported", "rejected", "undecided"]


@dataclass(frozen=True)
class Finding:
    """What some results say of a claim.

    Attributes
    ----------
    claim
        The claim.
    verdict
        The verdict.
    holds, fails
        Whether it holds, and fails, in each draw; neither where it is undefined.
    conditions
        The conditions, measured.
    by_variant
        For each variant of the forecast the verdict and the share within its draws.
    flip
        Where in the space of assumptions the verdict is another one; None where there are too few draws to say.
    independent
        The number of draws of the design: one that is run under several variants counts once for chance.
    """

    claim: Claim
    verdict: Verdict
    holds: np.ndarray
    fails: np.ndarray
    conditions: tuple[Measured, ...]
    by_variant: Mapping[str, tuple[Verdict, float]]
    flip: Flip | None
    independent: int

    @property
    def draws(self) -> int:
        """The number of draws."""
        return len(self.holds)

    @property
    def share(self) -> float:
        """The share of all draws in which the claim holds."""
        return float(self.holds.mean())

    @property
    def undefined(self) -> float:
        """The share of all draws in which the claim neither holds nor fails."""
        return float((~self.holds & ~self.fails).mean())

    @property
    def error(self) -> float:
        """The standard error of the share that comes from the number of draws."""
        return float(np.sqrt(self.share * (1 - self.share) / self.independent))


def judge_claims(forecast: Forecast, names: Sequence[str] | None = None) -> list[Finding]:
    """Put the claims of a forecast's model to the test on its stored results.

    Parameters
    ----------
    forecast
        What `load_forecast` returned; it must have been swept.
    names
        The claims; all those of the model's claims.toml by default.

    Returns
    -------
    list of Finding
        One a claim that simulation decides, in the order of the file.

    Raises
    ------
    ClaimError
        If there are no claims, one is badly written, or the results lack what it needs; with what to add to which file.
    UnknownNameError
        For a claim, scenario, outcome or element that does not exist, with near names.
    StoreError
        If there are no results.
    """
    model = forecast.load_model()
    claims = choose(read_claims(model.path.parent / CLAIM_FILE), names)
    return judge(open_results(forecast), claims, forecast)


def judge(ds: xr.Dataset, claims: Sequence[Claim], forecast: Forecast | None = None) -> list[Finding]:
    """Put claims to the test on some results; those that data decide are left out.

    Parameters
    ----------
    ds
        Results as `sweep` and `open_results` return them.
    claims
        What `read_claims` returned.
    forecast
        The forecast, so that a name that does not exist is told apart from one that is only not stored.
    """
    tested = [claim for claim in claims if not claim.by_data]
    check_stored(ds, tested, forecast)
    lookup = lookups(ds)
    return [_finding(ds, claim, lookup) for claim in tested]


def verdict(holds: np.ndarray, fails: np.ndarray) -> Verdict:
    """Return the verdict on a claim from whether it holds, and fails, in each draw."""
    if holds.mean() >= SUPPORTED:
        return "supported"
    return "rejected" if fails.mean() >= SUPPORTED else "undecided"


def _finding(ds: xr.Dataset, claim: Claim, lookup: Callable[[str], Lookup]) -> Finding:
    """Put one claim to the test."""
    measured = tuple(_measured(ds, condition, lookup) for condition in claim.condition)
    holds = np.logical_and.reduce([m.holds for m in measured])
    fails = np.logical_or.reduce([m.fails for m in measured])
    numbers = ds[DESIGN_DRAW].to_numpy() if DESIGN_DRAW in ds.coords else np.arange(len(holds))
    of = {name: ds[VARIANT].to_numpy() == name for name in variant_names(ds)}
    return Finding(
        claim=claim,
        verdict=verdict(holds, fails),
        holds=holds,
        fails=fails,
        conditions=measured,
        by_variant={name: (verdict(holds[own], fails[own]), float(holds[own].mean())) for name, own in of.items()},
        flip=find_flip(_assumptions(ds), of, holds, fails, numbers=numbers, verdict=verdict),
        independent=len(np.unique(numbers)),
    )


def _measured(ds: xr.Dataset, condition: Condition, lookup: Callable[[str], Lookup]) -> Measured:
    """Measure one condition; a mistake in its names or elements says where it stands."""
    try:
        return measure(ds, condition, lookup)
    except (UnknownNameError, StoreError) as error:
        message = f"{condition.where}: {error}"
        raise type(error)(message) from error


def _assumptions(ds: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the drawn parameters by their names in the model."""
    return {
        str(data.attrs.get("name", name)): data.to_numpy()
        for name, data in ds.data_vars.items()
        if str(name).startswith(PARAMETER)
    }

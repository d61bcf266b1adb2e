"""All that is shown of a model's claims: findings, what the record says, titles of scenarios and variants."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from trilemma.calibration.evidence import OBSERVATIONS, read_observations
from trilemma.forecasting.claim_file import CLAIM_FILE, Claim, choose, read_claims
from trilemma.forecasting.claim_records import RecordFinding, judge_records
from trilemma.forecasting.claims import Finding, judge
from trilemma.forecasting.store import open_store
from trilemma.forecasting.sweep import open_results
from trilemma.reporting.labels import scenario_titles

if TYPE_CHECKING:
    from trilemma.forecasting.spec import Forecast


@dataclass(frozen=True)
class ClaimStudy:
    """Claims with what some results and the record say of them.

    Attributes
    ----------
    data
        The results.
    claims
        The claims, in the order of their file.
    findings, records
        What simulation, and what the record says, by the name of the claim.
    """

    data: xr.Dataset
    claims: tuple[Claim, ...]
    findings: dict[str, Finding]
    records: dict[str, RecordFinding]

    @property
    def titles(self) -> dict[str, str]:
        """The titles of the scenarios by name."""
        return scenario_titles(self.data)

    @property
    def variants(self) -> dict[str, str]:
        """The titles of the variants by name."""
        return {name: table["title"] for name, table in json.loads(self.data.attrs.get("variants", "{}")).items()}


def judge_forecast(forecast: Forecast, names: Sequence[str] | None = None) -> ClaimStudy:
    """Put the claims of a forecast's model to the test on its stored results and on the record.

    Parameters
    ----------
    forecast
        What `load_forecast` returned; it must have been swept.
    names
        The claims; all of them by default.
    """
    folder = forecast.load_model().path.parent
    claims = choose(read_claims(folder / CLAIM_FILE), names)
    return _study(open_results(forecast), claims, folder, forecast)


def open_claims(store: str | Path, claims: str | Path) -> ClaimStudy:
    """Put all claims of a file to the test on a store, and on the record beside the file."""
    return _study(open_store(Path(store)), read_claims(claims), Path(claims).parent)


def _study(ds: xr.Dataset, claims: tuple[Claim, ...], folder: Path, forecast: Forecast | None = None) -> ClaimStudy:
    """Judge claims; the record is read only where one asks for it."""
    by_data = [claim for claim in claims if claim.by_data]
    record = read_observations(folder / OBSERVATIONS).observations if by_data else ()
    return ClaimStudy(
        data=ds,
        claims=claims,
        findings={finding.claim.name: finding for finding in judge(ds, claims, forecast)},
        records={finding.claim.name: finding for finding in judge_records(by_data, record)},
    )

"""A comparison ready to be shown: the stored results, the choice of what to show, and the comparison table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from trilemma.errors import StoreError
from trilemma.forecasting.compare import compare
from trilemma.forecasting.store import open_store
from trilemma.reporting.labels import outcome_names, scenario_titles
from trilemma.reporting.statistics import nearest_time, require_scenario
from trilemma.reporting.tables import Cell, cells

if TYPE_CHECKING:
    import pandas as pd

PANELS = 6  # scenarios that get a panel of their own when none is named


@dataclass(frozen=True)
class Study:
    """Results and the choice of what to show of them.

    Attributes
    ----------
    data
        Results as stored, with the chosen scenarios only.
    baseline
        The scenario that differences are taken against.
    highlight
        The few scenarios that get a panel of their own.
    year
        The year of the tables and of the effects.
    years
        All years that are tabulated or drawn, `year` among them.
    window
        First and last year of the time axes.
    policy_start
        The year from which the scenarios part; None if they have none.
    reference
        A scenario that the baseline itself is held against in the summary; None for none.
    """

    data: xr.Dataset
    baseline: str
    highlight: tuple[str, ...]
    year: float
    years: tuple[float, ...]
    window: tuple[float, float]
    policy_start: float | None = None
    reference: str | None = None

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The comparison of all outcomes and scenarios at the years of the study."""
        return compare(self.data, baseline=self.baseline, at=list(self.years))

    @cached_property
    def cells(self) -> dict[tuple[str, str, float], Cell]:
        """The cells of the comparison by (outcome, scenario, time), in the units that are shown."""
        return cells(self.frame, scaled=True)

    @property
    def scenarios(self) -> list[str]:
        """All scenarios, the baseline first."""
        names = [str(name) for name in self.data["scenario"].to_numpy()]
        return sorted(names, key=lambda name: name != self.baseline)

    @property
    def others(self) -> list[str]:
        """All scenarios but the baseline."""
        return self.scenarios[1:]

    @property
    def titles(self) -> dict[str, str]:
        """The titles of the scenarios by name."""
        return scenario_titles(self.data)

    @property
    def variants(self) -> dict[str, str]:
        """The titles of the model's variants by name; empty where the forecast has none."""
        return {name: str(table["title"]) for name, table in self._variant_tables.items()}

    @property
    def variant_sentences(self) -> dict[str, str]:
        """The sentences of the model's variants by name."""
        return {name: str(table["sentence"]) for name, table in self._variant_tables.items()}

    @property
    def _variant_tables(self) -> dict[str, dict[str, Any]]:
        """The variants from the attributes of the store."""
        return dict(json.loads(self.data.attrs.get("variants", "{}")))

    @property
    def definitions(self) -> dict[str, dict[str, Any]]:
        """What each scenario sets, from the attributes of the store."""
        text = self.data.attrs.get("scenarios", "{}")
        return dict(json.loads(text)) if isinstance(text, str) else dict(text)

    def stored(self, outcomes: Sequence[str]) -> list[str]:
        """Return those of `outcomes` that the forecast has stored."""
        known = set(outcome_names(self.data))
        return [name for name in outcomes if name in known]

    @property
    def draws(self) -> int:
        """The number of draws."""
        return int(self.data.sizes["draw"])

    @property
    def start(self) -> float:
        """The year that movements are measured from: the year in which scenarios part, or the first one shown."""
        return float(np.floor(self.window[0] if self.policy_start is None else self.policy_start))


def open_study(
    store: str | Path | xr.Dataset,
    *,
    baseline: str,
    year: float,
    scenarios: Sequence[str] = (),
    highlight: Sequence[str] = (),
    years: Sequence[float] = (),
    window: Sequence[float] = (),
    policy_start: float | None = None,
    reference: str | None = None,
) -> Study:
    """Open a store and settle what is shown of it; empty choices mean all.

    Raises
    ------
    StoreError
        If the store cannot be read, or is not one of results.
    UnknownNameError
        If a scenario that is named is not in it.
    """
    data = store if isinstance(store, xr.Dataset) else open_store(Path(store))
    if not outcome_names(data):
        message = "the store holds no outcome on (scenario, draw, time): name a store that `trilemma sweep` wrote."
        raise StoreError(message)
    if scenarios:
        wanted = list(dict.fromkeys([baseline, *scenarios]))
        data = data.sel(scenario=[require_scenario(data, name) for name in wanted])
    require_scenario(data, baseline)
    present = [str(name) for name in data["scenario"].to_numpy()]
    shown = [name for name in highlight if name in present and name != baseline] or present[:PANELS]
    first, last = float(data["time"][0]), float(data["time"][-1])
    return Study(
        data=data,
        baseline=baseline,
        highlight=tuple(dict.fromkeys([baseline, *shown])),
        year=nearest_time(data, year),
        years=tuple(sorted({nearest_time(data, when) for when in (year, *years)})),
        window=(float(window[0]), float(window[1])) if window else (first, last),
        policy_start=policy_start,
        reference=reference if reference in present and reference != baseline else None,
    )

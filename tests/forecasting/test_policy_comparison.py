"""The shipped scenarios and the default forecast, on the shipped model with a few draws."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from trilemma.content import set_project
from trilemma.forecasting.spec import Design, Forecast, load_forecast
from trilemma.forecasting.sweep import sweep
from trilemma.translation.overrides import scalars

ACT_ON_THE_PAST = {"never_controlled", "api_geofence_only", "hardware_only", "indigenous_breakthrough"}


@pytest.fixture(scope="module")
def forecast() -> Forecast:
    return load_forecast("policy_comparison")


@pytest.fixture(scope="module")
def results(forecast: Forecast, tmp_path_factory: pytest.TempPathFactory) -> Iterator[xr.Dataset]:
    """Return all scenarios on four draws."""
    set_project(tmp_path_factory.mktemp("project"))
    design = Design(method="latin_hypercube", draws=4, seed=20261123)
    yield sweep(forecast.model_copy(update={"name": "trial", "design": design})).load()
    set_project(None)


def test_the_default_forecast_is_as_promised(forecast: Forecast) -> None:
    assert len(forecast.scenarios) == 22
    assert forecast.baseline == "as_enacted"
    assert (forecast.design.draws, forecast.design.seed) == (1000, 20261123)
    assert len(forecast.outcomes) == 49
    assert all(scenario.title and scenario.sentence.endswith(".") for scenario in forecast.scenarios)
    assert len({scenario.title for scenario in forecast.scenarios}) == 22


def test_as_enacted_is_the_model_as_it_stands(forecast: Forecast) -> None:
    model = forecast.load_model()
    constants = model.constants()
    as_enacted = scalars(model, forecast.scenarios[0].overrides)
    assert as_enacted == {name: constants[name] for name in as_enacted}


def test_every_other_scenario_differs_from_as_enacted_and_from_each_other(forecast: Forecast) -> None:
    model = forecast.load_model()
    settings = [tuple(sorted(scalars(model, s.overrides).items())) for s in forecast.scenarios]
    assert len(set(map(str, settings))) == 22


def test_a_policy_of_the_future_leaves_the_past_as_it_was(forecast: Forecast, results: xr.Dataset) -> None:
    past = results[list(forecast.outcomes)].sel(time=slice(2018, 2026))
    # a follower who is ahead has a lag below 0, measured on the leader's future path, which policy may change
    past["exact lag"] = past["exact lag"].where(past["exact lag"] >= 0)
    baseline = past.sel(scenario="as_enacted", drop=True)
    for name in (s.name for s in forecast.scenarios if s.name not in ACT_ON_THE_PAST):
        own = past.sel(scenario=name, drop=True).drop_vars("scenario_title", errors="ignore")
        xr.testing.assert_equal(own, baseline.drop_vars("scenario_title", errors="ignore"))


def test_every_policy_changes_something_by_2035(forecast: Forecast, results: xr.Dataset) -> None:
    end = results[list(forecast.outcomes)].sel(time=2035)
    for name in (s.name for s in forecast.scenarios[1:]):
        changes = [not end[o].sel(scenario=name).equals(end[o].sel(scenario="as_enacted")) for o in forecast.outcomes]
        assert any(changes), name


def test_all_runs_are_finite(results: xr.Dataset) -> None:
    assert not results["result"].any()
    assert np.isfinite(results["capability gap"]).all()


def test_nothing_in_the_store_names_this_machine(results: xr.Dataset, tmp_path: Path) -> None:
    text = str(results.attrs) + "".join(str(results[name].attrs) for name in results.variables)
    assert str(Path.home()) not in text
    assert str(Path.cwd()) not in text
    assert str(tmp_path.parent.parent) not in text

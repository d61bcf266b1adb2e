"""Shared: made-up results, a project folder with their store, and one rendered report for the session."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr
import zarr

from tests.reporting.synthetic import SCENARIOS, synthetic_results
from trilemma import content
from trilemma.forecasting.compare import compare
from trilemma.forecasting.spec import Design, Forecast, Horizon, Scenario
from trilemma.forecasting.store import FORMAT, open_store, store_path
from trilemma.reporting import render
from trilemma.reporting.study import Study, open_study

TWO = ("as_enacted", "never_controlled")


@pytest.fixture(scope="session", autouse=True)
def _made_up_results_are_current() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """Open stores without asking whether the shipped model would give the same results."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "open_results", lambda forecast: open_store(store_path(forecast.name)))
        yield


@pytest.fixture(scope="session")
def results() -> xr.Dataset:
    """Return made-up results of five scenarios and 200 draws."""
    return synthetic_results(200)


@pytest.fixture(scope="session")
def frame(results: xr.Dataset) -> pd.DataFrame:
    """Return their comparison in 2030."""
    return compare(results, baseline="as_enacted", at=2030)


@pytest.fixture(scope="session")
def study(results: xr.Dataset) -> Study:
    """Return what a notebook works with."""
    return open_study(
        results,
        baseline="as_enacted",
        year=2030,
        years=[2026, 2035],
        window=[2020, 2035],
        policy_start=2026.75,
        reference="never_controlled",
    )


@pytest.fixture(scope="session")
def forecast() -> Forecast:
    """Return a forecast of two scenarios and ten draws that has the default notebook's name."""
    scenarios = tuple(Scenario(name=name, title=SCENARIOS[name], sentence="A question?") for name in TWO)
    return Forecast(
        name="policy_comparison",
        title="A made-up comparison",
        sentence="What would the curves do?",
        model="export_controls",
        scenarios=scenarios,
        baseline="as_enacted",
        outcomes=("exact lag",),
        design=Design(method="latin_hypercube", draws=10, seed=7),
        horizon=Horizon(),
    )


@pytest.fixture(scope="session")
def rendered(forecast: Forecast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project folder whose report was rendered once from two scenarios and ten draws."""
    project = tmp_path_factory.mktemp("project")
    store = project / "forecasts" / "results" / "policy_comparison.zarr"
    store.parent.mkdir(parents=True)
    with zarr.config.set({"array.write_empty_chunks": True}):
        synthetic_results(10, TWO).assign_attrs(format=FORMAT).to_zarr(store, zarr_format=3)
    content.set_project(project)
    try:
        render.report(forecast)
    finally:
        content.set_project(None)
    return project


@pytest.fixture
def project(rendered: Path, tmp_path: Path) -> Iterator[Path]:
    """Return a copy of the rendered project that a test may change, in use as the project folder."""
    copy = tmp_path / "project"
    shutil.copytree(rendered, copy)
    content.set_project(copy)
    yield copy
    content.set_project(None)

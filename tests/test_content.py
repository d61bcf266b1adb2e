"""Where models, forecasts and notebooks are found, and where results and reports go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.small_project import ROOT
from trilemma import content
from trilemma.errors import ModelFileError, TrilemmaError, UnknownNameError


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """Return a project folder in use, with a model, a forecast and a notebook of its own, and one of a shipped name."""
    for name in (
        "models/mine/mine.mdl",
        "models/export_controls/export_controls.mdl",
        "forecasts/mine.toml",
        "forecasts/scenarios.toml",
        "notebooks/mine.ipynb",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    content.set_project(tmp_path)
    yield tmp_path
    content.set_project(None)


def test_the_shipped_content_is_found_by_name() -> None:
    assert content.find_model("export_controls") == ROOT / "models" / "export_controls" / "export_controls.mdl"
    assert content.find_forecast("policy_comparison") == ROOT / "forecasts" / "policy_comparison.toml"
    assert content.find_notebook("policy_comparison") == ROOT / "notebooks" / "policy_comparison.ipynb"


def test_results_and_reports_of_a_checkout_go_into_it() -> None:
    assert content.results_dir() == ROOT / "forecasts" / "results"
    assert content.reports_dir() == ROOT / "reports"


def test_an_installed_package_writes_to_the_current_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed = tmp_path / "site-packages" / "trilemma"
    (installed / "models" / "shipped").mkdir(parents=True)
    (installed / "models" / "shipped" / "shipped.mdl").touch()
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.setattr(content, "PACKAGE", installed)
    monkeypatch.chdir(here)
    assert content.find_model("shipped") == installed / "models" / "shipped" / "shipped.mdl"
    assert content.results_dir() == here / "forecasts" / "results"
    assert content.reports_dir() == here / "reports"


def test_a_project_comes_before_what_is_shipped(project: Path) -> None:
    assert content.find_model("export_controls").is_relative_to(project)
    assert content.find_forecast("mine") == project / "forecasts" / "mine.toml"
    assert content.find_notebook("mine") == project / "notebooks" / "mine.ipynb"
    assert [path.parent.name for path in content.list_models()][:2] == ["export_controls", "mine"]


def test_what_a_project_lacks_is_taken_from_what_is_shipped(project: Path) -> None:
    assert content.find_forecast("policy_comparison").is_relative_to(ROOT)
    assert content.find_notebook("policy_comparison").is_relative_to(ROOT)
    assert content.content_folders("notebooks") == [project / "notebooks", ROOT / "notebooks"]


def test_a_project_takes_results_and_reports(project: Path) -> None:
    assert content.project_root() == project
    assert content.results_dir() == project / "forecasts" / "results"
    assert content.reports_dir() == project / "reports"


def test_scenarios_are_no_forecast(project: Path) -> None:
    assert "scenarios" not in [path.stem for path in content.list_forecasts()]


def test_a_project_must_exist(tmp_path: Path) -> None:
    with pytest.raises(TrilemmaError, match="'.*none' does not exist: make it, or name another with --project"):
        content.set_project(tmp_path / "none")
    with pytest.raises(TrilemmaError, match="does not exist"):
        content.set_project(__file__)


def test_paths_are_taken_as_they_are(project: Path, tmp_path: Path) -> None:
    model = tmp_path / "elsewhere" / "other.mdl"
    model.parent.mkdir()
    model.touch()
    assert content.find_model(model) == model
    assert content.find_model(str(model.parent)) == model
    forecast = project / "forecasts" / "mine.toml"
    assert content.find_forecast(str(forecast)) == forecast


def test_a_model_folder_holds_one_model_or_one_of_its_name(project: Path) -> None:
    folder = project / "models" / "two"
    folder.mkdir()
    (folder / "a.mdl").touch()
    assert content.find_model("two") == folder / "a.mdl"
    (folder / "b.xmile").touch()
    with pytest.raises(UnknownNameError, match="unknown model 'two'"):
        content.find_model("two")
    (folder / "two.stmx").touch()
    assert content.find_model("two") == folder / "two.stmx"


def test_unknown_names_list_near_ones(project: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown model 'mime' in models/: did you mean 'mine'\?"):
        content.find_model("mime")
    with pytest.raises(UnknownNameError, match="unknown forecast 'policy' in forecasts/: .*'policy_comparison'"):
        content.find_forecast("policy")
    with pytest.raises(UnknownNameError, match="unknown notebook 'mini' in notebooks/: did you mean 'mine'"):
        content.find_notebook("mini")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.mdl", "the model file 'none.mdl' does not exist"),
        (__file__, "is not a model file: expected a name ending in .mdl, .xmile or .stmx"),
    ],
)
def test_a_path_to_no_model_is_a_mistake(name: str, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        content.find_model(name)


def test_a_path_to_no_forecast_is_a_mistake() -> None:
    with pytest.raises(TrilemmaError, match="the forecast file 'none.toml' does not exist"):
        content.find_forecast("none.toml")
    with pytest.raises(TrilemmaError, match="the notebook file 'none.ipynb' does not exist"):
        content.find_notebook("none.ipynb")

"""The models that are shipped pass their own tests, which integrate them as their forecasts do."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.documentation import with_mechanisms
from trilemma.content import list_forecasts, list_models
from trilemma.forecasting.spec import load_forecast
from trilemma.reporting.scorecard import mechanism_table
from trilemma.translation.model import Model, load_model
from trilemma.validation.result import Check
from trilemma.validation.scorecard import CATEGORIES, check, known_as
from trilemma.validation.spec import checks_file, read_checks

MODELS = [path for path in list_models() if (path.parent / "checks.toml").is_file()]
Scores = Mapping[str, list[Check]]


@pytest.fixture(scope="module", params=MODELS, ids=lambda path: path.parent.name)
def model(request: pytest.FixtureRequest) -> Model:
    return load_model(request.param)


@pytest.fixture(scope="module")
def score(model: Model) -> list[Check]:
    return check(model)


@pytest.mark.slow
@pytest.mark.parametrize("category", CATEGORIES)
def test_the_model_passes_but_for_what_is_known(model: Model, score: list[Check], category: str) -> None:
    known = read_checks(model).known
    failed = [one for one in score if one.category == category and not one.passes]
    assert [one.sentence for one in failed if known_as(one) not in known] == []


@pytest.mark.slow
def test_what_is_known_as_a_fault_is_one(model: Model, score: list[Check]) -> None:
    assert set(read_checks(model).known) <= {known_as(one) for one in score if not one.passes}


@pytest.mark.slow
def test_the_readme_shows_the_mechanisms_as_they_are(model: Model, score: list[Check]) -> None:
    readme = (model.path.parent / "README.md").read_text(encoding="utf-8")
    table = mechanism_table(read_checks(model).mechanisms, [one for one in score if one.category == "mechanisms"])
    assert with_mechanisms(readme, table) == readme
    assert table in readme


def test_the_statements_integrate_the_model_as_its_forecasts_do(model: Model) -> None:
    forecasts = [load_forecast(path) for path in list_forecasts()]
    methods = {forecast.method for forecast in forecasts if forecast.load_model().path == model.path}
    assert methods <= {read_checks(model).method}, checks_file(model)

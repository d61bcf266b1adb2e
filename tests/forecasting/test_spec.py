"""Forecast and scenario files: what they resolve to, and one sentence for each mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trilemma.errors import TrilemmaError
from trilemma.forecasting.spec import Forecast, load_forecast

Edit = Callable[[str, str, str], None]


@pytest.fixture
def forecast(project: Path) -> Forecast:
    return load_forecast("trial")


def test_a_forecast_is_resolved_in_the_model_s_spelling(edit: Edit) -> None:
    edit("forecasts/trial.toml", '"fleet ratio", "Fleet"', '"FLEET_RATIO", "fleet[cn]"')
    edit("forecasts/scenarios.toml", "growth = { CN = 0.35 }", '"Growth" = { cn = 0.35 }')
    forecast = load_forecast("trial")
    assert forecast.name == "trial"
    assert forecast.outcomes == ("fleet ratio", "Fleet[CN]", "fleet lag")
    assert [s.name for s in forecast.scenarios] == ["as_is", "tight", "fast", "never"]
    assert forecast.scenarios[2].overrides == {"lever": 0.5, "growth": {"CN": 0.35}}


def test_extends_merges_element_by_element(edit: Edit) -> None:
    edit("forecasts/scenarios.toml", "lever = 0.5", "lever = 0.5\ngrowth = { US = 0.1, CN = 0.2 }")
    scenarios = {s.name: s.overrides for s in load_forecast("trial").scenarios}
    assert scenarios["fast"] == {"lever": 0.5, "growth": {"US": 0.1, "CN": 0.35}}
    assert scenarios["never"] == {"history switch": 0}


@pytest.mark.parametrize(
    ("parent", "child", "merged"),
    [
        ("growth = 0.1", "growth = { CN = 0.35 }", {"growth": {"US": 0.1, "CN": 0.35}}),
        ("growth = { US = 0.1 }", "growth = 0.3", {"growth": 0.3}),
        ('"growth[US]" = 0.1', '"growth[CN]" = 0.3', {"growth": {"US": 0.1, "CN": 0.3}}),
        (
            "growth = 0.1",
            '"growth[CN]" = { time = [2020, 2024], value = [0.1, 0.3] }',
            {"growth": {"US": 0.1}, "growth[CN]": {"time": [2020, 2024], "value": [0.1, 0.3]}},
        ),
    ],
)
def test_whole_and_element_settings_combine(edit: Edit, parent: str, child: str, merged: dict[str, object]) -> None:
    edit("forecasts/scenarios.toml", "lever = 0.5", parent)
    edit("forecasts/scenarios.toml", "growth = { CN = 0.35 }", child)
    assert load_forecast("trial").scenarios[2].overrides == merged


def test_the_hash_changes_with_the_content_and_with_nothing_else(edit: Edit, forecast: Forecast) -> None:
    assert load_forecast("trial").hash == forecast.hash
    edit("forecasts/trial.toml", 'title = "A small', '# a comment\ntitle = "A small')
    assert load_forecast("trial").hash == forecast.hash
    edit("forecasts/scenarios.toml", "CN = 0.35", "CN = 0.36")
    assert load_forecast("trial").hash != forecast.hash


def test_a_forecast_cannot_be_changed(forecast: Forecast) -> None:
    with pytest.raises(ValueError, match="frozen"):
        forecast.title = "Other"  # type: ignore[misc]


FORECAST_MISTAKES = [
    ('title = "A small forecast"', "title = ", r"trial.toml is not valid TOML: .*line 1"),
    ('title = "A small forecast"', "", r"forecasts/trial.toml: the key 'title' is missing"),
    ('title = "A small', 'titel = "A small', r"unknown key 'titel' in forecasts/trial.toml: did you mean 'title'"),
    ("draws = 8", "draws = -8", r"forecasts/trial.toml: 'design.draws' is -8, expected greater than or equal to 1"),
    ("draws = 8", "draws = 0", r"'design.draws' is 0, expected greater than or equal to 1"),
    ("draws = 8", 'draws = "8"', r"'design.draws' is '8', expected a valid integer"),
    ("draws = 8", "draws = true", r"'design.draws' is True, expected a valid integer"),
    ("draws = 8", "drwas = 8", r"unknown key 'drwas' in forecasts/trial.toml, 'design': did you mean 'draws'"),
    ("seed = 7", "seed = -1", r"'design.seed' is -1"),
    (
        'method = "latin_hypercube"',
        'method = "lhs"',
        r"'design.method' is 'lhs', expected one of 'latin_hypercube', 'sobol' or 'central'",
    ),
    ('method = "latin_hypercube"', 'method = "central"', r"'central' is one draw at the central values; set draws = 1"),
    (
        'method = "latin_hypercube"\ndraws = 8',
        'method = "sobol"\ndraws = 9',
        r"power of 2 as draws, such as 8 or 16, got 9",
    ),
    ('"tight", "fast"', '"tigth", "fast"', r"unknown scenario 'tigth' in forecasts/trial.toml, 'scenarios'.*'tight'"),
    ('"tight", "fast"', '"tight", "tight"', r"'scenarios' names 'tight' twice"),
    ('["as_is", "tight", "fast", "never"]', "[]", r"'scenarios' is \[\], expected"),
    ('baseline = "as_is"', 'baseline = "as_was"', r"unknown scenario 'as_was' in .*'baseline'.*'as_is'"),
    ('"Fleet", ', '"Fleat", ', r"unknown outcome 'Fleat' in forecasts/trial.toml, 'outcomes': did you mean 'Fleet'"),
    ('"Fleet", ', '"Fleet[USA]", ', r"unknown element of 'actor' 'USA'.*'US'"),
    ('"Fleet", ', '"fleet_ratio", ', r"'outcomes' names 'fleet ratio' twice"),
    ('model = "small"', 'model = "smal"', r"unknown model 'smal'.*'small'"),
    ("save_every = 0.5", "save_every = 0.3", r"save_every is 0.3, it must be a multiple of the model's step 0.125"),
    ("save_every = 0.5", "save_every = 0", r"'horizon.save_every' is 0, expected greater than 0"),
    ("save_every = 0.5", "start = 2030", r"stop 2024 must come after start 2030"),
    ("save_every = 0.5", "save_evry = 0.5", r"unknown key 'save_evry' in .*'horizon': did you mean 'save_every'"),
    ("save_every = 0.5", "stop = nan", r"'horizon.stop' is nan, expected a finite number"),
]


@pytest.mark.parametrize(("old", "new", "sentence"), FORECAST_MISTAKES)
def test_a_mistake_in_a_forecast_is_one_sentence(edit: Edit, old: str, new: str, sentence: str) -> None:
    edit("forecasts/trial.toml", old, new)
    with pytest.raises(TrilemmaError, match=sentence) as caught:
        load_forecast("trial")
    assert "\n" not in str(caught.value)


SCENARIO_MISTAKES = [
    ("lever = 1", "lever = ", r"scenarios.toml is not valid TOML: .*line 12"),
    ("lever = 1", "lever = 1.2", r"\[tight.overrides\]: the lever 'lever' is 1.2, allowed is 0 to 1"),
    ("lever = 1", "lever = { time = [2020, 2022], value = [0, 7] }", r"the lever 'lever' is 7, allowed is 0 to 1"),
    ('"history switch" = 0', '"history switch" = -1', r"the switch 'history switch' is -1, allowed is 0 to 1"),
    ("lever = 1", "levr = 1", r"unknown variable 'levr' in forecasts/scenarios.toml, \[tight.overrides\].*'lever'"),
    ("CN = 0.35", "CHN = 0.35", r"unknown element of 'actor' 'CHN'.*'CN'"),
    ("lever = 1", "lever = { US = 1 }", r"'lever' is a single number"),
    ("lever = 1", 'lever = "high"', r"'lever' is 'high': expected a finite number"),
    ("lever = 1", "lever = true", r"'lever' is True: expected a finite number"),
    ("lever = 1", "lever = inf", r"'lever' is inf: expected a finite number"),
    ("lever = 1", "lever = { time = [2020], value = [1, 2] }", r"two lists of the same length"),
    ("lever = 1", "lever = { time = [2021, 2020], value = [1, 1] }", r"the times of a series must rise"),
    ("lever = 1", "lever = { time = [2021], values = [1] }", r"unknown key 'values'.*'value'"),
    ('extends = "as_is"', 'extends = "as_iz"', r"unknown scenario 'as_iz' in .*\[tight\], 'extends'.*'as_is'"),
    ('title = "As it is"', 'title = "As it is"\nextends = "tight"', r"in a circle \((as_is|tight) -> (as_is|tight)"),
    (
        'title = "Tight"',
        'titel = "Tight"',
        r"unknown key 'titel' in forecasts/scenarios.toml, 'tight': did you mean 'title'",
    ),
    ('title = "Tight"', 'title = "Tight"\nlever = 1', r"unknown key 'lever' in forecasts/scenarios.toml, 'tight'"),
    ('"history switch" = 0', '"history switch" = 0\n[never.initial]\nlever = 1', r"'lever' is not a stock"),
]


@pytest.mark.parametrize(("old", "new", "sentence"), SCENARIO_MISTAKES)
def test_a_mistake_in_a_scenario_is_one_sentence(edit: Edit, old: str, new: str, sentence: str) -> None:
    edit("forecasts/scenarios.toml", old, new)
    with pytest.raises(TrilemmaError, match=sentence) as caught:
        load_forecast("trial")
    assert "\n" not in str(caught.value)


def test_a_forecast_file_anywhere_uses_the_scenarios_beside_it(project: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "mine"
    elsewhere.mkdir()
    for name in ("trial.toml", "scenarios.toml"):
        (elsewhere / name).write_text((project / "forecasts" / name).read_text())
    (elsewhere / "small.mdl").write_text((project / "models/small/small.mdl").read_text())
    assert load_forecast(elsewhere / "trial.toml").hash == load_forecast("trial").hash


def test_an_unknown_forecast_names_the_known_ones(project: Path) -> None:
    with pytest.raises(TrilemmaError, match=r"unknown forecast 'tril'.*'trial'"):
        load_forecast("tril")


def test_an_initial_value_is_of_a_stock(edit: Edit) -> None:
    edit("forecasts/scenarios.toml", '"history switch" = 0', "[never.initial]\nFleet = { US = 1 }")
    assert load_forecast("trial").scenarios[3].initial == {"Fleet": {"US": 1.0}}

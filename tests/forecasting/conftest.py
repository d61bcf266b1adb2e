"""A small project on disk: one model with a range, a lever and two uncertain parameters, and a forecast of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trilemma.content import set_project

MODEL = """{UTF-8}
actor: US, CN
	~
	~	|
growth[actor]=
	0.2, 0.3
	~	1/Year
	~	Yearly growth.
	|
lever=
	0.5
	~	Dmnl
	~	What policy sets from 2022 on.
	|
history switch=
	1
	~	Dmnl
	~	1 = as it was.
	|
brake= lever*STEP(1, 2022)
	~	Dmnl
	~	What is felt.
	|
Fleet[actor]= INTEG(Fleet[actor]*growth[actor]*(1-brake)*history switch, start fleet[actor])
	~	Kunit
	~	Units in use.
	|
start fleet[actor]=
	10, 5
	~	Kunit
	~	Units at the start.
	|
fleet ratio= Fleet[US]/Fleet[CN]
	~	Dmnl
	~	How far ahead.
	|
INITIAL TIME = 2020
	~	Year
	~	Start.
	|
FINAL TIME = 2024
	~	Year
	~	End.
	|
TIME STEP = 0.125
	~	Year
	~	Step.
	|
SAVEPER = 0.5
	~	Year
	~	Interval of saved times.
	|
"""

PARAMETERS = """name,unit,central,low,high,prior,role,source,note
growth[US],1/Year,0.2,0.1,0.3,uniform,parameter,assumption,
growth[CN],1/Year,0.3,0.2,0.4,uniform,parameter,assumption,
lever,Dmnl,0.5,0,1,,lever,assumption,
history switch,Dmnl,1,0,1,,switch,assumption,
start fleet[US],Kunit,10,10,10,,parameter,assumption,
start fleet[CN],Kunit,5,5,5,,parameter,assumption,
"""

OUTCOMES = """["fleet lag"]
expression = "lag_months(Fleet[US], Fleet[CN])"
unit = "Month"
sentence = "By how many months one fleet trails the other."
"""

SCENARIOS = """[as_is]
title = "As it is"
sentence = "The lever stays where it is."
[as_is.overrides]
lever = 0.5

[tight]
title = "Tight"
sentence = "The lever is pulled."
extends = "as_is"
[tight.overrides]
lever = 1

[fast]
title = "Fast"
sentence = "Chinese growth is known."
extends = "as_is"
[fast.overrides]
growth = { CN = 0.35 }

[never]
title = "Never"
sentence = "Nothing ever grew."
[never.overrides]
"history switch" = 0
"""

FORECAST = """title = "A small forecast"
sentence = "Four policies."
model = "small"
baseline = "as_is"
scenarios = ["as_is", "tight", "fast", "never"]
outcomes = ["fleet ratio", "Fleet", "fleet lag"]
[design]
method = "latin_hypercube"
draws = 8
seed = 7
[horizon]
save_every = 0.5
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a project that is in force for one test."""
    folder = tmp_path / "models" / "small"
    folder.mkdir(parents=True)
    (folder / "small.mdl").write_text(MODEL)
    (folder / "parameters.csv").write_text(PARAMETERS)
    (folder / "outcomes.toml").write_text(OUTCOMES)
    (tmp_path / "forecasts").mkdir()
    (tmp_path / "forecasts" / "scenarios.toml").write_text(SCENARIOS)
    (tmp_path / "forecasts" / "trial.toml").write_text(FORECAST)
    set_project(tmp_path)
    yield tmp_path
    set_project(None)


@pytest.fixture
def edit(project: Path) -> Callable[[str, str, str], None]:
    """Return a function that replaces a text in one of the project's files."""

    def replace(file: str, old: str, new: str) -> None:
        path = project / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return replace

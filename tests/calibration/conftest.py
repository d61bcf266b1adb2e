"""A small model with evidence whose predictions are known on paper: Rate = 2 (Time - 2020), Level = (Time - 2020)^2."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from trilemma.calibration import evidence, measurement
from trilemma.translation.model import Model, load_model

EQUATIONS = """{UTF-8}
actor: US, CN ~ ~|
slope = 2 ~ Kunit/Year/Year ~|
head start[actor] = 1, 3 ~ Kunit/Year ~|
rate = slope*(Time-2020) ~ Kunit/Year ~|
Level = INTEG(rate, 0) ~ Kunit ~|
ahead[actor] = rate + head start[actor] ~ Kunit/Year ~|
never = IF THEN ELSE(Time < 2021, Level, Level) ~ Kunit ~|
INITIAL TIME = 2020 ~ Year ~|
FINAL TIME = 2024 ~ Year ~|
TIME STEP = 0.0078125 ~ Year ~|
SAVEPER = 0.25 ~ Year ~|
"""
OUTCOMES = """["twice the level"]
expression = "2 * Level"
unit = "Kunit"
sentence = "A derived outcome that measurements may name."
["late"]
expression = "log(Level - 1)"
unit = "Dmnl"
sentence = "Undefined until 2021."
"""
OBSERVATIONS = (
    "sales,2021-01-01,2021-12-31,3000,units,,,A,observation,annual report,,",
    "sales,2022-01-01,2022-12-31,5200,units,4000,6000,B,observation,annual report,,",
    "stock,2021-12-31,2021-12-31,4.1,thousand units,,,B,observation,a census,,",
    "stock,2022-12-31,2022-12-31,9.5,thousand units,,,M,observation,recollection,,",
    "sold,2021-01-01,2022-12-31,8,thousand units (cumulative since 2021),,,B,observation,a count,,",
    "stock,2023-12-31,2023-12-31,99,thousand units,,,C,projection,a plan,,",
)
MEASURED = (
    "yearly sales,sales,units,rate,1000,kilo,log,total,0.1,,0.5,,yes,sales,",
    "level at the end of the year,stock,thousand units,Level,1,,none,end,0.2,,0,,yes,,",
    "sold since 2021,sold,thousand units (cumulative since 2021),rate,1,,log,since 2021-01-01,0.1,,0,,no,sold,",
)


@dataclass(frozen=True)
class Case:
    """A folder with a model, its observations, its measurements and its events; tests change its files."""

    folder: Path

    def write(self, observations: tuple[str, ...] = OBSERVATIONS, measurements: tuple[str, ...] = MEASURED) -> Case:
        """Write the tables."""
        tables = {
            evidence.OBSERVATIONS: (evidence.COLUMNS, observations),
            measurement.MEASUREMENTS: (measurement.COLUMNS, measurements),
        }
        for name, (columns, rows) in tables.items():
            (self.folder / name).write_text("\n".join([",".join(columns), *rows]) + "\n", encoding="utf-8")
        return self

    @property
    def model(self) -> Model:
        """The model, loaded."""
        return load_model(self.folder / "small.mdl")


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """Return the case with tables that are in order."""
    (tmp_path / "small.mdl").write_text(EQUATIONS, encoding="utf-8")
    (tmp_path / "outcomes.toml").write_text(OUTCOMES, encoding="utf-8")
    return Case(tmp_path).write()

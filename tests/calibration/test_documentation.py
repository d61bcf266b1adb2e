"""The description of the tables names every column, grade, rule and transform that the readers know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trilemma.calibration import evidence, measurement

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "evidence.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("observations.csv", evidence.COLUMNS),
        ("events.csv", evidence.EVENT_COLUMNS),
        ("measurements.csv", measurement.COLUMNS),
    ],
)
def test_every_column_is_described(table: str, columns: tuple[str, ...]) -> None:
    section = TEXT.split(f"## {table}\n", 1)[1].split("\n## ", 1)[0]
    described = re.findall(r"`(\w+)`", section)
    assert [column for column in columns if column not in described] == []


def test_grades_and_rules_are_those_of_the_program() -> None:
    for grade, share in measurement.GRADE_SD.items():
        assert re.search(rf"{100 * share:g} % (of the value )?for {grade}\b", TEXT), grade
    for word in (*measurement.TRANSFORMS, "mean", "total", "end", "since 2022-01-01"):
        assert f"`{word}`" in TEXT

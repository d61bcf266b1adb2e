"""Tables: terminal, JSON, CSV, HTML."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from trilemma.errors import ReportError
from trilemma.reporting import tables


def _text(frame: pd.DataFrame, width: int = 140) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(tables.comparison_table(frame))
    return console.export_text()


def test_a_few_scenarios_stand_side_by_side(frame: pd.DataFrame) -> None:
    text = _text(frame.loc[frame["scenario"].isin(["as_enacted", "never_controlled"])].copy())
    head = next(line for line in text.splitlines() if "outcome" in line)
    assert "as_enacted" in head
    assert "never_controlled" in head
    assert "exact lag" in text
    assert "Month" in text


def test_many_scenarios_stand_below_each_other(frame: pd.DataFrame) -> None:
    text = _text(frame)
    head = next(line for line in text.splitlines() if "outcome" in line)
    assert "scenario" in head
    assert "higher in" in head
    assert "full_stack_tight" in text


def test_the_baseline_comes_first_and_has_no_difference(frame: pd.DataFrame) -> None:
    found = tables.cells(frame)
    assert tables.baseline_of(frame) == "as_enacted"
    assert found["exact lag", "as_enacted", 2030.0].difference is None
    assert found["exact lag", "never_controlled", 2030.0].difference is not None


def test_the_baseline_is_found_without_being_named(frame: pd.DataFrame) -> None:
    bare = frame.copy()
    bare.attrs = {}
    assert tables.baseline_of(bare) == "as_enacted"


def test_a_difference_that_does_not_matter_is_marked(frame: pd.DataFrame) -> None:
    found = tables.cells(frame)
    assert found["exact lag", "hardware_only", 2030.0].difference_text().startswith("≈")
    assert found["exact lag", "full_stack_tight", 2030.0].difference_text().startswith("+")


def test_json_holds_every_row_unrounded(frame: pd.DataFrame) -> None:
    rows = json.loads(tables.to_json(frame))
    assert len(rows) == len(frame)
    assert rows[0]["p50"] == pytest.approx(frame.iloc[0]["p50"], rel=1e-9)
    assert set(rows[0]) == set(frame.columns)


def test_csv_reads_back(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    tables.to_csv(frame, path)
    read = pd.read_csv(path, keep_default_na=False)
    assert list(read.columns) == list(frame.columns)
    assert len(read) == len(frame)


def test_differences_in_per_cent_of_the_baseline(frame: pd.DataFrame) -> None:
    row = frame[(frame["scenario"] == "full_stack_tight") & (frame["outcome"] == "capability gap")].iloc[0]
    cell = tables.cells(frame)["capability gap", "full_stack_tight", 2030.0]
    assert cell.relative == pytest.approx((row["relative_p5"], row["relative_p50"], row["relative_p95"]))
    text = cell.difference_text(relative=True)
    assert text.startswith(f"+{100 * row['relative_p50']:.0f} % (")
    assert text.endswith(f"({cell.difference_band(relative=True)})")
    assert tables.cells(frame)["capability gap", "as_enacted", 2030.0].difference_text(relative=True) == ""
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(tables.comparison_table(frame, relative=True))
    assert cell.difference_text(band=False, relative=True) in console.export_text()


def test_csv_into_a_missing_folder_is_one_sentence(frame: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="cannot be written"):
        tables.to_csv(frame, tmp_path / "missing" / "table.csv")


def test_html_uses_the_words_and_units_of_reports(frame: pd.DataFrame) -> None:
    html = tables.to_html(frame, {"as_enacted": "As <enacted>"})
    assert "Capability lag" in html
    assert "<small>%</small>" in html
    assert "As &lt;enacted&gt;" in html


def test_html_has_one_row_a_scenario(frame: pd.DataFrame) -> None:
    html = tables.scenario_rows_html(frame, ["exact lag", "US RD Spend"], year=2030)
    assert html.count("<tr>") == 1 + frame["scenario"].nunique()
    assert "baseline" in html


def test_a_difference_to_a_large_level_has_no_needless_digits() -> None:
    cell = tables.Cell(0.0, 0.0273, 5.0, (-52.3, -19.0392, -1.2), 0.0, 0, 1000)
    assert cell.difference_text() == "−19.0 (−52.3 to −1.2)"

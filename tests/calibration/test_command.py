"""The command `trilemma evidence`, in this process."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, cast

import pytest

from tests.calibration.conftest import OBSERVATIONS, Case
from tests.small_project import Outcome
from trilemma.cli import main

Command: TypeAlias = Callable[..., Outcome]


@pytest.fixture
def evidence(case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs the command on the model of the case."""

    def run(*words: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["trilemma", "evidence", str(case.folder / "small.mdl"), *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return Outcome(cast("int | None", stopped.value.code) or 0, captured.out, captured.err)

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # what `main` changes is restored at the end
    return run


def test_it_lists_series_and_the_rows_of_one(evidence: Command) -> None:
    listed = json.loads(evidence("--json").succeeded())
    assert [(row["series"], row["rows"], row["use"]) for row in listed] == [
        ("sales", 2, "fitted"),
        ("sold", 1, "shown"),
        ("stock", 3, "fitted"),
    ]
    assert "annual report" in evidence("sales").succeeded()


def test_fit_prints_what_differs(evidence: Command) -> None:
    rows = json.loads(evidence("--fit", "--all", "--json").succeeded())
    assert [(row["quantity"], row["verdict"]) for row in rows][:3] == [
        ("sales", "agrees"),
        ("sales", "agrees"),
        ("level at the end of the year", "agrees"),
    ]
    assert rows[2]["model"] == 4.0
    assert rows[2]["low"] is None


def test_mistakes_are_one_sentence(case: Case, evidence: Command) -> None:
    assert "'sale'" in evidence("sale").failed()
    assert "'heun'" in evidence("--fit", "--method", "heun").failed()
    assert "must end in .png" in evidence("--figure", str(case.folder / "page.jpg")).failed()
    case.write((*OBSERVATIONS, OBSERVATIONS[0]))
    assert "observations.csv, line 8" in evidence().failed()


def test_the_figures_hold_every_series_and_every_measurement(evidence: Command, tmp_path: Path) -> None:
    path = tmp_path / "page.svg"
    evidence("--figure", str(path)).succeeded()
    drawn = path.read_text(encoding="utf-8")
    for words in ("6 observations in 3 series", "thousand units (cumulative since 2021)", "sales"):
        assert words in drawn
    evidence("--fit", "--figure", str(path)).succeeded()
    drawn = path.read_text(encoding="utf-8")
    for words in ("5 observations, 4 of them for fitting: 5 agree", "sold since 2021", "not fitted"):
        assert words in drawn

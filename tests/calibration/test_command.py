"""The command `trilemma evidence` as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.calibration.conftest import OBSERVATIONS, Case
from tests.small_project import LONGEST, ROOT, Outcome


def evidence(case: Case, *words: str) -> Outcome:
    """Run the command on the model of a case."""
    done = subprocess.run(
        [sys.executable, "-m", "trilemma.cli", "evidence", str(case.folder / "small.mdl"), *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=LONGEST,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_it_lists_series_and_the_rows_of_one(case: Case) -> None:
    listed = json.loads(evidence(case, "--json").succeeded())
    assert [(row["series"], row["rows"], row["use"]) for row in listed] == [
        ("sales", 2, "fitted"),
        ("sold", 1, "shown"),
        ("stock", 3, "fitted"),
    ]
    assert "annual report" in evidence(case, "sales").succeeded()


def test_fit_prints_what_differs(case: Case) -> None:
    rows = json.loads(evidence(case, "--fit", "--all", "--method", "rk4", "--json").succeeded())
    assert [(row["quantity"], row["verdict"]) for row in rows][:3] == [
        ("sales", "agrees"),
        ("sales", "agrees"),
        ("level at the end of the year", "agrees"),
    ]
    assert rows[2]["model"] == 4.0
    assert rows[2]["low"] is None


def test_mistakes_are_one_sentence(case: Case) -> None:
    assert "'sale'" in evidence(case, "sale").failed()
    assert "'heun'" in evidence(case, "--fit", "--method", "heun").failed()
    assert "must end in .png" in evidence(case, "--figure", str(case.folder / "page.jpg")).failed()
    case.write((*OBSERVATIONS, OBSERVATIONS[0]))
    assert "observations.csv, line 8" in evidence(case).failed()


def test_the_figures_hold_every_series_and_every_measurement(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "page.svg"
    evidence(case, "--figure", str(path)).succeeded()
    drawn = path.read_text(encoding="utf-8")
    for words in ("6 observations in 3 series", "thousand units (cumulative since 2021)", "sales"):
        assert words in drawn
    evidence(case, "--fit", "--figure", str(path)).succeeded()
    drawn = path.read_text(encoding="utf-8")
    for words in ("5 observations, 4 of them for fitting: 5 agree", "sold since 2021", "not fitted"):
        assert words in drawn

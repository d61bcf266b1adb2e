"""`trilemma run` on every file of the conformance table: in one process, and some as processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conformance.cases import Case, expected_values
from tests.conformance.table import CASES
from tests.small_project import LONGEST, ROOT
from trilemma.cli import app

OF_EACH_KIND = ("clock.mdl", "changing_clock.mdl", "cup.xmile", "functions.xmile")


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in CASES if "\n" in c.model or "~" in c.model], ids=lambda case: case.name)
def test_the_command_runs_a_case(case: Case, tmp_path: Path) -> None:
    name = next(iter(case.expected))
    result = CliRunner().invoke(app, ["run", str(case.write(tmp_path)), "--outcome", name, "--json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    wanted = expected_values(case.expected[name], np.array([row.get("time", 0.0) for row in rows]))
    got = [np.nan if row[name] is None else row[name] for row in rows]  # a missing number is printed as null
    np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("file", OF_EACH_KIND)
def test_the_command_runs_a_file_as_a_process(file: str, tmp_path: Path) -> None:
    case = next(c for c in CASES if c.model == file)
    words = [sys.executable, "-m", "trilemma.cli", "run", str(case.write(tmp_path))]
    done = subprocess.run(words, cwd=ROOT, check=False, capture_output=True, encoding="utf-8", timeout=LONGEST)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in case.expected)

"""The default forecast from nothing: README and the committed report show what the commands give today."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documentation import README, ROOT, blocks, output

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with fresh results of the default forecast and the committed report."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "reports", folder / "reports")
    run(folder, "sweep", "policy_comparison")
    return folder


def run(project: Path, *words: str) -> str:
    command = [sys.executable, "-m", "trilemma.cli", "--project", str(project), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_committed_report_follows_from_the_files_here(project: Path) -> None:
    run(project, "report", "policy_comparison", "--check")


def test_the_readme_shows_what_its_commands_print(project: Path) -> None:
    text = README.read_text(encoding="utf-8")
    shown = blocks(text)
    assert len(shown) == text.count("<!-- output:") >= 5
    for command, printed in shown.items():
        assert output(command, "--project", str(project), folder=project) == printed, command

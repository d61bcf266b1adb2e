"""Promises of the repository as a whole: what lies where, and what must never be in it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from tests.small_project import ROOT
from trilemma.cli import app

CONTENT = ("models", "forecasts", "notebooks", "reports")
LARGEST = 2 << 20  # bytes
MACHINE_PATHS = [f"/{folder}/" for folder in ("home", "root", "tmp", "work", "Users")]
INDEX_ADDRESSES = [
    "index" + "-url",
    "python" + "hosted.org",
    "pypi" + ".org/simple",
    "/api/" + "pypi/",
    "find" + "-links",
]


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """Return the files under version control."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=False, capture_output=True, encoding="utf-8")
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("folder", CONTENT)
def test_content_folders_hold_no_python(folder: str) -> None:
    assert not list((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "LICENSE", "CITATION.cff"])
def test_a_repository_introduces_itself(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8").strip()


def test_no_tracked_file_is_large(tracked: list[Path]) -> None:
    assert [path.name for path in tracked if path.stat().st_size > LARGEST] == []


@pytest.mark.parametrize("foreign", [*MACHINE_PATHS, *INDEX_ADDRESSES])
def test_no_file_names_a_place_of_a_machine_or_a_package_index(tracked: list[Path], foreign: str) -> None:
    assert [path.name for path in tracked if foreign.encode() in path.read_bytes()] == []


# ----------------------------------------------------------------------------------------- notebooks


def _cells(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text(encoding="utf-8"))["cells"])


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_stripped_and_has_one_cell_of_parameters(path: Path) -> None:
    cells = _cells(path)
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert [cell["metadata"].get("tags", []) for cell in cells].count(["parameters"]) == 1


# --------------------------------------------------------------------------------------- constraints


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {_normal(name): version for name, _, version in (line.partition("==") for line in lines)}


def test_constraints_pin_names_and_nothing_else() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+!]*", line)] == []
    assert len(_pinned()) == len(lines)


def test_constraints_cover_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]
    names = {_normal(re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0]) for line in asked}
    assert names - _pinned().keys() == set()


# -------------------------------------------------------------------------------------------- README


def _readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def test_links_of_the_readme_lead_to_files(tracked: list[Path]) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", _without_code(_readme()))
    local = [link for link in links if not link.startswith(("http://", "https://", "mailto:"))]
    assert local
    assert [link for link in local if ROOT / link not in tracked and not (ROOT / link).is_dir()] == []


def _commands() -> list[list[str]]:
    """Return the words of every `trilemma ...` command of the README, in code blocks and in what is generated."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", _readme(), flags=re.MULTILINE | re.DOTALL)
    shell = "\n".join(block for language, block in blocks if language in ("sh", "bash", "console", ""))
    lines = shell.replace("\\\n", " ").splitlines()
    lines += re.findall(r"^<!-- output: (.*?) -->$", _readme(), flags=re.MULTILINE)
    found = [re.search(r"^(?:\$ )?(?:\S*/)?trilemma (.*)", line.strip()) for line in lines]
    return [shlex.split(match.group(1), comments=True) for match in found if match]


def test_the_readme_shows_the_commands() -> None:
    assert {words[0] for words in _commands()} >= {"run", "sweep", "compare", "report"}


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_a_command_of_the_readme_parses(words: list[str]) -> None:
    name, *rest = words
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert name in commands
    commands[name].make_context(name, rest)

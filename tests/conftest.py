"""Shared by all tests: strict arithmetic in JAX, and a small project that the command line has swept and reported.

Compiled programs stay in the user's cache, as in use: without it the suite would compile each of them anew.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import jax
import pytest

from tests.small_project import Workspace, write_project

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return the small project with its store and its report; to be read only."""
    folder = tmp_path_factory.mktemp("swept") / "project"
    write_project(folder)
    workspace = Workspace(folder)
    workspace.run("forecast", "trial").succeeded()
    return workspace


@pytest.fixture
def workspace(swept: Workspace, tmp_path: Path) -> Workspace:
    """Return a copy of the swept project that a test may change."""
    shutil.copytree(swept.folder, tmp_path / "project")
    return Workspace(tmp_path / "project")

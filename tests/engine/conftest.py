"""Small models for the tests of the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trilemma.translation.model import Model, load_model

Loader = Callable[..., Model]


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    """Return a function that loads a model from its equations; the clock runs from 0 to `final`."""

    def write(equations: str, final: float = 4, step: float = 0.5, saveper: float | None = None) -> Model:
        path = tmp_path / "small.mdl"
        clock = {"INITIAL TIME": 0, "FINAL TIME": final, "TIME STEP": step, "SAVEPER": saveper or step}
        lines = "\n".join(f"{name} = {value} ~ Year ~|" for name, value in clock.items())
        path.write_text(f"{{UTF-8}}\n{equations}\n{lines}\n", encoding="utf-8")
        return load_model(path)

    return write

"""A model at a glance: what is beside it is shown, what is not is left out."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.validation.conftest import write_model
from trilemma.errors import LoopsFileError, UnknownNameError
from trilemma.reporting.overview import overview, overview_page
from trilemma.translation.model import load_model


def _printed(page: object) -> str:
    stream = io.StringIO()
    Console(file=stream, width=160).print(page)
    return stream.getvalue()


def test_an_overview_holds_what_lies_beside_the_model(tmp_path: Path) -> None:
    found = overview(write_model(tmp_path / "workshop"))
    page = _printed(overview_page(found))
    for section in ("views", "loops", "levers", "mechanisms"):
        assert found[section], section
    [loop] = found["loops"]
    assert loop["path"] == ["Fleet[US]"]
    assert "A larger fleet loses more units." in page
    assert loop["stocks"] == ["Fleet[US]"]
    assert all(one["title"] in page for one in found["mechanisms"])
    assert all(one["name"] in page for one in found["levers"])


def test_main_views_are_marked_and_must_exist(tmp_path: Path) -> None:
    folder = tmp_path / "workshop"
    write_model(folder)
    (folder / "model.toml").write_text('main_views = ["Trade"]\n', encoding="utf-8")
    page = _printed(overview_page(overview(load_model(folder / "workshop.mdl"))))
    assert "Trade *" in page
    (folder / "model.toml").write_text('main_views = ["Trad"]\n', encoding="utf-8")
    with pytest.raises(UnknownNameError, match="main_views'.*did you mean 'Trade'"):
        load_model(folder / "workshop.mdl")


def test_a_mistake_beside_the_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(LoopsFileError, match="names nothing"):
        overview(write_model(tmp_path / "workshop", ("loops.toml", '["Fleet[US]"]', "[]")))

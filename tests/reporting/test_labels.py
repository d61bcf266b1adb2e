"""The label file."""

from __future__ import annotations

from pathlib import Path

import pytest

from trilemma import content
from trilemma.errors import ReportError, UnknownNameError
from trilemma.reporting.labels import label, read_labels


def test_an_outcome_without_an_entry_keeps_its_name() -> None:
    found = label("some outcome", "BUSD")
    assert (found.text, found.unit, found.scale) == ("Some outcome", "billion US$", 1.0)


def test_a_project_overrides_an_entry(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "labels.toml").write_text('["exact lag"]\nlabel = "Lag"\n', encoding="utf-8")
    content.set_project(tmp_path)
    try:
        assert label("exact lag", "Month").text == "Lag"
        assert label("exact lag", "Month").unit == "months"
    finally:
        content.set_project(None)


@pytest.mark.parametrize(("text", "error"), [("[x", ReportError), ('["x"]\nlable = "y"\n', UnknownNameError)])
def test_a_broken_label_file_is_one_sentence(tmp_path: Path, text: str, error: type[Exception]) -> None:
    path = tmp_path / "labels.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(error, match=r"labels\.toml"):
        read_labels(path)

"""Writing the files of a report or of a reference: all of them, or none."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from trilemma.errors import ReportError
from trilemma.files import replacing


def write_texts(folder: Path, texts: Mapping[str, str], what: str) -> None:
    """Write texts into a folder, which is made if need be.

    Parameters
    ----------
    texts
        By the name of the file.
    what
        What they are, to say that it cannot be written: "the report".

    Raises
    ------
    ReportError
        If a file cannot be written; none is changed then.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as parts:
            for name, text in texts.items():
                parts.enter_context(replacing(folder / name)).write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        reason = error.strerror or error
        message = f"{what} cannot be written to '{folder.name}' ({reason}): free space or choose another folder."
        raise ReportError(message) from error

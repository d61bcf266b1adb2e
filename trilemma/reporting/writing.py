"""Writing files so that each is either the old or the new one, never a part."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from trilemma.errors import ReportError


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
    temporary = {name: folder / f".{name}.{os.getpid()}.tmp" for name in texts}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            temporary[name].write_text(text, encoding="utf-8", newline="")
        for name in texts:
            temporary[name].replace(folder / name)
    except OSError as error:
        reason = error.strerror or error
        message = f"{what} cannot be written to '{folder.name}' ({reason}): free space or choose another folder."
        raise ReportError(message) from error
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)

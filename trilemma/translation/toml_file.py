"""Reading a TOML file a person wrote: a mistake is one sentence with file and line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from trilemma.errors import TrilemmaError


def shown(path: Path) -> str:
    """Return how messages name a file: with its folder, without the way there."""
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name


def read_toml(path: Path, error: type[TrilemmaError]) -> dict[str, Any]:
    """Return the content of a TOML file.

    Parameters
    ----------
    path
        The file.
    error
        The kind of error to raise when it cannot be read or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as failure:
        message = f"{path.name} is not UTF-8 text: save it as UTF-8 ({failure.reason} at byte {failure.start})."
        raise error(message) from failure
    except OSError as failure:
        message = f"'{path}' cannot be read: {failure.strerror}."
        raise error(message) from failure
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as failure:
        reason = str(failure).replace("(at end of document)", f"(at the end, line {len(text.splitlines())})")
        message = f"{path.name} is not valid TOML: {reason[:1].lower()}{reason[1:]}; correct that line."
        raise error(message) from failure

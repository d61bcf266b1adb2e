"""Writing files so that each is either the old or the new one, never a part."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Yield the path of a file to write beside another, whose place it then takes; if writing fails, none is left."""
    part = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")  # the ending tells some writers the format
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)

"""What a report was made from: hashes of its inputs, so that only a stale report is made again, and its numbers.

A manifest names no place on a machine. Hashes of a store leave out when and by which command it was written.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trilemma.errors import ReportError
from trilemma.reporting.labels import label_files
from trilemma.reporting.provenance import NUMBERS_ID

VOLATILE = ("created", "command", "versions")
RENDERER = Path(__file__).parent
RELATIVE = 1e-3  # tables show three digits; stored values are float32 and vary in the last digits between machines
ABSOLUTE = 1e-6
RANK = 5e-3  # a rank correlation moves when two nearly equal draws change places


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def text_hash(text: str) -> str:
    """Return the SHA-256 of a text as it is written to a file."""
    return hashlib.sha256(text.encode()).hexdigest()


def folder_hash(folder: Path, patterns: tuple[str, ...]) -> str:
    """Return the SHA-256 of the files of a folder that match, with their names."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()}):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def store_hash(store: Path) -> str:
    """Return the SHA-256 of a result store: its arrays and attributes, without when and how it was written."""
    digest = hashlib.sha256()
    for path in sorted(path for path in store.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path == store / "zarr.json":
            described = json.loads(content)
            for key in VOLATILE:
                described.get("attributes", {}).pop(key, None)
            content = json.dumps(described, sort_keys=True).encode()
        digest.update(path.relative_to(store).as_posix().encode())
        digest.update(content)
    return digest.hexdigest()


def input_hashes(
    store: Path, notebook: Path, attrs: Mapping[str, Any], files: Mapping[str, Path] | None = None
) -> dict[str, str]:
    """Return the hashes of all that a report depends on; `files` are what its notebook reads beside the store."""
    labels = text_hash("".join(file_hash(path) for path in label_files()))
    return {
        "forecast": str(attrs.get("forecast_hash", "")),
        "model": str(attrs.get("model_hash", "")),
        "parameters": str(attrs.get("parameters_hash", "")),
        "store": store_hash(store),
        "notebook": file_hash(notebook),
        "labels": labels,
        "renderer": folder_hash(RENDERER, ("*.py", "*.j2", "*.css", "conf.json")),
        **{name: file_hash(path) for name, path in (files or {}).items() if path.is_file()},
    }


def is_current(manifest: Path, page: Path, inputs: Mapping[str, str]) -> bool:
    """Say whether a report was made from just these inputs and has not been touched since."""
    if not (manifest.is_file() and page.is_file()):
        return False
    try:
        noted = json.loads(manifest.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return noted.get("inputs") == dict(inputs) and noted.get("outputs", {}).get(page.name) == file_hash(page)


def read_numbers(page: str, where: str) -> dict[str, Any]:
    """Return the numbers that a rendered page carries.

    Raises
    ------
    ReportError
        If the page carries none.
    """
    found = re.search(rf'<script\b[^>]*\bid="{NUMBERS_ID}"[^>]*>(.*?)</script>', page, re.DOTALL)
    if found is None:
        message = f"{where} carries no numbers to check: make it anew with `trilemma report`."
        raise ReportError(message)
    return dict(json.loads(found.group(1)))


def flat(numbers: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Walk nested numbers as pairs of a path and a value."""
    if isinstance(numbers, Mapping):
        for key, value in numbers.items():
            yield from flat(value, (*path, str(key)))
    else:
        yield path, numbers


def changes(old: object, new: object) -> list[str]:
    """Return which numbers differ between two reports, one sentence each; last digits do not count."""
    before, after = dict(flat(old)), dict(flat(new))
    listed: list[str] = []
    for path in [*before, *(path for path in after if path not in before)]:
        first, second = before.get(path), after.get(path)
        if not _same(first, second, RANK if path[0] == "rank_correlation" else ABSOLUTE):
            listed.append(f"{' / '.join(path[1:] or path)}: {_text(first)} became {_text(second)}")
    return listed


def _same(first: object, second: object, absolute: float) -> bool:
    """Say whether two values agree as far as a report shows them."""
    if isinstance(first, int | float) and isinstance(second, int | float):
        return math.isclose(first, second, rel_tol=RELATIVE, abs_tol=absolute)
    return first == second


def _text(value: object) -> str:
    """Return a value for a message."""
    return "undefined" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

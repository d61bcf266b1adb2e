"""Keeps translated model files on disk, so that a file which has not changed is not parsed again.

An entry is named by what was read and by the code that read it: the path and the bytes of the model file, this
package's translation, the version of PySD. The other files that a model reads are checked by their hashes. An entry is
JSON; one that does not fit counts as none. `caches` sees to the files.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trilemma import caches
from trilemma.translation import ir
from trilemma.translation.source import Source

Encoded = dict[str, Any] | list[Any] | str | float | int | bool | None

KIND = "translated"
_NODES: dict[str, type[Any]] = {node.__name__: node for node in (*ir.NODES, ir.Component, ir.Variable)}
_PARTS = ("ranges", "hidden_ranges", "variables", "views", "fixed")
_FIELDS = {name: tuple(field.name for field in fields(node)) for name, node in _NODES.items()}


def load(path: Path, content: bytes) -> Source | None:
    """Return the translation of a model file if it is kept and still holds."""
    kept = caches.load(KIND, _key(path, content))
    if kept is None:
        return None
    try:
        entry = json.loads(kept)
        files = {Path(name): digest for name, digest in entry["files"].items()}
        if any(caches.digest(file.read_bytes()) != digest for file, digest in files.items()):
            return None
        return Source(**{name: _decoded(entry[name]) for name in _PARTS}, files=tuple(files))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def keep(path: Path, content: bytes, source: Source) -> None:
    """Keep the translation of a model file; where that cannot be done, do nothing."""
    with suppress(OSError, TypeError, ValueError, RecursionError):
        entry = {name: _encoded(getattr(source, name)) for name in _PARTS}
        entry["files"] = {str(file): caches.digest(file.read_bytes()) for file in source.files}
        caches.keep(KIND, _key(path, content), json.dumps(entry).encode())


def _key(path: Path, content: bytes) -> str:
    """Return the key of an entry."""
    return caches.digest(code(), str(path.resolve()), content)


@cache
def code() -> str:
    """Return a hash of the code that translates: this package's, and PySD by its version."""
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    return caches.digest(version("pysd"), *(source.read_bytes() for source in sources))


def _encoded(value: Any) -> Encoded:  # noqa: ANN401
    """Return a value as JSON can hold it: records and dictionaries become objects with a name."""
    if type(value).__name__ in _NODES:
        name = type(value).__name__
        return {"": name, "of": [_encoded(getattr(value, field)) for field in _FIELDS[name]]}
    if isinstance(value, dict):
        return {"": "dict", "of": [[key, _encoded(item)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return [_encoded(item) for item in value]
    if value is None or isinstance(value, str | float | int | bool):
        return value
    message = f"{type(value).__name__} cannot be kept"
    raise TypeError(message)


def _decoded(value: Encoded) -> Any:  # noqa: ANN401
    """Return what was encoded."""
    if isinstance(value, list):
        return tuple(map(_decoded, value))
    if isinstance(value, dict):
        if value[""] == "dict":
            return {key: _decoded(item) for key, item in value["of"]}
        return _NODES[value[""]](*map(_decoded, value["of"]))
    return value

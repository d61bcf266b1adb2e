"""Keeps on disk, between processes, what is dear to work out: translated models and compiled programs.

An entry is one file: a checksum of its key and content, then the content. It is written beside its place and moved
there, so that several processes may read and write at once; one that is damaged, or stands under the key of another,
counts as none and is written anew. An entry is read only if it belongs to this user and nobody else can write to it:
a compiled program is code. The oldest entries go when a folder grows beyond its limit.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import platformdirs

LIMIT = 512 << 20
"""Bytes that a folder may hold."""

KINDS = ("translated", "programs", "compiled")
"""The folders: models as they were read, programs ready to run, and what JAX keeps of its own."""

_ABANDONED = 3600.0  # seconds after which a file that was begun counts as left behind
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def root() -> Path:
    """Return the folder of all that is kept."""
    return Path(platformdirs.user_cache_dir("trilemma"))


def folder(kind: str) -> Path:
    """Return the folder of the entries of a kind."""
    return root() / kind


def private_folder(kind: str) -> Path | None:
    """Return the folder of a kind, made if need be; None if it cannot be this user's alone to write to.

    A folder of this user that others may write to holds what anybody may have put there: it is emptied.
    """
    place = folder(kind)
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        if place.is_symlink() or not os.access(place, os.W_OK):
            return None
        if not _is_private(place.stat()):
            shutil.rmtree(place)
            place.mkdir(mode=0o700)
        return place
    except OSError:
        return None


def digest(*parts: str | bytes) -> str:
    """Return a key for some parts: a SHA-256 that no other parts have."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        found.update(b"%d " % len(data))
        found.update(data)
    return found.hexdigest()


def load(kind: str, key: str) -> bytes | None:
    """Return what is kept under a key; None if nothing is, or it is damaged, or others may have written it."""
    place = folder(kind) / key
    with suppress(OSError):
        descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not _is_private(os.fstat(file.fileno())):
                return None
            checksum, content = file.read(64), file.read()
        if checksum == digest(key, content).encode():
            with suppress(OSError):
                os.utime(place)  # it was used just now
            return content
    return None


def keep(kind: str, key: str, content: bytes) -> None:
    """Keep something under a key; where that cannot be done, do nothing."""
    place = private_folder(kind)
    if place is None:
        return
    with suppress(OSError):
        handle, part = tempfile.mkstemp(dir=place, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(digest(key, content).encode())
                file.write(content)
            Path(part).replace(place / key)
        finally:
            Path(part).unlink(missing_ok=True)
        trim(kind)


def trim(kind: str, limit: int = LIMIT) -> None:
    """Remove what was begun and left behind, and the entries that were used last, until a folder is within a limit."""
    with suppress(OSError):
        files = [(entry, entry.stat()) for entry in os.scandir(folder(kind)) if entry.is_file(follow_symlinks=False)]
        for entry, about in files:
            if entry.name.endswith(".part") and time.time() - about.st_mtime > _ABANDONED:
                Path(entry.path).unlink(missing_ok=True)
        total = sum(about.st_size for _, about in files)
        for entry, about in sorted(files, key=lambda pair: pair[1].st_mtime):
            if total <= limit:
                return
            Path(entry.path).unlink(missing_ok=True)
            total -= about.st_size


def sizes() -> dict[str, tuple[int, int]]:
    """Return, by kind, how many entries are kept and how many bytes they take."""
    found: dict[str, tuple[int, int]] = {}
    for kind in KINDS:
        files = [path.stat().st_size for path in folder(kind).glob("*") if path.is_file()]
        found[kind] = len(files), sum(files)
    return found


def clear() -> None:
    """Remove all that is kept; what is needed again is worked out anew."""
    for kind in KINDS:
        shutil.rmtree(folder(kind), ignore_errors=True)


def _is_private(about: os.stat_result) -> bool:
    """Whether a file or folder is this user's, and nobody else may write to it; elsewhere than on POSIX, take it so."""
    if os.name != "posix":
        return True
    return about.st_uid == os.geteuid() and not about.st_mode & _OTHERS_MAY_WRITE

"""What is kept between processes: it comes back as it was, and no state of its files does harm."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from trilemma import caches

KIND = "programs"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of all that is kept; it is empty."""
    monkeypatch.setattr(caches, "root", lambda: tmp_path / "kept")
    return tmp_path / "kept"


def test_what_is_kept_comes_back(root: Path) -> None:
    caches.keep(KIND, "a", b"content\0")
    assert caches.load(KIND, "a") == b"content\0"
    assert caches.load(KIND, "b") is None
    assert caches.sizes()[KIND] == (1, 64 + 8)
    caches.clear()
    assert caches.load(KIND, "a") is None
    assert not any(root.rglob("*.part"))


@pytest.mark.parametrize("damage", [b"", b"x", b"0" * 64, b"0" * 64 + b"content"])
def test_a_damaged_entry_counts_as_none_and_is_written_anew(root: Path, damage: bytes) -> None:
    caches.keep(KIND, "a", b"content")
    entry = root / KIND / "a"
    for contents in (damage, entry.read_bytes()[:-1], entry.read_bytes() + b"x"):
        entry.write_bytes(contents)
        assert caches.load(KIND, "a") is None
        caches.keep(KIND, "a", b"content")
        assert caches.load(KIND, "a") == b"content"


def test_an_entry_under_the_key_of_another_counts_as_none(root: Path) -> None:
    caches.keep(KIND, "a", b"content")
    (root / KIND / "a").rename(root / KIND / "b")
    assert caches.load(KIND, "b") is None


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_nothing_is_read_that_others_may_have_written(root: Path) -> None:
    caches.keep(KIND, "a", b"content")
    entry = root / KIND / "a"
    assert entry.stat().st_mode & 0o077 == 0
    entry.chmod(0o666)
    assert caches.load(KIND, "a") is None
    entry.chmod(0o600)
    assert caches.load(KIND, "a") == b"content"
    entry.rename(root / "elsewhere")
    entry.symlink_to(root / "elsewhere")
    assert caches.load(KIND, "a") is None


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_a_folder_that_others_may_write_to_is_emptied(root: Path) -> None:
    caches.keep(KIND, "a", b"content")
    (root / KIND).chmod(0o777)
    folder = caches.private_folder(KIND)
    assert folder is not None
    assert folder.stat().st_mode & 0o077 == 0
    assert not list(folder.iterdir())


def test_a_folder_that_cannot_be_made_does_no_harm(root: Path, tmp_path: Path) -> None:
    root.mkdir()
    (root / KIND).write_text("a file", encoding="utf-8")
    (root / "translated").symlink_to(tmp_path)
    for kind in (KIND, "translated"):
        assert caches.private_folder(kind) is None
        caches.keep(kind, "a", b"content")
        assert caches.load(kind, "a") is None
    assert {path.name for path in tmp_path.iterdir()} == {"kept"}


def test_the_entries_used_last_stay_when_a_folder_is_full(root: Path) -> None:
    for i, name in enumerate("abcd"):
        caches.keep(KIND, name, bytes(100))
        os.utime(root / KIND / name, (i, i))
    assert caches.load(KIND, "a") == bytes(100)  # used just now
    (root / KIND / "begun.part").write_bytes(b"")
    os.utime(root / KIND / "begun.part", (0, 0))
    caches.trim(KIND, limit=2 * 164)
    assert {path.name for path in (root / KIND).iterdir()} == {"a", "d"}


def test_many_may_write_at_once(root: Path) -> None:
    contents = bytes(range(256)) * 1000
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: caches.keep(KIND, "a", contents), range(32)))
        found = set(pool.map(lambda _: caches.load(KIND, "a"), range(32)))
    assert found == {contents}
    assert [path.name for path in (root / KIND).iterdir()] == ["a"]

"""The cache of translated models: the same model comes out, and no state of the files in it does harm."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from trilemma import caches
from trilemma.errors import TrilemmaWarning
from trilemma.translation import model, pysd_reader, source_cache
from trilemma.translation.pysd_reader import files
from trilemma.translation.source import Source

EQUATIONS = """{UTF-8}
seg: A, B ~~|
x[seg] = INTEG(SMOOTH3(a[seg], 2), 0) ~ Dmnl [0,?] ~ A stock.|
a[seg] = 1, 1e-300 ~~|
y = WITH LOOKUP(Time, ((0,0),(1,1e308),(2,-0.1))) ~~|
INITIAL TIME = 0 ~~|
FINAL TIME = 4 ~~|
TIME STEP = 0.5 ~~|
SAVEPER = 0.5 ~~|
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a model file; the cache is empty."""
    monkeypatch.setattr(caches, "root", lambda: tmp_path / "cache")
    path = tmp_path / "small.mdl"
    path.write_text(EQUATIONS, encoding="utf-8")
    return path


def kept(path: Path) -> str:
    """Return the key of the only entry of the cache."""
    (entry,) = caches.folder(source_cache.KIND).iterdir()
    return entry.name


def test_what_is_kept_is_what_was_read(file: Path) -> None:
    model.load_model(file)
    found = source_cache.load(file, file.read_bytes())
    assert isinstance(found, Source)
    assert found == pysd_reader.read(file)


def test_a_model_that_is_kept_is_not_parsed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = model.load_model(file)
    monkeypatch.setattr(pysd_reader, "read", lambda _: pytest.fail("it was parsed again"))
    again = model.load_model(file)
    assert (again.nodes, again.hash, again.clock) == (first.nodes, first.hash, first.clock)


def test_a_file_that_has_changed_is_read_again(file: Path) -> None:
    model.load_model(file)
    file.write_text(EQUATIONS.replace("FINAL TIME = 4", "FINAL TIME = 5"), encoding="utf-8")
    assert model.load_model(file).final_time == 5


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"files": {}}', '{"files": 3}', "\0" * 100])
def test_an_entry_that_does_not_fit_counts_as_none(file: Path, damage: str) -> None:
    first = model.load_model(file)
    caches.keep(source_cache.KIND, kept(file), damage.encode())
    assert model.load_model(file).nodes == first.nodes
    assert json.loads(caches.load(source_cache.KIND, kept(file)) or b"")["variables"]


def test_an_entry_with_an_unknown_record_counts_as_none(file: Path) -> None:
    first = model.load_model(file)
    content = caches.load(source_cache.KIND, kept(file)) or b""
    caches.keep(source_cache.KIND, kept(file), content.replace(b'"Integral"', b'"Nothing"'))
    assert model.load_model(file).nodes == first.nodes


def test_a_cache_that_cannot_be_written_does_no_harm(file: Path) -> None:
    caches.root().write_text("a file where the folder should be", encoding="utf-8")
    assert model.load_model(file).final_time == 4


def test_a_large_file_is_announced_before_it_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGE", 30)
    with pytest.warns(TrilemmaWarning, match=r"'.*small\.mdl' is large \(0\.0 million letters of equations\)"):
        model.load_model(file)
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrilemmaWarning)
        model.load_model(file)


def test_many_may_write_at_once(file: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        models = list(pool.map(model.load_model, [file] * 16))
    assert all(each.nodes == models[0].nodes for each in models)
    assert kept(file)


def test_a_kept_model_is_loaded_without_pysd() -> None:
    program = "import sys; from trilemma.translation.model import load_model; load_model('export_controls'); "
    command = [sys.executable, "-c", program + "print('pysd' in sys.modules)"]
    subprocess.run(command, check=True, capture_output=True)
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "False"

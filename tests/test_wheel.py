"""The wheel: what is in it, and that it runs a forecast alone, from an empty folder, without writing into itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.small_project import LONGEST, ROOT

pytestmark = pytest.mark.slow

FORECAST = """title = "A small forecast"
sentence = "Two policies."
model = "export_controls"
baseline = "as_enacted"
scenarios = ["as_enacted", "never_controlled"]
outcomes = ["exact lag", "capability gap", "compute ratio US CN", "Leased Compute"]
[design]
method = "latin_hypercube"
draws = 10
seed = 7
[horizon]
save_every = 0.25
"""


def run(*words: str | Path, cwd: Path) -> str:
    """Run a program that knows nothing of the checkout and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    environment["JUPYTER_PATH"] = str(Path(sys.prefix) / "share" / "jupyter")  # borrowed, as the packages are
    ended = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=environment,
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=LONGEST,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel built from the files under version control alone."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=False, capture_output=True, encoding="utf-8")
    if listed.returncode:
        pytest.skip("this is no git checkout")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", target, source, cwd=target)
    (built,) = target.glob("*.whl")
    return built


def test_the_wheel_ships_the_package_and_its_content(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    shipped = [path for kind in ("models", "forecasts", "notebooks") for path in (ROOT / kind).rglob("*")]
    for path in shipped:
        if path.is_file() and not path.is_relative_to(ROOT / "forecasts" / "results") and path.name[0] != ".":
            assert f"trilemma/{path.relative_to(ROOT).as_posix()}" in names
    for path in (ROOT / "trilemma").rglob("*.*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.relative_to(ROOT).as_posix() in names


def test_the_wheel_ships_nothing_else(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"trilemma"}
    content = [
        name for name in names if name.startswith(("trilemma/models/", "trilemma/forecasts/", "trilemma/notebooks/"))
    ]
    assert [name for name in content if name.endswith(".py") or "results" in name] == []
    assert wheel.stat().st_size < 1 << 20


@dataclass(frozen=True)
class Installed:
    """The wheel installed alone, and an empty folder to work in."""

    python: Path
    packages: Path
    folder: Path

    def trilemma(self, *words: str) -> str:
        """Run the installed command and return what it prints."""
        return run(self.python.with_name("trilemma"), *words, cwd=self.folder)

    def files(self) -> list[str]:
        """Return the files of the installed package, without what the interpreter keeps of them."""
        found = (path for path in (self.packages / "trilemma").rglob("*") if "__pycache__" not in path.parts)
        return sorted(str(path.relative_to(self.packages)) for path in found)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Return the wheel in an environment of its own, which borrows the other packages of this interpreter."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, system_site_packages=False, with_pip=False)
    python = place / "bin" / "python"
    words = ("install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", wheel)
    run(sys.executable, "-m", "pip", "--python", python, *words, cwd=place)
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=place).strip())
    borrowed = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (packages / "borrowed.pth").write_text("\n".join(borrowed), encoding="utf-8")  # .pth files in there stay unread
    return Installed(python, packages, tmp_path_factory.mktemp("empty"))


def test_the_installed_package_is_the_wheels(installed: Installed) -> None:
    file = run(installed.python, "-c", "import trilemma; print(trilemma.__file__)", cwd=installed.folder).strip()
    assert Path(file) == installed.packages / "trilemma" / "__init__.py"


def test_the_wheel_runs_a_forecast_in_an_empty_folder(installed: Installed) -> None:
    before = installed.files()
    assert "export_controls" in installed.trilemma("models")
    (installed.folder / "tiny.toml").write_text(FORECAST, encoding="utf-8")
    printed = installed.trilemma("forecast", "tiny.toml").split()
    assert [Path(line).name for line in printed] == ["tiny.html", "tiny.manifest.json"]
    assert (installed.folder / "forecasts" / "results" / "tiny.zarr" / "zarr.json").is_file()
    page = (installed.folder / "reports" / "tiny.html").read_text(encoding="utf-8")
    assert "Never controlled" in page
    assert "exact lag" in installed.trilemma("compare", "tiny.toml", "--at", "2030")
    assert sorted(path.name for path in installed.folder.iterdir()) == ["forecasts", "reports", "tiny.toml"]
    assert installed.files() == before

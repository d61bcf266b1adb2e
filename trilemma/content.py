"""Finds the content folders: models/, forecasts/, notebooks/, reports/.

Content is looked for in the folder given by `set_project`, else beside the package (a checkout), else inside the
package (an installed wheel). What a run writes goes to the project folder, the checkout, or the current folder;
never into an installed package.
"""

from __future__ import annotations

from pathlib import Path

from trilemma.errors import ModelFileError, TrilemmaError, unknown_name

PACKAGE = Path(__file__).resolve().parent
MODEL_SUFFIXES = (".mdl", ".xmile", ".stmx", ".xml", ".itmx")


class _Chosen:
    """The folder chosen by --project for this process."""

    project: Path | None = None


def set_project(path: str | Path | None) -> None:
    """Look for content in, and write results to, the folder `path`; None restores the default.

    Raises
    ------
    TrilemmaError
        If the folder does not exist.
    """
    if path is not None and not Path(path).is_dir():
        message = f"the project folder '{path}' does not exist: make it, or name another with --project."
        raise TrilemmaError(message)
    _Chosen.project = None if path is None else Path(path).resolve()


def _checkout() -> Path | None:
    """Return the root of a checkout that this package runs from, if it does."""
    root = PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "models").is_dir() else None


def project_root() -> Path:
    """Return the folder that results and reports are written to."""
    return _Chosen.project or _checkout() or Path.cwd()


def content_folders(kind: str) -> list[Path]:
    """Return the existing folders of a kind ("models", ...) in the order in which they are searched."""
    roots = [_Chosen.project, _checkout() or PACKAGE]
    return [root / kind for root in roots if root is not None and (root / kind).is_dir()]


def installed_version(package: str) -> str:
    """Return the installed version of a package, this one or another; results say what made them."""
    from importlib.metadata import PackageNotFoundError, version  # here: the command line starts without it

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def results_dir() -> Path:
    """Return the folder of the result stores; it need not exist yet."""
    return project_root() / "forecasts" / "results"


def reports_dir() -> Path:
    """Return the folder of the rendered reports; it need not exist yet."""
    return project_root() / "reports"


def list_models() -> list[Path]:
    """Return the model files found under models/, one a folder, a project's own before the shipped ones."""
    found: dict[str, Path] = {}
    for folder in content_folders("models"):
        for sub in sorted(path for path in folder.iterdir() if path.is_dir()):
            file = _model_in(sub)
            if file is not None:
                found.setdefault(sub.name, file)
    return list(found.values())


def _model_in(folder: Path) -> Path | None:
    """Return the model file of a model's folder: the one called like the folder, else the only one."""
    files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in MODEL_SUFFIXES]
    named = [path for path in files if path.stem == folder.name]
    if named:
        return named[0]
    return files[0] if len(files) == 1 else None


def find_model(name_or_path: str | Path) -> Path:
    """Return the model file of a name under models/, or the file that a path names.

    Raises
    ------
    UnknownNameError
        If no model has that name.
    ModelFileError
        If the path names no file, or a file of another kind.
    """
    text = str(name_or_path)
    models = {path.parent.name: path for path in list_models()}
    if text in models:
        return models[text]
    path = Path(text).expanduser()
    if path.is_dir():
        file = _model_in(path)
        if file is not None:
            return file
    if path.suffix.lower() in MODEL_SUFFIXES:
        if path.is_file():
            return path
        message = f"the model file '{path}' does not exist: give the path of a .mdl, .xmile or .stmx file."
        raise ModelFileError(message)
    if path.is_file():
        message = f"'{path}' is not a model file: expected a name ending in .mdl, .xmile or .stmx."
        raise ModelFileError(message)
    raise unknown_name("model", text, models, "models/")


def list_forecasts() -> list[Path]:
    """Return the forecast files found under forecasts/, without the scenario file."""
    found: dict[str, Path] = {}
    for folder in content_folders("forecasts"):
        for path in sorted(folder.glob("*.toml")):
            if path.stem != "scenarios":
                found.setdefault(path.stem, path)
    return list(found.values())


def find_forecast(name_or_path: str | Path) -> Path:
    """Return the file of a forecast name under forecasts/, or the .toml file that a path names."""
    return _find_file("forecast", name_or_path, {p.stem: p for p in list_forecasts()}, ".toml")


def find_notebook(name_or_path: str | Path) -> Path:
    """Return the file of a notebook name under notebooks/, or the .ipynb file that a path names."""
    found: dict[str, Path] = {}
    for folder in content_folders("notebooks"):
        for path in sorted(folder.glob("*.ipynb")):
            found.setdefault(path.stem, path)
    return _find_file("notebook", name_or_path, found, ".ipynb")


def _find_file(kind: str, name_or_path: str | Path, named: dict[str, Path], suffix: str) -> Path:
    """Return the file of a name or of a path with the right suffix."""
    text = str(name_or_path)
    if text in named:
        return named[text]
    path = Path(text).expanduser()
    if path.suffix.lower() == suffix:
        if path.is_file():
            return path
        message = f"the {kind} file '{path}' does not exist: give a name under {kind}s/ or the path of a {suffix} file."
        raise TrilemmaError(message)
    raise unknown_name(kind, text, named, f"{kind}s/")

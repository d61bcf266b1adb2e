"""Renders a report: papermill runs the notebook, nbconvert makes one self-contained page of it.

The only module that knows papermill. Everything is made in a temporary folder and put in place at the end, so a failure
or Ctrl-C leaves the previous report as it was. The kernel is this interpreter, whatever kernels are registered.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from trilemma import content
from trilemma.calibration.backtest import FILE as BACKTEST
from trilemma.calibration.backtest import read_backtest
from trilemma.calibration.evidence import OBSERVATIONS
from trilemma.calibration.measurement import MEASUREMENTS
from trilemma.calibration.rivals import FILE as RIVALS
from trilemma.errors import ReportError, TrilemmaError, UnknownNameError
from trilemma.forecasting.claim_file import CLAIM_FILE, read_claims
from trilemma.forecasting.store import store_path
from trilemma.forecasting.sweep import open_results
from trilemma.reporting import manifest
from trilemma.reporting.writing import write_texts
from trilemma.translation.ensemble import FILE as POSTERIOR
from trilemma.translation.ensemble import read_ensemble

if TYPE_CHECKING:
    from trilemma.forecasting.spec import Forecast

DEFAULT_NOTEBOOK = "policy_comparison"
PACKAGE_PARENT = Path(__file__).resolve().parents[2]
LISTED = 5  # changed numbers named in a message
VERSIONS = ("trilemma", "papermill", "nbconvert", "matplotlib", "xarray", "numpy")

Progress = Callable[[int, int, str], object]


class ReportChangedError(TrilemmaError):
    """A report whose numbers no longer follow from its inputs; `changes` names each, the command's status is 1."""

    exit_code = 1

    def __init__(self, message: str, changes: list[str]) -> None:
        super().__init__(message)
        self.changes = changes


class OwnKernel(AsyncKernelManager):
    """A kernel of the interpreter that runs this program, with this very package in reach."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """Describe the kernel; no registered kernel is looked up."""
        options = ["-f", "{connection_file}", "--HistoryManager.enabled=False", "--log-level=50"]
        reach = [str(PACKAGE_PARENT), os.environ.get("PYTHONPATH", "")]
        return KernelSpec(
            argv=[sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", *options],
            display_name="trilemma",
            language="python",
            env={
                "PYTHONPATH": os.pathsep.join(path for path in reach if path),
                "PYDEVD_DISABLE_FILE_VALIDATION": "1",
                "MPLBACKEND": "agg",
            },
        )


def report(
    forecast: Forecast,
    *,
    notebook: str | Path | None = None,
    check: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> list[Path]:
    """Render the report of a forecast from its store, if what it was made from has changed.

    Parameters
    ----------
    forecast
        A forecast whose results are in its store.
    notebook
        Another notebook than its own, by its name under notebooks/ or as a path; its page stands beside the report,
        called ``FORECAST.NOTEBOOK.html``.
    check
        Write nothing; run the notebook anew and compare its numbers with those of the report in place.
    force
        Render even if nothing has changed.
    progress
        Called with the cells done, the cells in all, and what is going on.

    Returns
    -------
    list of Path
        The page and its manifest.

    Raises
    ------
    StoreError
        If the results are missing or not those of this forecast.
    ReportError
        If the notebook fails or the report cannot be written.
    ReportChangedError
        With `check`, if numbers have changed.
    """
    attrs = open_results(forecast).attrs
    store = store_path(forecast.name)
    plan = _plan(forecast, notebook)
    folder = content.reports_dir()
    page, noted = folder / f"{plan.page}.html", folder / f"{plan.page}.manifest.json"
    if check:
        _check(page, _page(plan, progress), plan.command)
        return [page, noted]
    inputs = manifest.input_hashes(store, plan.notebook, attrs, plan.files)
    if not force and manifest.is_current(noted, page, inputs):
        return [page, noted]
    html = _page(plan, progress)
    texts = {page.name: html, noted.name: _manifest_text(forecast, plan, inputs, html, page.name)}
    write_texts(folder, texts, "the report")
    return [page, noted]


@dataclass(frozen=True)
class _Plan:
    """What a page is made with: its notebook, its parameters and the files among them, and what it is called."""

    notebook: Path
    parameters: Mapping[str, Any]
    files: Mapping[str, Path]
    page: str
    title: str
    command: str


def _plan(forecast: Forecast, notebook: str | Path | None) -> _Plan:
    """Return how the page of a forecast is made, with its own notebook or another one."""
    own = _notebook_of(forecast)
    chosen = own if notebook is None else content.find_notebook(notebook)
    page, command = forecast.name, f"trilemma report {forecast.name}"
    if chosen != own:
        page, command = f"{page}.{chosen.stem}", f"{command} --notebook {notebook}"
    named = _named(_read(chosen))
    files = _claim_files(forecast) if "claims" in named else {}
    files |= _calibration_files(forecast) if "posterior" in named else {}
    parameters = {"store": str(store_path(forecast.name)), "baseline": forecast.baseline}
    parameters |= {name: str(path) for name, path in files.items()}
    return _Plan(chosen, parameters, files, page, forecast.title, command)


def _claim_files(forecast: Forecast) -> dict[str, Path]:
    """Return the claims of a forecast's model and the record beside them; a mistake in the claims is told here."""
    folder = forecast.load_model().path.parent
    read_claims(folder / CLAIM_FILE)
    return {"claims": folder / CLAIM_FILE, "observations": folder / OBSERVATIONS}


def _calibration_files(forecast: Forecast) -> dict[str, Path]:
    """Return the posterior of a forecast's model, the evidence and the backtest; what is missing is told here."""
    model = forecast.load_model()
    read_ensemble(model)
    read_backtest(model)
    files = {
        "posterior": POSTERIOR,
        "backtest": BACKTEST,
        "rivals": RIVALS,
        "observations": OBSERVATIONS,
        "measurements": MEASUREMENTS,
    }
    return {name: model.path.with_name(file) for name, file in files.items()}


def _notebook_of(forecast: Forecast) -> Path:
    """Return the notebook called like the forecast, else the default one."""
    try:
        return content.find_notebook(forecast.name)
    except UnknownNameError:
        return content.find_notebook(DEFAULT_NOTEBOOK)


def _page(plan: _Plan, progress: Progress | None) -> str:
    """Run a notebook with parameters and return it as one HTML page."""
    with TemporaryDirectory(prefix="trilemma-report-") as folder:
        executed = execute(plan.notebook, plan.parameters, Path(folder), progress)
    return to_page(executed, plan.title)


def execute(
    notebook: Path, parameters: Mapping[str, Any], folder: Path, progress: Progress | None = None
) -> NotebookNode:
    """Run a notebook in `folder` with parameters and return it with its outputs.

    Raises
    ------
    ReportError
        If a cell fails or the kernel does not live; the sentence names the cell and the error.
    """
    known = _read(notebook)
    total = len(known.cells)

    def step(cell: NotebookNode, cell_index: int, **_: object) -> None:
        if progress is not None:
            progress(cell_index + 1, total, "report")

    try:
        with _quiet():
            return papermill.execute_notebook(
                str(notebook),
                str(folder / "executed.ipynb"),
                parameters=_accepted(known, parameters),
                kernel_name="python3",
                language="python",
                progress_bar=False,
                request_save_on_cell_execute=False,
                cwd=str(folder),
                kernel_manager_class=OwnKernel,
                on_cell_executed=step,
            )
    except PapermillExecutionError as error:
        raise ReportError(_failed_cell(notebook, error)) from error
    except OSError as error:
        message = (
            f"the notebook '{notebook.stem}' could not be run ({error.strerror or error}): "
            "make room on the disk, or check who may write to the temporary folder."
        )
        raise ReportError(message) from error
    except RuntimeError as error:
        message = f"the notebook '{notebook.stem}' could not be run ({_first_line(error)}): check the installation."
        raise ReportError(message) from error


def _read(notebook: Path) -> NotebookNode:
    """Read a notebook file."""
    try:
        return nbformat.read(notebook, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError) as error:
        message = f"the notebook '{notebook.name}' cannot be read ({_first_line(error)}): restore the file."
        raise ReportError(message) from error


def _accepted(notebook: NotebookNode, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that the notebook's `parameters` cell names."""
    named = _named(notebook)
    return {key: value for key, value in parameters.items() if key in named}


def _named(notebook: NotebookNode) -> set[str]:
    """Return the names that the notebook's `parameters` cell gives a value to."""
    tagged = [cell.source for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    return {name for source in tagged for name in re.findall(r"^(\w+)\s*=", source, re.M)}


def _failed_cell(notebook: Path, error: PapermillExecutionError) -> str:
    """Return the sentence on a cell that failed."""
    lines = [line.strip() for line in str(error.source).splitlines() if line.strip() and not line.startswith("#")]
    cell = f"cell {error.exec_count} (`{lines[0] if lines else ''}`)"
    reason = _first_line(error.evalue)
    stop = "" if reason.endswith((".", "?")) else "."
    return f"the notebook '{notebook.stem}' failed in {cell} with {error.ename}: {reason}{stop}"


def _first_line(error: object) -> str:
    """Return the first line of an error's text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Keep notices of papermill, traitlets and asyncio off the terminal while a notebook runs."""
    loggers = [logging.getLogger(name) for name in ("papermill", "traitlets", "asyncio")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        except KeyboardInterrupt:
            levels[-1] = logging.CRITICAL  # tasks that were cut short complain when the interpreter ends
            raise
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def to_page(notebook: NotebookNode, title: str) -> str:
    """Return an executed notebook as one self-contained HTML page.

    Raises
    ------
    ReportError
        If nbconvert's own templates are not installed.
    """
    with _quiet():
        exporter = HTMLExporter(template_name="page", extra_template_basedirs=[str(Path(__file__).parent)])
        exporter.exclude_anchor_links = True
        try:
            body, _ = exporter.from_notebook_node(notebook, resources={"page_title": title})
        except ValueError as error:
            message = f"nbconvert cannot find its templates ({_first_line(error)}): install nbconvert again."
            raise ReportError(message) from error
    return _with_contents(body)


def _with_contents(body: str) -> str:
    """Give each section an anchor and list the sections at the place of the contents."""
    items: list[str] = []

    def anchored(found: re.Match[str]) -> str:
        text = found.group(1)
        anchor = re.sub(r"\W+", "-", text.lower()).strip("-")
        items.append(f'<li><a href="#{anchor}">{text}</a></li>')
        return f'<h2 id="{anchor}">{text}</h2>'

    body = re.sub(r"<h2>([^<]+)</h2>", anchored, body)
    return body.replace("<!-- contents -->", f"<ol>{''.join(items)}</ol>")


def _check(page: Path, fresh: str, command: str) -> None:
    """Compare the numbers of the report in place with fresh ones."""
    if not page.is_file():
        message = f"there is no report '{page.name}' to check: make it with `{command}`."
        raise ReportError(message)
    where = f"the report '{page.name}'"
    old = manifest.read_numbers(page.read_text(encoding="utf-8"), where)
    changed = manifest.changes(old, manifest.read_numbers(fresh, where))
    if changed:
        named = "; ".join(changed[:LISTED]) + ("; ..." if len(changed) > LISTED else "")
        count = f"{len(changed)} number{'s' if len(changed) > 1 else ''}"
        message = f"{count} of {where} changed ({named}): renew it with `{command}`."
        raise ReportChangedError(message, changed)


def _manifest_text(forecast: Forecast, plan: _Plan, inputs: Mapping[str, str], html: str, page: str) -> str:
    """Return the manifest of a report."""
    document = {
        "forecast": forecast.name,
        "command": plan.command,
        "inputs": dict(inputs),
        "outputs": {page: manifest.text_hash(html)},
        "versions": {name: _version(name) for name in VERSIONS},
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _version(name: str) -> str:
    """Return the version of an installed distribution; of ours also when it runs from a checkout."""
    if name == "trilemma":
        from trilemma import __version__

        return __version__
    return version(name)

"""The rendered report: self-contained, stale or not, checked, and untouched by failure."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest

from trilemma.content import find_notebook
from trilemma.errors import ReportError
from trilemma.forecasting.spec import Forecast
from trilemma.reporting import manifest, render

MEGABYTE = 1 << 20


@pytest.fixture
def page(rendered: Path) -> str:
    return (rendered / "reports" / "policy_comparison.html").read_text(encoding="utf-8")


def test_the_page_loads_nothing(page: str) -> None:
    assert not re.findall(r'(?:src|href)\s*=\s*["\']?(?!#)[^"\'\s>]+', page)
    assert "@import" not in page
    assert not re.findall(r"url\((?!#)", page)
    assert not re.findall(r"<script(?![^>]*application/json)", page)
    assert len(page.encode()) < 2 * MEGABYTE


def test_the_page_and_the_manifest_name_no_place_on_the_machine(page: str, rendered: Path) -> None:
    noted = (rendered / "reports" / "policy_comparison.manifest.json").read_text(encoding="utf-8")
    for text in (page, noted):
        assert str(rendered) not in text
        assert str(Path.home()) + "/" not in text
        assert not re.search(r"/(tmp|home|Users|usr|work)/", text)


def test_the_page_has_every_section_and_no_code(page: str) -> None:
    for anchor in ("summary", "scenarios-side-by-side", "the-three-goals", "assumptions-and-caveats"):
        assert f'href="#{anchor}"' in page
        assert f'id="{anchor}"' in page
    assert page.count("<figure>") >= 10
    assert page.count("<svg") == page.count('role="img"') == page.count('aria-label="') - page.count("<nav")
    assert "open_study(" not in page
    assert "structure under revision" in page


def test_the_page_carries_its_numbers(page: str) -> None:
    numbers = manifest.read_numbers(page, "the page")
    cell = numbers["outcomes"]["exact lag"]["never_controlled"]["2030"]
    assert cell["p5"] <= cell["p50"] <= cell["p95"]
    assert cell["difference_p50"] < 0
    assert numbers["draws"] == 10


def test_the_manifest_names_inputs_and_output(rendered: Path) -> None:
    noted = json.loads((rendered / "reports" / "policy_comparison.manifest.json").read_text(encoding="utf-8"))
    assert {"store", "notebook", "renderer", "labels", "model", "forecast"} <= set(noted["inputs"])
    page = rendered / "reports" / "policy_comparison.html"
    assert noted["outputs"] == {page.name: manifest.file_hash(page)}
    assert noted["command"] == "trilemma report policy_comparison"


def _never(*_: object, **__: object) -> None:
    pytest.fail("the notebook ran although nothing has changed")


def test_a_current_report_is_left_alone(project: Path, forecast: Forecast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "execute", _never)
    assert [path.name for path in render.report(forecast)] == [
        "policy_comparison.html",
        "policy_comparison.manifest.json",
    ]
    assert (project / "reports" / "policy_comparison.html").is_file()


def test_a_changed_page_is_stale(project: Path, forecast: Forecast, monkeypatch: pytest.MonkeyPatch) -> None:
    page = project / "reports" / "policy_comparison.html"
    whole = page.read_text(encoding="utf-8")
    page.write_text("changed", encoding="utf-8")
    monkeypatch.setattr(render, "_page", lambda *_: whole)
    render.report(forecast)
    assert page.read_text(encoding="utf-8") == whole


def test_check_agrees_with_an_unchanged_report(
    project: Path, forecast: Forecast, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = project / "reports" / "policy_comparison.html"
    monkeypatch.setattr(render, "_page", lambda *_: page.read_text(encoding="utf-8"))
    assert render.report(forecast, check=True)[0] == page


def test_check_names_a_changed_number(project: Path, forecast: Forecast, monkeypatch: pytest.MonkeyPatch) -> None:
    page = project / "reports" / "policy_comparison.html"
    old = page.read_text(encoding="utf-8")
    numbers = manifest.read_numbers(old, "the page")
    value = numbers["outcomes"]["exact lag"]["as_enacted"]["2030"]["p50"]
    changed = old.replace(f'"p50":{value!r}', f'"p50":{value * 1.01!r}')
    assert changed != old
    monkeypatch.setattr(render, "_page", lambda *_: changed)
    with pytest.raises(render.ReportChangedError, match="exact lag / as_enacted / 2030 / p50") as caught:
        render.report(forecast, check=True)
    assert caught.value.exit_code == 1
    assert page.read_text(encoding="utf-8") == old


def test_check_overlooks_last_digits_and_sees_what_is_gone() -> None:
    assert manifest.changes({"a": {"x": 21.6}}, {"a": {"x": 21.60001}}) == []
    assert manifest.changes({"a": {"x": 21.6}}, {"a": {"x": None}}) == ["x: 21.6 became undefined"]
    assert len(manifest.changes({"a": {"x": 1.0}}, {"a": {"y": 1.0}})) == 2


def test_check_without_a_report_says_what_to_do(project: Path, forecast: Forecast) -> None:
    (project / "reports" / "policy_comparison.html").unlink()
    with pytest.raises(ReportError, match="trilemma report policy_comparison"):
        render._check(project / "reports" / "policy_comparison.html", "", "trilemma report policy_comparison")  # pyright: ignore[reportPrivateUsage]


def test_a_failing_cell_is_named_and_leaves_the_report(
    project: Path, forecast: Forecast, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = project / "reports" / "policy_comparison.html"
    old = page.read_bytes()
    (project / "notebooks").mkdir()
    cells = [nbformat.v4.new_code_cell("store = ''", metadata={"tags": ["parameters"]})]
    cells.append(nbformat.v4.new_code_cell("# a comment\nint('many')"))
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.write(notebook, project / "notebooks" / "policy_comparison.ipynb")
    with pytest.raises(ReportError, match=r"`int\('many'\)`.*ValueError"):
        render.report(forecast)
    assert page.read_bytes() == old
    assert sorted(path.name for path in page.parent.iterdir()) == [page.name, "policy_comparison.manifest.json"]


def test_an_interrupt_leaves_the_report(project: Path, forecast: Forecast, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    page = project / "reports" / "policy_comparison.html"
    old = page.read_bytes()
    monkeypatch.setattr(render, "execute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        render.report(forecast, force=True)
    assert page.read_bytes() == old


def test_a_full_disk_leaves_the_report(project: Path, forecast: Forecast, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    page = project / "reports" / "policy_comparison.html"
    old = page.read_bytes()
    monkeypatch.setattr(render, "_page", lambda *_: "new")
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ReportError, match="No space left"):
        render.report(forecast, force=True)
    assert page.read_bytes() == old


@pytest.mark.parametrize("name", ["policy_comparison", "claims"])
def test_a_shipped_notebook_is_stripped_and_thin(name: str) -> None:
    notebook = nbformat.read(find_notebook(name), as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell for cell in code if "parameters" in cell.metadata.get("tags", [])] == code[:1]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert all(len(cell.source.splitlines()) <= 20 for cell in code)
    assert {key for cell in notebook.cells for key in cell.metadata} <= {"tags"}

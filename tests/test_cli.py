"""The command line as a process: what each command prints and writes. Its mistakes are in test_cli_mistakes.py."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

from tests.small_project import LONGEST, ROOT, Workspace

COMMANDS = (
    "models",
    "show",
    "draw",
    "reference",
    "run",
    "evidence",
    "sweep",
    "compare",
    "claims",
    "report",
    "forecast",
    "caches",
)


def python(*words: str) -> str:
    """Run the interpreter and return what it prints."""
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, check=True, capture_output=True, encoding="utf-8", timeout=LONGEST
    ).stdout


def test_help_lists_all_commands(workspace: Workspace) -> None:
    text = workspace.run("--help").succeeded()
    for name in COMMANDS:
        assert f" {name} " in text


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_has_an_example(name: str) -> None:
    text = python("-m", "trilemma.cli", name, "--help")
    assert f"Example: trilemma {name}" in " ".join(text.split())


def test_version() -> None:
    assert python("-m", "trilemma.cli", "--version").startswith("trilemma 0.")


@pytest.mark.parametrize("statement", ["import trilemma", "import trilemma.cli"])
def test_an_import_loads_nothing_heavy(statement: str) -> None:
    loaded = python("-c", f"{statement}; import sys; print(*sys.modules)").split()
    assert not {"jax", "pysd", "xarray", "pandas", "matplotlib", "papermill"} & set(loaded)


def test_claims_are_judged_on_the_stored_results(swept: Workspace) -> None:
    text = swept.run("claims", "trial").succeeded()
    assert "supported" in text
    assert "Fleets lost" in text
    (row,) = json.loads(swept.run("claims", "trial", "--claim", "h1", "--json").succeeded())
    assert (row["verdict"], row["probability"], row["draws"]) == ("supported", 1, 4)
    assert 0.05 < row["conditions"][0]["p50"] < 1


@pytest.mark.skipif(sys.platform != "linux", reason="the folder of caches is set by a variable of Linux")
def test_caches_shows_what_is_kept_and_removes_it(
    swept: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = swept.run("run", "small", "--json").succeeded()
    assert [row["entries"] for row in json.loads(swept.run("caches", "--json").succeeded())][:2] == [1, 1]
    assert [row["entries"] for row in json.loads(swept.run("caches", "--clear", "--json").succeeded())] == [0, 0, 0]
    assert swept.run("run", "small", "--json").succeeded() == first


def test_models_lists_a_projects_own_models_first(swept: Workspace) -> None:
    listed = json.loads(swept.run("models", "--json").succeeded())
    assert [row["model"] for row in listed] == ["small", "export_controls", "export_controls_v0"]
    assert listed[2]["status"] == "structure under revision"


def test_models_names_the_one_that_cannot_be_read(workspace: Workspace) -> None:
    model = workspace.folder / "models" / "small" / "small.mdl"
    model.write_text(model.read_text().replace("lever*STEP", "lever**STEP"))
    listed = json.loads(workspace.run("models", "--json").succeeded())
    assert "line 20: cannot parse" in listed[0]["status"]
    assert listed[1]["variables"] > 300


def test_show_gives_a_model_at_a_glance(swept: Workspace) -> None:
    found = json.loads(swept.run("show", "export_controls", "--json").succeeded())
    views = {one["view"]: one for one in found["views"]}
    page = swept.run("show", "export_controls").succeeded()
    assert sum(one["variables"] for one in views.values()) + 4 == found["variables"]  # controls are in no view
    assert sum(len(one["stocks"]) for one in views.values()) == found["stocks"]
    assert all(view in page for view in views)
    lever = next(one for one in found["levers"] if one["name"] == "control lever")
    assert {"control lever[CHIP]", "control lever[CLD]"} <= lever["values"].keys()
    assert (lever["low"], lever["high"]) == (0, 1)
    assert lever["meaning"].split()[0] in page
    small = swept.run("show", "small").succeeded()
    assert "--variables" in small
    assert "What policy sets from 2022 on." in small
    assert "Loops" not in small


def test_show_lists_variables_and_those_of_a_view(swept: Workspace) -> None:
    listed = json.loads(swept.run("show", "small", "--variables", "--json").succeeded())
    fleet = next(row for row in listed if row["variable"] == "Fleet")
    assert {"dimensions": "actor", "kind": "stock", "unit": "Kunit"}.items() <= fleet.items()
    shipped = json.loads(swept.run("show", "export_controls", "--variables", "--json").succeeded())
    view = min({row["view"] for row in shipped} - {""})
    chosen = json.loads(swept.run("show", "export_controls", "--view", view, "--json").succeeded())
    assert chosen == [row for row in shipped if row["view"] == view]


def test_show_tells_what_is_known_of_a_variable(swept: Workspace) -> None:
    growth = json.loads(swept.run("show", "small", "growth", "--json").succeeded())
    assert [row["variable"] for row in growth] == ["growth[US]", "growth[CN]"]
    assert {"value": 0.2, "prior": "uniform", "range": "0.1 to 0.3", "source": "assumption"}.items() <= growth[
        0
    ].items()
    [brake] = json.loads(swept.run("show", "small", "brake", "--json").succeeded())
    assert brake["meaning"] == "What is felt."
    assert brake["equation"] == "brake = lever*STEP(1, 2022)"
    assert (brake["follows from"], brake["used by"]) == ("lever", "Fleet")


def test_run_prints_outcomes_over_time(swept: Workspace) -> None:
    words = ("run", "small", "--outcome", "Fleet", "--outcome", "fleet lag", "--set", "lever=1", "--save-every", "1")
    rows = json.loads(swept.run(*words, "--json").succeeded())
    assert [row["time"] for row in rows] == [2020, 2021, 2022, 2023, 2024]
    assert rows[0]["Fleet[US]"] == 10
    assert rows[0]["fleet lag"] is None  # undefined is null, not a number
    assert rows[2]["Fleet[US]"] == rows[4]["Fleet[US]"]
    table = swept.run(*words).succeeded().splitlines()
    assert table[0].split() == ["time", "Fleet[US]", "Fleet[CN]", "fleet", "lag"]
    assert len(table) == 6


def test_run_takes_a_path_and_writes_files(workspace: Workspace, tmp_path: Path) -> None:
    model = str(workspace.folder / "models" / "small" / "small.mdl")
    table, store = tmp_path / "run.csv", tmp_path / "run.zarr"
    assert workspace.run("run", model, "--output", str(table)).succeeded() == f"wrote {table}\n"
    assert workspace.run("run", model, "--method", "rk4", "--output", str(store)).succeeded() == f"wrote {store}\n"
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert float(rows[0]["Fleet[CN]"]) == 5
    assert xr.open_zarr(store, consolidated=False)["Fleet"].dims == ("time", "actor")


def test_run_warns_of_an_override_without_effect(swept: Workspace) -> None:
    ended = swept.run("run", "small", "--outcome", "Fleet", "--set", "fleet ratio=1", "--json")
    assert ended.status == 0
    assert json.loads(ended.printed)
    assert ended.complaint.startswith("trilemma: warning: the override of 'fleet ratio' has no effect")
    assert len(ended.complaint.splitlines()) == 1


def test_sweep_names_its_store_and_runs_only_what_is_missing(workspace: Workspace) -> None:
    store = workspace.results / "trial.zarr"
    before = workspace.made()
    assert workspace.run("sweep", "trial").succeeded() == f"{store}\n"
    assert workspace.made() == before
    workspace.edit("forecasts/trial.toml", "draws = 4", "draws = 5")
    workspace.run("sweep", "trial").succeeded()
    data = xr.open_zarr(store)
    assert dict(data.sizes) == {"scenario": 2, "draw": 5, "time": 9, "actor": 2}
    assert "trial" in data.attrs["command"]


def test_sweep_shows_its_progress_on_a_terminal(workspace: Workspace) -> None:
    workspace.edit("forecasts/trial.toml", "draws = 4", "draws = 5")
    terminal, end = pty.openpty()
    with subprocess.Popen(
        workspace.command("sweep", "trial"),
        cwd=ROOT,
        env={**workspace.environment(), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=end,
    ) as process:
        os.close(end)
        shown = _all_of(terminal)
        assert process.stdout is not None
        assert process.stdout.read().decode().strip() == str(workspace.results / "trial.zarr")
    assert process.returncode == 0
    assert "Sweeping trial" in shown


def _all_of(terminal: int) -> str:
    """Return all that is written to a terminal until its last writer ends."""
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # how Linux says that the other end is closed
            part = b""
        if not part:
            os.close(terminal)
            return b"".join(parts).decode(errors="replace")
        parts.append(part)


def test_compare_prints_a_table_json_and_csv(swept: Workspace, tmp_path: Path) -> None:
    table = swept.run("compare", "trial").succeeded()
    for part in ("as_is", "tight", "fleet ratio", "Fleet[CN]", "Kunit", "fleet lag", "2024"):
        assert part in table
    rows = json.loads(swept.run("compare", "trial", "--json").succeeded())
    assert len(rows) == 8
    assert {row["scenario"] for row in rows} == {"as_is", "tight"}
    assert all(row["p5"] <= row["p50"] <= row["p95"] for row in rows)
    file = tmp_path / "table.csv"
    assert swept.run("compare", "trial", "--csv", str(file)).succeeded() == f"wrote {file}\n"
    lines = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    assert [line["outcome"] for line in lines] == [row["outcome"] for row in rows]
    assert float(lines[0]["p50"]) == pytest.approx(rows[0]["p50"])


def test_compare_takes_scenarios_baseline_time_and_outcomes(swept: Workspace) -> None:
    words = (
        "--scenarios",
        "tight, as_is",
        "--baseline",
        "tight",
        "--at",
        "2023",
        "--outcomes",
        "Fleet[US],fleet ratio",
    )
    rows = json.loads(swept.run("compare", "trial", *words, "--json").succeeded())
    found = [(row["outcome"], row["element"], row["scenario"], row["time"]) for row in rows]
    assert found == [
        ("Fleet", "US", "tight", 2023),
        ("Fleet", "US", "as_is", 2023),
        ("fleet ratio", "", "tight", 2023),
        ("fleet ratio", "", "as_is", 2023),
    ]
    assert rows[0]["difference_p50"] == 0
    assert rows[1]["difference_p50"] > 0


def test_forecast_made_a_page_that_needs_nothing_from_outside(swept: Workspace) -> None:
    assert sorted(path.name for path in swept.reports.iterdir()) == ["trial.html", "trial.manifest.json"]
    page = (swept.reports / "trial.html").read_text(encoding="utf-8")
    assert "A small forecast" in page
    assert 'src="http' not in page
    manifest = json.loads((swept.reports / "trial.manifest.json").read_text(encoding="utf-8"))
    assert manifest["forecast"] == "trial"
    assert str(swept.folder) not in page + json.dumps(manifest)
    assert [path.name for path in swept.results.iterdir()] == ["trial.zarr"]
    assert not list(swept.temporary.iterdir())


def test_report_makes_only_what_is_stale(workspace: Workspace) -> None:
    page = workspace.reports / "trial.html"
    stamp = page.stat().st_mtime_ns
    printed = workspace.run("report", "trial").succeeded()
    assert printed.splitlines() == [str(page), str(workspace.reports / "trial.manifest.json")]
    assert page.stat().st_mtime_ns == stamp
    page.unlink()
    workspace.run("report", "trial").succeeded()
    assert page.is_file()


def test_report_check_fails_with_status_1_if_a_number_changed(workspace: Workspace) -> None:
    page = workspace.reports / "trial.html"
    workspace.run("report", "trial", "--check").succeeded()
    page.write_text(
        page.read_text(encoding="utf-8").replace('"fleet ratio": 1.', '"fleet ratio": 9.'), encoding="utf-8"
    )
    before = workspace.made()
    ended = workspace.run("report", "trial", "--check")
    assert "fleet ratio" in ended.failed(status=1)
    assert workspace.made() == before

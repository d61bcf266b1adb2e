"""`trilemma.score` and the command: any file in the evidence format, against the ensemble beside the model."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
import pytest

import trilemma
from tests.calibration.conftest import Case
from tests.small_project import Outcome
from trilemma.calibration.ensemble import prior_ensemble, write_ensemble
from trilemma.calibration.evidence import COLUMNS
from trilemma.calibration.scoring import columns_of
from trilemma.cli import main
from trilemma.errors import EvidenceError, TrilemmaWarning

PARAMETERS = """name,unit,central,low,high,prior,role,source,note
slope,Kunit/Year/Year,2,1.9,2.1,normal,parameter,assumption,
head start[US],Kunit/Year,1,1,1,,parameter,assumption,
head start[CN],Kunit/Year,3,3,3,,parameter,assumption,
"""
LATER = (
    "stock,2023-12-31,2023-12-31,16.0,thousand units,,,B,observation,a census,,",
    "sales,2023-01-01,2023-12-31,7000,units,,,A,observation,annual report,,",
)
Command: TypeAlias = Callable[..., Outcome]


@pytest.fixture
def small(case: Case) -> Case:
    """Return the small model with a prior on its slope."""
    (case.folder / "parameters.csv").write_text(PARAMETERS, encoding="utf-8")
    return case


@pytest.fixture
def command(small: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that scores a file by the command."""

    def run(file: Path, *words: str) -> Outcome:
        mdl = str(small.folder / "small.mdl")
        monkeypatch.setattr(sys, "argv", ["trilemma", "score", mdl, "--observations", str(file), *words])
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            with pytest.raises(SystemExit) as stopped:
                main()
        captured = capsys.readouterr()
        return Outcome(cast("int | None", stopped.value.code) or 0, captured.out, captured.err)

    return run


def file_of(case: Case, *rows: str, start: str = "", end: str = "\n") -> Path:
    """Return a file of observations."""
    path = case.folder / "new.csv"
    path.write_text(start + "\n".join([",".join(COLUMNS), *rows]) + end, encoding="utf-8")
    return path


def test_json_is_the_document_and_nothing_else(small: Case, command: Command) -> None:
    unknown = "rumours,2023-01-01,2023-12-31,3,units,,,C,observation,a blog,,"
    plan = "plans,2024-01-01,2024-12-31,3,units,,,C,projection,a blog,,"
    done = command(file_of(small, *LATER, unknown, plan), "--json")
    found = json.loads(done.printed)
    assert set(found) == {"series", "not_measured"}
    assert found["not_measured"] == ["rumours"]
    assert [(row["series"], row["n"]) for row in found["series"]] == [("sales", 1), ("stock", 1)]
    sales = found["series"][0]
    assert {"crps", "coverage_50", "coverage_90", "skill"} <= set(sales)
    assert (sales["coverage_50"], sales["coverage_90"]) == (1.0, 1.0)
    assert sales["theil_um"] is None
    assert 0 < sales["crps"] < 0.05
    assert "scoring draws from its priors" in done.complaint
    assert done.printed.strip().startswith("{")


def test_it_beats_the_naive_forecasts_where_the_model_is_right(small: Case) -> None:
    with pytest.warns(TrilemmaWarning, match="no posterior"):
        found = trilemma.score(small.model, file_of(small, *LATER))
    skills = dict(zip(found.series["series"], found.series["skill"], strict=True))
    assert 0 < skills["sales"] < 1
    assert skills["stock"] > 0
    assert (found.ensemble, found.draws) == ("prior", 1000)


def test_past_errors_are_carried_on_demand(small: Case) -> None:
    path = file_of(small, LATER[1])
    plain, carried = (
        columns_of(trilemma.score(small.model, path, prior=True, carry=carry).observations) for carry in (False, True)
    )
    # sales were above the model, 5200 against 5000, and their errors are correlated by 0.5
    assert carried["median"][0] > plain["median"][0]
    assert carried["p95"][0] / carried["p5"][0] < plain["p95"][0] / plain["p5"][0]


def test_rows_in_any_order_with_blank_lines_and_a_mark_say_the_same(small: Case) -> None:
    wanted = trilemma.score(small.model, file_of(small, *LATER), prior=True).series
    path = file_of(small, "", LATER[1], ",,,,,,,,,,,", "", LATER[0], start="\ufeff", end="\r\n\r\n")
    found = trilemma.score(small.model, path, prior=True).series
    assert found["series"].tolist() == wanted["series"].tolist()
    np.testing.assert_allclose(found["crps"], wanted["crps"], rtol=0.2)  # errors are drawn in the order of the rows


def test_rows_of_the_own_evidence_may_be_scored(small: Case) -> None:
    found = trilemma.score(small.model, small.folder / "observations.csv", prior=True)
    assert sum(found.series["n"].tolist()) == 5
    assert found.projections == 1
    first = found.observations.iloc[0]
    assert np.isnan(first["last value"])  # nothing came before it


def test_what_cannot_be_measured_is_listed_with_its_reason(small: Case) -> None:
    rows = (
        "sales,2022-01-01,2022-12-31,5,million units,,,A,observation,s,,",
        "sales,2022-01-01,2022-12-31,-5,units,,,A,observation,s,,",
        "rumours,2023-01-01,2023-12-31,3,units,,,C,observation,a blog,,",
    )
    found = trilemma.score(small.model, file_of(small, *rows), prior=True)
    assert not len(found.series)
    assert found.not_measured["reason"].tolist() == [
        "no measurement",
        "measured in 'units'",
        "no logarithm of a value that is not above 0",
    ]


def test_projections_alone_give_an_empty_document(small: Case, command: Command) -> None:
    path = file_of(small, "stock,2023-12-31,2023-12-31,99,thousand units,,,C,projection,a plan,,")
    assert json.loads(command(path, "--json", "--prior").printed) == {"series": [], "not_measured": []}
    assert "1 projection not scored" in command(path, "--prior").succeeded()


def test_the_ensemble_beside_the_model_is_used_while_it_is_its_own(small: Case) -> None:
    ensemble = prior_ensemble(small.model, 50, 1)
    wrong = replace(ensemble, values=1.5 * ensemble.values)
    write_ensemble(small.model, wrong)
    path = file_of(small, *LATER)
    found = trilemma.score(small.model, path)
    assert (found.ensemble, found.draws) == ("posterior", 50)
    right = trilemma.score(small.model, path, prior=True)
    assert np.all(columns_of(found.series)["crps"] > 5 * columns_of(right.series)["crps"])
    write_ensemble(small.model, replace(wrong, attrs={**wrong.attrs, "model_hash": "other"}))
    with pytest.warns(TrilemmaWarning, match="other equations.*scoring draws from the priors"):
        assert trilemma.score(small.model, path).ensemble == "prior"


def test_mistakes_are_one_sentence_with_file_and_line(small: Case, command: Command) -> None:
    late = "stock,2025-12-31,2025-12-31,16.0,thousand units,,,B,observation,a census,,"
    said = command(file_of(small, LATER[0], late)).failed()
    assert "new.csv, line 3" in said
    assert "2020 to 2024" in said
    assert "measurements.csv" not in said
    said = command(file_of(small, LATER[0].replace("16.0", "many")), "--json").failed()
    assert "new.csv, line 2, column 'value'" in said
    assert "cannot be read" in command(small.folder / "absent.csv").failed()
    future = "stock,2399-12-31,2399-12-31,16.0,thousand units,,,B,observation,a census,,"
    with pytest.raises(EvidenceError, match="line 2, column 'kind'"):
        trilemma.score(small.model, file_of(small, future), prior=True)

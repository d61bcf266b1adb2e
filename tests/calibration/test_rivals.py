"""Rival structures: the one that made the data foretells them best, and weights say how far they carry."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from tests.calibration.conftest import MEASURED, OBSERVATIONS, Case
from tests.calibration.test_backtest import LATER
from tests.calibration.test_score import PARAMETERS
from trilemma.calibration import rivals
from trilemma.calibration.backtest import Backtest, backtest, write_backtest
from trilemma.calibration.ensemble import prior_ensemble
from trilemma.calibration.rivals import compare_structures, read_rivals, write_rivals
from trilemma.errors import CalibrationError, ForecastFileError
from trilemma.reporting.backtest_record import make_record, read_record, record_document
from trilemma.reporting.rival_scores import rival_findings, rival_rows
from trilemma.translation.model import Model

ORIGINS = (date(2021, 12, 31), date(2022, 12, 31))
STRUCTURES = {"as it is": {}, "fast": {"slope": 3.0}, "ahead": {"head start[US]": 2.0}}


@pytest.fixture
def model(case: Case) -> Model:
    """Return the small model with a prior about the slope that made its data."""
    (case.folder / "parameters.csv").write_text(PARAMETERS, encoding="utf-8")
    return case.write((*OBSERVATIONS, *LATER), MEASURED).model


def test_the_structure_that_made_the_data_is_best_and_a_switch_without_effect_is_as_good(model: Model) -> None:
    fitted = dict.fromkeys(ORIGINS, prior_ensemble(model, 400, 1))
    table = {row["structure"]: row for row in compare_structures(model, STRUCTURES, fitted).to_dict("records")}
    assert table["as it is"]["log_score"] == pytest.approx(table["ahead"]["log_score"], rel=0.05)
    assert table["fast"]["behind"] > 5
    assert table["fast"]["weight"] == pytest.approx(0.0, abs=1e-3)
    assert table["as it is"]["weight"] + table["ahead"]["weight"] == pytest.approx(1.0, abs=1e-3)
    assert (table["as it is"]["k_hat"], table["as it is"]["effective"]) == (0.0, 400.0)
    assert table["ahead"]["reliable"]
    assert {row["n"] for row in table.values()} == {5}  # within a year: 3 from the first origin, 2 from the second


def test_the_log_score_is_that_of_the_backtest(model: Model) -> None:
    ensemble = prior_ensemble(model, 400, 1)
    found = compare_structures(model, STRUCTURES, {ORIGINS[1]: ensemble})
    rows = backtest(model, {ORIGINS[1]: ensemble}).observations
    expected = -sum(rows.loc[rows["forecast"] == "calibrated", "log_score"].tolist())
    scores = dict(zip(found["structure"], found["log_score"], strict=True))
    assert scores["as it is"] == pytest.approx(expected, rel=1e-9)


def test_draws_are_moved_to_where_a_structure_explains_the_data(model: Model) -> None:
    weights = np.linspace(0.1, 1.0, 100)
    chosen, (k_hat, effective) = rivals._weighed(np.log(weights), seed=0)  # pyright: ignore[reportPrivateUsage]
    assert np.mean(chosen) > 55  # heavier draws come later
    assert k_hat < 0.7
    assert effective == pytest.approx(weights.sum() ** 2 / (weights**2).sum(), rel=0.05)


def test_stacking_averages_structures_that_are_each_right_on_half() -> None:
    good, bad = np.log(0.9), np.log(0.1)
    halves = {
        "one": np.array([good, bad] * 50),
        "other": np.array([bad, good] * 50),
        "neither": np.full(100, bad),
    }
    found = rivals._stacked(halves)  # pyright: ignore[reportPrivateUsage]
    assert found["one"]["weight"] == pytest.approx(0.5, abs=0.01)
    assert found["neither"]["weight"] == pytest.approx(0.0, abs=0.01)
    assert found["neither"]["behind"] == pytest.approx(50 * (good - bad))


def test_the_file_belongs_to_its_model_and_words_say_what_does_not_carry(model: Model) -> None:
    table = compare_structures(model, STRUCTURES, {ORIGINS[1]: prior_ensemble(model, 100, 1)})
    assert read_rivals(model) is None
    path = write_rivals(model, table)
    again = read_rivals(model)
    assert again is not None
    assert rival_rows(again) == rival_rows(table)
    weak = table.assign(reliable=[True, True, False], k_hat=[0.0, 0.2, 1.5])
    text = " ".join(rival_findings(weak))
    assert f"do not carry to {weak['structure'].tolist()[2]} (k above 0.7)" in text
    assert "Stacking the others alone gives" in text
    path.write_text(path.read_text(encoding="utf-8").replace(model.hash[:16], "0" * 16), encoding="utf-8")
    assert read_rivals(model) is None


def test_one_structure_is_not_compared(model: Model) -> None:
    with pytest.raises(CalibrationError, match="name two or more"):
        compare_structures(model, {"as it is": {}}, {ORIGINS[1]: prior_ensemble(model, 10, 1)})


def test_a_record_of_another_model_s_forecast_is_refused(model: Model) -> None:
    with pytest.raises(ForecastFileError, match="of another model"):
        make_record(model, "rival_structures")


def test_a_record_holds_what_lies_beside_the_model(model: Model, tmp_path: Path) -> None:
    result: Backtest = backtest(model, {ORIGINS[1]: prior_ensemble(model, 50, 1)})
    write_backtest(model, result)
    assert read_record(model).rivals is None
    assert set(record_document(read_record(model))) == {"totals", "series"}
    write_rivals(model, compare_structures(model, STRUCTURES, {ORIGINS[1]: prior_ensemble(model, 50, 1)}))
    assert set(record_document(read_record(model))) == {"totals", "series", "rivals"}
    assert (tmp_path / "rivals.csv").is_file()

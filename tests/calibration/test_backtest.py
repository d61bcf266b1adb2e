"""Backtests: what is held back, how far ahead it lies, that nothing later is used, and the file beside the model."""

from __future__ import annotations

import json
import sys
import warnings
from datetime import date

import numpy as np
import pandas as pd
import pytest

from tests.calibration.conftest import MEASURED, OBSERVATIONS, Case
from tests.calibration.test_score import PARAMETERS
from trilemma.calibration import backtest as module
from trilemma.calibration.backtest import (
    CALIBRATED,
    CARRIED,
    FILE,
    POOLED,
    PRIOR,
    Backtest,
    backtest,
    fit_origins,
    read_backtest,
    totals,
    write_backtest,
    years_ahead,
)
from trilemma.calibration.ensemble import prior_ensemble
from trilemma.calibration.scoring import columns_of, some
from trilemma.cli import main
from trilemma.errors import CalibrationError, EvidenceError
from trilemma.reporting.backtest_record import Record, record_document
from trilemma.reporting.backtests import findings, total_rows
from trilemma.translation.ensemble import Ensemble
from trilemma.translation.model import Model

LATER = (
    "stock,2022-12-31,2022-12-31,9.2,thousand units,,,B,observation,a census,,",
    "stock,2023-06-30,2023-06-30,12.0,thousand units,,,B,observation,a census,,",
    "sales,2023-01-01,2023-12-31,6900,units,,,A,observation,annual report,,",
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[date | None]:
    """Put draws from the priors in the place of a fit, and return until when each fit was asked for."""
    days: list[date | None] = []

    def fitted(model: Model, *, until: date | None, draws: int, method: str, seed: int) -> Ensemble:
        days.append(until)
        assert method == "laplace"
        return prior_ensemble(model, draws, seed)

    monkeypatch.setattr(module, "posterior_ensemble", fitted)
    return days


@pytest.fixture
def model(case: Case) -> Model:
    """Return the small model with a prior and more evidence."""
    (case.folder / "parameters.csv").write_text(PARAMETERS, encoding="utf-8")
    return case.write((*OBSERVATIONS, *LATER), MEASURED).model


@pytest.fixture
def result(model: Model, asked: list[date | None]) -> Backtest:
    """Return its backtest."""
    found = backtest(model, fit_origins(model, draws=200))
    assert asked == [date(2021, 12, 31), date(2022, 12, 31)]
    return found


def part(result: Backtest, origin: str, forecast: str) -> pd.DataFrame:
    """Return the observations of one forecast."""
    rows = result.observations
    return rows.loc[(rows["origin"] == origin) & (rows["forecast"] == forecast)]


def test_what_ended_after_the_origin_is_held_back_but_not_what_is_from_memory(result: Backtest) -> None:
    first, second = (part(result, origin, PRIOR) for origin in ("2021-12-31", "2022-12-31"))
    assert min(first["end"].tolist()) == date(2022, 12, 31)
    assert sorted(zip(first["series"], first["years_ahead"], strict=True)) == [
        ("sales", 1),
        ("sales", 2),
        ("sold", 1),
        ("stock", 1),
        ("stock", 2),
    ]
    assert sorted(zip(second["series"], second["years_ahead"], strict=True)) == [("sales", 1), ("stock", 1)]
    assert "M" not in set(result.observations["grade"])


def test_a_year_ahead_ends_at_the_anniversary() -> None:
    origin = date(2023, 12, 31)
    assert [years_ahead(origin, day) for day in (date(2024, 1, 1), date(2024, 12, 31), date(2025, 1, 1))] == [1, 1, 2]
    assert years_ahead(origin, date(2025, 12, 31)) == 2


def test_past_errors_are_carried_by_one_forecast_alone(result: Backtest) -> None:
    later = {kind: part(result, "2022-12-31", kind).set_index("series").loc["sales"] for kind in (CALIBRATED, CARRIED)}
    # sales are correlated by 0.5, and were above the model's 5000 in 2022: 5200
    assert later[CARRIED]["median"] > later[CALIBRATED]["median"]
    assert later[CARRIED]["p95"] / later[CARRIED]["p5"] < later[CALIBRATED]["p95"] / later[CALIBRATED]["p5"]
    stock = {kind: part(result, "2022-12-31", kind).set_index("series").loc["stock"] for kind in (CALIBRATED, CARRIED)}
    assert stock[CARRIED]["median"] == stock[CALIBRATED]["median"]  # its errors are independent


def test_totals_weigh_observations_and_take_the_median_of_series(result: Backtest) -> None:
    series = result.series
    table = columns_of(totals(series))
    row = some(table, (table["origin"] == POOLED) & (table["years_ahead"] == 1) & (table["forecast"] == PRIOR))
    rows = columns_of(result.observations)
    mine = rows["within_90"][(rows["years_ahead"] == 1) & (rows["forecast"] == PRIOR)]
    assert row["n"].tolist() == [len(mine)]
    assert row["coverage_90"][0] == pytest.approx(mine.mean())
    own = columns_of(series)
    skills = own["skill"][(own["origin"] == POOLED) & (own["years_ahead"] == 1) & (own["forecast"] == PRIOR)]
    assert row["skill"][0] == pytest.approx(np.nanmedian(skills))
    shown = [cells[0] for cells in total_rows(series)]
    assert shown == ["2021"] * 3 + ["2022"] * 3 + ["both"] * 3 + ["2021"] * 3


def test_the_file_gives_back_what_was_written_and_belongs_to_its_model(model: Model, result: Backtest) -> None:
    with pytest.raises(CalibrationError, match="has no backtest.csv: 'trilemma backtest"):
        read_backtest(model)
    path = write_backtest(model, result)
    assert path.name == FILE
    found = read_backtest(model)
    np.testing.assert_allclose(found["crps"], result.series["crps"], rtol=1e-3)
    assert total_rows(found) == total_rows(result.series)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(model.hash[:16], "0" * 16), encoding="utf-8")
    with pytest.raises(CalibrationError, match="other equations"):
        read_backtest(model)
    for damaged in ("", "series,n\nstock,3\n"):
        path.write_text(damaged, encoding="utf-8")
        with pytest.raises(CalibrationError, match=r"backtest\.csv of '.*' cannot be read \(.*\): 'trilemma backtest"):
            read_backtest(model)
    path.write_text(text, encoding="utf-8")
    observations = model.path.with_name("observations.csv")
    observations.write_text(observations.read_text(encoding="utf-8").replace("9.2", "9.3"), encoding="utf-8")
    with pytest.raises(CalibrationError, match="other evidence"):
        read_backtest(model)
    observations.write_text(observations.read_text(encoding="utf-8").replace("9.3", "9.2"), encoding="utf-8")
    measurements = model.path.with_name("measurements.csv")
    measurements.write_text(measurements.read_text(encoding="utf-8").replace("kilo", "thousand"), encoding="utf-8")
    with pytest.raises(CalibrationError, match="other measurements"):
        read_backtest(model)


def test_nothing_to_hold_back_is_one_sentence(model: Model, asked: list[date | None]) -> None:
    with pytest.raises(EvidenceError, match="ended after 2023-12-31: choose an earlier origin"):
        fit_origins(model, [date(2023, 12, 31)])
    assert asked == []


def test_words_say_where_a_naive_forecast_is_better_and_whether_bands_hold(result: Backtest) -> None:
    series = result.series
    worse = series.assign(skill=-0.5, skill_last=-0.5, skill_trend=-0.2, coverage_90=0.2, bias=1.0)
    text = " ".join(findings(worse, "Made in\nhindsight."))
    assert "too narrow: 80 % to 97 %" in text
    assert "no better than the better naive forecast" in text
    assert "a naive forecast is better in 2 of 2 series" in text
    assert "against the last value" in text
    assert "(too high)" in text
    assert text.endswith("Made in hindsight.")
    assert "is approximate" not in text
    assert "of k 0.90 and were raised to 0.50" in " ".join(findings(series.assign(k_hat=0.9, tempered_to=0.5)))
    better = " ".join(findings(series.assign(skill=0.5, coverage_90=0.9)))
    assert "as asked" in better
    assert "no naive forecast is better" in better


def test_records_are_plain(result: Backtest) -> None:
    found = record_document(Record(result.series))
    assert {"totals", "series"} == set(found)
    assert found["totals"][0]["origin"] == "2021-12-31"
    assert any(row["skill"] is None for row in found["series"])  # a series without a past


def test_the_command_shows_what_is_kept_and_says_what_is_missing(
    model: Model, result: Backtest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # what `main` changes is restored at the end

    def run(*words: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["trilemma", "backtest", str(model.path), "--stored", *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return stopped.value.code, captured.out, captured.err

    status, printed, said = run()
    assert (status, printed) == (2, "")
    assert said == "trilemma: the model 'small' has no backtest.csv: 'trilemma backtest small' makes it.\n"
    write_backtest(model, result)
    status, printed, _ = run()
    assert not status
    assert "One year ahead" in printed
    assert set(json.loads(run("--json")[1])) == {"totals", "series"}

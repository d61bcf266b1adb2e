"""The calibration page: what it draws and says follows from the ensemble, the evidence and the backtest."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from tests.calibration.conftest import EQUATIONS, OUTCOMES, Case
from tests.calibration.test_score import PARAMETERS
from trilemma.calibration.backtest import backtest, write_backtest
from trilemma.calibration.ensemble import prior_ensemble, write_ensemble
from trilemma.errors import CalibrationError, EnsembleError
from trilemma.reporting import calibration_blocks as blocks
from trilemma.reporting.calibration_figures import fit_bands, learning_chart, pair_chart, residual_chart
from trilemma.reporting.calibration_study import CalibrationStudy, learnt, open_calibration, trade_offs
from trilemma.reporting.provenance import NUMBERS_ID

TWO = PARAMETERS.replace("head start[US],Kunit/Year,1,1,1,,", "head start[US],Kunit/Year,1,0.5,1.5,uniform,")


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """Return the small model with two priors."""
    (tmp_path / "small.mdl").write_text(EQUATIONS, encoding="utf-8")
    (tmp_path / "outcomes.toml").write_text(OUTCOMES, encoding="utf-8")
    (tmp_path / "parameters.csv").write_text(TWO, encoding="utf-8")
    return Case(tmp_path).write()


@pytest.fixture
def study(case: Case) -> CalibrationStudy:
    """Return a study whose slope is narrowed to half and tied to the other parameter."""
    model = case.model
    prior = prior_ensemble(model, 400, 5)
    slope, start = prior.values.T
    values = np.stack([2 + 0.5 * (slope - 2), start[np.argsort(np.argsort(-slope))]], axis=1)
    values[:, 1] = np.sort(start)[np.argsort(np.argsort(-slope))]
    posterior = write_ensemble(model, replace(prior, values=values, fitted=np.array([True, True])))
    result = backtest(model, {date(2021, 12, 31): prior})
    return open_calibration(posterior, write_backtest(model, result))


def test_what_was_learnt_is_told_on_the_scale_of_the_prior(study: CalibrationStudy) -> None:
    table = {str(row["parameter"]): row for row in learnt(study).to_dict("records")}
    assert table["slope"]["contraction"] == pytest.approx(0.75, abs=0.05)  # a normal of half the width
    assert table["head start[US]"]["contraction"] == pytest.approx(0.0, abs=0.05)
    assert table["slope"]["middle"] == pytest.approx(0.5, abs=0.03)
    assert table["slope"]["p95"] - table["slope"]["p5"] == pytest.approx(0.1, rel=0.1)
    assert list(table) == ["slope", "head start[US]"]


def test_parameters_that_trade_off_are_found(study: CalibrationStudy) -> None:
    [(one, other, correlation)] = trade_offs(study, 5)
    assert {one, other} == {"slope", "head start[US]"}
    assert correlation < -0.98


def test_figures_have_a_panel_a_measurement_and_count_what_lies_inside(study: CalibrationStudy) -> None:
    figure = fit_bands(study.rows, study.bands)
    titles = [axes.get_title(loc="left").split("\n")[0] for axes in figure.axes if axes.axison]
    assert titles == list(dict.fromkeys(study.rows["measurement"]))
    inside = int(sum(study.rows["within_90"]))
    assert figure.texts[0].get_text().startswith(f"{inside} of {len(study.rows)} observations")
    np.testing.assert_allclose(study.bands[1], [3000, 5000, 4, 9, 8], rtol=0.02)
    assert "residuals" in residual_chart(study.rows).get_suptitle()
    assert "1 of 2 uncertain parameters" in " ".join(learning_chart(learnt(study)).get_suptitle().split())
    assert len(pair_chart(study.posterior.parameters, study.posterior.labels, "t").axes) == 4


def test_words_and_numbers_follow_from_the_tables(study: CalibrationStudy) -> None:
    text = blocks.wrong(study).html
    assert f"of {len(study.rows)} observations lie in the 90 % bands" in text
    assert "next to nothing of 1 of 2 uncertain parameters" in text
    assert "held-back observations" in text
    found = re.search(rf'id="{NUMBERS_ID}">(.*?)</script>', blocks.numbers(study).html)
    assert found is not None
    numbers = json.loads(found[1])
    assert numbers["series"]["sales"]["coverage_90"] == 1.0
    assert numbers["parameters"]["slope"]["p50"] == pytest.approx(2.0, abs=0.01)
    assert "2021-12-31, 1, prior only" in numbers["backtest"]


def test_every_block_is_made(study: CalibrationStudy) -> None:
    for make in (blocks.masthead, blocks.fits, blocks.residuals, blocks.scored, blocks.learning, blocks.pairs):
        assert "<" in make(study).html
    assert "Variance taken away" in blocks.identifiability(study).html
    assert "calibrated" in blocks.backtested(study).html
    assert "No backtest" in blocks.backtested(replace(study, backtest=None)).html


def test_what_is_missing_or_stale_is_one_sentence(case: Case, study: CalibrationStudy) -> None:
    posterior = case.folder / "posterior.nc"
    observations = case.folder / "observations.csv"
    text = observations.read_text(encoding="utf-8")
    observations.write_text(text.replace("9.5", "9.6"), encoding="utf-8")
    with pytest.raises(CalibrationError, match="other evidence"):
        open_calibration(posterior, case.folder / "backtest.csv")
    posterior.unlink()
    with pytest.raises(EnsembleError, match="trilemma calibrate"):
        open_calibration(posterior)
    assert study.posterior.draws == 400

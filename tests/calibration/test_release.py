"""A calibration writes the whole ensemble when all is well, and nothing when it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import trilemma
from tests.calibration.linear import Linear, write_linear
from trilemma.calibration.chains import SCALE, judge
from trilemma.calibration.release import calibration_rows, read_day, read_inference
from trilemma.errors import CalibrationError, TrilemmaWarning
from trilemma.translation.ensemble import FILE, read_ensemble


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Linear:
    """Return the linear model, calibrated by chains."""
    linear = write_linear(tmp_path_factory.mktemp("linear"))
    trilemma.calibrate(linear.model, draws=2000, seed=0)
    return linear


def test_the_file_holds_the_posterior_on_paper(linear: Linear) -> None:
    ensemble = read_ensemble(linear.model)
    assert ensemble.draws == 2000
    assert ensemble.fitted.tolist() == [True, True, False]
    drawn = np.stack([ensemble.parameters["start"], ensemble.parameters["pace"]], axis=1)
    sd = np.sqrt(np.diag(linear.covariance))
    # 5 standard errors of 1,000 effective draws
    np.testing.assert_allclose(drawn.mean(axis=0), linear.mean, atol=5 * sd.max() / np.sqrt(1000))
    np.testing.assert_allclose(drawn.std(axis=0), sd, rtol=5 / np.sqrt(2000))


def test_the_file_says_what_it_was_made_from(linear: Linear) -> None:
    attrs = read_ensemble(linear.model).attrs
    assert attrs["model_hash"] == linear.model.hash
    assert {"evidence_hash", "measurements_hash", "until", "method", "time_step", "seed", "version"} <= set(attrs)
    assert attrs["r_hat"] < 1.01
    assert attrs["ess_bulk"] > 400
    assert (linear.model.path.parent / FILE).stat().st_size < 2 * 2**20


def test_the_chains_are_kept_as_arviz_names_them(linear: Linear) -> None:
    with xr.open_datatree(linear.model.path.parent / FILE, engine="h5netcdf") as tree:
        assert tree["posterior"]["value"].dims == ("chain", "draw", "parameter")
        assert tree["sample_stats"]["diverging"].shape == (4, 500)
        assert list(tree["diagnostics"]["parameter"].to_numpy()) == ["start", "pace", SCALE]


def test_contraction_is_what_the_data_tell(linear: Linear) -> None:
    rows = {row["parameter"]: row for row in calibration_rows(linear.model, read_ensemble(linear.model))}
    assert set(rows) == {"start", "pace"}
    assert all(row["contraction"] > 0.3 and not row["extreme"] for row in rows.values())


def test_bad_chains_are_refused_and_short_ones_named() -> None:
    def diagnosed(r_hat: float, effective: float) -> xr.Dataset:
        columns = {"r_hat": r_hat, "ess_bulk": effective}
        return xr.Dataset({k: ("parameter", [v]) for k, v in columns.items()}, {"parameter": ["pace"]})

    judge(diagnosed(1.002, 900), 0.0)
    with pytest.warns(TrilemmaWarning, match="short of the aim: R-hat is 1.02"):
        judge(diagnosed(1.02, 900), 0.0)
    with pytest.warns(TrilemmaWarning, match="effective draws are 100"):
        judge(diagnosed(1.0, 100), 0.0)
    with pytest.raises(CalibrationError, match="did not converge: R-hat is 1.2.*'pace'.*nothing was written"):
        judge(diagnosed(1.2, 900), 0.0)
    with pytest.raises(CalibrationError, match=r"10\.0% of the paths diverged"):
        judge(diagnosed(1.0, 900), 0.1)


def test_nothing_is_written_when_chains_disagree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trilemma.calibration.chains.R_HAT_REFUSED", 0.0)
    model = write_linear(tmp_path).model
    with pytest.raises(CalibrationError, match="nothing was written"):
        trilemma.calibrate(model, draws=40, seed=0)
    assert not (tmp_path / FILE).exists()


def test_words_of_the_command_are_checked() -> None:
    with pytest.raises(CalibrationError, match="unknown method 'mcmc'"):
        read_inference("mcmc")
    with pytest.raises(CalibrationError, match="'2024' is no day"):
        read_day("2024")

"""Ensembles: draws from the priors, and a file that is whole, belongs to its model, and is refused otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from trilemma.calibration.ensemble import ERROR_SCALE_SD, prior_ensemble, write_ensemble
from trilemma.errors import CalibrationError, EnsembleError
from trilemma.translation.ensemble import FILE, Ensemble, read_ensemble
from trilemma.translation.model import Model, load_model
from trilemma.translation.parameters import COLUMNS

EQUATIONS = """{UTF-8}
speed = 2 ~ m/s ~|
share = 0.5 ~ Dmnl ~|
INITIAL TIME = 0 ~ ~|
FINAL TIME = 1 ~ ~|
TIME STEP = 1 ~ ~|
SAVEPER = 1 ~ ~|
"""
TABLE = "speed,m/s,2,1,4,lognormal,parameter,assumption,\nshare,Dmnl,0.5,0.2,0.8,beta,parameter,assumption,\n"


def write_model(folder: Path, table: str = TABLE) -> Model:
    """Write a model of two constants and load it."""
    (folder / "two.mdl").write_text(EQUATIONS, encoding="utf-8")
    (folder / "parameters.csv").write_text(",".join(COLUMNS) + "\n" + table, encoding="utf-8")
    return load_model(folder / "two.mdl")


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Return a model of two constants."""
    return write_model(tmp_path)


@pytest.fixture
def ensemble(model: Model) -> Ensemble:
    """Return draws from its priors."""
    return prior_ensemble(model, 500, seed=0)


def test_prior_draws_have_the_ranges_of_the_table(ensemble: Ensemble) -> None:
    assert ensemble.labels == ("speed", "share")
    assert not ensemble.fitted.any()
    # 2 %: the strata of 500 draws
    np.testing.assert_allclose(np.quantile(ensemble.parameters["speed"], [0.05, 0.5, 0.95]), [1, 2, 4], rtol=0.02)
    assert ensemble.parameters["share"].mean() == pytest.approx(0.5, rel=0.01)
    assert np.log(ensemble.error_scale).std() == pytest.approx(ERROR_SCALE_SD, rel=0.02)


def test_prior_draws_follow_from_the_seed(model: Model, ensemble: Ensemble) -> None:
    np.testing.assert_array_equal(prior_ensemble(model, 500, seed=0).values, ensemble.values)
    assert not np.array_equal(prior_ensemble(model, 500, seed=1).values, ensemble.values)


def test_a_model_without_priors_has_no_ensemble(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="no parameter with a prior"):
        prior_ensemble(write_model(tmp_path, TABLE.replace("lognormal", "").replace("beta", "")), 10, seed=0)


def test_what_is_written_is_read(model: Model, ensemble: Ensemble) -> None:
    marked = replace(ensemble, fitted=np.array([True, False]))
    path = write_ensemble(model, marked, {"diagnostics": xr.Dataset({"r_hat": ("parameter", [1.0, 1.0])})})
    found = read_ensemble(model)
    assert path.name == FILE
    np.testing.assert_allclose(found.values, ensemble.values, rtol=1e-6)  # single precision
    np.testing.assert_allclose(found.error_scale, ensemble.error_scale, rtol=1e-6)
    np.testing.assert_array_equal(found.fitted, marked.fitted)
    assert found.labels == ensemble.labels
    assert found.attrs["inference"] == "prior"
    assert xr.open_dataset(path, group="diagnostics", engine="h5netcdf")["r_hat"].shape == (2,)
    assert [file.name for file in path.parent.glob(".*")] == []


def test_a_model_that_changed_refuses_its_old_ensemble(model: Model, ensemble: Ensemble, tmp_path: Path) -> None:
    write_ensemble(model, ensemble)
    with pytest.raises(EnsembleError, match="made for other priors .* 'trilemma calibrate two' makes one"):
        read_ensemble(write_model(tmp_path, TABLE.replace("1,4", "1,5")))
    write_model(tmp_path)
    (tmp_path / "two.mdl").write_text(EQUATIONS.replace("speed = 2", "speed = 2 + 0*share"), encoding="utf-8")
    with pytest.raises(EnsembleError, match="made for other equations"):
        read_ensemble(load_model(tmp_path / "two.mdl"))


def test_a_note_on_a_parameter_does_not_cost_the_ensemble(model: Model, ensemble: Ensemble, tmp_path: Path) -> None:
    write_ensemble(model, ensemble)
    renoted = write_model(tmp_path, TABLE.replace("parameter,assumption,", "parameter,assumption,a guess"))
    assert read_ensemble(renoted).draws == 500


def test_without_a_file_the_remedy_is_named(model: Model) -> None:
    with pytest.raises(EnsembleError, match=r"has no calibrated ensemble posterior\.nc: 'trilemma calibrate two'"):
        read_ensemble(model)


def test_a_damaged_file_is_refused(model: Model, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no netCDF")
    with pytest.raises(EnsembleError, match="cannot be read"):
        read_ensemble(model)


def test_a_file_that_cannot_be_written_leaves_nothing(model: Model, ensemble: Ensemble, tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="cannot be written"):
        write_ensemble(model, ensemble, path=tmp_path / "missing" / FILE)

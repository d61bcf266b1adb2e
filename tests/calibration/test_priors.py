"""Tabulated priors are the quantile functions of `sample_priors`, in value and slope, under NumPy and JAX."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest
from scipy.special import ndtr

from trilemma.calibration.priors import REACH, limits_of, priors_of
from trilemma.translation.model import Model, load_model
from trilemma.translation.parameters import COLUMNS, sample_priors

NAMES = ("even", "wide", "narrow", "cut", "share", "first", "second")
EQUATIONS = "".join(
    f"{name} = 0.5 ~ Dmnl [0,1] ~|\n" if name == "share" else f"{name} = 0.5 ~ Dmnl ~|\n" for name in NAMES
)
TABLE = """even,Dmnl,0.5,0.2,0.9,uniform,parameter,assumption,
wide,Dmnl,0.5,0.05,5,lognormal,parameter,assumption,
narrow,Dmnl,0.5,0.4,0.6,normal,parameter,assumption,
cut,Dmnl,0.5,-1,2,normal,parameter,assumption,
share,Dmnl,0.5,0.1,0.9,beta,parameter,assumption,
first,Dmnl,0.5,0.3,0.7,dirichlet(both),parameter,assumption,
second,Dmnl,0.5,0.3,0.7,dirichlet(both),parameter,assumption,
"""
CLOCK = "INITIAL TIME = 0 ~ ~|\nFINAL TIME = 1 ~ ~|\nTIME STEP = 1 ~ ~|\nSAVEPER = 1 ~ ~|\n"


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Return a model with a prior of each family."""
    (tmp_path / "priors.mdl").write_text("{UTF-8}\n" + EQUATIONS + CLOCK, encoding="utf-8")
    (tmp_path / "parameters.csv").write_text(",".join(COLUMNS) + "\n" + TABLE, encoding="utf-8")
    return load_model(tmp_path / "priors.mdl")


def exact(model: Model, z: np.ndarray) -> np.ndarray:
    """Return what `sample_priors` gives at z, for each parameter outside the dirichlet group."""
    rows = model.parameters.uncertain
    drawn = sample_priors(model.parameters, ndtr(np.repeat(z[:, None], len(rows), axis=1)), limits_of(model))
    return np.stack([drawn[name] for name in priors_of(model).labels], axis=1)


def test_members_of_a_dirichlet_group_do_not_move_by_themselves(model: Model) -> None:
    assert priors_of(model).labels == NAMES[:5]


def test_values_are_those_of_sample_priors(model: Model) -> None:
    z = np.random.default_rng(1).uniform(-5, 5, 2000)
    np.testing.assert_allclose(priors_of(model).at(z[:, None]), exact(model, z), rtol=1e-6)


def test_slopes_are_those_of_sample_priors(model: Model) -> None:
    z, h = np.random.default_rng(2).uniform(-3, 3, 200), 1e-4
    priors = priors_of(model)
    points = np.repeat(z[:, None], len(priors.labels), axis=1)
    slopes = jax.vmap(jax.jacobian(priors.at))(points)
    np.testing.assert_allclose(np.einsum("rkk->rk", slopes), priors.slopes_at(points), rtol=1e-9)
    differences = (exact(model, z + h) - exact(model, z - h)) / (2 * h)
    # 1e-5: what the differences themselves are off by
    np.testing.assert_allclose(np.einsum("rkk->rk", slopes), differences, rtol=1e-5)


def test_values_rise_and_stand_still_beyond_the_reach(model: Model) -> None:
    values = priors_of(model).at(np.linspace(-REACH, REACH, 7001)[:, None])
    assert (np.diff(values, axis=0) >= 0).all()
    beyond = priors_of(model).at(np.array([[-9.0], [9.0]]))
    np.testing.assert_array_equal(beyond, values[[0, -1]])


def test_positions_undo_values(model: Model) -> None:
    priors = priors_of(model)
    z = np.array([-1.5, 0.3, 2.2, 0.0, -0.7])
    np.testing.assert_allclose(priors.positions(priors.at(z)), z, atol=1e-4)


def test_some_of_the_parameters_alone(model: Model) -> None:
    priors = priors_of(model)
    some = priors.only(np.array([1, 4]))
    z = np.array([0.4, -1.0])
    np.testing.assert_array_equal(some.at(z), priors.at(np.array([0, 0.4, 0, 0, -1.0]))[[1, 4]])

"""The search for other modes: it ends at the one there is, takes a better one, and says which it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import OptimizeResult

from tests.calibration.linear import write_linear
from trilemma.calibration import search as searches
from trilemma.calibration.calibrate import posterior_ensemble
from trilemma.calibration.fit import Fit, fit
from trilemma.calibration.problem import Problem, pose
from trilemma.calibration.search import EVALUATIONS, search
from trilemma.errors import CalibrationError


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    """Return what is fitted."""
    return pose(write_linear(tmp_path).model)


@pytest.fixture
def mode(problem: Problem) -> Fit:
    """Return the only mode there is."""
    return fit(problem, seed=0, starts=16)


def test_it_ends_at_the_only_mode(problem: Problem, mode: Fit) -> None:
    found = search(problem, mode, seed=0)
    assert not found.taken
    assert found.mode is mode
    assert found.gain == pytest.approx(0, abs=1e-6)
    assert found.verdict.endswith("ended at the same mode.")
    assert found.attrs["global_check_runs"] == EVALUATIONS


def test_a_better_mode_replaces_the_one_that_was_known(problem: Problem, mode: Fit) -> None:
    found = search(problem, replace(mode, z=mode.z + 1, cost=mode.cost + 5), seed=0)
    assert found.taken
    np.testing.assert_allclose(found.mode.z, mode.z, atol=1e-4)
    assert found.gain == pytest.approx(5, rel=1e-6)
    assert "found a better mode, log posterior higher by 5:" in found.verdict


def test_a_worse_end_leaves_the_mode(problem: Problem, mode: Fit) -> None:
    found = search(problem, replace(mode, cost=mode.cost - 5), seed=0)
    assert not found.taken
    assert "lower by 5: nothing better was met" in found.verdict


def test_a_better_point_that_is_no_mode_puts_the_fit_in_doubt(
    problem: Problem, mode: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(_problem: object, z: np.ndarray) -> OptimizeResult:
        far = np.array([5.0, 1.0])
        return OptimizeResult(x=z, cost=mode.cost, fun=far, jac=np.eye(2), grad=far, njev=60)

    monkeypatch.setattr(searches, "polish", stuck)
    found = search(problem, replace(mode, cost=mode.cost + 5), seed=0)
    assert not found.taken
    assert found.verdict.endswith("higher by 5, but no mode there: the fit is in doubt.")


def test_its_runs_are_counted(problem: Problem, mode: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    plain = Problem.log_posterior

    def counted(problem: Problem, z: np.ndarray) -> np.ndarray:
        runs.append(len(z))
        return plain(problem, z)

    monkeypatch.setattr(Problem, "log_posterior", counted)
    search(problem, mode, seed=0)
    assert sum(runs) == EVALUATIONS == 10_240  # the number that the help of the command states


def test_without_a_mode_there_is_nothing_to_check(problem: Problem) -> None:
    with pytest.raises(CalibrationError, match="'weights' uses no mode"):
        posterior_ensemble(problem.model, method="weights", global_check=True)

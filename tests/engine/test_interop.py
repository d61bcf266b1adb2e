"""A model as a plain function: SALib's indices and SciPy's optimum of models with closed forms; EMA Workbench."""

from __future__ import annotations

import numpy as np
import pytest
from SALib.analyze import sobol
from SALib.sample import sobol as sampler
from scipy.optimize import check_grad, minimize

from tests.engine.conftest import Loader
from trilemma.engine.interop import as_function
from trilemma.engine.simulate import simulate
from trilemma.errors import OverrideError, UnknownNameError

# Ishigami's function: its Sobol indices are known
ISHIGAMI = "y = SIN(a) + 7*SIN(b)^2 + 0.1*c^4*SIN(a) + 0*Time~~|\na = 0~~|\nb = 0~~|\nc = 0~~|"
ROSENBROCK = "x = (1 - a[P])^2 + 100*(a[Q] - a[P]^2)^2 + 0*Time~~|\npq: P, Q ~~|\na[pq] = -1.2, 1~~|"


def test_sobol_indices_of_a_known_function(load: Loader) -> None:
    function = as_function(load(ISHIGAMI), ["a", "b", "c"], "y")
    problem = {"num_vars": 3, "names": ["a", "b", "c"], "bounds": [[-np.pi, np.pi]] * 3}
    points = sampler.sample(problem, 1024, calc_second_order=False, seed=1)
    found = sobol.analyze(problem, function(points), calc_second_order=False, seed=1)
    np.testing.assert_allclose(found["S1"], [0.314, 0.442, 0.0], atol=0.03)
    np.testing.assert_allclose(found["ST"], [0.558, 0.442, 0.244], atol=0.03)


def test_an_optimum_with_the_exact_jacobian(load: Loader) -> None:
    function = as_function(load(ROSENBROCK), ["a"], "x")
    assert function.parameters == ("a[P]", "a[Q]")
    assert check_grad(function, function.jacobian, function.central) < 1e-4
    found = minimize(function, function.central, jac=function.jacobian, method="BFGS")
    np.testing.assert_allclose(found.x, [1, 1], atol=1e-5)


def test_many_points_are_one_point_each(load: Loader) -> None:
    function = as_function(load("x = INTEG(-k*x, x0)~~|\nk = 0.5~~|\nx0 = 8~~|"), ["k", "x0"], "x", at=1.25)
    points = np.array([[0.5, 8.0], [0.2, 3.0], [0.0, 1.0]])
    many, slopes = function(points), function.jacobian(points)
    assert (many.shape, slopes.shape, np.shape(function(points[0]))) == ((3,), (3, 2), ())
    k, x0 = points.T
    np.testing.assert_allclose(many, x0 * ((1 - k / 2) ** 2 + (1 - k / 2) ** 3) / 2, rtol=1e-14)
    for point, value, slope in zip(points, many, slopes, strict=True):
        assert function(point) == pytest.approx(value, rel=1e-14)
        np.testing.assert_allclose(function.jacobian(point), slope, rtol=1e-13)


def test_mistakes_are_answered(load: Loader) -> None:
    model = load(ROSENBROCK)
    with pytest.raises(UnknownNameError, match="unknown outcome 'z'"):
        as_function(model, ["a"], "z")
    with pytest.raises(OverrideError, match="has the dimensions pq: name one element"):
        as_function(model, ["a"], "a")
    with pytest.raises(OverrideError, match="outside the simulation, which runs from 0 to 4"):
        as_function(model, ["a"], "x", at=9)
    with pytest.raises(OverrideError, match="expected .* 2"):
        as_function(model, ["a"], "x")(np.ones((4, 3)))


def test_experiments_of_ema_workbench(load: Loader) -> None:
    workbench = pytest.importorskip("ema_workbench")
    ema = pytest.importorskip("trilemma.engine.ema")
    model = load("x = INTEG(-k*x, x0)~~|\nk = 0.5~~|\nx0 = 8~~|")
    made = ema.as_ema_model(model, uncertainties={"k": (0.1, 0.9)}, levers={"x0": (1, 9)}, outcomes=["x"])
    found = []
    for evaluator in (ema.BatchEvaluator, workbench.SequentialEvaluator):
        with evaluator(made) as running:
            np.random.seed(0)  # noqa: NPY002 - EMA Workbench samples with the old generator
            found.append(running.perform_experiments(scenarios=5, policies=2))
    (experiments, outcomes), (others, single) = found
    np.testing.assert_array_equal(experiments["k"], others["k"])
    np.testing.assert_allclose(outcomes["x"], single["x"], rtol=1e-14)
    assert outcomes["x"].shape == (10, 9)
    np.testing.assert_array_equal(outcomes["TIME"][0], np.arange(0, 4.5, 0.5))
    one = simulate(model, {"k": experiments["k"].iloc[3], "x0": experiments["x0"].iloc[3]})
    np.testing.assert_allclose(outcomes["x"][3], one["x"], rtol=1e-14)

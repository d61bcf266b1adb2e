"""Gradients: against closed forms, against central differences, forward against reverse, a batch against its runs."""

from __future__ import annotations

import warnings
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jax import Array

import trilemma
from tests.engine.conftest import Loader
from trilemma.engine import gradients, parametrised
from trilemma.engine.gradients import sensitivities, value_and_gradient
from trilemma.engine.simulate import simulate
from trilemma.errors import OverrideError, TrilemmaError, TrilemmaWarning, UnknownNameError
from trilemma.translation.model import Model

DECAY = "x = INTEG(-k*x, x0) ~ Litre ~|\nk = 0.5 ~ 1/Year ~|\nx0 = 8 ~ Litre ~|\nidle = 1 ~ Dmnl ~|"
GROUPS = """
seg: A, B, C ~~|
sub: B, C ~~|
rate[seg] = 0.1, 0.2, 0.3 ~ 1/Year ~|
level[seg] = INTEG(rate[seg]*level[seg]*drive + spill*total, 10.0) ~ Dmnl ~|
drive = 1 + 0*Time ~ Dmnl ~|
spill = 0.01 ~ Dmnl ~|
mixed[A] = 7 ~ Dmnl ~|
mixed[sub] = Time*spill ~ Dmnl ~|
total = SUM(level[seg!]) + SUM(mixed[seg!]) ~ Dmnl ~|
largest = VMAX(level[seg!])^1.5 ~ Dmnl ~|
"""


def central(model: Model, parameter: str, outcomes: list[str], step: float, **more: object) -> xr.Dataset:
    """Return derivatives by central differences of the fourth order."""
    value = model.constants()[parameter]
    points = value + step * np.array([-2.0, -1.0, 1.0, 2.0])
    ds = simulate(model, {parameter: xr.DataArray(points, dims="run")}, outcomes=outcomes, **more)  # type: ignore[arg-type]
    weights = xr.DataArray(np.array([1.0, -8.0, 8.0, -1.0]) / (12 * step), dims="run")
    return (ds.drop_vars("result") * weights).sum("run", skipna=False)


@pytest.mark.parametrize("method", ["euler", "rk4"])
def test_decay_has_its_closed_form(load: Loader, method: Literal["euler", "rk4"]) -> None:
    jac = sensitivities(load(DECAY), parameters=["k", "x0"], outcomes=["x", "k"], method=method)
    n, h, k = np.arange(9), 0.5, 0.5
    z = h * k
    growth = 1 - z if method == "euler" else 1 - z + z**2 / 2 - z**3 / 6 + z**4 / 24
    slope = -1.0 if method == "euler" else -1 + z - z**2 / 2 + z**3 / 6
    expected = 8 * n * growth ** np.maximum(n - 1, 0) * h * slope
    assert jac["x"].dims == ("parameter", "time")
    np.testing.assert_allclose(jac["x"].sel(parameter="k"), expected, rtol=1e-13)
    np.testing.assert_allclose(jac["x"].sel(parameter="x0"), growth**n, rtol=1e-13)
    assert jac["k"].dims == ("parameter",)
    assert jac["k"].to_numpy().tolist() == [1, 0]


def test_halved_steps_bring_decay_to_minus_t_x(load: Loader) -> None:
    jac = sensitivities(load(DECAY), parameters=["k"], outcomes=["x"], method="rk4", time_step=1 / 64, save_every=0.5)
    t = jac["time"].to_numpy()
    np.testing.assert_allclose(jac["x"].sel(parameter="k"), -t * 8 * np.exp(-t / 2), rtol=1e-8)


def test_labels_units_and_dimensions(load: Loader) -> None:
    model = load(GROUPS)
    jac = sensitivities(model, parameters=["rate", "SPILL"], outcomes=["level", "total", "level[B]"])
    assert jac["parameter"].to_numpy().tolist() == ["rate[A]", "rate[B]", "rate[C]", "SPILL"]
    assert jac["level"].dims == ("parameter", "time", "seg")
    assert jac["parameter_unit"].to_numpy().tolist() == ["1/Year"] * 3 + ["Dmnl"]
    np.testing.assert_array_equal(jac["level"].sel(seg="B"), jac["level[B]"])
    one = sensitivities(load(DECAY), parameters=["k"], outcomes=["x"])
    assert one["x"].attrs["units"] == "(Litre) / (1/Year)"
    assert sensitivities(load(DECAY), parameters=["idle"], outcomes=["x"], warn=False)["x"].attrs["units"] == "Litre"


def test_all_parameters_with_effect_are_the_default(load: Loader) -> None:
    jac = sensitivities(load(DECAY), outcomes=["x"])
    assert jac["parameter"].to_numpy().tolist() == ["k", "x0"]


@pytest.mark.parametrize("method", ["euler", "rk4"])
def test_subscripted_model_against_central_differences(load: Loader, method: Literal["euler", "rk4"]) -> None:
    model, outcomes = load(GROUPS), ["level", "total", "largest", "mixed"]
    names = ["rate[A]", "rate[B]", "rate[C]", "spill", "mixed[A]"]
    jac = sensitivities(model, parameters=names, outcomes=outcomes, method=method)
    for name in names:
        differences = central(model, name, outcomes, 3e-4, method=method)
        for outcome in outcomes:
            exact, rough = jac[outcome].sel(parameter=name), differences[outcome]
            np.testing.assert_allclose(exact, rough, rtol=1e-9, atol=1e-9 * (1 + float(abs(rough).max())))


def test_a_batch_has_the_derivatives_of_its_single_runs(load: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "FORWARD_CHUNK", 4)  # chunks end inside a run
    model = load(GROUPS)
    spill = np.array([0.0, 0.01, 0.05])
    runs = xr.Dataset({"spill": ("run", spill)}, {"run": [7, 8, 9]})
    jac = sensitivities(model, runs, parameters=["rate", "spill"], outcomes=["level", "total"])
    assert jac["level"].dims == ("run", "parameter", "time", "seg")
    assert jac["run"].to_numpy().tolist() == [7, 8, 9]
    for run, value in zip([7, 8, 9], spill, strict=True):
        alone = sensitivities(model, {"spill": value}, parameters=["rate", "spill"], outcomes=["level", "total"])
        for name in ("level", "total"):
            np.testing.assert_allclose(jac[name].sel(run=run), alone[name], rtol=1e-13, atol=1e-13)


def test_a_variable_that_is_held_at_a_number_is_a_parameter(load: Loader) -> None:
    held = sensitivities(load(GROUPS), {"drive": 1.0}, parameters=["drive"], outcomes=["total"])
    model = load(GROUPS.replace("1 + 0*Time", "1"))
    constant = sensitivities(model, parameters=["drive"], outcomes=["total"])
    np.testing.assert_allclose(held["total"], constant["total"], rtol=1e-14)


def loss(outcomes: dict[str, Array]) -> Array:
    return jnp.sum(jnp.log(outcomes["level"]) ** 2) + jnp.mean(outcomes["total"])


def test_reverse_equals_forward(load: Loader) -> None:
    model, outcomes = load(GROUPS, saveper=1), ["level", "total"]
    names = ["rate", "spill", "mixed[A]"]
    function = value_and_gradient(model, loss, names, outcomes=outcomes)
    assert function.parameters == ("rate[A]", "rate[B]", "rate[C]", "spill", "mixed[A]")
    value, gradient = function(function.central)
    ds, jac = simulate(model, outcomes=outcomes), sensitivities(model, parameters=names, outcomes=outcomes)
    level = ds["level"]
    terms = jac["level"] * (2 * np.log(level) / level)
    expected = terms.sum(["time", "seg"]) + jac["total"].mean("time")
    assert value == pytest.approx(float((np.log(level) ** 2).sum() + ds["total"].mean()), rel=1e-14)
    np.testing.assert_allclose(gradient, expected, rtol=1e-12)
    np.testing.assert_allclose(jax.grad(function.loss_of)(jnp.asarray(function.central)), gradient, rtol=1e-13)


def test_the_way_back_is_the_same_whether_steps_are_kept_or_worked_out_again(
    load: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(GROUPS + "\nlate = DELAY FIXED(total*spill, 1, 0)~~|\n", saveper=1)

    def gradient() -> np.ndarray:
        function = value_and_gradient(
            model, lambda o: jnp.sum(o["level"] ** 2) + jnp.sum(o["late"]), ["spill"], outcomes=["level", "late"]
        )
        return function(function.central)[1]

    kept = gradient()
    monkeypatch.setattr(parametrised, "KEPT", 0)
    np.testing.assert_allclose(gradient(), kept, rtol=1e-13)


def test_a_sampler_can_compile_map_and_differentiate_the_loss(load: Loader) -> None:
    function = value_and_gradient(load(GROUPS), loss, ["rate", "spill"], outcomes=["level", "total"])

    def log_density(unbounded: dict[str, Array]) -> Array:
        return -function.loss_of(jnp.exp(unbounded["log theta"])) - jnp.sum(unbounded["log theta"] ** 2)

    chains = {"log theta": jnp.log(function.central * np.random.default_rng(0).uniform(0.8, 1.2, (4, 4)))}
    together = jax.jit(jax.vmap(jax.value_and_grad(log_density)))(chains)
    values, slopes = function(np.exp(chains["log theta"]))
    expected = -slopes * np.exp(chains["log theta"]) - 2 * chains["log theta"]
    assert together[0].dtype == jnp.float64
    np.testing.assert_allclose(together[0], -values - (chains["log theta"] ** 2).sum(axis=1), rtol=1e-13)
    np.testing.assert_allclose(together[1]["log theta"], expected, rtol=1e-12)
    np.testing.assert_allclose(jax.vmap(log_density)(chains), together[0], rtol=1e-13)


def test_chains_are_the_runs_of_one_batch(load: Loader) -> None:
    function = value_and_gradient(load(GROUPS), loss, ["rate", "spill"], outcomes=["level", "total"])
    chains = jnp.asarray(function.central * np.ones((4, 1)))
    operations = str(jax.make_jaxpr(jax.vmap(jax.grad(function.loss_of)))(chains))
    assert "f64[3,4]" in operations  # the level of the three segments in all runs
    assert "f64[4,3,1]" not in operations


def test_a_sampler_meets_a_finite_slope_where_the_plain_one_is_not(load: Loader) -> None:
    model = load("x = IF THEN ELSE(zero = 0, a, p*EXP(1/zero))~~|\nzero = 0~~|\na = 1.2~~|\np = 1.5~~|")
    function = value_and_gradient(model, lambda o: jnp.sum(o["x"] ** 2), ["a", "p"], outcomes=["x"])
    slopes = jax.vmap(jax.grad(function.loss_of))(jnp.asarray([[1.2, 1.5], [2.0, 1.5]]))
    np.testing.assert_allclose(slopes, [[2 * 1.2 * 9, 0], [2 * 2.0 * 9, 0]], rtol=1e-14)


def test_a_sampler_maps_thetas_over_the_runs_of_overrides(load: Loader) -> None:
    runs = {"spill": xr.DataArray([0.0, 0.02], dims="run")}
    function = value_and_gradient(load(GROUPS), loss, ["rate[A]"], outcomes=["level", "total"], overrides=runs)
    thetas = jnp.asarray([[0.1], [0.2], [0.3]])
    mapped = jax.vmap(function.loss_of)(thetas)
    np.testing.assert_allclose(mapped, [function(theta)[0] for theta in np.asarray(thetas)], rtol=1e-13)


def test_reverse_in_a_batch_equals_its_single_runs(load: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "REVERSE_CHUNK", 2)
    function = value_and_gradient(load(GROUPS), loss, ["rate", "spill"], outcomes=["level", "total"])
    points = function.central * np.random.default_rng(0).uniform(0.8, 1.2, (5, 4))
    values, gradient = function(points)
    assert (values.shape, gradient.shape) == ((5,), (5, 4))
    for point, value, slope in zip(points, values, gradient, strict=True):
        alone = function(point)
        assert alone[0] == pytest.approx(value, rel=1e-14)
        np.testing.assert_allclose(alone[1], slope, rtol=1e-12)


def test_reverse_over_the_runs_of_overrides(load: Loader) -> None:
    model = load(GROUPS)
    runs = {"spill": xr.DataArray([0.0, 0.02], dims="run")}
    function = value_and_gradient(model, loss, ["rate[A]"], outcomes=["level", "total"], overrides=runs)
    values, gradient = function([0.1])
    assert (values.shape, gradient.shape, function.central.shape) == ((2,), (2, 1), (2, 1))
    for spill, value, slope in zip([0.0, 0.02], values, gradient, strict=True):
        one = value_and_gradient(model, loss, ["rate[A]"], outcomes=["level", "total"], overrides={"spill": spill})
        np.testing.assert_allclose(one([0.1])[0], value, rtol=1e-14)
        np.testing.assert_allclose(one([0.1])[1], slope, rtol=1e-13)


@pytest.mark.parametrize(
    "expression",
    [
        "ZIDZ(a, zero*a)",
        "XIDZ(a, zero*a, 9)",
        "(zero*a)^2",
        "(zero*a)^1.5",
        "(zero*a)^p",
        "a^p",
        "(-a)^2",
        "IF THEN ELSE(zero > 0, a/zero, a)",
        "IF THEN ELSE(zero > 0, LN(zero*a), a)",
        "IF THEN ELSE(zero > 0, p*(a/zero), a)",
        "IF THEN ELSE(zero = 0, a, p*EXP(1/zero))",
        "IF THEN ELSE(a < 0, SQRT(zero*a), a*p)",
        "SQRT(zero*a)*p",
        "MAX(a, zero) + MIN(a, zero) + ABS(a)",
        "WITH LOOKUP(a, ([(0,0)-(4,9)],(1,2),(1.5,4),(3,1)))",
        "QUANTUM(a, zero)",
        "MODULO(a, 0.7) + INTEGER(a)",
        "SMOOTH3I(a, a, 2*a)",
        "DELAY1(a*Time, a)",
        "PULSE(a, 1)*a + STEP(a, 1) + RAMP(a, 1, 3)",
        "DELAY FIXED(a*Time, 1, a)",
    ],
)
def test_gradients_are_finite_at_guarded_points(load: Loader, expression: str) -> None:
    model = load(f"x = {expression} ~~|\nzero = 0 ~~|\na = 1.2 ~~|\np = 1.5 ~~|\ny = x + 0*p*a*zero~~|")
    ds = simulate(model, outcomes=["y"])
    assert np.isfinite(ds["y"]).all()
    jac = sensitivities(model, parameters=["a", "p"], outcomes=["y"])
    assert np.isfinite(jac["y"]).all()
    function = value_and_gradient(model, lambda o: jnp.sum(o["y"] ** 2), ["a", "p"], outcomes=["y"])
    _, gradient = function(function.central)
    expected = (2 * ds["y"].to_numpy() * jac["y"].to_numpy()).sum(axis=-1)
    np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-12)


_NAMES = """viability[EUV], proxy build rate, risk slope, init CN devs[USclosed], kappa funding, RD intensity,
init AI investment[US], compute life, yield base, litho rate, research productivity, lambda, distill max,
build delay[US], init power[CN], reaction coefficient"""
PARAMETERS: list[str] = [*_NAMES.replace("\n", " ").split(", ")]
SCALES = (3e-3, 1e-3, 5e-4, 3e-4, 1e-4, 3e-5, 1e-5, 1e-6)
POINTS = np.arange(-4, 5)
STENCILS = np.array(
    [
        [0, 0, 1, -8, 0, 8, -1, 0, 0],
        [3, -16, 36, -48, 25, 0, 0, 0, 0],
        [0, 0, 0, 0, -25, 48, -36, 16, -3],
    ]
)
"""Twelve times the slope at the middle of nine points, to fourth order: central, and from either side alone."""


def largest_error(
    model: Model, parameters: list[str], outcomes: list[str], at: dict[str, float] | None = None
) -> float:
    """Return the largest difference from finite differences, the best of some, over the largest derivative.

    A small step loses digits, and a large one meets corners: next to a corner, a difference from one side alone is the
    one that has a limit. Derivatives below 1e-5 of outcome / parameter are noise. `at` moves some of the parameters.
    """
    jac = sensitivities(model, at, parameters=parameters, outcomes=outcomes)
    values = model.constants() | (at or {})
    base = np.array([values[name] for name in parameters])
    errors = np.full((len(SCALES), len(STENCILS), len(outcomes), len(parameters)), np.inf)
    for row, scale in enumerate(SCALES):
        moved = base[:, None, None] * (1 + scale * np.eye(len(base))[:, :, None] * POINTS)
        columns = zip(parameters, moved.reshape(len(base), -1), strict=True)
        ds = simulate(model, xr.Dataset({name: ("run", column) for name, column in columns}), outcomes=outcomes)
        for column, name in enumerate(outcomes):
            around = ds[name].transpose("run", ...).to_numpy().reshape(len(base), len(POINTS), -1)
            exact = jac[name].to_numpy().reshape(len(base), -1)
            largest = np.maximum(np.abs(exact).max(axis=1), 1e-5 * np.abs(around).max() / np.abs(base))
            for line, stencil in enumerate(STENCILS):
                rough = np.tensordot(around, stencil, (1, 0)) / (12 * scale * base[:, None])
                errors[row, line, column] = np.abs(rough - exact).max(axis=1) / largest
    return float(errors.min(axis=(0, 1)).max())


@pytest.mark.slow
def test_the_shipped_model_against_central_differences() -> None:
    model = trilemma.load_model("export_controls_v0")
    outcomes = [name for name in trilemma.load_forecast("policy_comparison").outcomes if name in model.variables]
    assert len(outcomes) > 10
    assert largest_error(model, PARAMETERS, outcomes) <= 1e-6


@pytest.mark.slow
def test_a_constant_next_to_a_corner_against_central_differences() -> None:
    # a ten-thousandth above its value a release starts a step later: no difference there is better than 1e-6, for want
    # of room on one side and of digits on the other; in the middle of the smooth stretch below, there is room
    model, name = trilemma.load_model("export_controls_v0"), "init open capability[West]"
    outcomes = [name for name in trilemma.load_forecast("policy_comparison").outcomes if name in model.variables]
    middle = {name: model.constants()[name] * (1 - 6e-4)}
    assert largest_error(model, [name], outcomes, middle) <= 1e-6


def test_the_derivative_of_what_is_undefined_is_undefined() -> None:
    jac = sensitivities("export_controls_v0", parameters=["litho rate"], outcomes=["exact lag"])["exact lag"]
    lag = simulate("export_controls_v0", outcomes=["exact lag"])["exact lag"]
    np.testing.assert_array_equal(np.isnan(jac.sel(parameter="litho rate")), np.isnan(lag))


@pytest.mark.parametrize(
    ("parameters", "error", "text"),
    [
        (["kk"], UnknownNameError, "unknown variable 'kk' in the parameters"),
        (["x"], OverrideError, "'x' cannot be a parameter: it follows from an equation .line 2.; it depends on"),
        (["TIME STEP"], OverrideError, "it sets the clock"),
        ([], OverrideError, "no parameter was named"),
    ],
)
def test_mistakes_are_answered(load: Loader, parameters: list[str], error: type[TrilemmaError], text: str) -> None:
    with pytest.raises(error, match=text):
        sensitivities(load(DECAY), parameters=parameters, outcomes=["x"])


def test_a_parameter_that_is_a_series_is_refused(load: Loader) -> None:
    series = xr.DataArray([0.5, 0.6], dims="time", coords={"time": [0.0, 1.0]})
    with pytest.raises(OverrideError, match="overridden by a series"):
        sensitivities(load(DECAY), {"k": series}, parameters=["k"], outcomes=["x"])


def test_the_time_of_a_fixed_delay_cannot_move(load: Loader) -> None:
    model = load("x = DELAY FIXED(Time*a, 2*tau, 1)~~|\na = 3~~|\ntau = 0.5~~|")
    jac = sensitivities(model, parameters=["a"], outcomes=["x"])["x"].sel(parameter="a")
    np.testing.assert_allclose(jac, np.where(jac["time"] < 1, 0, jac["time"] - 1))
    with pytest.raises(OverrideError, match="'tau' cannot move: the time of a DELAY FIXED follows from it"):
        value_and_gradient(model, lambda o: jnp.sum(o["x"]), ["tau"], outcomes=["x"])


def test_a_parameter_without_effect_is_warned_of(load: Loader) -> None:
    with pytest.warns(TrilemmaWarning, match="the parameter 'idle' has no effect"):
        jac = sensitivities(load(DECAY), parameters=["idle"], outcomes=["x"])
    assert (jac["x"] == 0).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sensitivities(load(DECAY), parameters=["idle"], outcomes=["x"], warn=False)


def test_theta_of_a_wrong_shape_is_refused(load: Loader) -> None:
    function = value_and_gradient(load(DECAY), lambda o: jnp.sum(o["x"]), ["k"], outcomes=["x"])
    with pytest.raises(OverrideError, match="expected .* 1 parameters"):
        function([1.0, 2.0])


def test_it_is_public() -> None:
    assert trilemma.sensitivities is sensitivities

"""What the engine computes, against values worked out by hand."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import xarray as xr

from tests.engine.conftest import Loader
from trilemma.engine.gradients import sensitivities
from trilemma.engine.simulate import simulate
from trilemma.errors import ModelFileError, UnsupportedError

TIMES = np.arange(0, 4.5, 0.5)


def values(load: Loader, equations: str, name: str = "x", **clock: float) -> np.ndarray:
    array = simulate(load(equations, **clock), outcomes=[name])[name]
    return array.to_numpy()


def test_euler_follows_its_recursion(load: Loader) -> None:
    got = values(load, "x = INTEG(-x/2, 8.0) ~ Dmnl ~|")
    np.testing.assert_allclose(got, 8 * 0.75 ** np.arange(9), rtol=1e-15)


def test_a_stock_is_saved_before_its_first_step(load: Loader) -> None:
    assert values(load, "x = INTEG(1, 5.0) ~ Dmnl ~|")[0] == 5


def test_a_sum_of_hundreds_of_terms_is_right(load: Loader) -> None:
    signs = np.where(np.random.default_rng(0).random(600) < 0.5, -1, 1)
    terms = " ".join(f"{'+' if sign > 0 else '-'} {i} * v" for i, sign in enumerate(signs))
    got = values(load, f"v = Time + 1 ~ Dmnl ~| x = v {terms} ~ Dmnl ~|")
    np.testing.assert_array_equal(got, (TIMES + 1) * (1 + (signs * np.arange(600)).sum()))


def test_a_condition_of_hundreds_of_parts_is_right(load: Loader) -> None:
    parts = " :AND: ".join(f"Time > {1 - i}" for i in range(600))
    np.testing.assert_array_equal(values(load, f"x = IF THEN ELSE({parts}, 1, 0) ~ Dmnl ~|"), TIMES > 1)


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("rk4", 4)])
def test_methods_converge_with_their_order(load: Loader, method: Literal["euler", "rk4"], order: int) -> None:
    model = load("x = INTEG(-x*Time, 1.0) ~ Dmnl ~|", final=2)
    errors = [
        abs(float(simulate(model, method=method, time_step=h, save_every=2)["x"][-1]) - np.exp(-2))
        for h in (0.1, 0.05, 0.025)
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.2)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(order, abs=0.1)


def test_a_closed_model_conserves(load: Loader) -> None:
    model = load("x = INTEG(-f, 8.0)~~|\ny = INTEG(f - g, 1.0)~~|\nz = INTEG(g, 0.0)~~|\nf = 0.3*x~~|\ng = 0.7*y~~|")
    for method in ("euler", "rk4"):
        ds = simulate(model, method=method)
        np.testing.assert_allclose(ds["x"] + ds["y"] + ds["z"], 9, rtol=1e-14)


def test_smooth_with_an_integer_initial_value_is_not_truncated(load: Loader) -> None:
    got = values(load, "x = SMOOTHI(1.5, 2, 1) ~ Dmnl ~|")
    np.testing.assert_allclose(got[:3], [1, 1.125, 1.21875], rtol=1e-15)


def test_smooth3_is_three_smooths_of_a_third_of_the_time(load: Loader) -> None:
    chain = "a = INTEG((Time - a)/(2/3), 1.0)~~|\nb = INTEG((a - b)/(2/3), 1.0)~~|\nx = INTEG((b - x)/(2/3), 1.0)~~|"
    np.testing.assert_allclose(values(load, "x = SMOOTH3I(Time, 2, 1)~~|"), values(load, chain), rtol=1e-14)


def test_smooth_starts_in_equilibrium_with_its_input(load: Loader) -> None:
    np.testing.assert_allclose(values(load, "x = SMOOTH(3.5, 2)~~|"), 3.5)


def test_delay_keeps_what_flows_in(load: Loader) -> None:
    equations = (
        "x = DELAY3(inflow, 2)~~|\ninflow = STEP(6, 1)~~|\nsum in = INTEG(inflow, 0.0)~~|\nsum out = INTEG(x, 0.0)~~|"
    )
    ds = simulate(load(equations, final=40))
    assert float(ds["sum in"][-1] - ds["sum out"][-1]) == pytest.approx(6 * 2, rel=1e-6)  # in transit: rate x time


def test_initial_holds_the_first_value(load: Loader) -> None:
    np.testing.assert_array_equal(values(load, "x = INITIAL(Time + 3)~~|"), np.full(9, 3.0))


def test_step_begins_in_the_step_that_contains_its_time(load: Loader) -> None:
    np.testing.assert_array_equal(values(load, "x = STEP(2, 1)~~|"), np.where(TIMES >= 1, 2.0, 0.0))
    np.testing.assert_array_equal(values(load, "x = STEP(2, 1.2)~~|"), np.where(TIMES >= 1, 2.0, 0.0))
    np.testing.assert_array_equal(values(load, "x = STEP(2, 1.3)~~|"), np.where(TIMES >= 1.5, 2.0, 0.0))


def test_ramp_rises_between_its_times(load: Loader) -> None:
    np.testing.assert_allclose(values(load, "x = RAMP(2, 1, 3)~~|"), 2 * (np.clip(TIMES, 1, 3) - 1))


TABLE = "([(0,0)-(4,9)],(1,2),(1.5,4),(3,1))"


def test_a_table_is_linear_inside_and_flat_outside(load: Loader) -> None:
    got = values(load, f"x = WITH LOOKUP(Time, {TABLE})~~|")
    np.testing.assert_allclose(got, np.interp(TIMES, [1, 1.5, 3], [2, 4, 1]), rtol=1e-15)


def test_a_named_table_is_called_like_a_function(load: Loader) -> None:
    got = values(load, f"x = t(Time/2)~~|\nt({TABLE[1:-1]})~~|")
    np.testing.assert_allclose(got, np.interp(TIMES / 2, [1, 1.5, 3], [2, 4, 1]), rtol=1e-15)


def test_a_long_table_equals_a_short_one(load: Loader) -> None:
    points = ",".join(f"({i / 20},{np.sin(i)})" for i in range(90))
    got = values(load, f"x = WITH LOOKUP(Time, ({points}))~~|")
    np.testing.assert_allclose(got, np.interp(TIMES, np.arange(90) / 20, np.sin(np.arange(90))), rtol=1e-12)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("2^3^2", 512),
        ("-(2^2)", -4),
        ("5-two^2", 1),
        ("(-2)^3", -8),
        ("(-2)^0.5", np.nan),
        ("zero^0", 1),
        ("zero^2", 0),
        ("zero^(-1)", np.inf),
        ("4^0.5", 2),
        ("(1+zero)^(0.3)", 1),
        ("0.5^(zero-2)", 4),
        ("7-2-1", 4),
        ("8/4/2", 1),
        ("IF THEN ELSE(zero=0 :AND: 1<2, 5, 6)", 5),
        ("IF THEN ELSE(:NOT: 1>=2 :OR: 2<>2, 5, 6)", 5),
        ("MIN(3, MAX(1, 2))", 2),
        ("LN(EXP(1.25))", 1.25),
        ("LOG(8, 2)", 3),
        ("ABS(-3)+SQRT(16)", 7),
        ("INTEGER(-2.7)", -2),
        ("MODULO(7, 3)", 1),
        ("ZIDZ(1, zero)", 0),
        ("XIDZ(1, zero, 9)", 9),
        ("QUANTUM(7.9, 2)", 6),
        ("SIN(0)+COS(0)+TAN(0)", 1),
    ],
)
def test_expressions(load: Loader, expression: str, expected: float) -> None:
    got = values(load, f"zero = INTEG(0, 0.0)~~|\ntwo = 2~~|\nx = {expression}~~|").ravel()[-1]
    np.testing.assert_allclose(got, expected, rtol=1e-14)


RANGES = "seg: A, B, C ~~|\nsub: B, C ~~|\nv[seg] = 1, 4, 2 ~~|\n"


def test_reductions_bind_the_innermost_range(load: Loader) -> None:
    softmax = RANGES + "x[seg] = EXP(v[seg]-VMAX(v[seg!]))/SUM(EXP(v[seg!]-VMAX(v[seg!])))~~|"
    weights = np.exp([1, 4, 2])
    np.testing.assert_allclose(values(load, softmax)[0], weights / weights.sum(), rtol=1e-14)


def test_a_subrange_selects_elements(load: Loader) -> None:
    ds = simulate(load(RANGES + "x[sub] = v[sub]*10~~|\ny = SUM(v[sub!])~~|\nz = v[B] - v[A]~~|"))
    assert ds["x"].isel(time=0).to_numpy().tolist() == [40, 20]
    assert list(ds["x"]["sub"].to_numpy()) == ["B", "C"]
    assert (float(ds["y"][0]), float(ds["z"][0])) == (6, 3)


def test_elements_may_have_equations_of_their_own(load: Loader) -> None:
    equations = RANGES + "x[A] = 5~~|\nx[B] = x[A] + Time~~|\nx[C] = INTEG(x[B], 1.0)~~|\ny[seg] = 2*x[seg]~~|"
    ds = simulate(load(equations))
    np.testing.assert_allclose(ds["y"].isel(time=1), [10, 11, 2 * (1 + 0.5 * 5)])


def test_two_ranges_make_a_matrix(load: Loader) -> None:
    equations = (
        RANGES
        + "m[seg,sub] = v[seg]*w[sub]~~|\nw[sub] = 3, 5~~|\nrow[seg] = SUM(m[seg,sub!])~~|\nt[sub,seg] = m[seg,sub]~~|"
    )
    ds = simulate(load(equations)).isel(time=0)
    expected = np.outer([1, 4, 2], [3, 5])
    np.testing.assert_allclose(ds["m"].transpose("seg", "sub"), expected)
    np.testing.assert_allclose(ds["t"].transpose("sub", "seg"), expected.T)
    np.testing.assert_allclose(ds["row"], expected.sum(axis=1))


def test_a_stock_over_a_range_has_a_level_for_each_element(load: Loader) -> None:
    got = values(load, RANGES + "x[seg] = INTEG(-x[seg]/v[seg], v[seg])~~|", step=0.25)
    expected = np.array([1, 4, 2]) * (1 - 0.25 / np.array([1, 4, 2])) ** np.arange(17)[:, None]
    np.testing.assert_allclose(got, expected, rtol=1e-14)


def test_a_smooth_over_a_range_smooths_each_element(load: Loader) -> None:
    got = values(load, RANGES + "x[seg] = SMOOTHI(v[seg], 2, 0)~~|")
    np.testing.assert_allclose(got[1], np.array([1, 4, 2]) / 4)


def test_a_smooth_inside_a_sum_smooths_what_is_summed(load: Loader) -> None:
    got = values(load, RANGES + "x = SUM(SMOOTHI(v[seg!], 2, 0))~~|")
    np.testing.assert_allclose(got[1], 7 / 4)


def test_elements_without_an_equation_are_undefined_and_nothing_may_use_them(load: Loader) -> None:
    equations = "actor: US, CN, NT ~~|\nx[US] = Time~~|\nx[NT] = 2*Time~~|"
    ds = simulate(load(equations))
    assert np.isnan(ds["x"].sel(actor="CN")).all()
    assert int(ds["result"]) == 0
    with pytest.raises(UnsupportedError, match="uses elements of 'x' that no equation defines"):
        simulate(load(equations + "\ny = SUM(x[actor!])~~|"))


def test_an_algebraic_loop_is_named(load: Loader) -> None:
    model = load("a = b + 1~~|\nb = c~~|\nc = a*2~~|\nd = Time~~|")
    with pytest.raises(ModelFileError, match="same instant: .* -> .* -> .* -> .*; break the loop with a stock"):
        simulate(model)
    assert simulate(model, outcomes=["d"])["d"].shape == (9,)


def test_initial_values_have_an_order_of_their_own(load: Loader) -> None:
    ds = simulate(load("x = INTEG(1, y*2)~~|\ny = INTEG(-1, z + 1)~~|\nz = 3~~|"))
    assert (float(ds["x"][0]), float(ds["y"][0])) == (8, 4)


def test_an_unknown_function_is_named_with_its_line(load: Loader) -> None:
    with pytest.raises(
        UnsupportedError, match="line 2: 'x' uses RANDOM POISSON, which is not supported; did you mean 'RANDOM"
    ):
        simulate(load("x = RANDOM POISSON(0, 1, 2, 3, 4, 5)~~|"))


def test_only_what_is_asked_is_computed(load: Loader) -> None:
    model = load("good = INTEG(1, 0.0)~~|\nbad = INTEG(LN(-1), 0.0)~~|")
    assert int(simulate(model, outcomes=["good"])["result"]) == 0
    assert int(simulate(model)["result"]) == 1


def test_units_and_meaning_travel_with_the_result(load: Loader) -> None:
    ds = simulate(load("cash = INTEG(1, 0.0) ~ BUSD ~ Money in hand.|\nc = 2 ~ Dmnl ~ Fixed.|"))
    assert ds["cash"].attrs == {"units": "BUSD", "long_name": "cash", "description": "Money in hand."}
    assert ds["time"].attrs["units"] == "Year"
    assert ds["c"].dims == ()
    assert isinstance(ds, xr.Dataset)


def test_an_element_each_of_many_definitions(load: Loader) -> None:
    names = [f"e{i}" for i in range(200)]
    equations = [f"seg: {', '.join(names)} ~~|", *(f"x[{name}] = a * {i} ~~|" for i, name in enumerate(names))]
    model = load("\n".join([*equations, "y[seg] = x[seg] + 1 ~~|", "total = SUM(y[seg!]) ~~|", "a = 2 ~~|"]))
    data = simulate(model, outcomes=["x", "y", "total"])
    np.testing.assert_array_equal(data["x"].isel(time=-1), 2.0 * np.arange(200))
    assert data["total"].isel(time=-1) == 2 * sum(range(200)) + 200
    slope = sensitivities(model, parameters=["a"], outcomes=["total"])["total"]
    np.testing.assert_allclose(slope, sum(range(200)))

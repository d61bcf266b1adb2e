"""Overrides and initial values: what they do, and what each mistake is answered with."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

from tests.engine.conftest import Loader
from trilemma.engine.simulate import simulate
from trilemma.errors import OverrideError, TrilemmaError, TrilemmaWarning, UnknownNameError
from trilemma.translation.model import Model

EQUATIONS = """
seg: A, B, C ~~|
rate[seg] = 1, 2, 3 ~ 1/Year ~|
level[seg] = INTEG(rate[seg]*drive, 10.0) ~ Dmnl ~|
drive = 1 + 0*Time ~ Dmnl ~|
total = SUM(level[seg!]) ~ Dmnl ~|
apart = 5 ~ Dmnl ~|
mixed[A] = 7 ~ Dmnl ~|
mixed[B] = Time ~ Dmnl ~|
mixed[C] = 9 ~ Dmnl ~|
mixed sum = SUM(mixed[seg!]) ~ Dmnl ~|
"""


@pytest.fixture
def model(load: Loader) -> Model:
    return load(EQUATIONS)


def final(model: Model, overrides: object, name: str = "total", **more: object) -> np.ndarray:
    return simulate(model, overrides, outcomes=[name], **more)[name].isel(time=-1).to_numpy()  # type: ignore[arg-type]


def test_a_number_sets_all_elements_and_a_bracket_one(model: Model) -> None:
    assert final(model, {"rate": 1}) == 30 + 3 * 4
    assert final(model, {"rate[B]": 10}) == 30 + (1 + 10 + 3) * 4
    assert final(model, {"RATE[b]": 10, "rate[C]": 0}) == 30 + (1 + 10) * 4


def test_an_array_sets_each_element(model: Model) -> None:
    assert final(model, {"rate": [0, 0, 1]}) == 34
    by_label = xr.DataArray([1.0, 0.0, 0.0], dims="seg", coords={"seg": ["C", "A", "B"]})
    np.testing.assert_array_equal(final(model, {"rate": by_label}, "level"), [10, 10, 14])


def test_a_series_is_linear_and_holds_its_ends(model: Model) -> None:
    series = xr.DataArray([0.0, 4.0], dims="time", coords={"time": [1.0, 3.0]})
    got = simulate(model, {"drive": series}, outcomes=["drive"])["drive"]
    np.testing.assert_allclose(got, np.interp(got["time"], [1, 3], [0, 4]), rtol=1e-15)


def test_a_series_may_stand_on_a_constant_and_on_one_element(model: Model) -> None:
    series = xr.DataArray([0.0, 4.0], dims="time", coords={"time": [0.0, 4.0]})
    got = simulate(model, {"rate[B]": series}, outcomes=["rate"])["rate"]
    np.testing.assert_allclose(got.sel(seg="B"), got["time"])
    np.testing.assert_allclose(got.sel(seg="A"), 1)


def test_a_value_on_an_equation_replaces_it_and_a_stock_is_held(model: Model) -> None:
    assert final(model, {"drive": 0}) == 30
    np.testing.assert_array_equal(
        simulate(model, {"level[A]": 99}, outcomes=["level"])["level"].sel(seg="A"), np.full(9, 99.0)
    )
    assert final(model, {"level[A]": 99}) == 99 + 18 + 22


def test_elements_with_numbers_and_elements_with_equations_mix(model: Model) -> None:
    assert final(model, {"mixed[A]": 1}, "mixed sum") == 1 + 4 + 9
    assert final(model, {"mixed[B]": 1}, "mixed sum") == 7 + 1 + 9
    assert final(model, {"mixed": 1}, "mixed sum") == 3


def test_initial_values_are_set_by_name_and_element(model: Model) -> None:
    assert final(model, {}, initial={"level": 0}) == 24
    assert final(model, {}, initial={"level[A]": 0}) == 44
    runs = xr.DataArray([0.0, 1.0], dims="run")
    np.testing.assert_array_equal(final(model, {}, initial={"level[A]": runs}), [44, 45])


def test_runs_carry_their_labels(model: Model) -> None:
    drive = xr.DataArray([0.0, 1.0, 2.0], dims="run", coords={"run": ["low", "mid", "high"]})
    ds = simulate(model, xr.Dataset({"drive": drive}))
    assert ds["total"].dims == ("run", "time")
    assert list(ds["run"].to_numpy()) == ["low", "mid", "high"]
    np.testing.assert_array_equal(ds["total"].isel(time=-1), [30, 54, 78])
    assert ds["result"].dims == ("run",)


def test_dimensions_may_come_in_any_order(model: Model) -> None:
    numbers = np.arange(6.0).reshape(2, 3)
    straight = xr.DataArray(numbers, dims=("run", "seg"))
    np.testing.assert_array_equal(final(model, {"rate": straight}), final(model, {"rate": straight.T}))


def test_a_series_by_run_and_element(model: Model) -> None:
    values = np.random.default_rng(1).random((2, 3, 4))
    series = xr.DataArray(values, dims=("run", "seg", "time"), coords={"time": [0.0, 1.0, 2.5, 4.0]})
    got = simulate(model, {"rate": series}, outcomes=["rate"])["rate"]
    for run in range(2):
        for i, seg in enumerate("ABC"):
            expected = np.interp(got["time"], [0, 1, 2.5, 4], values[run, i])
            np.testing.assert_allclose(got.sel(seg=seg).isel(run=run), expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("overrides", "error", "words"),
    [
        ({"ratte": 1}, UnknownNameError, "unknown variable 'ratte' in the overrides: did you mean 'rate'"),
        ({"rate[D]": 1}, UnknownNameError, "unknown element of 'seg' 'D' in 'rate\\[D\\]' in the overrides: known are"),
        ({"total[A]": 1}, UnknownNameError, "names 1 element\\(s\\), but 'total' has no dimensions"),
        ({"rate": [1, 2]}, OverrideError, r"'rate' has shape \(2,\): expected a number or an array over \(seg\)"),
        ({"rate[A]": [1, 2, 3]}, OverrideError, r"shape \(3,\): expected a number"),
        ({"drive": "much"}, OverrideError, "'drive' is not numeric"),
        ({"drive": float("nan")}, OverrideError, "'drive' holds a value that is not finite"),
        ({"drive": xr.DataArray([1.0], dims="step")}, OverrideError, "has the dimension 'step', which 'drive' has not"),
        ({"drive": xr.DataArray([1.0], dims="time")}, OverrideError, "'time' without times"),
        (
            {"drive": xr.DataArray([1.0, 2.0], dims="time", coords={"time": [2.0, 1.0]})},
            OverrideError,
            "must be increasing",
        ),
        (
            {"rate": xr.DataArray([1.0, 2.0, 3.0], dims="seg", coords={"seg": ["A", "B", "X"]})},
            OverrideError,
            "has A, B, X along 'seg': expected A, B, C",
        ),
        ({"rate": xr.DataArray([1.0, 2.0], dims="seg")}, OverrideError, "has 2 elements along 'seg'"),
        ({"TIME STEP": 1}, OverrideError, "'TIME STEP' cannot be overridden: use the arguments time_step"),
        (
            {"drive": xr.DataArray([1.0, 2.0], dims="run"), "apart": xr.DataArray([1.0], dims="run")},
            OverrideError,
            "different 'run' coordinates",
        ),
        ({"drive": xr.DataArray(np.zeros(0), dims="run")}, OverrideError, "'run' dimension without runs"),
    ],
)
def test_a_wrong_override_is_answered_with_one_sentence(
    model: Model, overrides: dict[str, object], error: type[TrilemmaError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        simulate(model, overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "heun"}, "unknown method 'heun': expected 'euler' or 'rk4'"),
        ({"save_every": 0.7}, "not a whole number of steps"),
        ({"time_step": 0.0}, "time_step is 0: it must be above 0"),
        ({"stop": -1}, "not after its start"),
        ({"initial": {"drive": 1}}, "'drive' is not a stock"),
        ({"outcomes": ["totl"]}, "unknown outcome 'totl' in model 'small': did you mean 'total'"),
    ],
)
def test_a_wrong_argument_is_answered_with_one_sentence(model: Model, arguments: dict[str, object], words: str) -> None:
    with pytest.raises(TrilemmaError, match=words):
        simulate(model, **arguments)  # type: ignore[arg-type]


def test_an_override_without_effect_warns_and_names_itself(model: Model) -> None:
    with pytest.warns(TrilemmaWarning, match="'apart' has no effect"):
        simulate(model, {"apart": 1, "rate": 1}, outcomes=["total"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulate(model, {"rate": 1}, outcomes=["total"])
        simulate(model, {"apart": 1}, outcomes=["apart"])


def test_what_the_translation_took_cannot_be_overridden(load: Loader) -> None:
    model = load("n = 2 ~~|\nlag = 1 ~~|\nx = SMOOTH N(Time, 2, 0, n) ~~|\ny = DELAY3(Time, lag) ~~|\n")
    with pytest.raises(OverrideError, match="the order of the SMOOTH N in 'x' follows from it"):
        simulate(model, overrides={"n": 3})
    with pytest.raises(OverrideError, match="the delay in 'y' has 2 instead of 3 stages"):
        simulate(model, overrides={"lag": 4})
    with pytest.raises(OverrideError, match="time_step cannot be changed"):
        simulate(model, time_step=0.25)

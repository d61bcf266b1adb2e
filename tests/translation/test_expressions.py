"""The expression language: grammar, meaning over time and ranges, errors, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from trilemma.errors import ModelFileError, UnknownNameError
from trilemma.translation.expressions import Under, evaluate, parse_expression
from trilemma.translation.labelled import Labelled, lag_months

TIMES = np.arange(2020.0, 2023.01, 0.25)


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=float).reshape(-1, 1)


def lookup(values: dict[str, Labelled]) -> Callable[[str, tuple[str, ...]], Labelled]:
    """Look plain names up; one element of 'fleet' by its label."""

    def find(name: str, elements: tuple[str, ...]) -> Labelled:
        found = values[name]
        if elements and elements[0] in ("US", "CN"):
            return Labelled((), found.values[:, ("US", "CN").index(elements[0])])
        return found

    return find


def value(text: str, times: np.ndarray = TIMES, **names: Labelled) -> np.ndarray:
    spaced = {name.replace("_", " "): labelled for name, labelled in names.items()}
    return evaluate(parse_expression(text), lookup(spaced), times).values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("10 - 2 - 3", 5.0),
        ("16 / 4 / 2", 2.0),
        ("2 ^ 3 ^ 2", 512.0),
        ("-2 ^ 2", -4.0),
        ("2 ^ -1", 0.5),
        ("(-2) ^ 2", 4.0),
        ("- - 3", 3.0),
        ("2 * -3", -6.0),
        ("1.5e1 + .5", 15.5),
        ("log(exp(2))", 2.0),
        ("min(3, 1, 2) + MAX(1, 4)", 5.0),
    ],
)
def test_arithmetic_follows_the_usual_order(text: str, expected: float) -> None:
    assert value(text).item() == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("text", ["1 / 0", "log(0)", "log(-1)", "(-8) ^ 0.5", "0 ^ -1"])
def test_what_has_no_value_is_nan_and_never_infinite(text: str) -> None:
    assert np.isnan(value(text)).all()


def test_names_hold_spaces_elements_and_ranges() -> None:
    parsed = parse_expression('price per H100e * "R&D, total" - sum(Fleet[actor!]) / Fleet[US] + Grid[US, EUV]')
    assert parsed.names == {
        ("price per H100e", None),
        ("R&D, total", None),
        ("Fleet", None),
        ("Fleet", "US"),
        ("Grid", "US,EUV"),
    }


def test_ranges_combine_by_name_and_reduce_by_mark() -> None:
    fleet = Labelled(("actor",), np.array([[[1.0], [2.0], [4.0]]]))
    price = Labelled(("layer",), np.array([[[10.0], [20.0]]]))
    product = evaluate(parse_expression("fleet * price"), lookup({"fleet": fleet, "price": price}), TIMES)
    assert product.dims == ("actor", "layer")
    np.testing.assert_array_equal(product.values[0, :, :, 0], np.outer([1, 2, 4], [10, 20]))
    assert value("sum(fleet[actor!])", fleet=fleet).item() == 7
    assert value("max(fleet[actor!]) - min(fleet[actor!])", fleet=fleet).item() == 3
    shares = value("fleet / sum(fleet[actor!])", fleet=fleet)
    np.testing.assert_allclose(shares.ravel(), [1 / 7, 2 / 7, 4 / 7], rtol=1e-15)
    with pytest.raises(UnknownNameError, match="unknown range 'layer'.*'actor'"):
        value("sum(fleet[layer!])", fleet=fleet)


def test_at_and_mean_follow_straight_lines_between_saved_times() -> None:
    x = Labelled((), column(*(2 * (TIMES - 2020))))
    assert value("at(x, 2021.1)", x=x).item() == pytest.approx(2.2, rel=1e-12)
    assert value("mean(x, 2020.1, 2022.7)", x=x).item() == pytest.approx(2.8, rel=1e-12)
    assert value("mean(3, 2020, 2021)").item() == 3
    assert np.isnan(value("at(x, 2023.5)", x=x)).all()
    assert np.isnan(value("mean(x, 2019, 2021)", x=x)).all()


def test_a_value_undefined_elsewhere_does_not_spoil_a_mean() -> None:
    x = Labelled((), column(np.nan, *np.ones(len(TIMES) - 1)))
    assert value("mean(x, 2020.25, 2023)", x=x).item() == pytest.approx(1)
    assert np.isnan(value("mean(x, 2020, 2023)", x=x).item())


def test_annual_is_the_mean_of_the_calendar_year_and_undefined_in_a_cut_one() -> None:
    x = Labelled((), column(*(TIMES - 2020)))
    annual = value("annual(x)", x=x).ravel()
    np.testing.assert_allclose(annual[:4], 0.5, rtol=1e-12)
    np.testing.assert_allclose(annual[4:8], 1.5, rtol=1e-12)
    assert np.isnan(annual[-1])  # 2023 has one saved time


def slow_lag(a: np.ndarray, b: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Walk back over the straight pieces of a, for one run."""
    lags = np.full(len(times), np.nan)
    for i, level in enumerate(b):
        if a[-1] < level or np.isnan(level):
            continue
        for j in range(len(times) - 1, -1, -1):
            if a[j] <= level:
                share = (level - a[j]) / (a[j + 1] - a[j]) if j + 1 < len(times) else 0.0
                step = times[j + 1] - times[j] if j + 1 < len(times) else 0.0
                lags[i] = 12 * (times[i] - times[j] - share * step)
                break
    return lags


def test_lag_of_straight_lines_is_exact() -> None:
    leader = Labelled((), column(*(TIMES - 2020)))
    follower = Labelled((), column(*(TIMES - 2020 - 0.3)))
    lag = value("lag_months(leader, follower)", leader=leader, follower=follower).ravel()
    assert np.isnan(lag[:2]).all()  # the leader was above the follower at all saved times
    np.testing.assert_allclose(lag[2:], 3.6, rtol=1e-9)


def test_lag_of_a_follower_ahead_is_negative_and_undefined_beyond_the_horizon() -> None:
    a = Labelled((), column(*(TIMES - 2020)))
    b = Labelled((), column(*(TIMES - 2020 + 0.5)))
    lag = value("lag_months(a, b)", a=a, b=b).ravel()
    np.testing.assert_allclose(lag[:11], -6, rtol=1e-9)
    assert np.isnan(lag[11:]).all()


def test_lag_takes_the_latest_time_when_the_leader_falls_back() -> None:
    times = np.arange(5.0)
    a, b = column(0, 2, 1, 3, 4), column(1.5, 1.5, 1.5, 1.5, 1.5)
    np.testing.assert_allclose(lag_months(a, b, times).ravel(), 12 * (times - 2.25), rtol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3, 8, 13, 69])
def test_lag_equals_a_slow_walk_for_random_runs(size: int) -> None:
    rng = np.random.default_rng(size)
    times = np.sort(rng.uniform(2018, 2035, size))
    a = np.cumsum(rng.normal(0.2, 0.5, (size, 40)), axis=0)
    b = np.cumsum(rng.normal(0.1, 0.5, (size, 40)), axis=0)
    b[:, 0] = a[:, 0]
    expected = np.stack([slow_lag(a[:, run], b[:, run], times) for run in range(40)], axis=1)
    np.testing.assert_allclose(lag_months(a, b, times), expected, rtol=1e-9, atol=1e-9)


def test_lag_broadcasts_a_constant_over_time_dims_and_runs() -> None:
    a = np.broadcast_to(np.arange(4.0).reshape(4, 1, 1), (4, 2, 3))
    lag = lag_months(a, np.full((1, 1, 1), 1.5), np.arange(4.0))
    assert lag.shape == (4, 2, 3)
    np.testing.assert_allclose(lag[:, 1, 2], 12 * (np.arange(4.0) - 1.5), rtol=1e-12)


def test_values_and_gradients_under_jax_agree_with_numpy() -> None:
    jax = pytest.importorskip("jax")
    text = "lag_months(a, b) + log(a + 3) + a ^ 0.5 / (1 + b) + mean(a, 2020.1, 2021) + annual(b) + min(a, b)"
    parsed = parse_expression(text)
    with jax.enable_x64(True):

        def outcome(scale: Any) -> Any:  # noqa: ANN401 - a traced number
            a = Labelled((), scale * jax.numpy.asarray(column(*(TIMES - 2020))))
            b = Labelled((), jax.numpy.asarray(column(*(0.8 * (TIMES - 2020)))))
            return evaluate(parsed, lookup({"a": a, "b": b}), TIMES).values[5, 0]

        found, slope = jax.jit(jax.value_and_grad(outcome))(1.0)
        up, down = outcome(1 + 1e-6), outcome(1 - 1e-6)
    plain = value(text, a=Labelled((), column(*(TIMES - 2020))), b=Labelled((), column(*(0.8 * (TIMES - 2020)))))
    assert float(found) == pytest.approx(plain[5, 0], rel=1e-12)
    assert float(slope) == pytest.approx(float(up - down) / 2e-6, rel=1e-6)  # central differences: 1e-9


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "lagmonths(a, b)",
            "unknown function 'lagmonths' in .* at position 1: did you mean 'lag_months'",
        ),
        ("a + ", "expected a number, a name or .* at position 5, got the end"),
        ("(a + b", "expected '\\)' at position 7, got the end"),
        ("a b) * 2", "expected an operator or the end at position 4, got '\\)'"),
        ("a ? b", "'\\?' at position 3 has no meaning here"),
        ("fleet[", "expected an element or a range at position 7"),
        ("fleet[US", "expected '\\]' at position 9"),
        ("sum(fleet)", "'sum' at position 1 is written sum\\(x\\[range!\\]\\)"),
        ("fleet[actor!] + 1", "'actor!' has no sum, min or max around it"),
        ("lag_months(a)", "written lag_months\\(a, b\\)"),
        ("at(x, y)", "with numbers as times"),
        ("mean(x, 2025, 2020)", "with numbers as times, in order"),
        ("highest(x, 2025, 2025)", "written highest\\(x, t0, t1\\), with numbers as times, in order"),
        ("under(a, base)", "'under' at position 1 names a scenario; only a claim can"),
        ("", "expected a number, a name or"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_position(text: str, sentence: str) -> None:
    with pytest.raises((ModelFileError, UnknownNameError), match=sentence) as caught:
        parse_expression(text, "outcomes.toml, 'x'")
    assert "\n" not in str(caught.value)
    assert "outcomes.toml, 'x'" in str(caught.value)


def test_nothing_is_run_as_python() -> None:
    with pytest.raises(UnknownNameError, match="unknown function '__import__'"):
        parse_expression("__import__('os')")


def test_extremes_are_taken_between_two_times_and_at_them() -> None:
    wave = Labelled((), column(0, 1, 5, 2, -3, 0, 0, 0, 7, 7, 0, 0, 0))
    assert value("highest(x, 2020, 2021)", x=wave) == 5
    assert value("highest(x, 2020.625, 2021)", x=wave) == pytest.approx(3.5)  # between saved times
    assert value("lowest(x, 2020, 2022)", x=wave) == -3
    assert value("time_of_highest(x, 2020, 2023)", x=wave) == 2022  # the earliest of equal ones
    assert np.isnan(value("highest(x, 2019, 2021)", x=wave)).all()


@pytest.mark.parametrize("function", ["highest", "lowest", "time_of_highest"])
def test_an_extreme_of_what_is_undefined_somewhere_is_undefined(function: str) -> None:
    gappy = Labelled((), column(0, np.nan, *range(11)))
    assert np.isnan(value(f"{function}(x, 2020, 2021)", x=gappy)).all()
    assert np.isfinite(value(f"{function}(x, 2021, 2022)", x=gappy)).all()


def test_scenarios_are_compared_within_one_expression() -> None:
    parsed = parse_expression("gap - under(gap / loss, tight) + under(under(gap, inner), outer)", scenarios=True)
    assert parsed.scenarios == {None: {"gap"}, "tight": {"gap", "loss"}, "inner": {"gap"}}
    assert Under in {type(node) for node in parsed.tree.arguments[0].arguments}  # type: ignore[union-attr]
    levels = {None: 10.0, "tight": 3.0, "inner": 5.0}

    def scenario(name: str | None) -> Callable[[str, tuple[str, ...]], Labelled]:
        return lambda variable, _: Labelled((), np.full((1, 1), levels[name] if variable == "gap" else 2.0))

    found = evaluate(parsed, scenario(None), TIMES, under=scenario).values
    assert found == pytest.approx(10 - 3 / 2 + 5)


def test_a_scenario_is_a_name() -> None:
    with pytest.raises(ModelFileError, match="expected the name of a scenario at position 10"):
        parse_expression("under(a, 3)", scenarios=True)

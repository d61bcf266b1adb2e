"""Conditions: how they are written, when they hold, and which side is shown where they do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from trilemma.errors import ModelFileError
from trilemma.translation.conditions import Finding, hold, parse_condition
from trilemma.translation.labelled import Labelled

TIMES = np.array([2020.0, 2021.0, 2022.0])
Lookup = Callable[[str, tuple[str, ...]], Labelled]


def values(factor: float) -> Lookup:
    found = {
        "x": Labelled((), factor * np.array([1.0, 2.0, 4.0]).reshape(-1, 1)),
        "y": Labelled(("actor",), factor * np.array([[1.0, 5.0], [2.0, 3.0], [9.0, 4.0]])[..., None]),
        "late": Labelled((), np.array([np.nan, 1.0, 1.0]).reshape(-1, 1)),
    }
    return lambda name, _elements: found[name]


def held(text: str) -> Finding:
    return hold(parse_condition(text), values(1), TIMES, {"base": values(1), "half": values(0.5)}.__getitem__)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("x > 0", True),
        ("x >= 1", True),
        ("x > 1", False),
        ("x < at(x, 2022)", False),
        ("x <= at(x, 2022)", True),
        ("at(x, 2021) = 2", True),
        ("at(x, 2021) = 2 + 1e-12", True),
        ("at(x, 2021) = 2.00001", False),
        ("at(x, 2021) <= 2 - 1e-12", True),
        ("at(x, 2021) < 2 - 1e-12", False),
        ("x = 2 * under(x, half)", True),
        ("y >= x", True),
        ("y > x", False),
        ("sum(y[actor!]) > x", True),
        ("late = 1", False),
        ("lowest(late, 2021, 2022) = 1", True),
        ('"x" < 5', True),
    ],
)
def test_a_condition_holds_everywhere_or_not_at_all(text: str, holds: bool) -> None:
    assert held(text).holds is holds


@pytest.mark.parametrize(
    ("text", "measured"),
    [
        ("x < 3", "4 against 3 at 2022"),
        ("x > 3", "1 against 3 at 2020"),
        ("x = 2", "4 against 2 at 2022"),
        ("x < 4.5", "4 against 4.5 at 2022"),
        ("y < 8", "9 against 8 at 2022"),
        ("at(x, 2022) < 3", "4 against 3"),
        ("late > 0", "undefined against 0 at 2020"),
    ],
)
def test_the_place_where_it_holds_least_is_shown(text: str, measured: str) -> None:
    assert held(text).measured == measured


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x", "the condition 'x' has 0 of the signs"),
        ("0 < x < 1", "has 2 of the signs"),
        ("x <> 1", "has 2 of the signs"),
        ("x <", "expected a number, a name or '\\(' at position 1, got the end"),
        ("x + < 1", "at position"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(ModelFileError, match=sentence) as caught:
        parse_condition(text, "checks.toml, [extreme.a]")
    assert str(caught.value).startswith("checks.toml, [extreme.a]")


def test_a_quoted_name_may_hold_signs() -> None:
    assert parse_condition('"a < b" = 1').left.names == {("a < b", None)}

"""Numbers as text."""

from __future__ import annotations

import math

import pytest

from trilemma.reporting.numerals import decimals, number, of_draws, quantity, share, signed, span


@pytest.mark.parametrize(
    ("value", "text"),
    [(21.63, "21.6"), (371.4, "371"), (1121.2, "1,121"), (0.08456, "0.0846"), (-3.14, "−3.14"), (0.0, "0.0")],
)
def test_a_number_has_three_significant_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_a_number_that_rounds_to_zero_has_no_sign() -> None:
    assert number(-0.0001, 1) == "0.0"
    assert signed(0.0001, 1) == "0.0"


def test_an_undefined_number_says_so() -> None:
    assert number(math.nan) == "n/a"
    assert span(math.nan, 1.0) == "n/a"
    assert quantity(math.nan, "months") == "n/a"


def test_digits_follow_the_widest_value() -> None:
    assert decimals([0.2, 371.0]) == 0
    assert decimals([]) == 1


def test_a_span_uses_words_when_an_end_is_negative() -> None:
    assert span(7.0, 37.5, 1) == "7.0–37.5"
    assert span(-1.2, 10.4, 1) == "−1.2 to 10.4"


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(1.0, "all"), (0.0, "none"), (0.999, "over 99 %"), (0.001, "under 1 %"), (0.876, "88 %")],
)
def test_a_share_is_never_rounded_to_all_or_none(fraction: float, text: str) -> None:
    assert share(fraction) == text


def test_a_share_of_draws_in_words() -> None:
    assert of_draws(1.0) == "all draws"
    assert of_draws(0.876) == "88 % of draws"

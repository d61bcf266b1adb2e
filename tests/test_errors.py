"""The words of errors: lists of names, near names, and the base that all mistakes share."""

from __future__ import annotations

import pytest

from trilemma import errors
from trilemma.errors import TrilemmaError, UnknownNameError, list_names, near_names, unknown_name


@pytest.mark.parametrize(
    ("names", "text"),
    [([], ""), (["a"], "'a'"), (["a", "b"], "'a' or 'b'"), (["a", "b", "c"], "'a', 'b' or 'c'")],
)
def test_names_are_listed_as_in_a_sentence(names: list[str], text: str) -> None:
    assert list_names(names) == text
    assert list_names(names, "and") == text.replace(" or ", " and ")


def test_near_names_come_nearest_first_and_case_does_not_matter() -> None:
    known = ["Leased Compute", "Installed Compute", "exact lag", "Power Capacity"]
    assert near_names("leased compute", known).startswith("did you mean 'Leased Compute'")
    assert near_names("EXACT LAGS", known) == "did you mean 'exact lag'?"


def test_a_name_that_shares_a_word_is_near() -> None:
    known = ["chinese access to US compute", *(f"x{i}" for i in range(30))]
    assert near_names("access", known) == "did you mean 'chinese access to US compute'?"


def test_no_more_names_than_asked_for() -> None:
    assert near_names("stock", [f"stock {i}" for i in range(9)], n=2).count("'stock") == 2


def test_few_names_are_all_listed_and_many_are_counted() -> None:
    assert near_names("zzz", ["as_enacted", "hardware_only"]) == "known are 'as_enacted' and 'hardware_only'."
    assert near_names("zzz", [f"a{i}" for i in range(21)]) == "none of the 21 known names is near it."


def test_no_names_at_all_are_said_to_be_none() -> None:
    assert near_names("zzz", []) == "there are none."


def test_a_repeated_name_is_listed_once() -> None:
    assert near_names("lag", ["exact lag", "exact lag"]) == "did you mean 'exact lag'?"


@pytest.mark.parametrize("where", ["", "forecasts/trial.toml, 'scenarios'"])
def test_an_unknown_name_says_what_and_where(where: str) -> None:
    error = unknown_name("scenario", "tigth", ["tight"], where)
    assert isinstance(error, UnknownNameError)
    place = f" in {where}" if where else ""
    assert str(error) == f"unknown scenario 'tigth'{place}: did you mean 'tight'?"


@pytest.mark.parametrize("name", [name for name in vars(errors) if name.endswith("Error")])
def test_every_mistake_is_a_value_error_with_status_2(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, TrilemmaError)
    assert issubclass(kind, ValueError)
    assert kind.exit_code == 2
    assert kind.__doc__

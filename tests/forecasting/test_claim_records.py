"""Claims that the record decides: ratios of observed means, and what the record lacks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from trilemma.errors import TrilemmaError
from trilemma.forecasting.claim_file import Claim, Record
from trilemma.forecasting.claim_records import judge_records


@dataclass(frozen=True)
class Row:
    series: str
    start: date
    end: date
    value: float
    kind: str = "observation"


def year(number: int) -> tuple[date, date]:
    return date(number, 1, 1), date(number, 12, 31)


RECORD = [
    Row("sales", *year(2022), 2.0),
    Row("sales", date(2023, 1, 1), date(2023, 6, 30), 4.0),
    Row("sales", date(2023, 7, 1), date(2023, 12, 31), 6.0),
    Row("sales", *year(2023), 100.0, "projection"),
    Row("sales", date(2022, 7, 1), date(2023, 6, 30), 50.0),
    Row("saless", *year(2022), 1.0),
]


def claim(*limits: dict[str, Any], **changed: Any) -> Claim:  # noqa: ANN401 - any key of a record
    usual = {"title": "t", "series": "sales", "during": year(2023), "against": year(2022), "where": "claims.toml, H1"}
    record = tuple(Record.model_validate({**usual, **limit, **changed}) for limit in limits)
    return Claim(name="H1", title="t", says="s", tested="t", change="c", record=record)


def test_a_ratio_is_that_of_the_means_of_observations_within_the_periods() -> None:
    (found,) = judge_records([claim({"above": 2.4, "below": 2.6})], RECORD)
    (compared,) = found.comparisons
    assert (compared.ratio, compared.observations, compared.holds) == (2.5, 3, True)
    assert found.verdict == "supported"


def test_the_verdict_is_undecided_where_comparisons_differ() -> None:
    for limits, verdict in {(3.0, 1.5): "undecided", (3.0, 3.5): "rejected", (1.5, 2.0): "supported"}.items():
        (found,) = judge_records([claim(*({"above": limit} for limit in limits))], RECORD)
        assert found.verdict == verdict


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"series": "sale"}, "unknown series 'sale' in claims.toml, H1: did you mean 'sales' or 'saless'"),
        (
            {"during": year(2024)},
            "no observation of 'sales' lies within 2024-01-01 to .*has 4 from 2022-01-01",
        ),
    ],
)
def test_what_the_record_lacks_is_one_sentence(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TrilemmaError, match=sentence):
        judge_records([claim({"above": 1.0}, **changed)], RECORD)

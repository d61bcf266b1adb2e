"""The public table of what is supported follows from the cases."""

from __future__ import annotations

from tests.conformance.coverage import FILE, table
from tests.conformance.table import CASES


def test_the_table_of_what_is_supported_is_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == table(), "run: python -m tests.conformance.coverage"


def test_a_case_that_is_not_held_against_pysd_says_why() -> None:
    silent = [case.name for case in CASES if not case.against_pysd and not case.why_not]
    assert not silent

"""What a test of a model found, in one form for all categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["passed", "explained", "failed"]


@dataclass(frozen=True)
class Check:
    """One test of a model: what was expected, what came out, and what that means.

    Attributes
    ----------
    category, name
        The kind of test, and the test; several results of one test share its name.
    expected, measured
        In words or numbers, short enough for a column of a table.
    verdict
        "explained" is a pass: what was expected does not hold, for a reason that was tested as well.
    sentence
        What happened, for a reader who sees nothing else.
    """

    category: str
    name: str
    expected: str
    measured: str
    verdict: Verdict
    sentence: str

    @property
    def passes(self) -> bool:
        """Whether the model may stay as it is."""
        return self.verdict != "failed"

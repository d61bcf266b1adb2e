"""Cases of the conformance table: functions. The construct is Vensim's name of the function, in capitals."""

from __future__ import annotations

from tests.conformance.cases import Case

FUNCTIONS: tuple[Case, ...] = (
    Case(
        "IF THEN ELSE chooses",
        "IF THEN ELSE",
        "x = IF THEN ELSE(Time > 1, 5, 6) ~~|",
        {"x": [6, 6, 6, 5, 5, 5, 5, 5, 5]},
    ),
)

"""Cases of the conformance table: structures of a model (ranges, definitions, stocks, lookups, data, macros)."""

from __future__ import annotations

import numpy as np

from tests.conformance.cases import Case

STOCKS = (
    Case(
        "a stock follows Euler's recursion",
        "INTEG",
        "x = INTEG(-x/2, 8) ~~|",
        {"x": lambda t: 8 * 0.75 ** (t / 0.5)},
    ),
    Case(
        "an initial value by element",
        "INTEG",
        "seg: A, B ~~|\nx[seg] = INTEG(rate[seg], start[seg]) ~~|\nrate[seg] = 1, 2 ~~|\nstart[seg] = 5, 7 ~~|",
        {"x[A]": lambda t: 5 + t, "x[B]": lambda t: 7 + 2 * t},
    ),
    Case(
        "INITIAL holds the first value",
        "INITIAL",
        "x = INITIAL(3 + Time + y) ~~|\ny = INTEG(1, 4) ~~|",
        {"x": 7.0},
    ),
)

RANGES = (
    Case(
        "a subrange selects elements",
        "subrange",
        "seg: A, B, C ~~|\nsub: B, C ~~|\nv[seg] = 1, 4, 2 ~~|\nx[sub] = v[sub]*Time ~~|\ny = SUM(v[sub!]) ~~|",
        {"x[B]": lambda t: 4 * t, "x[C]": lambda t: 2 * t, "y": 6.0},
    ),
    Case(
        "a reduction binds the innermost range",
        "reduction with !",
        "seg: A, B, C ~~|\nv[seg] = 1, 4, 2 ~~|\n"
        "x[seg] = EXP(v[seg]-VMAX(v[seg!]))/SUM(EXP(v[seg!]-VMAX(v[seg!]))) ~~|",
        {"x[A]": np.exp(1) / np.exp([1, 4, 2]).sum(), "x[B]": np.exp(4) / np.exp([1, 4, 2]).sum()},
    ),
)

STRUCTURES: tuple[Case, ...] = (*STOCKS, *RANGES)

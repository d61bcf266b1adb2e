"""Cases of the conformance table: functions. The construct is Vensim's name of the function, in capitals.

Clock: Time runs from 0 to 4 in steps of 0.5 unless a case says otherwise, so that STEPS below are its saved times.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from tests.conformance.cases import Case

STEPS = np.arange(0, 4.5, 0.5)


def _is_in(*ranges: tuple[float, float]) -> list[float]:
    """Return 1 at the saved times that lie in one of the half-open ranges, 0 elsewhere."""
    return [float(any(low <= t < high for low, high in ranges)) for t in STEPS]


ELEMENT_WISE = (
    Case(
        "IF THEN ELSE chooses",
        "IF THEN ELSE",
        "x = IF THEN ELSE(Time > 1, 5, 6) ~~|",
        {"x": [6, 6, 6, 5, 5, 5, 5, 5, 5]},
    ),
    Case(
        "comparisons and logic give 1 and 0",
        "comparisons, :AND:, :OR:, :NOT:",
        "a = IF THEN ELSE(Time = 1 :OR: Time >= 3, 1, 0) ~~|\n"
        "b = IF THEN ELSE(Time <> 1 :AND: Time <= 2, 1, 0) ~~|\n"
        "c = IF THEN ELSE(:NOT: (Time < 2), 1, 0) ~~|",
        {"a": _is_in((1, 1.5), (3, 9)), "b": _is_in((0, 1), (1.5, 2.5)), "c": _is_in((2, 9))},
    ),
    Case(
        ":NA: is missing, and can be asked for",
        ":NA:",
        "x = IF THEN ELSE(Time < 2, :NA:, Time) ~~|\ny = IF THEN ELSE(x = :NA:, -1, x) ~~|\n"
        "z = IF THEN ELSE(x <> :NA:, 1, 0) ~~|",
        {"x": lambda t: np.where(t < 2, np.nan, t), "y": lambda t: np.where(t < 2, -1, t), "z": _is_in((2, 9))},
        against_pysd=False,
        why_not="finds no value equal to :NA:; Vensim's help: :NA: is a value that can be tested for",
    ),
    Case(
        "MIN and MAX of two",
        "MIN, MAX",
        "x = MIN(Time, 2) ~~|\ny = MAX(Time, 2) ~~|",
        {"x": lambda t: np.minimum(t, 2), "y": lambda t: np.maximum(t, 2)},
    ),
    Case("ABS", "ABS", "x = ABS(Time - 2) ~~|", {"x": lambda t: np.where(t > 2, t - 2, 2 - t)}),
    Case(
        "EXP and LN undo each other",
        "EXP, LN",
        "x = EXP(Time) ~~|\ny = LN(x) ~~|",
        {"x": lambda t: math.e**t, "y": lambda t: t},
    ),
    Case("LOG to a base", "LOG", "x = LOG(2^Time, 4) ~~|", {"x": lambda t: t / 2}),
    Case("SQRT", "SQRT", "x = SQRT(Time*Time) ~~|", {"x": lambda t: t}),
    Case(
        "POWER of any sign",
        "POWER, ^",
        "x = POWER(Time, 1.5) ~~|\ny = POWER(-2, 3) ~~|\nz = (1 - Time)^2 ~~|\nw = Time^0 ~~|",
        {"x": lambda t: t * np.sqrt(t), "y": -8.0, "z": lambda t: 1 - 2 * t + t * t, "w": 1.0},
    ),
    Case(
        "trigonometry",
        "SIN, COS, TAN, ARCSIN, ARCCOS, ARCTAN",
        "one = SIN(Time)^2 + COS(Time)^2 ~~|\ntangent = TAN(Time/4)*COS(Time/4) ~~|\n"
        "a = ARCSIN(SIN(Time/4)) ~~|\nb = ARCCOS(COS(Time/4)) ~~|\nc = ARCTAN(TAN(Time/4)) ~~|\nd = 4*ARCTAN(1) ~~|",
        {
            "one": 1.0,
            "tangent": lambda t: np.sin(t / 4),
            "a": lambda t: t / 4,
            "b": lambda t: t / 4,
            "c": lambda t: t / 4,
            "d": math.pi,
        },
    ),
    Case(
        "hyperbolic functions",
        "SINH, COSH, TANH",
        "a = SINH(Time) + COSH(Time) ~~|\nb = TANH(Time)*COSH(Time)/SINH(Time + 0.1) ~~|",
        {
            "a": lambda t: math.e**t,
            "b": lambda t: (math.e**t - math.e**-t) / (math.e ** (t + 0.1) - math.e ** (-t - 0.1)),
        },
    ),
    Case(
        "INTEGER cuts towards zero",
        "INTEGER",
        "x = INTEGER(Time - 2) ~~|",
        {"x": [-2, -1, -1, 0, 0, 0, 1, 1, 2]},
    ),
    Case(
        "what is a whole number but for rounding counts as one",
        "INTEGER",
        "scaled = Time/10 ~~|\nx = INTEGER(scaled - 10) ~~|\ny = MODULO(Time, 49) ~~|\nz = QUANTUM(Time, 49) ~~|\n"
        "w = IF THEN ELSE(scaled - 10 >= -4, 1, 0) ~~|",
        {
            "x": lambda t: -np.floor((100 - t) / 10),
            "y": lambda t: np.where(t < 49, t, np.where(t < 98, t - 49, t - 98)),
            "z": lambda t: np.where(t < 49, 0, np.where(t < 98, 49, 98)),
            "w": lambda t: np.where(t < 60, 0, 1),
        },
        final=100,
        step=1,
    ),
    Case(
        "QUANTUM cuts towards zero",
        "QUANTUM",
        "x = QUANTUM(2*Time - 4, 3) ~~|\ny = QUANTUM(Time, 0) ~~|\nz = QUANTUM(Time, -1) ~~|",
        {"x": [-3, -3, 0, 0, 0, 0, 0, 3, 3], "y": lambda t: t, "z": lambda t: t},
    ),
    Case(
        "MODULO has the sign of what is divided",
        "MODULO",
        "x = MODULO(2*Time - 4, 3) ~~|\ny = MODULO(Time, -2) ~~|\nz = MODULO(Time, 0) ~~|",
        {"x": [-1, 0, -2, -1, 0, 1, 2, 0, 1], "y": 0.0, "z": 0.0},
    ),
    Case(
        "ZIDZ and XIDZ where the denominator is almost zero",
        "ZIDZ, XIDZ",
        "x = ZIDZ(6, Time - 2) ~~|\ny = XIDZ(6, Time - 2, 99) ~~|\nz = XIDZ(6, 0.0000005, -1) ~~|",
        {"x": [-3, -4, -6, -12, 0, 12, 6, 4, 3], "y": [-3, -4, -6, -12, 99, 12, 6, 4, 3], "z": -1.0},
    ),
)

TIME = (
    Case(
        "STEP begins in the step that contains its time",
        "STEP",
        "x = STEP(2, 1.2) ~~|\ny = STEP(2, 1.3) ~~|",
        {"x": [2 * v for v in _is_in((1, 9))], "y": [2 * v for v in _is_in((1.5, 9))]},
    ),
    Case(
        "STEP on a clock whose times are not exact",
        "STEP",
        "x = STEP(1, 0.3) ~~|\ny = PULSE(0.3, 0.2) ~~|",
        {"x": [0, 0, 0, 1, 1, 1], "y": [0, 0, 0, 1, 1, 0]},
        final=0.5,
        step=0.1,
        against_pysd=False,
        why_not="compares the time with a start of 0.3 within 1e-6, and with its end exactly",
    ),
    Case(
        "RAMP rises between its times",
        "RAMP",
        "x = RAMP(2, 1, 3) ~~|\ny = RAMP(-1, 1.2, 9) ~~|",
        {"x": lambda t: 2 * (np.clip(t, 1, 3) - 1), "y": lambda t: -np.maximum(t - 1.2, 0)},
    ),
    Case("PULSE lasts for its width", "PULSE", "x = PULSE(1, 1.5) ~~|", {"x": _is_in((1, 2.5))}),
    Case(
        "PULSE lasts for one step at least",
        "PULSE",
        "x = PULSE(1, 0.2) ~~|",
        {"x": _is_in((1, 1.5))},
    ),
    Case(
        "PULSE of width 0 lasts for one step",
        "PULSE",
        "x = PULSE(1, 0) ~~|",
        {"x": _is_in((1, 1.5))},
        against_pysd=False,
        why_not="gives no pulse; Vensim's help: a width of 0 is one TIME STEP",
    ),
    Case(
        "PULSE beside the clock compares the middle of a step",
        "PULSE",
        "x = PULSE(1.1, 1) ~~|\ny = PULSE(1.3, 1) ~~|\nz = PULSE(1, 0.7) ~~|",
        {"x": _is_in((1, 2)), "y": _is_in((1.5, 2.5)), "z": _is_in((1, 1.5))},
        against_pysd=False,
        why_not="compares Time itself; Vensim's help: Time + TIME STEP/2",
    ),
    Case(
        "PULSE TRAIN repeats until its end",
        "PULSE TRAIN",
        "x = PULSE TRAIN(0.5, 0.5, 1.5, 3) ~~|\ny = PULSE TRAIN(1, 1, 2, 9) ~~|",
        {"x": _is_in((0.5, 1), (2, 2.5)), "y": _is_in((1, 2), (3, 4))},
    ),
    Case(
        "PULSE TRAIN wider than its interval is one pulse",
        "PULSE TRAIN",
        "x = PULSE TRAIN(1, 2, 1, 3) ~~|",
        {"x": _is_in((1, 3))},
    ),
    Case(
        "test inputs by element",
        "PULSE",
        "seg: A, B ~~|\nstart[seg] = 1, 2 ~~|\nx[seg] = STEP(10, start[seg]) ~~|\ny[seg] = RAMP(1, start[seg], 3) ~~|",
        {
            "x[A]": [10 * v for v in _is_in((1, 9))],
            "x[B]": [10 * v for v in _is_in((2, 9))],
            "y[B]": lambda t: np.clip(t, 2, 3) - 2,
        },
    ),
    Case(
        "GET TIME VALUE of the current time",
        "GET TIME VALUE",
        "x = GET TIME VALUE(0, 2.5, 0) ~~|",
        {"x": lambda t: t + 2.5},
    ),
)

RANGE = "seg: A, B, C ~~|\nv[seg] = 3, 1, 2 ~~|\n"
MATRIX = "row: R1, R2 ~~|\ncol: C1, C2, C3 ~~|\nm[row,col] = 3, 1, 2; -1, 5, 0 ~~|\n"

REDUCTIONS = (
    Case(
        "SUM, PROD, VMAX, VMIN over a range",
        "SUM, PROD, VMAX, VMIN",
        RANGE + "a = SUM(v[seg!]) ~~|\nb = PROD(v[seg!] + 1) ~~|\nc = VMAX(v[seg!]) ~~|\nd = VMIN(v[seg!]*Time) ~~|",
        {"a": 6.0, "b": 24.0, "c": 3.0, "d": lambda t: t},
    ),
    Case(
        "a reduction over one range of two, and over both",
        "SUM, PROD, VMAX, VMIN",
        MATRIX + "x[row] = VMAX(m[row,col!]) ~~|\ny[col] = SUM(m[row!,col]) ~~|\nz = VMIN(m[row!,col!]) ~~|",
        {"x[R1]": 3.0, "x[R2]": 5.0, "y[C1]": 2.0, "y[C2]": 6.0, "y[C3]": 2.0, "z": -1.0},
    ),
    Case(
        "ELMCOUNT counts the elements of a range",
        "ELMCOUNT",
        RANGE + "x = ELMCOUNT(seg)*Time ~~|",
        {"x": lambda t: 3 * t},
    ),
)


def _selection(action: int) -> float:
    """Return what an action of VECTOR SELECT gives for the selectors 2, 0, -1 of 3, 1, 4."""
    weighted, plain = [6.0, -4.0], [3.0, 4.0]
    return [
        sum(weighted),
        math.prod(weighted),
        min(weighted),
        max(weighted),
        sum(weighted) / 2,
        3**2 * 4**-1,
        sum(plain),
        math.prod(plain),
        min(plain),
        max(plain),
        sum(plain) / 2,
    ][action]


SELECT = "seg: A, B, C ~~|\nw[seg] = 2, 0, -1 ~~|\nv[seg] = 3, 1, 4 ~~|\nnone[seg] = 0, 0, 0 ~~|\n"

VECTORS = (
    *(
        Case(
            f"VECTOR SELECT, action {action}",
            "VECTOR SELECT",
            SELECT + f"x = VECTOR SELECT(w[seg!], v[seg!], -9, {action}, 0) ~~|\n"
            f"y = VECTOR SELECT(none[seg!], v[seg!], -9, {action}, 0) ~~|",
            {"x": _selection(action), "y": -9.0},
            final=1,
        )
        for action in range(11)
    ),
    Case(
        "VECTOR SELECT whose action changes over time",
        "VECTOR SELECT",
        SELECT + "x = VECTOR SELECT(w[seg!], v[seg!], -9, Time, 0) ~~|",
        {"x": [_selection(action) for action in range(11)]},
        final=10,
        step=1,
    ),
    Case(
        "VECTOR SELECT of a matrix by a vector",
        "VECTOR SELECT",
        MATRIX + "s[col] = 1, 0, 1 ~~|\nx[row] = VECTOR SELECT(s[col!], m[row,col!], 0, 6, 0) ~~|",
        {"x[R1]": 5.0, "x[R2]": -1.0},
    ),
    Case(
        "VECTOR SORT ORDER counts from 0",
        "VECTOR SORT ORDER",
        RANGE + "x[seg] = VECTOR SORT ORDER(v[seg], 1) ~~|\ny[seg] = VECTOR SORT ORDER(v[seg], -1) ~~|",
        {"x[A]": 1.0, "x[B]": 2.0, "x[C]": 0.0, "y[A]": 0.0, "y[B]": 2.0, "y[C]": 1.0},
    ),
    Case(
        "VECTOR SORT ORDER sorts the last range",
        "VECTOR SORT ORDER",
        MATRIX + "x[row,col] = VECTOR SORT ORDER(m[row,col], 1) ~~|",
        {"x[R1,C1]": 1.0, "x[R1,C2]": 2.0, "x[R1,C3]": 0.0, "x[R2,C1]": 0.0, "x[R2,C2]": 2.0, "x[R2,C3]": 1.0},
    ),
    Case(
        "VECTOR RANK counts from 1",
        "VECTOR RANK",
        RANGE + "x[seg] = VECTOR RANK(v[seg] + Time, 1) ~~|\ny[seg] = VECTOR RANK(v[seg], 0) ~~|",
        {"x[A]": 3.0, "x[B]": 1.0, "x[C]": 2.0, "y[A]": 1.0, "y[B]": 3.0, "y[C]": 2.0},
    ),
    Case(
        "VECTOR REORDER puts a vector in an order",
        "VECTOR REORDER",
        RANGE + "o[seg] = VECTOR SORT ORDER(v[seg], 1) ~~|\nx[seg] = VECTOR REORDER(v[seg], o[seg]) ~~|",
        {"x[A]": 1.0, "x[B]": 2.0, "x[C]": 3.0},
    ),
    Case(
        "INVERT MATRIX",
        "INVERT MATRIX",
        "row: R1, R2 ~~|\ncol: C1, C2 ~~|\nm[row,col] = 2, 1; 5, 3 ~~|\nx[row,col] = INVERT MATRIX(m[row,col], 2) ~~|",
        {"x[R1,C1]": 3.0, "x[R1,C2]": -1.0, "x[R2,C1]": -5.0, "x[R2,C2]": 2.0},
    ),
)

REQUESTS = "who: A, B ~~|\nprofile: ptype, ppriority, pwidth, pextra ~~|\nask[who] = 40, 40 ~~|\n"


def _shared(kind: int, gap: float) -> str:
    """Return the equations of two equal requests whose priorities are `gap` apart, under a rising supply."""
    return (
        REQUESTS + f"pp[A,profile] = {kind}, {5 + gap}, 1, 0 ~~|\npp[B,profile] = {kind}, 5, 1, 0 ~~|\n"
        "x[who] = ALLOCATE AVAILABLE(ask[who], pp[who,ptype], 25*Time) ~~|\n"
    )


def _normal_share(gap: float) -> float:
    """Return what the first of two requests of 40 gets of a supply of 40, their curves normal."""
    return 40 * NormalDist().cdf(gap / 2)


ALLOCATIONS = (
    *(
        Case(
            f"ALLOCATE AVAILABLE, {name} curves of equal priority share alike",
            "ALLOCATE AVAILABLE",
            _shared(kind, 0),
            {"x[A]": lambda t: np.minimum(12.5 * t, 40), "x[B]": lambda t: np.minimum(12.5 * t, 40)},
        )
        for kind, name in enumerate(("rectangular", "triangular", "normal", "exponential"), 1)
    ),
    Case(
        "ALLOCATE AVAILABLE, rectangular curves that do not meet: one after the other",
        "ALLOCATE AVAILABLE",
        _shared(1, 1.5),
        {"x[A]": lambda t: np.minimum(25 * t, 40), "x[B]": lambda t: np.clip(25 * t - 40, 0, 40)},
    ),
    Case(
        "ALLOCATE AVAILABLE, normal curves at the price between them",
        "ALLOCATE AVAILABLE",
        _shared(3, 1).replace("25*Time", "40"),
        {"x[A]": _normal_share(1), "x[B]": 40 - _normal_share(1)},
    ),
    Case(
        "ALLOCATE AVAILABLE, exponential curves at the price between them",
        "ALLOCATE AVAILABLE",
        _shared(4, 1).replace("25*Time", "40"),
        {"x[A]": 40 * (1 - math.exp(-0.5) / 2), "x[B]": 20 * math.exp(-0.5)},
    ),
    Case(
        "ALLOCATE AVAILABLE, triangular curves at the price between them",
        "ALLOCATE AVAILABLE",
        _shared(2, 0.5).replace("25*Time", "40"),
        {"x[A]": 40 * (1 - 2 * 0.25**2), "x[B]": 80 * 0.25**2},
    ),
    Case(
        "ALLOCATE BY PRIORITY, a gap above the width: one after the other",
        "ALLOCATE BY PRIORITY",
        "who: A, B ~~|\nask[who] = 30, 40 ~~|\npriority[who] = 1, 3 ~~|\n"
        "x[who] = ALLOCATE BY PRIORITY(ask[who], priority[who], ELMCOUNT(who), 2, 20*Time) ~~|",
        {"x[A]": lambda t: np.clip(20 * t - 40, 0, 30), "x[B]": lambda t: np.minimum(20 * t, 40)},
    ),
    Case(
        "ALLOCATE BY PRIORITY, a gap of half the width: the second begins at half of the first",
        "ALLOCATE BY PRIORITY",
        "who: A, B ~~|\nask[who] = 30, 60 ~~|\npriority[who] = 2, 3 ~~|\n"
        "x[who] = ALLOCATE BY PRIORITY(ask[who], priority[who], ELMCOUNT(who), 2, 15*Time) ~~|",
        # the first alone to 30 of 60; then both, 2 to 1, to 60 and 15; then the second alone to 15 (supply 60)
        {"x[A]": [0, 0, 0, 0, 0, 2.5, 5, 7.5, 10], "x[B]": [0, 7.5, 15, 22.5, 30, 35, 40, 45, 50]},
    ),
)

RANDOM = (  # distributions are tested in tests/engine/test_random.py; here what is certain of them
    Case("RANDOM 0 1 lies between 0 and 1", "RANDOM 0 1", "x = INTEGER(RANDOM 0 1()) ~~|", {"x": 0.0}),
    Case(
        "RANDOM UNIFORM between equal bounds",
        "RANDOM UNIFORM",
        "seg: A, B ~~|\nv[seg] = 3, 5 ~~|\nx[seg] = RANDOM UNIFORM(v[seg], v[seg], 0) ~~|",
        {"x[A]": 3.0, "x[B]": 5.0},
    ),
    Case(
        "RANDOM NORMAL without deviation is the mean",
        "RANDOM NORMAL",
        "x = RANDOM NORMAL(0, 9, Time, 0, 0) ~~|",
        {"x": lambda t: t},
        against_pysd=False,
        why_not="a deviation of 0 is an error of SciPy",
    ),
    Case(
        "RANDOM EXPONENTIAL without stretch is the shift",
        "RANDOM EXPONENTIAL",
        "x = RANDOM EXPONENTIAL(0, 9, Time, 0, 0) ~~|",
        {"x": lambda t: t},
        against_pysd=False,
        why_not="a stretch of 0 is an error of SciPy",
    ),
)

XMILE_FILE = "functions.xmile"

XMILE = tuple(
    Case(f"{construct} of XMILE: {name}", f"{construct} (XMILE)", XMILE_FILE, {name: values})
    for construct, name, values in (
        ("PULSE", "single pulse", [12 * v for v in _is_in((1, 1.5))]),
        ("PULSE", "pulses", [12 * v for v in _is_in((1, 1.5), (2.5, 3), (4, 4.5))]),
        ("RAMP", "endless ramp", lambda t: 2 * np.maximum(t - 1, 0)),
        ("RAMP", "ended ramp", lambda t: 2 * (np.clip(t, 1, 3) - 1)),
        ("MOD", "remainder", [0, 1, 2, 0, 1, 2, 0, 1, 2]),
        ("INT", "whole", [0, 0, 1, 1, 2, 2, 3, 3, 4]),
        ("SAFEDIV", "safe", [-3, -4, -6, -12, 0, 12, 6, 4, 3]),
        ("SAFEDIV", "safe otherwise", [-3, -4, -6, -12, 99, 12, 6, 4, 3]),
        ("PI", "circle", lambda t: math.pi * t),
        ("IF THEN ELSE", "chosen", [2 - v for v in _is_in((1.5, 3.5))]),
        ("MAX, MIN", "largest of two", lambda t: np.maximum(t, 2)),
        ("MAX, MIN", "smallest of two", lambda t: np.minimum(t, 2)),
        ("MAX, MIN", "largest of all", 3.0),
        ("MAX, MIN", "smallest of all", 1.0),
        ("SUM", "total", 6.0),
    )
)

FUNCTIONS: tuple[Case, ...] = (*ELEMENT_WISE, *TIME, *REDUCTIONS, *VECTORS, *ALLOCATIONS, *RANDOM, *XMILE)

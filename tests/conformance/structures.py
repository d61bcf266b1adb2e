"""Cases of the conformance table: structures of a model (ranges, definitions, stocks, lookups, data, macros)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.conformance.cases import Case

STEP = 0.5
"""The step of the inline cases; the recursions below are Euler's with it."""


def recursion(
    start: float, rate: Callable[[float, float], float], step: float = STEP
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the values of a stock by Euler's method, as a function of the saved times."""

    def values(times: np.ndarray) -> np.ndarray:
        levels = [start]
        for time in times[:-1]:
            levels.append(levels[-1] + step * rate(levels[-1], float(time)))
        return np.array(levels)

    return values


def chain(order: int, start: float, time: float, source: Callable[[float], float], *, delay: bool) -> np.ndarray:
    """Return the output of a delay (stages that drain) or a smooth (stages that adjust) of some order, over 0..4."""
    stages = np.full(order, start * (time / order if delay else 1.0))
    outputs: list[float] = []
    for t in np.arange(0, 4.5, STEP):
        flows = stages / (time / order)
        outputs.append(float(flows[-1] if delay else stages[-1]))
        if delay:
            stages = stages + STEP * (np.concatenate([[source(t)], flows[:-1]]) - flows)
        else:
            stages = stages + STEP * (np.concatenate([[source(t)], stages[:-1]]) - stages) / (time / order)
    return np.array(outputs)


def average(times: np.ndarray, start: float) -> np.ndarray:
    """Return a smooth of 1 + time over 2 units of time."""
    return recursion(start, lambda level, t: (1 + t - level) / 2)(times)


def changing_delay(time: Callable[[float], float], inflow: float, start: float) -> np.ndarray:
    """Return the output of two stages that drain, of which the second has the time that the first had a step before."""
    first = last = time(0) / 2
    stages = [start * first, start * first]
    outputs: list[float] = []
    for t in np.arange(0, 4.5, STEP):
        outputs.append(stages[1] / first)  # the time of the step before, as PySD has it
        first, last = time(float(t)) / 2, first
        middle, out = stages[0] / first, stages[1] / last
        stages = [stages[0] + STEP * (inflow - middle), stages[1] + STEP * (middle - out)]
    return np.array(outputs)


INPUT = "in = 5 + STEP(3, 2) ~~|\n"


def source(time: float) -> float:
    """Return the input of the cases on delays."""
    return 8.0 if time >= 2 else 5.0


STOCKS = (
    Case(
        "a stock follows Euler's recursion",
        "INTEG",
        "x = INTEG(-x/2, 8) ~~|",
        {"x": lambda t: 8 * 0.75 ** (t / STEP)},
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
    Case(
        "ACTIVE INITIAL breaks a loop of initial values",
        "ACTIVE INITIAL",
        "x = ACTIVE INITIAL(y*2, 7) ~~|\ny = INTEG(1, x) ~~|",
        {"x": lambda t: 2 * (7 + t), "y": lambda t: 7 + t},
    ),
    Case("GAME is what is in it", "GAME", "x = GAME(Time*2) ~~|", {"x": lambda t: 2 * t}),
)

DELAYS = (
    Case(
        "DELAY1 drains one stage", "DELAY1", INPUT + "x = DELAY1(in, 2) ~~|", {"x": chain(1, 5, 2, source, delay=True)}
    ),
    Case(
        "DELAY1I begins with its own value",
        "DELAY1I",
        INPUT + "x = DELAY1I(in, 2, 1.5) ~~|",
        {"x": chain(1, 1.5, 2, source, delay=True)},
    ),
    Case(
        "DELAY3 drains three stages",
        "DELAY3",
        INPUT + "x = DELAY3(in, 3) ~~|",
        {"x": chain(3, 5, 3, source, delay=True)},
    ),
    Case(
        "DELAY3I begins with its own value",
        "DELAY3I",
        INPUT + "x = DELAY3I(in, 3, 1.5) ~~|",
        {"x": chain(3, 1.5, 3, source, delay=True)},
    ),
    Case(
        "DELAY3 by element",
        "DELAY3",
        INPUT + "seg: A, B ~~|\nlag[seg] = 2, 3 ~~|\nx[seg] = DELAY3I(in*lag[seg], lag[seg], lag[seg]) ~~|",
        {
            "x[A]": chain(3, 2, 2, lambda t: 2 * source(t), delay=True),
            "x[B]": chain(3, 3, 3, lambda t: 3 * source(t), delay=True),
        },
    ),
    Case(
        "a delay shorter than its stages has fewer of them",
        "DELAY3",
        INPUT + "x = DELAY3I(in, 1, 2) ~~|",
        {"x": chain(2, 2, 1, source, delay=True)},
    ),
    Case(
        "a delay whose time is a function of constants has the stages that fit it",
        "DELAY3",
        INPUT + "n = 7 ~~|\nx = DELAY3I(in, MODULO(n, 3), 2) ~~|\n"
        "y = DELAY3I(in, ABS(WITH LOOKUP(n, ((0,0),(14,-2)))), 2) ~~|",
        {"x": chain(2, 2, 1, source, delay=True), "y": chain(2, 2, 1, source, delay=True)},
    ),
    Case(
        "DELAY N of an order that follows from constants",
        "DELAY N",
        INPUT + "n = 1 ~~|\nx = DELAY N(in, 4, 1.5, n + 3) ~~|",
        {"x": chain(4, 1.5, 4, source, delay=True)},
    ),
    Case(
        "an order that changes counts with what it is at the start",
        "DELAY N",
        INPUT + "n = 2 + STEP(1, 2) ~~|\nx = DELAY N(in, 4, 1.5, n) ~~|",
        {"x": chain(2, 1.5, 4, source, delay=True)},
    ),
    Case(
        "a delay whose time changes has the stages that fit its time at the start",
        "DELAY N",
        "x = DELAY N(3, 1 + Time/2, 1, 3) ~~|\ny = DELAY N(3, 1 + Time/2, 1, 2) ~~|\nz = x - y ~~|",
        {"z": 0.0},
    ),
    Case(
        "DELAY N whose time changes",
        "DELAY N",
        "x = DELAY N(3, 2 + Time/2, 1, 2) ~~|",
        {"x": changing_delay(lambda t: 2 + t / 2, 3, 1)},
    ),
    Case("SMOOTH adjusts", "SMOOTH", INPUT + "x = SMOOTH(in, 2) ~~|", {"x": chain(1, 5, 2, source, delay=False)}),
    Case(
        "SMOOTHI begins with its own value",
        "SMOOTHI",
        INPUT + "x = SMOOTHI(in, 2, 1.5) ~~|",
        {"x": chain(1, 1.5, 2, source, delay=False)},
    ),
    Case(
        "SMOOTHI with a whole initial value is not cut off",
        "SMOOTHI",
        "x = SMOOTHI(1.5, 2, 1) ~~|",
        {"x": lambda t: 1.5 - 0.5 * 0.75 ** (t / STEP)},
        against_pysd=False,
        why_not="keeps the stock a whole number",
    ),
    Case(
        "SMOOTH3 adjusts in three stages",
        "SMOOTH3",
        INPUT + "x = SMOOTH3(in, 3) ~~|",
        {"x": chain(3, 5, 3, source, delay=False)},
    ),
    Case(
        "SMOOTH3I begins with its own value",
        "SMOOTH3I",
        INPUT + "x = SMOOTH3I(in, 3, 1.5) ~~|",
        {"x": chain(3, 1.5, 3, source, delay=False)},
    ),
    Case(
        "SMOOTH N of an order that follows from constants",
        "SMOOTH N",
        INPUT + "n = 1 ~~|\nx = SMOOTH N(in, 4, 1.5, n + 3) ~~|",
        {"x": chain(4, 1.5, 4, source, delay=False)},
    ),
    Case(
        "a smooth inside a sum smooths each summand",
        "SMOOTHI",
        "seg: A, B ~~|\nv[seg] = 1, 5 ~~|\nx = SUM(SMOOTHI(v[seg!], 2, 0.5)) ~~|",
        {"x": lambda t: 6 - 5 * 0.75 ** (t / STEP)},
        against_pysd=False,
        why_not="does not run it",
    ),
    Case(
        "a smooth over the range that it sums",
        "SMOOTHI",
        "seg: A, B ~~|\nv[seg] = 1, 5 ~~|\nx[seg] = v[seg]*SUM(SMOOTHI(v[seg!]*v[seg], 2, 0.5)) ~~|",
        {
            "x[A]": lambda t: 1 * (6 - 5 * 0.75 ** (t / STEP)),
            "x[B]": lambda t: 5 * (30 - 29 * 0.75 ** (t / STEP)),
        },
        against_pysd=False,
        why_not="does not run it",
    ),
    Case(
        "DELAY FIXED gives what entered some steps before",
        "DELAY FIXED",
        "x = DELAY FIXED(Time*2, d, 7) ~~|\nd = 1.5 ~~|",
        {"x": [7, 7, 7, 0, 1, 2, 3, 4, 5]},
    ),
    Case(
        "DELAY FIXED rounds half a step up",
        "DELAY FIXED",
        "x = DELAY FIXED(Time*2, 1.25, 7) ~~|",
        {"x": [7, 7, 7, 0, 1, 2, 3, 4, 5]},
    ),
    Case(
        "DELAY FIXED takes a step at least",
        "DELAY FIXED",
        "x = DELAY FIXED(Time*2, 0, 7) ~~|",
        {"x": [7, 0, 1, 2, 3, 4, 5, 6, 7]},
    ),
    Case(
        "DELAY FIXED with a delay by element",
        "DELAY FIXED",
        "seg: A, B ~~|\nlag[seg] = 0.5, 1.5 ~~|\nx[seg] = DELAY FIXED(Time*2, lag[seg], lag[seg]) ~~|",
        {"x[A]": [0.5, 0, 1, 2, 3, 4, 5, 6, 7], "x[B]": [1.5, 1.5, 1.5, 0, 1, 2, 3, 4, 5]},
        against_pysd=False,
        why_not="takes one delay for all elements",
    ),
    Case(
        "DELAY FIXED longer than the simulation",
        "DELAY FIXED",
        "x = DELAY FIXED(Time, 1000, y) ~~|\ny = 3 ~~|",
        {"x": 3.0},
    ),
    Case(
        "SAMPLE IF TRUE holds what it saw last",
        "SAMPLE IF TRUE",
        "x = SAMPLE IF TRUE(Time > 1 :AND: Time < 2.2, Time, 5.5) ~~|",
        {"x": [5.5, 5.5, 5.5, 1.5, 2, 2, 2, 2, 2]},
    ),
    Case(
        "SAMPLE IF TRUE by element",
        "SAMPLE IF TRUE",
        "seg: A, B ~~|\nv[seg] = 1, 2 ~~|\nx[seg] = SAMPLE IF TRUE(MODULO(Time, v[seg]) = 0, Time*v[seg], 0.5) ~~|",
        {"x[A]": [0, 0, 1, 1, 2, 2, 3, 3, 4], "x[B]": [0, 0, 0, 0, 4, 4, 4, 4, 8]},
    ),
    Case(
        "TREND is the fractional gap to a smooth of the input",
        "TREND",
        "x = TREND(1 + Time, 2, 0.1) ~~|",
        {"x": lambda t: (1 + t - average(t, 1 / 1.2)) / (2 * average(t, 1 / 1.2))},
    ),
    Case(
        "FORECAST carries the trend on",
        "FORECAST",
        "x = FORECAST(1 + Time, 2, 3) ~~|",
        {"x": lambda t: (1 + t) * (1 + 3 * (1 + t - average(t, 1)) / (2 * average(t, 1)))},
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
        "a range of numbered elements",
        "numeric range",
        "seg: (a1-a4), z ~~|\nv[seg] = 1, 2, 3, 4, 5 ~~|\nx = SUM(v[seg!]) + v[a3] ~~|",
        {"x": 18.0},
    ),
    Case(
        "elements that are numbers",
        "numeric range",
        "seg: 1, 20, 300 ~~|\nv[seg] = 1, 2, 3 ~~|\nx[seg] = INTEG(v[seg], 0) ~~|",
        {"x[20]": lambda t: 2 * t, "x[300]": lambda t: 3 * t},
    ),
    Case(
        "a range made of ranges",
        "range of ranges",
        "two: A, B ~~|\nall: two, C ~~|\nv[two] = 1, 2 ~~|\nx[two] = v[two] ~~|\nx[C] = 7 ~~|\ny = SUM(x[all!]) ~~|",
        {"y": 10.0, "x[B]": 2.0},
    ),
    Case(
        "a copy of a range stands for it, and it for the copy",
        "range copy <->",
        "seg: A, B, C ~~|\nseg two <-> seg ~~|\nv[seg] = 1, 4, 2 ~~|\nx[seg two] = v[seg two] + 1 ~~|\n"
        "y[seg] = x[seg]*2 ~~|\nz[seg two] = v[seg] ~~|",
        {"x[B]": 5.0, "y[C]": 6.0, "z[A]": 1.0},
        against_pysd=False,
        why_not="maps a copy in one direction only",
    ),
    Case(
        "a matrix over a range and its copy",
        "range copy <->",
        "seg: A, B ~~|\nother <-> seg ~~|\nv[seg] = 1, 4 ~~|\nw[other] = 10, 20 ~~|\n"
        "m[seg,other] = v[seg]*w[other] ~~|\n"
        "row[seg] = SUM(m[seg,other!]) ~~|\ntrace = m[A,A] + m[B,B] ~~|",
        {"row[B]": 120.0, "trace": 90.0, "m[A,B]": 20.0},
    ),
    Case(
        "a mapped range stands for the one on the left, element by element",
        "mapping ->",
        "seg: A, B, C ~~|\nland: P, Q, R -> seg ~~|\nv[land] = 1, 4, 2 ~~|\nx[seg] = v[land]*Time ~~|",
        {"x[A]": lambda t: t, "x[B]": lambda t: 4 * t, "x[C]": lambda t: 2 * t},
    ),
    Case(
        "a mapping that lists its elements",
        "mapping -> (range: elements)",
        "seg: A, B, C ~~|\nland: P, Q, R -> (seg: C, B, A) ~~|\nv[land] = 1, 4, 2 ~~|\nx[seg] = v[land] ~~|",
        {"x[A]": 2.0, "x[B]": 4.0, "x[C]": 1.0},
        against_pysd=False,
        why_not="maps by position, and adds the listed elements to the range",
    ),
    Case(
        "a mapping of several elements to one",
        "mapping -> (range: elements)",
        "city: a, b, c, d ~~|\nnorth: a, b ~~|\nsouth: c, d ~~|\nland: N, S -> (city: north, south) ~~|\n"
        "tax[land] = 0.1, 0.3 ~~|\nx[city] = tax[land]*10 ~~|",
        {"x[a]": 1.0, "x[b]": 1.0, "x[c]": 3.0, "x[d]": 3.0},
        against_pysd=False,
        why_not="maps by position",
    ),
    Case(
        "a mapping of one to one, used the other way round",
        "mapping ->",
        "seg: A, B, C ~~|\nland: P, Q, R -> (seg: C, B, A) ~~|\nv[seg] = 1, 4, 2 ~~|\nx[land] = v[seg]*10 ~~|",
        {"x[P]": 20.0, "x[Q]": 40.0, "x[R]": 10.0},
        against_pysd=False,
        why_not="adds the range to the variable",
    ),
    Case(
        "a mapping to two ranges",
        "mapping ->",
        "seg: A, B ~~|\nkind: M, N ~~|\nland: P, Q -> seg, kind ~~|\nv[land] = 1, 4 ~~|\n"
        "x[seg] = v[land] ~~|\ny[kind] = v[land]*2 ~~|",
        {"x[B]": 4.0, "y[M]": 2.0},
    ),
    Case(
        "a mapped range beside the one that it is mapped to",
        "mapping ->",
        "seg: A, B ~~|\nland: P, Q -> seg ~~|\nm[seg,land] = 1, 2; 3, 4; ~~|\nx[land,seg] = m[seg,land]*10 ~~|\n"
        "y[seg] = m[seg,land] ~~|",
        {"x[P,B]": 30.0, "y[A]": 1.0, "y[B]": 4.0},
        against_pysd=False,
        why_not="does not run it",
    ),
    Case(
        "a mapped range where the left-hand side is a part of the other",
        "mapping ->",
        "seg: A, B, C ~~|\nsub: B, C ~~|\nland: P, Q, R -> seg ~~|\nv[land] = 1, 4, 2 ~~|\nx[sub] = v[land] ~~|",
        {"x[B]": 4.0, "x[C]": 2.0},
        against_pysd=False,
        why_not="does not run it",
    ),
    Case(
        "a matrix turned round",
        "transposition",
        "seg: A, B ~~|\nkind: P, Q, R ~~|\nm[seg,kind] = 1, 2, 3; 4, 5, 6; ~~|\nx[kind,seg] = m[seg,kind]*10 ~~|",
        {"x[Q,B]": 50.0, "x[R,A]": 30.0},
    ),
    Case(
        "the diagonal of a matrix",
        "one range twice",
        "seg: A, B ~~|\nother <-> seg ~~|\nm[seg,other] = 1, 2; 3, 4; ~~|\nx[seg] = m[seg,seg] ~~|",
        {"x[A]": 1.0, "x[B]": 4.0},
        against_pysd=False,
        why_not="does not run it",
    ),
    Case(
        "a row and a column of a matrix",
        "element of an array",
        "seg: A, B ~~|\nkind: P, Q ~~|\nm[seg,kind] = 1, 2; 3, 4; ~~|\nx[kind] = m[B,kind] ~~|\n"
        "y[seg] = m[seg,P] ~~|\nz = m[B,Q] ~~|",
        {"x[Q]": 4.0, "y[A]": 1.0, "z": 4.0},
    ),
    Case(
        "TABBED ARRAY",
        "TABBED ARRAY",
        "seg: A, B ~~|\nkind: P, Q ~~|\nm[seg,kind] = TABBED ARRAY(1 2\n 3 4) ~~|\nx = m[B,P] ~~|",
        {"x": 3.0},
    ),
    Case(
        "a range and an element as numbers",
        "range as a number",
        "seg: A, B, C ~~|\nx[seg] = seg*10 + B ~~|\ny[seg] = IF THEN ELSE(seg > A, 1, 0) ~~|",
        {"x[A]": 12.0, "x[C]": 32.0, "y[A]": 0.0, "y[B]": 1.0},
    ),
    Case(
        "an element of a subrange has its number in the whole range",
        "range as a number",
        "seg: A, B, C ~~|\nsub: B, C ~~|\nx[sub] = sub*10 ~~|",
        {"x[B]": 20.0, "x[C]": 30.0},
    ),
    Case(
        "a reduction binds the innermost range",
        "reduction with !",
        "seg: A, B, C ~~|\nv[seg] = 1, 4, 2 ~~|\n"
        "x[seg] = EXP(v[seg]-VMAX(v[seg!]))/SUM(EXP(v[seg!]-VMAX(v[seg!]))) ~~|",
        {"x[A]": np.exp(1) / np.exp([1, 4, 2]).sum(), "x[B]": np.exp(4) / np.exp([1, 4, 2]).sum()},
    ),
    Case(
        "a reduction over two ranges, and one over a subrange",
        "reduction with !",
        "seg: A, B ~~|\nkind: P, Q, R ~~|\nsub: Q, R ~~|\nm[seg,kind] = 1, 2, 3; 4, 5, 6; ~~|\n"
        "w[kind] = 1, 10, 100 ~~|\n"
        "x = SUM(m[seg!,kind!]*w[kind!]) ~~|\ny[seg] = SUM(m[seg,sub!]) ~~|",
        {"x": 975.0, "y[A]": 5.0, "y[B]": 11.0},
    ),
)

DEFINITIONS = (
    Case(
        "one definition for each element",
        "several definitions",
        "seg: A, B, C ~~|\nx[A] = 5 ~~|\nx[B] = x[A] + Time ~~|\nx[C] = INTEG(x[B], 1) ~~|\ny = SUM(x[seg!]) ~~|",
        {"x[B]": lambda t: 5 + t, "x[C]": recursion(1, lambda _, t: 5 + t)},
        against_pysd=False,
        why_not="takes an element that follows from another for a loop",
    ),
    Case(
        "definitions of parts of a matrix",
        "several definitions",
        "seg: A, B ~~|\nkind: P, Q, R ~~|\nx[A,P] = 1 ~~|\nx[A,Q] = 2 ~~|\nx[A,R] = Time ~~|\nx[B,kind] = 4, 5, 6 ~~|\n"
        "y[seg] = SUM(x[seg,kind!]) ~~|",
        {"y[A]": lambda t: 3 + t, "y[B]": 15.0, "x[B,R]": 6.0},
    ),
    Case(
        "EXCEPT one element",
        ":EXCEPT:",
        "seg: A, B, C ~~|\nv[seg] = 1, 2, 3 ~~|\nx[seg] :EXCEPT: [A] = v[seg]*Time ~~|\nx[A] = 5 ~~|",
        {"x[A]": 5.0, "x[B]": lambda t: 2 * t, "x[C]": lambda t: 3 * t},
    ),
    Case(
        "elements that the only definition leaves out hold its value",
        ":EXCEPT:",
        "seg: A, B, C ~~|\nx[seg] :EXCEPT: [A] = 7 ~~|\ny[B] = Time*2 ~~|\nz = y[B] + x[C] ~~|",
        {"x[A]": 7.0, "x[C]": 7.0, "y[A]": lambda t: 2 * t, "y[B]": lambda t: 2 * t, "z": lambda t: 7 + 2 * t},
    ),
    Case(
        "elements that none of several definitions gives are missing",
        "several definitions",
        "seg: A, B, C ~~|\nx[A] = 1 ~~|\nx[C] = Time ~~|",
        {"x[A]": 1.0, "x[B]": np.nan, "x[C]": lambda t: t},
    ),
    Case(
        "elements that EXCEPT takes from an array are missing",
        ":EXCEPT:",
        "seg: A, B, C ~~|\nv[seg] = 1, 2, 3 ~~|\nx[seg] :EXCEPT: [A] = v[seg]*2 ~~|",
        {"x[A]": np.nan, "x[B]": 4.0, "x[C]": 6.0},
        against_pysd=False,
        why_not="passes over the EXCEPT of an only definition",
    ),
    Case(
        "EXCEPT a subrange, and a definition of it",
        ":EXCEPT:",
        "seg: A, B, C ~~|\nsub: B, C ~~|\nv[seg] = 1, 2, 3 ~~|\nx[seg] :EXCEPT: [sub] = 7 ~~|\nx[sub] = v[sub]*2 ~~|",
        {"x[A]": 7.0, "x[B]": 4.0, "x[C]": 6.0},
    ),
    Case(
        "EXCEPT several elements of a matrix",
        ":EXCEPT:",
        "seg: A, B, C ~~|\nkind: P, Q, R ~~|\nv[seg] = 1, 2, 3 ~~|\n"
        "x[seg,kind] :EXCEPT: [A,P], [B,Q] = Time*v[seg] ~~|\nx[A,P] = 30 ~~|\nx[B,Q] = 40 ~~|\n"
        "y[kind] = SUM(x[seg!,kind]) ~~|\nz[kind,seg] = x[seg,kind] ~~|",
        {
            "y[P]": lambda t: 30 + 5 * t,
            "y[Q]": lambda t: 40 + 4 * t,
            "y[R]": lambda t: 6 * t,
            "z[P,B]": lambda t: 2 * t,
        },
    ),
    Case(
        "EXCEPT on a stock, whose elements follow each other",
        ":EXCEPT:",
        "age: young, adult, old ~~|\nlater: adult, old ~~|\nbefore: young, adult -> later ~~|\n"
        "flow[age] = x[age]/2 ~~|\n"
        "x[age] :EXCEPT: [young] = INTEG(0 - flow[age], 4) ~~|\nx[young] = INTEG(1 - flow[young], 2) ~~|\n"
        "y[later] = flow[before] ~~|",
        {"x[young]": 2.0, "x[old]": lambda t: 4 * 0.75 ** (t / STEP), "y[adult]": 1.0},
    ),
    Case(
        "an element that is excepted does not make a loop",
        ":EXCEPT:",
        "seg: A, B, C ~~|\nx[seg] :EXCEPT: [A] = y[seg]*2 ~~|\nx[A] = 1 ~~|\n"
        "y[seg] :EXCEPT: [B] = x[A] + 1 ~~|\ny[B] = x[A]*3 ~~|",
        {"x[B]": 6.0, "x[C]": 4.0},
        against_pysd=False,
        why_not="takes it for a loop",
    ),
    Case(
        "of two definitions of an element the later one holds",
        "several definitions",
        "seg: A, B, C ~~|\nx[seg] = 1 ~~|\nx[B] = Time ~~|\ny = SUM(x[seg!]) ~~|",
        {"x[A]": 1.0, "x[B]": lambda t: t, "y": lambda t: 2 + t},
        against_pysd=False,
        why_not="does not run it",
    ),
)

TABLE = "((0,0),(2,4),(3,1))"
X, Y = [0, 2, 3], [0, 4, 1]

LOOKUPS = (
    Case(
        "WITH LOOKUP is linear inside and flat outside",
        "WITH LOOKUP",
        f"x = WITH LOOKUP(Time - 0.5, ([(0,0)-(9,9)],{TABLE[1:-1]})) ~~|",
        {"x": lambda t: np.interp(t - 0.5, X, Y)},
    ),
    Case(
        "a named lookup is called like a function",
        "lookup",
        f"t{TABLE} ~~|\nx = t(Time*1.2) + t(1) ~~|",
        {"x": lambda t: np.interp(t * 1.2, X, Y) + 2},
    ),
    Case(
        "a named lookup applied to an array",
        "lookup",
        f"seg: A, B ~~|\nv[seg] = 1, 2 ~~|\nt{TABLE} ~~|\nx[seg] = t(v[seg]*Time/2) ~~|",
        {"x[A]": lambda t: np.interp(t / 2, X, Y), "x[B]": lambda t: np.interp(t, X, Y)},
    ),
    Case(
        "one table for all elements",
        "subscripted lookup",
        f"seg: A, B ~~|\nv[seg] = 1, 2 ~~|\nt[seg]{TABLE} ~~|\nx[seg] = t[seg](v[seg]*Time/2) ~~|\ny = t[B](Time) ~~|",
        {"x[B]": lambda t: np.interp(t, X, Y), "y": lambda t: np.interp(t, X, Y)},
    ),
    Case(
        "a table for each element",
        "subscripted lookup",
        f"seg: A, B ~~|\nv[seg] = 1, 2 ~~|\nt[A]{TABLE} ~~|\nt[B]((-1,0),(5,12)) ~~|\n"
        "x[seg] = t[seg](v[seg]*Time) ~~|\n"
        "y[seg] = t[seg](Time) ~~|\nz = t[B](Time) ~~|",
        {
            "x[A]": lambda t: np.interp(t, X, Y),
            "x[B]": lambda t: np.interp(2 * t, [-1, 5], [0, 12]),
            "y[A]": lambda t: np.interp(t, X, Y),
            "z": lambda t: np.interp(t, [-1, 5], [0, 12]),
        },
    ),
    Case(
        "a table for each element, over a matrix",
        "subscripted lookup",
        f"seg: A, B ~~|\nkind: P, Q ~~|\nm[seg,kind] = 1, 2; 3, 4; ~~|\nt[A]{TABLE} ~~|\nt[B]((0,0),(9,18)) ~~|\n"
        "x[kind,seg] = t[seg](m[seg,kind]*Time/2) ~~|",
        {"x[Q,A]": lambda t: np.interp(t, X, Y), "x[P,B]": lambda t: 3 * t},
    ),
    Case(
        "a table for each element inside a sum",
        "subscripted lookup",
        f"seg: A, B ~~|\nt[A]{TABLE} ~~|\nt[B]((0,0),(9,18)) ~~|\nx = SUM(t[seg!](Time)) ~~|",
        {"x": lambda t: np.interp(t, X, Y) + 2 * t},
    ),
    Case(
        "a lookup read in other ways",
        "LOOKUP FORWARD, LOOKUP BACKWARD, LOOKUP EXTRAPOLATE",
        "t((0,0),(2,4),(3,1)) ~~|\nx = LOOKUP FORWARD(t, Time) ~~|\ny = LOOKUP BACKWARD(t, Time) ~~|\n"
        "z = LOOKUP EXTRAPOLATE(t, Time) ~~|",
        {
            "x": [0, 4, 4, 4, 4, 1, 1, 1, 1],
            "y": [0, 0, 0, 0, 4, 4, 1, 1, 1],
            "z": [0, 1, 2, 3, 4, 2.5, 1, -0.5, -2],
        },
        against_pysd=False,
        why_not="does not run it",
    ),
    Case(
        "a step in a table",
        "lookup",
        "x = WITH LOOKUP(Time, ((0,1),(2,1),(2,5),(3,5))) ~~|",
        {"x": [1, 1, 1, 1, 5, 5, 5, 5, 5]},
        against_pysd=False,
        why_not="takes the value before the step at its place",
    ),
)

FILES = ("numbers.csv", "numbers.xlsx")
TIMES = [0, 1, 3, 4]
SERIES = [10, 12, 20, 16]

DATA = (
    Case(
        "data between their times",
        "GET DATA",
        "x := GET DIRECT DATA('numbers.csv', ',', 'A', 'B2') ~~|\ny = x*2 ~~|",
        {"x": lambda t: np.interp(t, TIMES, SERIES), "y": lambda t: 2 * np.interp(t, TIMES, SERIES)},
        files=FILES,
    ),
    Case(
        "INTERPOLATE",
        "GET DATA, :INTERPOLATE:",
        "x :INTERPOLATE: := GET XLS DATA('numbers.xlsx', 'Data', 'A', 'B2') ~~|",
        {"x": lambda t: np.interp(t, TIMES, SERIES)},
        files=FILES,
    ),
    Case(
        "LOOK FORWARD",
        "GET DATA, :LOOK FORWARD:",
        "x :LOOK FORWARD: := GET DIRECT DATA('numbers.csv', ',', 'A', 'B2') ~~|",
        {"x": [10, 12, 12, 20, 20, 20, 20, 16, 16]},
        files=FILES,
    ),
    Case(
        "HOLD BACKWARD",
        "GET DATA, :HOLD BACKWARD:",
        "x :HOLD BACKWARD: := GET DIRECT DATA('numbers.csv', ',', 'A', 'B2') ~~|",
        {"x": [10, 10, 12, 12, 12, 12, 20, 20, 16]},
        files=FILES,
    ),
    Case(
        "RAW",
        "GET DATA, :RAW:",
        "x :RAW: := GET DIRECT DATA('numbers.csv', ',', 'A', 'B2') ~~|",
        {"x": [10, np.nan, 12, np.nan, np.nan, np.nan, 20, np.nan, 16]},
        files=FILES,
    ),
    Case(
        "data by element, and in rows",
        "GET DATA",
        "seg: A, B ~~|\nx[seg] := GET DIRECT DATA('numbers.csv', ',', 'A', 'B2') ~~|\n"
        "y[seg] := GET XLS DATA('numbers.xlsx', 'Rows', '1', 'B2') ~~|",
        {
            "x[B]": lambda t: np.interp(t, TIMES, [1, 2, 3, 4]),
            "y[A]": lambda t: np.interp(t, TIMES, SERIES),
            "y[B]": lambda t: np.interp(t, TIMES, [1, 2, 3, 4]),
        },
        files=FILES,
    ),
    Case(
        "data, constants and numbers in one variable",
        "GET DATA",
        "seg: A, B ~~|\nkind: P, Q, R ~~|\nx[P,seg] := GET DIRECT DATA('numbers.csv', ',', 'A', 'B2') ~~|\n"
        "x[Q,seg] = GET DIRECT CONSTANTS('numbers.csv', ',', 'E2') ~~|\nx[R,seg] = 2, 4 ~~|\n"
        "y[kind,seg] = x[kind,seg]*10 ~~|",
        {"y[P,A]": lambda t: 10 * np.interp(t, TIMES, SERIES), "y[Q,B]": 60.0, "y[R,B]": 40.0},
        files=FILES,
    ),
    Case(
        "constants from cells",
        "GET CONSTANTS",
        "seg: A, B ~~|\nkind: P, Q ~~|\nx = GET DIRECT CONSTANTS('numbers.csv', ',', 'E2') ~~|\n"
        "row[seg] = GET DIRECT CONSTANTS('numbers.csv', ',', 'E2') ~~|\n"
        "column[seg] = GET DIRECT CONSTANTS('numbers.csv', ',', 'E2*') ~~|\n"
        "m[seg,kind] = GET DIRECT CONSTANTS('numbers.csv', ',', 'E2') ~~|\n"
        "turned[seg,kind] = GET DIRECT CONSTANTS('numbers.csv', ',', 'E2*') ~~|",
        {"x": 5.0, "row[B]": 6.0, "column[B]": 7.0, "m[A,Q]": 6.0, "m[B,P]": 7.0, "turned[A,Q]": 7.0},
        files=FILES,
    ),
    Case(
        "constants and data under names of cells",
        "GET CONSTANTS",
        "seg: A, B ~~|\nx[seg] = GET XLS CONSTANTS('numbers.xlsx', 'Data', 'pair*') ~~|\n"
        "y := GET XLS DATA('numbers.xlsx', 'Data', 'times', 'values') ~~|",
        {"x[A]": 5.0, "x[B]": 7.0, "y": lambda t: np.interp(t, TIMES, SERIES)},
        files=FILES,
    ),
    Case(
        "lookups from cells",
        "GET LOOKUPS",
        "seg: A, B ~~|\nt(GET DIRECT LOOKUPS('numbers.csv', ',', 'A', 'B2')) ~~|\n"
        "u[seg] = GET DIRECT LOOKUPS('numbers.csv', ',', 'A', 'B2') ~~|\nx = t(Time*1.2) ~~|\n"
        "y[seg] = u[seg](Time) ~~|\nz = u[B](2) ~~|",
        {
            "x": lambda t: np.interp(t * 1.2, TIMES, SERIES),
            "y[B]": lambda t: np.interp(t, TIMES, [1, 2, 3, 4]),
            "z": 2.5,
        },
        files=FILES,
    ),
    Case(
        "the elements of a range from cells",
        "GET SUBSCRIPT",
        "seg: GET DIRECT SUBSCRIPT('numbers.csv', ',', 'G2', 'G3', 'the ') ~~|\nx[seg] = 1, 2 ~~|\n"
        "y = x[the north] + 10*x[the south] ~~|",
        {"y": 21.0},
        files=FILES,
    ),
)

MACROS = (
    Case(
        "a macro with a stock, called twice",
        ":MACRO:",
        ":MACRO: GROW(rate, start)\nGROW = INTEG(rate*GROW + nothing, start) ~~|\nnothing = 0*rate ~~|\n"
        ":END OF MACRO:\n"
        "x = GROW(0.1, 2) ~~|\ny = GROW(0.2, 3) + GROW(0.1, 1) ~~|",
        {
            "x": lambda t: 2 * 1.05 ** (t / STEP),
            "y": lambda t: 3 * 1.1 ** (t / STEP) + 1.05 ** (t / STEP),
        },
        against_pysd=False,
        why_not="runs one call of a macro in an equation",
    ),
    Case(
        "a macro called once",
        ":MACRO:",
        ":MACRO: GROW(rate, start)\nGROW = INTEG(rate*GROW, start) ~~|\n:END OF MACRO:\nx = GROW(0.1, 2)*3 ~~|",
        {"x": lambda t: 6 * 1.05 ** (t / STEP)},
    ),
    Case(
        "a macro by element",
        ":MACRO:",
        ":MACRO: GROW(rate, start)\nGROW = INTEG(rate*GROW, start) ~~|\n:END OF MACRO:\n"
        "seg: A, B ~~|\nr[seg] = 0.1, 0.2 ~~|\nx[seg] = GROW(r[seg], 2) ~~|\ny = SUM(GROW(r[seg!], 1)) ~~|",
        {
            "x[B]": lambda t: 2 * 1.1 ** (t / STEP),
            "y": lambda t: 1.1 ** (t / STEP) + 1.05 ** (t / STEP),
        },
        against_pysd=False,
        why_not="does not run it",
    ),
    Case(
        "a macro that calls a macro, and the model's time",
        ":MACRO:",
        ":MACRO: TWICE(a)\nTWICE = 2*a + Time$*0 ~~|\n"
        ":END OF MACRO:\n:MACRO: AGAIN(a)\nAGAIN = TWICE(TWICE(a)) ~~|\n:END OF MACRO:\n"
        "x = AGAIN(Time) ~~|",
        {"x": lambda t: 4 * t},
        against_pysd=False,
        why_not="does not run it",
    ),
)

NAMES = (
    Case(
        "names in different cases, with blanks and underscores",
        "names",
        "Big Name = 3 ~~|\ny = big_name + BIG NAME*2 ~~|\nSeg One: EL one, el_two ~~|\n"
        "x[seg one] = 1, 2 ~~|\nz = x[el_one] + X[EL TWO] ~~|",
        {"y": 9.0, "z": 3.0},
        against_pysd=False,
        why_not="distinguishes case in subscripts",
    ),
    Case(
        "names in quotes",
        "names",
        '"a,b [c]" = 4 + Time ~~|\nx = "a,b [c]"*2 ~~|\n"say \\"so\\" | ~" = x ~~|\nz = "say \\"so\\" | ~" ~~|',
        {"x": lambda t: 8 + 2 * t, "a,b [c]": lambda t: 4 + t, "z": lambda t: 8 + 2 * t},
    ),
    Case("names in any alphabet", "names", "ünï = 4 ~~|\n名前 = ünï*Time ~~|\nμ = 名前 ~~|", {"μ": lambda t: 4 * t}),
    Case(
        "reality checks are passed over",
        ":THE CONDITION:",
        "x = 4 ~~|\ncheck :THE CONDITION: x = 0 :IMPLIES: x > 1 ~~|\ntest :TEST INPUT: x = 2 ~~|",
        {"x": 4.0},
    ),
    Case("a constant that cannot be changed", "==", "x == 4 ~~|\ny = x*Time ~~|", {"y": lambda t: 4 * t}),
    Case(
        "a clock that follows from others",
        "control variables",
        "clock.mdl",
        {"x": [2, 2.5, 3, 3.5, 4, 4.5, 5], "left": [3, 2.5, 2, 1.5, 1, 0.5, 0]},
    ),
    Case(
        "a clock that changes: steps, saves and the end",
        "control variables",
        "changing_clock.mdl",
        {
            "level": [1, 1.5, 1.5**2, 1.5**2 * 1.25, 1.5**2 * 1.25**2, 1.5**2 * 1.25**4],
            "now": [0, 1, 2, 2.5, 3, 4],
            "length": [1, 1, 0.5, 0.5, 0.5, 0.5],
            "last": [10, 10, 10, 10, 4, 4],
        },
    ),
)

XMILE = (
    Case(
        "XMILE: stocks, flows and their signs",
        "XMILE stocks and flows",
        "cup.xmile",
        {"Temperature": lambda t: 70 + 110 * 0.95 ** (t / 0.5)},
    ),
    Case(
        "XMILE: comments, and the clock by XMILE's names",
        "XMILE names",
        "clock_names.xmile",
        {"rest": [2, 1.5, 1, 0.5, 0], "past": [0, 0.5, 1, 1.5, 2], "steps": 4.0, "half turn": 1.0},
        against_pysd=False,
        why_not="does not parse comments, nor know the names",
    ),
    Case(
        "XMILE: what may not become negative",
        "XMILE non-negative",
        "non_negative.xmile",
        {
            "store": lambda t: np.maximum(2 - t, 0),
            "held": [2, 1.5, 1, 0.75, 0.75, 0.75, 0.75],
            "open": lambda t: 2 - t,
        },
    ),
    Case(
        "XMILE: graphical functions",
        "XMILE gf",
        "graphs.xmile",
        {
            "continuous": lambda t: np.interp(t - 1, [0, 1, 4], [1, 2, 8]),
            "beyond": lambda t: np.where(t < 2, t, 2 * t - 2),
            "steps": lambda t: np.select([t < 2, t < 5], [1, 2], 8),
            "inline": lambda t: np.interp(t, [0, 2, 4], [0, 3, 5]),
        },
    ),
    Case(
        "XMILE: the kind of a graphical function inside a variable",
        "XMILE gf",
        "graph_kinds.xmile",
        {"beyond": lambda t: np.where(t < 2, t, 2 * t - 2), "steps": lambda t: np.select([t < 2, t < 5], [1, 2], 8)},
        against_pysd=False,
        why_not="takes every one for continuous",
    ),
    Case(
        "XMILE: arrays",
        "XMILE arrays",
        "arrays.xmile",
        {
            "level[north one]": lambda t: 4 + 2 * t,
            "level[south]": lambda t: 4 + 4 * t,
            "both[south,b]": 40.0,
            "turned[b,south]": 400.0,
            "whole": 3.0,
        },
    ),
    Case(
        "XMILE: an array without its subscripts",
        "XMILE arrays",
        "bare_arrays.xmile",
        {"twice[south]": 4.0, "largest": 2.0, "total": 3.0},
        against_pysd=False,
        why_not="does not add up an array that is named alone",
    ),
    Case(
        "XMILE: delays and smooths",
        "XMILE delays",
        "delays.xmile",
        {
            "fixed": [5, 5, 5, 5, 5, 5, 5, 8, 8],
            "smoothed": chain(1, 5, 2, source, delay=False),
            "delayed": chain(3, 1.5, 3, source, delay=True),
            "of order two": chain(2, 1.5, 4, source, delay=False),
            "first": 5.0,
        },
    ),
)

STRUCTURES: tuple[Case, ...] = (
    *STOCKS,
    *DELAYS,
    *RANGES,
    *DEFINITIONS,
    *LOOKUPS,
    *DATA,
    *MACROS,
    *NAMES,
    *XMILE,
)

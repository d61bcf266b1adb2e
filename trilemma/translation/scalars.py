"""Operators and functions of Vensim on plain numbers, for what must be known before a simulation: clock, orders.

What an engine computes is another matter; these take numbers alone, and give NaN where a result is not defined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

SMALL = 1e-6
"""Below this size, ZIDZ and XIDZ take a denominator for zero."""


def _divided(a: float, b: float) -> float:
    """Return a quotient; NaN where there is none."""
    return a / b if b else math.nan


def _repeated(since: float, interval: float, width: float) -> bool:
    """Whether a time after the first pulse lies in a pulse; without an interval there is only one."""
    return since > 0 and (since % interval if interval > 0 else since) < width


OPERATORS: Mapping[str, Callable[..., float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divided,
    "^": np.power,
    "negative": lambda a: -a,
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "and": lambda a, b: bool(a) and bool(b),
    "or": lambda a, b: bool(a) or bool(b),
    "not": lambda a: not a,
}

FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "abs": np.abs,
    "arccos": np.arccos,
    "arcsin": np.arcsin,
    "arctan": np.arctan,
    "cos": np.cos,
    "exp": np.exp,
    "if_then_else": lambda condition, yes, no: yes if condition else no,
    "integer": np.trunc,
    "ln": np.log,
    "log": lambda a, base: _divided(float(np.log(a)), float(np.log(base))),
    "max": np.maximum,
    "min": np.minimum,
    "modulo": np.fmod,
    "pi": lambda: math.pi,
    "power": np.power,
    "quantum": lambda a, b: b * np.trunc(a / b) if b > 0 else a,
    "sin": np.sin,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
    "xidz": lambda a, b, otherwise: otherwise if abs(b) < SMALL else a / b,
    "zidz": lambda a, b: 0.0 if abs(b) < SMALL else a / b,
}

TIMED: Mapping[str, Callable[..., float]] = {
    "step": lambda t, dt, height, start: height if t + dt / 2 > start else 0.0,
    "ramp": lambda t, _, slope, start, end: slope * (min(t, end) - start) if t > start else 0.0,
    "pulse": lambda t, dt, start, width: _repeated(t + dt / 2 - start, 0.0, max(width, dt)),
    "pulse_train": lambda t, dt, start, interval, width, end: (
        t + dt / 2 < end and _repeated(t + dt / 2 - start, interval, max(width, dt))
    ),
}
"""Functions of the time and the time step, which come first; the others in the order of PySD's translator."""


def applied(table: Mapping[str, Callable[..., float]], name: str, values: Sequence[float]) -> float | None:
    """Return the value of an operator or function; None where the table lacks it, or it takes other arguments."""
    if name not in table:
        return None
    try:
        with np.errstate(all="ignore"):
            return float(table[name](*values))
    except (TypeError, OverflowError):
        return None

"""Models of as many separate scalar variables as wanted, written to a file, and worked out by plain Python too."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Numbers = dict[str, float]

FORMS: tuple[tuple[str, Callable[[float, float, float], float]], ...] = (
    ("({a} + {b}) / 2 - 0.1 * {c}", lambda a, b, c: (a + b) / 2 - 0.1 * c),
    ("{a} * {b} / (1 + ABS({c}))", lambda a, b, c: a * b / (1 + abs(c))),
    ("MAX({a}, {b}) - 0.5 * {c}", lambda a, b, c: max(a, b) - 0.5 * c),
    ("IF THEN ELSE({a} > {b}, {c}, {a})", lambda a, b, c: c if a > b else a),
    ("EXP(-ABS({a})) + 0.5 * {b} - 0.2 * {c}", lambda a, b, c: math.exp(-abs(a)) + 0.5 * b - 0.2 * c),
    ("{a} / (1 + {b} * {b}) + 0.1 * {c}", lambda a, b, c: a / (1 + b * b) + 0.1 * c),
    ("LN(2 + {a} * {a}) + 0.1 * {b} * {c}", lambda a, b, c: math.log(2 + a * a) + 0.1 * b * c),
)
"""What auxiliaries are: in Vensim's words, and in Python."""

SECTOR = 10
"""Variables to a stock: two constants, seven auxiliaries one after the other, and the stock."""

TOTALS = 40
"""Stocks in a total; a total of all totals follows."""


@dataclass(frozen=True)
class Auxiliary:
    """An auxiliary: its form, and the names of what it follows from."""

    name: str
    form: int
    operands: tuple[str, str, str]


@dataclass(frozen=True)
class ManyEquations:
    """A model: sectors that look at their neighbours, and totals of their stocks; see `many_equations`."""

    constants: Numbers
    auxiliaries: tuple[Auxiliary, ...]
    initial: Numbers
    totals: Mapping[str, tuple[str, ...]]
    steps: int = 16
    time_step: float = 0.125

    @property
    def size(self) -> int:
        """The number of variables."""
        return len(self.constants) + len(self.auxiliaries) + len(self.initial) + len(self.totals)

    def write(self, path: Path) -> Path:
        """Write the model as a Vensim file; it saves at every eighth step."""
        lines = [f"{name} = {value!r}" for name, value in self.constants.items()]
        for auxiliary in self.auxiliaries:
            operands = dict(zip("abc", auxiliary.operands, strict=True))
            lines.append(f"{auxiliary.name} = {FORMS[auxiliary.form][0].format(**operands)}")
        for stock, value in self.initial.items():
            lines.append(f"{stock} = INTEG(0.5 * ({_last(stock)} - {stock}), {value!r})")
        lines += [f"{name} = {' + '.join(terms)}" for name, terms in self.totals.items()]
        clock = {"INITIAL TIME": 0, "FINAL TIME": self.steps * self.time_step, "TIME STEP": self.time_step}
        lines += [f"{name} = {value}" for name, value in (clock | {"SAVEPER": 8 * self.time_step}).items()]
        path.write_text("{UTF-8}\n" + "".join(f"{line} ~ Dmnl ~|\n" for line in lines), encoding="utf-8")
        return path

    def run(self, changed: Mapping[str, float] | None = None) -> list[Numbers]:
        """Return all values at the saved times, by Euler's method and plain arithmetic."""
        stocks, saved = dict(self.initial), list[Numbers]()
        for step in range(self.steps + 1):
            values = {**self.constants, **(changed or {}), **stocks}
            for auxiliary in self.auxiliaries:
                values[auxiliary.name] = FORMS[auxiliary.form][1](*(values[name] for name in auxiliary.operands))
            for name, terms in self.totals.items():
                values[name] = sum(values[term] for term in terms)
            if step % 8 == 0:
                saved.append(values)
            stocks = {s: v + self.time_step * 0.5 * (values[_last(s)] - v) for s, v in stocks.items()}
        return saved


def many_equations(variables: int, seed: int = 0) -> ManyEquations:
    """Return a model of about so many variables, the same for the same seed."""
    random = np.random.default_rng(seed)
    sectors = max(2, variables // SECTOR)
    constants: Numbers = {}
    initial: Numbers = {}
    auxiliaries: list[Auxiliary] = []
    for i in range(sectors):
        own = [f"constant {i} {k}" for k in range(2)]
        constants |= {name: float(random.uniform(0.2, 1)) for name in own}
        initial[f"stock {i}"] = float(random.uniform(0.2, 1))
        known = [*own, f"stock {i}", f"stock {(i + 1) % sectors}", f"stock {int(random.integers(sectors))}"]
        for k in range(SECTOR - 3):
            first = f"auxiliary {i} {k - 1}" if k else f"stock {i}"
            second, third = map(str, random.choice(known, size=2))
            name = f"auxiliary {i} {k}"
            auxiliaries.append(Auxiliary(name, int(random.integers(len(FORMS))), (first, second, third)))
            known.append(name)
    stocks = list(initial)
    parts = {f"total {j}": tuple(stocks[i : i + TOTALS]) for j, i in enumerate(range(0, sectors, TOTALS))}
    return ManyEquations(constants, tuple(auxiliaries), initial, {**parts, "grand total": tuple(parts)})


def _last(stock: str) -> str:
    """Return the auxiliary that a stock follows."""
    return f"auxiliary {stock.removeprefix('stock ')} {SECTOR - 4}"

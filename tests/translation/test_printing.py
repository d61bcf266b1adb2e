"""Printing expressions in Vensim's notation: read again, they mean the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from trilemma.translation.model import load_model
from trilemma.translation.printing import in_vensim

MODEL = """{{UTF-8}}
seg: A, B ~~|
a = 1 ~~|
big cost = 2 ~~|
"odd-name" = 3 ~~|
v[seg] = 1, 2 ~~|
x = {expression} ~~|
INITIAL TIME = 0 ~~|
FINAL TIME = 1 ~~|
TIME STEP = 1 ~~|
SAVEPER = 1 ~~|
"""


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a-(big cost-1)-2", "a - (big cost - 1) - 2"),
        ("a/(big cost*2)", "a/(big cost*2)"),
        ("(a+1)*-big cost", "(a + 1)*(-big cost)"),
        ("(a^2)^a", "(a^2)^a"),
        ("a^(2^a)", "a^(2^a)"),
        ('"odd-name"*2', '"odd-name"*2'),
        ("SUM(v[seg!])+v[B]", "SUM(v[seg!]) + v[B]"),
        ("IF THEN ELSE(:NOT: a=1 :OR: a>2, 1.5, MIN(a, 2))", "IF THEN ELSE(:NOT: a = 1 :OR: a > 2, 1.5, MIN(a, 2))"),
        ("WITH LOOKUP(Time, ((0,1),(2,3.5)))", "WITH LOOKUP(Time, ((0,1),(2,3.5)))"),
        ("INTEG(a-x, 2*a)", "INTEG(a - x, 2*a)"),
        ("XIDZ(a, big cost, 1e-7)", "XIDZ(a, big cost, 1e-07)"),
    ],
)
def test_an_expression_reads_as_in_vensim(tmp_path: Path, expression: str, expected: str) -> None:
    def printed(text: str) -> str:
        path = tmp_path / "m.mdl"
        path.write_text(MODEL.format(expression=text), encoding="utf-8")
        model = load_model(path)
        return in_vensim(model, model.nodes["x"].components[0].expression)

    assert printed(expression) == expected
    assert printed(expected) == expected

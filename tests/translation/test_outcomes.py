"""The file of derived outcomes: expressions, indices, outcomes that stand on others, mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trilemma.errors import ModelFileError, UnknownNameError
from trilemma.translation.expressions import evaluate
from trilemma.translation.labelled import Labelled
from trilemma.translation.outcomes import read_outcomes

INDEX = """["the index"]
unit = "points"
sentence = "Weighs two parts."
components = { "part, first" = 0.25, second = 0.75 }

["part, first"]
expression = "100 * (a - Second)"
unit = "points"
sentence = "One part."

[second]
expression = "a / 2"
unit = "points"
sentence = "Another part."
"""


def test_outcomes_file_round_trip(tmp_path: Path) -> None:
    file = tmp_path / "outcomes.toml"
    assert read_outcomes(file) == {}
    file.write_text('["exact lag"]\nexpression = "lag_months(F[US], F[CN])"\nunit = "Month"\nsentence = "By months."\n')
    outcome = read_outcomes(file)["exact lag"]
    assert (outcome.unit, outcome.sentence) == ("Month", "By months.")
    assert outcome.expression.names == {("F", "US"), ("F", "CN")}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('["x"]\nexpression = ', "outcomes.toml is not valid TOML: .*line 2"),
        ("x = 3", "'x': expected a table"),
        ('[x]\nexpresion = "a"', "unknown key 'expresion' .*'expression'"),
        ('[x]\nexpression = "a"\nunit = ""', "the key 'sentence' must be a text"),
        ('[x]\nexpression = "b"\ncomponents = { a = 1 }', "'x': give an expression or the components"),
        ('[x]\nunit = ""\nsentence = "s"\ncomponents = { a = 0.5, b = 0.4 }', "'components': the weights sum to 0.9"),
        (
            '[x]\nunit = ""\nsentence = "s"\ncomponents = { a = 2 }',
            "the weight of 'a' is 2, expected a number from 0 to 1",
        ),
        ('[x]\nunit = ""\nsentence = "s"\ncomponents = {}', "expected names with their weights"),
        ('[x]\nexpression = "a +"\nunit = ""\nsentence = "s"', "'x': expression 'a \\+': expected a number"),
    ],
)
def test_a_bad_outcomes_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "outcomes.toml"
    file.write_text(text)
    with pytest.raises((ModelFileError, UnknownNameError), match=sentence) as caught:
        read_outcomes(file)
    assert "\n" not in str(caught.value)


def test_an_index_is_the_weighted_mean_of_its_components(tmp_path: Path) -> None:
    file = tmp_path / "outcomes.toml"
    file.write_text(INDEX)
    index = read_outcomes(file)["the index"]
    assert index.components == (("part, first", 0.25), ("second", 0.75))
    assert index.expression.names == {("a", None)}  # written out: only variables of the model are left
    found = evaluate(index.expression, lambda *_: Labelled((), np.full((1, 1), 8.0)), np.array([2020.0])).values
    assert found == pytest.approx(0.25 * 100 * (8 - 4) + 0.75 * 4)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"a / 2"', "'2 * \"the index\"'", "in a circle, 'the index' -> .*'second' -> 'the index'"),
        ('"a / 2"', '"second"', "in a circle, 'second' -> 'second'"),
        ("a - Second", "a - Second[US]", "'Second' is an expression of its own, it is used whole"),
    ],
)
def test_outcomes_that_cannot_be_written_out_are_refused(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    file = tmp_path / "outcomes.toml"
    assert old in INDEX
    file.write_text(INDEX.replace(old, new))
    with pytest.raises(ModelFileError, match=sentence):
        read_outcomes(file)

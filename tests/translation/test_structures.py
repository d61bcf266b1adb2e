"""Mistakes in ranges, macros, lookups and files that a model reads, and odd files that are read all the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pysd.translators.vensim import vensim_element

from tests.conformance.cases import MODELS
from trilemma.errors import ModelFileError, UnknownNameError, UnsupportedError
from trilemma.translation.model import Model, load_model
from trilemma.translation.pysd_reader.ranges import rectangles

CLOCK = "\nINITIAL TIME = 0~~|\nFINAL TIME = 4~~|\nTIME STEP = 0.5~~|\nSAVEPER = TIME STEP~~|\n"
Loader = Callable[..., Model]


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    def write(equations: str, encoding: str = "utf-8", end: str = "") -> Model:
        path = tmp_path / "small.mdl"
        path.write_bytes(("{UTF-8}\n" + equations + CLOCK + end).encode(encoding))
        for name in ("numbers.csv", "numbers.xlsx"):
            (tmp_path / name).write_bytes((MODELS / name).read_bytes())
        return load_model(path)

    return write


@pytest.mark.parametrize(
    ("equations", "error", "words"),
    [
        ("a: P, Q ~~|\nb: R, S ~~|\nv[b] = 1, 2 ~~|\nx[a] = v[b] ~~|", ModelFileError, ["line 5", "'b'", "nor mapped"]),
        ("a: P, Q ~~|\nb: R -> a ~~|\nx = 1 ~~|", ModelFileError, ["'b' has 1 elements", "'a', which has 2"]),
        ("a: P, Q -> c ~~|\nx = 1 ~~|", ModelFileError, ["'a' is mapped to 'c', which is no range"]),
        ("a: b ~~|\nb: a ~~|\nx = 1 ~~|", ModelFileError, ["defined by itself"]),
        ("a: P, Q ~~|\nx[a] = 1 ~~|\nx[a] = 2 ~~|", ModelFileError, ["lines 3, 4", "'x' is defined twice"]),
        ("a: P, Q ~~|\nx[a] = 1, 2, 3 ~~|", ModelFileError, ["line 3", "'x' has 3 numbers for 2 elements"]),
        ("a: P, Q ~~|\nx[P] = 1 ~~|\nx[R] = 1 ~~|", ModelFileError, ["no subscript range holds 'P, R' of 'x'"]),
        ("a: P, Q ~~|\nx[a] = 1 ~~|\nx = 2 ~~|", ModelFileError, ["different numbers of subscripts"]),
        ("a: P, Q ~~|\nb: P ~~|\nv[b] = 1 ~~|\nx[a] = v[Q] ~~|", UnknownNameError, ["'Q'", "line 5"]),
        (":MACRO: M(a)\nM = M(a) ~~|\n:END OF MACRO:\nx = M(1) ~~|", ModelFileError, ["'m' calls itself without end"]),
        ("t((0,0),(1,1)) ~~|\nx = t + 1 ~~|", UnsupportedError, ["line 3", "the lookup 't' as a value"]),
        ("a: P, Q ~~|\nt[P]((0,0),(1,1)) ~~|\nx = t[Q](1) ~~|", UnsupportedError, ["'Q' of a lookup"]),
        ("a: P, Q ~~|\nt[a]((0,0),(1,1)) ~~|\nx = t(1) ~~|", UnsupportedError, ["a lookup of 1 subscript(s) with 0"]),
        (
            "n = RANDOM UNIFORM(2, 3, 0) ~~|\nx = DELAY N(1, 2, 0, n) ~~|",
            UnsupportedError,
            ["line 3", "an order that does not follow"],
        ),
        ("x = SMOOTH N(1, 2, 0, 0) ~~|", UnsupportedError, ["SMOOTH N of order 0"]),
        ("x = ELMCOUNT(y) ~~|\ny = 1 ~~|", UnsupportedError, ["ELMCOUNT of something that is not"]),
        ("x = GET DIRECT CONSTANTS('no.csv', ',', 'A1') ~~|", ModelFileError, ["line 2", "'no.csv'", "not beside"]),
        ("x = GET XLS CONSTANTS('numbers.xlsx', 'No', 'A1') ~~|", ModelFileError, ["sheet 'No'", "not found"]),
        ("x = GET XLS CONSTANTS('numbers.xlsx', 'Data', 'none') ~~|", ModelFileError, ["cell 'none'", "Doesn't exist"]),
        (
            "x = GET DIRECT CONSTANTS('numbers.csv', ',', 'A1') ~~|",
            ModelFileError,
            ["cells of 'numbers.csv'", "no number"],
        ),
        ("x = GET DIRECT CONSTANTS('numbers.csv', ',', 'Z99') ~~|", ModelFileError, ["cell 'Z99'", "empty"]),
        ("x := GET DIRECT DATA('numbers.csv', ',', 'D', 'B2') ~~|", ModelFileError, ["has length 0"]),
        ("x := GET DIRECT DATA('?what', ',', 'A', 'B2') ~~|", ModelFileError, ["'?what' indirectly"]),
        (
            "a: GET DIRECT SUBSCRIPT('no.csv', ',', 'A1', 'A2', '') ~~|\nx = 1 ~~|",
            ModelFileError,
            ["'a' reads 'no.csv'"],
        ),
    ],
)
def test_a_mistake_is_answered_with_one_sentence(
    load: Loader, equations: str, error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        load(equations)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "latin-1", "utf-16"])
def test_a_file_is_read_in_its_own_encoding_whatever_its_first_line_says(load: Loader, encoding: str) -> None:
    model = load("élan ÿ = 4 ~ Stück ~ Größe|\nx = ÉLAN Ÿ*2 ~~|" if encoding != "latin-1" else "élan = 4 ~~|", encoding)
    assert next(name for name in model.variables if "lan" in name).startswith("élan")


def test_a_file_may_have_any_line_ends(load: Loader) -> None:
    model = load("x = 1 +\\\r\n\t2 ~~|\r\ny = x ~~|\r\n")
    assert {"x", "y"} <= set(model.variables)
    assert model.variables["y"].components[0].line == 4


def test_a_file_behind_another_name_is_found(load: Loader) -> None:
    end = "\\\\\\---/// Sketch information\n///---\\\\\\\n30:?in=numbers.csv\n"
    model = load("x = GET DIRECT CONSTANTS('?in', ',', 'E2') ~~|", end=end)
    assert model.constants() == {"x": 5.0}


def test_a_model_changes_its_hash_with_the_files_that_it_reads(load: Loader, tmp_path: Path) -> None:
    before = load("x = GET DIRECT CONSTANTS('numbers.csv', ',', 'E2') ~~|")
    numbers = tmp_path / "numbers.csv"
    numbers.write_text(numbers.read_text(encoding="utf-8").replace(",5,", ",50,"), encoding="utf-8")
    after = load_model(tmp_path / "small.mdl")
    assert (before.constants(), after.constants()) == ({"x": 5.0}, {"x": 50.0})
    assert before.hash != after.hash


def test_quotes_bars_and_tildes_in_comments_end_nothing_too_early(load: Loader) -> None:
    model = load('x = 1 ~ "a~b" ~ A 5" pipe, and so on.|\n"y|~z" = 2 ~~ It said "no.|\nw = 3 ~~|')
    assert set(model.variables) >= {"x", "y|~z", "w"}
    assert model.variables["x"].documentation == 'A 5" pipe, and so on.'


def test_groups_and_supplementary_marks_are_passed_over(load: Loader) -> None:
    model = load("********\n\t.Group\n********~\n\t\tIts text\n\t|\nx = 1 ~~ Text ~ :SUPPLEMENTARY |\ny = 2 ~~|")
    assert {"x", "y"} <= set(model.variables)
    assert model.variables["y"].components[0].line == 8


def test_long_comments_are_not_given_to_the_grammar(load: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes a node of every letter: ten megabytes would take minutes."""
    given: list[str] = []
    parse = vensim_element.Element.parse

    def watched(element: vensim_element.Element) -> object:
        given.append(element.equation)
        return parse(element)

    monkeypatch.setattr(vensim_element.Element, "parse", watched)
    load("\n".join(f"x{i} = {i} ~ unit ~ {'comment ' * 20_000}|" for i in range(60)))
    assert sum(map(len, given)) < 2000


@given(arrays.arrays(bool, arrays.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)))
def test_rectangles_hold_each_element_once(mask: np.ndarray) -> None:
    count = np.zeros(mask.shape, dtype=int)
    for block in rectangles(mask):
        count[np.ix_(*block)] += 1
    np.testing.assert_array_equal(count, mask.astype(int))


@given(st.text(max_size=40))
def test_any_text_is_a_model_or_an_error_of_ours(text: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "any.mdl"
        path.write_text("{UTF-8}\n" + text + CLOCK, encoding="utf-8")
        with suppress(ModelFileError, UnknownNameError):
            load_model(path)

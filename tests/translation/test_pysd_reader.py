"""Reading model files: what is understood, and what each mistake in a file is answered with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from trilemma.errors import ModelFileError, UnknownNameError, UnsupportedError
from trilemma.translation import ir
from trilemma.translation.model import Model, load_model

CLOCK = """
INITIAL TIME = 0 ~ Year ~|
FINAL TIME = 4 ~ Year ~|
TIME STEP = 0.5 ~ Year ~|
SAVEPER = TIME STEP ~ Year ~|
"""
Loader = Callable[[str], Model]


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    def write(equations: str) -> Model:
        path = tmp_path / "small.mdl"
        path.write_text("{UTF-8}\n" + equations + CLOCK, encoding="utf-8")
        return load_model(path)

    return write


def test_names_units_limits_and_comments_are_kept(load: Loader) -> None:
    model = load(
        "Capital Stock = INTEG(investment, 10.0) ~ BUSD [0,?] ~ What is owned.|\ninvestment = 2 ~ BUSD/Year ~ Flow.|"
    )
    stock = model.variables["Capital Stock"]
    assert (stock.unit, stock.limits, stock.documentation, stock.kind) == (
        "BUSD",
        (0.0, None),
        "What is owned.",
        "stock",
    )
    assert model.variables["investment"].kind == "constant"


def test_comments_in_braces_and_a_missing_comment_are_read(load: Loader) -> None:
    model = load('{first}\n"a {b}" = 2 {half {of} it} + {more} 1 ~ m ~|\nx = 3 ~ Year |\n{between}\ny = x ~ {u} ~ {d}|')
    assert list(model.variables)[:3] == ["a {b}", "x", "y"]
    assert (model.variables["x"].unit, model.variables["y"].documentation) == ("Year", "{d}")


def test_control_variables_may_follow_from_others(load: Loader) -> None:
    assert load("x = 1 ~ Dmnl ~|").saveper == 0.5


def test_names_are_found_whatever_their_case_and_blanks(load: Loader) -> None:
    model = load("Capital Stock = 1 ~ BUSD ~|")
    assert model.resolve("capital_stock").label == "Capital Stock"
    assert model.resolve("  CAPITAL   stock ").label == "Capital Stock"


def test_a_variable_defined_for_some_elements_takes_the_smallest_range(load: Loader) -> None:
    ranges = "actor: US, CN, NT ~~|\nrival: US, CN ~~|\n"
    model = load(ranges + "a[US] = 1 ~~|\na[CN] = 2 ~~|\nb[NT] = 1 ~~|\nb[US] = 3 ~~|")
    assert model.variables["a"].dims == ("rival",)
    assert model.variables["b"].dims == ("actor",)
    assert model.constants() == {"a[US]": 1.0, "a[CN]": 2.0, "b[US]": 3.0, "b[NT]": 1.0}


def test_ranges_may_be_built_from_ranges(load: Loader) -> None:
    model = load("rival: US, CN ~~|\nactor: rival, NT ~~|\nx[actor] = 1, 2, 3 ~ Dmnl ~|")
    assert model.ranges["actor"] == ("US", "CN", "NT")


def test_arrays_of_numbers_are_constants_by_element(load: Loader) -> None:
    model = load("actor: US, CN, NT ~~|\nx[actor] = 1.5, 2, 3 ~ Dmnl ~|")
    assert model.constants() == {"x[US]": 1.5, "x[CN]": 2.0, "x[NT]": 3.0}


def test_smooths_become_hidden_stocks_that_are_not_listed(load: Loader) -> None:
    model = load("x = SMOOTH3I(Time, 2, 1) ~ Year ~|")
    hidden = [v for v in model.nodes.values() if v.hidden]
    assert len(hidden) == 3
    assert all(isinstance(v.components[0].expression, ir.Integral) for v in hidden)
    assert not any(v.hidden for v in model.variables.values())


def test_views_come_from_the_sketch(tmp_path: Path) -> None:
    sketch = """\\\\\\---/// Sketch information - do not modify anything except names
V300  Do not put anything below this section - it will be ignored
*First View
$192-192-192,0,Times New Roman|12||0-0-0|0-0-0|0-0-255|-1--1--1|-1--1--1|96,96,100,0
10,1,alpha one,100,100,40,20,8,3,0,0,0,0,0,0
10,2,beta,100,200,40,20,8,2,0,3,-1,0,0,0
*Second
$192-192-192,0,Times New Roman|12||0-0-0|0-0-0|0-0-255|-1--1--1|-1--1--1|96,96,100,0
10,1,beta,100,100,40,20,8,3,0,0,0,0,0,0
///---\\\\\\
"""
    path = tmp_path / "views.mdl"
    path.write_text("{UTF-8}\nalpha one = 1 ~ Dmnl ~|\nbeta = alpha one ~ Dmnl ~|" + CLOCK + sketch, encoding="utf-8")
    assert load_model(path).views == {"First View": ("alpha one",), "Second": ("beta",)}


def test_views_of_a_file_without_a_sketch_are_its_groups(tmp_path: Path) -> None:
    line = "*" * 56
    text = "".join(f"{line}\n\t.{name}\n{line}~\n\t\tWhat it is.\n\t|\n{body}" for name, body in GROUPS.items())
    path = tmp_path / "groups.mdl"
    path.write_text("{UTF-8}\n" + text, encoding="utf-8")
    assert load_model(path).views == {"First Group": ("alpha one", "gamma"), "Second": ("beta",)}


GROUPS = {
    "First Group": "alpha one= 1 ~~|\ngamma= alpha one ~~|\n",
    "Second": "beta= 2\n\t~\tDmnl\n\t~\tNot a .Heading of its own.\n\t|\n",
    "Control": "INITIAL TIME= 0 ~~|\nFINAL TIME= 1 ~~|\nTIME STEP= 1 ~~|\nSAVEPER= 1 ~~|\n",
}


@pytest.mark.parametrize(
    ("equations", "error", "words"),
    [
        ("x = 1 ~ Dmnl ~|\ny = 1 + ~ Dmnl ~|", ModelFileError, ["line 3", "y = 1 +", "check operators"]),
        ("x = 1 ~ Dmnl ~|\n\n\ny = MAX(1 ~ Dmnl ~|", ModelFileError, ["line 5"]),
        ("x = yy ~ Dmnl ~|\nzyy = 1 ~ Dmnl ~|", UnknownNameError, ["line 2", "unknown variable 'yy'", "'zyy'"]),
        ("x = 1 ~ Dmnl ~|\nx = 2 ~ Dmnl ~|", ModelFileError, ["lines 2, 3", "'x' is defined twice"]),
        ("a: P, Q ~~|\nx[a] = 1, 2 ~ Dmnl ~|\ny = x ~ Dmnl ~|", ModelFileError, ["line 4", "1 subscript(s)", "with 0"]),
        ("a: P, Q ~~|\nx[a] = 1, 2 ~ Dmnl ~|\ny = x[R] ~ Dmnl ~|", UnknownNameError, ["'R'", "'P' and 'Q'"]),
        ("a: P, Q ~~|\nx[a] = 1, 2 ~ Dmnl ~|\ny = x[a] ~ Dmnl ~|", ModelFileError, ["'a'", "left-hand side"]),
        ("x = INTEG(1, 0.0)+1 ~ Dmnl ~|", UnsupportedError, ["line 2", "'x'", "INTEG inside"]),
        (
            "x = SMOOTH N(Time, 2, 0, RANDOM 0 1()) ~ Dmnl ~|",
            UnsupportedError,
            ["line 2", "'x' uses SMOOTH N with an order"],
        ),
        (":MACRO: M(a)\nM = a ~~|\n:END OF MACRO:\nx = M(1, 2) ~~|", ModelFileError, ["macro 'm'", "it takes 1"]),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_line(
    load: Loader, equations: str, error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        load(equations)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("clock", "words"),
    [
        ("INITIAL TIME = 0~~|\nFINAL TIME = 4~~|\nTIME STEP = 0~~|", "TIME STEP is 0, it must be above 0"),
        ("INITIAL TIME = 4~~|\nFINAL TIME = 1~~|\nTIME STEP = 1~~|", "FINAL TIME 1 must come after INITIAL TIME 4"),
        ("INITIAL TIME = 4~~|\nTIME STEP = 1~~|", "has no FINAL TIME"),
        (
            "x = Time~~|\nINITIAL TIME = 0~~|\nFINAL TIME = x~~|\nTIME STEP = 1~~|",
            "FINAL TIME 0 must come after INITIAL TIME 0",
        ),
    ],
)
def test_a_clock_that_cannot_run_is_refused(tmp_path: Path, clock: str, words: str) -> None:
    path = tmp_path / "clock.mdl"
    path.write_text("{UTF-8}\n" + clock, encoding="utf-8")
    with pytest.raises(ModelFileError, match=words):
        load_model(path)


def test_a_definition_without_an_end_is_named(tmp_path: Path) -> None:
    path = tmp_path / "open.mdl"
    path.write_text("{UTF-8}\nx = 1 ~ Dmnl ~|\ny = 2 ~ Dmnl ~ never closed\n", encoding="utf-8")
    with pytest.raises(ModelFileError, match="line 3: the definition 'y = 2' is not closed"):
        load_model(path)


@pytest.mark.parametrize("text", ["", "hello", "{UTF-8}\n~~~|||", "x = 1"])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "junk.mdl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelFileError, match="junk.mdl"):
        load_model(path)


@pytest.mark.parametrize(
    "equation",
    [
        "x = WITH LOOKUP(Time, ([__import__('pathlib').Path('{target}').touch()],(0,0),(1,1))) ~ Dmnl ~|",
        "x([__import__('pathlib').Path('{target}').touch()],(0,0),(1,1)) ~ Dmnl ~|",
        "x = __import__('pathlib').Path('{target}').touch() ~ Dmnl ~|",
        "\"x'); __import__('pathlib').Path('{target}').touch()\" = 1 ~ Dmnl ~|",
    ],
)
def test_a_file_cannot_run_code(load: Loader, tmp_path: Path, equation: str) -> None:
    target = tmp_path / "touched"
    with suppress(ModelFileError):
        load(equation.replace("{target}", str(target)))
    assert not target.exists()


def test_xmile_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cup.xmile"
    path.write_text(
        """<?xml version="1.0" encoding="utf-8"?>
<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
<header><vendor>v</vendor><product version="1">p</product></header>
<sim_specs method="Euler" time_units="Minute"><start>0</start><stop>10</stop><dt>0.5</dt></sim_specs>
<model><variables>
<stock name="Temperature"><eqn>180</eqn><outflow>loss</outflow></stock>
<flow name="loss"><eqn>(Temperature - room) / 10</eqn></flow>
<aux name="room"><eqn>70</eqn></aux>
</variables></model></xmile>
""",
        encoding="utf-8",
    )
    model = load_model(path)
    assert model.variables["Temperature"].kind == "stock"
    assert model.constants() == {"room": 70.0}


XMILE = """<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
<sim_specs><start>0</start><stop>10</stop><dt>1</dt></sim_specs>
<model><variables>
<aux name="room"><eqn>70</eqn></aux>
{}
</variables></model></xmile>
"""


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ('<aux name="heat\\nloss"><eqn>room +* 2</eqn></aux>', ["line 5", "'heat loss' 'room +* 2'", "operators"]),
        ('<flow name="loss"/>', ["line 5", "the equation of 'loss': it has none"]),
        (
            '<stock name="belt"><eqn>1</eqn><conveyor><len>4</len></conveyor></stock>',
            ["line 5", "'belt' is a conveyor"],
        ),
        ('<module name="part"><connect to="part.a" from="room"/></module>', ["line 5", "'part' is a module"]),
        ("<aux><eqn>1</eqn></aux>", ["is not an XMILE model that can be parsed"]),
    ],
)
def test_a_mistake_in_xmile_is_named(tmp_path: Path, variable: str, words: list[str]) -> None:
    path = tmp_path / "odd.xmile"
    path.write_text(XMILE.format(variable), encoding="utf-8")
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    for word in words:
        assert word in str(caught.value)

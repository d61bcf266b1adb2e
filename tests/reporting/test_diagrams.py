"""Pictures of structure: what stands in them, the text for Graphviz, the sketch of a Vensim file."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import graphviz
import pytest

from tests.reporting.sketches import read_sketch
from tests.small_project import ROOT, Workspace
from trilemma.errors import ModelFileError, ReportError, TrilemmaError, UnknownNameError
from trilemma.reporting.diagrams.dot import shown_name, view_graph
from trilemma.reporting.diagrams.files import file_name, sources, write_pictures, write_sketch
from trilemma.reporting.diagrams.layout import Box, Layout, layout, tangle
from trilemma.reporting.diagrams.loops import signed_links
from trilemma.reporting.diagrams.sketch import with_sketch
from trilemma.reporting.diagrams.structure import Pipe, view_of
from trilemma.translation.loops import read_loops
from trilemma.translation.model import Model, load_model

LINE = "*" * 56
MODEL = f"""{{UTF-8}}
{LINE}
\t.Money
{LINE}~
\t|
Cash= INTEG(income - spending, start) ~ BUSD ~|
start= 1 ~ BUSD ~|
income= series of income ~ BUSD/Year ~|
series of income= WITH LOOKUP(Time, ([(0,0)-(9,9)],(0,1),(9,2))) ~ BUSD/Year ~|
spending= Cash/patience*effect ~ BUSD/Year ~|
patience= 2 ~ Year ~|
Research= INTEG(spending - SMOOTH(Research, life)/life, 0) ~ BUSD ~|
life= 5 ~ Year ~|
{LINE}
\t.Effects, odd & <even>
{LINE}~
\t|
effect= table(Research/start) ~ Dmnl ~|
table((0,0),(9,9)) ~ Dmnl ~|
Mood= INTEG((effect - Mood)/life, 1) ~ Dmnl ~|
{LINE}
\t.Control
{LINE}~
\t|
INITIAL TIME= 0 ~ Year ~|
FINAL TIME= 4 ~ Year ~|
TIME STEP= 0.5 ~ Year ~|
SAVEPER= TIME STEP ~ Year ~|
"""
needs_graphviz = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")


@pytest.fixture
def model(tmp_path: Path) -> Model:
    path = tmp_path / "drawn.mdl"
    path.write_text(MODEL, encoding="utf-8")
    return load_model(path)


def _on_a_grid(graph: graphviz.Digraph) -> Layout:
    """Lay a graph out without Graphviz: all nodes in a row."""
    body = "".join(graph.body)
    names = dict.fromkeys(
        name for pair in re.findall(r'^\t(?:"([^"]+)"|(\w+)) \[', body, re.M) for name in pair if name
    )
    boxes = {name: Box(100.0 * i, 50.0, 80.0, 30.0) for i, name in enumerate(names)}
    middles = {(a, b): (boxes[a].x, 80.0) for a in boxes for b in boxes}
    return Layout(boxes, middles)


def test_a_view_shows_its_variables_its_flows_and_its_inputs(model: Model) -> None:
    view = view_of(model, "money")
    assert dict(view.kinds) == {
        "cash": "stock",
        "start": "constant",
        "income": "flow",
        "series_of_income": "series",
        "spending": "flow",
        "patience": "constant",
        "research": "stock",
        "life": "constant",
        "time": "input",
        "effect": "input",
    }
    assert set(view.pipes) == {Pipe("spending", "cash", "research"), Pipe("income", None, "cash")}
    assert set(view.arrows) == {
        ("start", "cash"),
        ("series_of_income", "income"),
        ("time", "series_of_income"),
        ("cash", "spending"),
        ("patience", "spending"),
        ("effect", "spending"),
        ("life", "research"),
    }


def test_a_view_without_what_is_minor_has_no_constants_no_tables_and_no_time(model: Model) -> None:
    view = view_of(model, "Effects, odd & <even>", minor=False)
    assert dict(view.kinds) == {"effect": "auxiliary", "mood": "stock", "research": "input"}
    assert set(view.arrows) == {("research", "effect"), ("effect", "mood")}


def test_an_unknown_view_is_named_with_those_that_exist(model: Model) -> None:
    with pytest.raises(UnknownNameError, match="'Money'"):
        view_of(model, "Mony")


def test_the_text_for_graphviz_names_every_variable_and_escapes_signs(model: Model) -> None:
    texts = sources(model)
    assert list(texts) == ["money", "effects_odd_even"] == [file_name(view) for view in model.views]
    assert "<TD>spending</TD>" in texts["money"]
    assert "‹effect›" in texts["money"]


def test_a_sketch_shows_each_variable_once_and_what_it_follows_from(model: Model) -> None:
    text = with_sketch(model, MODEL, _on_a_grid)
    views = read_sketch(text)
    assert {name: sorted(view.words) for name, view in views.items()} == {
        name: sorted(names) for name, names in model.views.items()
    }
    money = views["Money"]
    assert money.stocks == ["Cash", "Research"]
    assert money.pipes == {("spending", "Cash"), ("spending", "Research"), ("income", ""), ("income", "Cash")}
    assert ("patience", "spending") in money.arrows
    assert sorted(money.shadows) == ["Time", "effect"]


def test_a_sketch_leaves_equations_and_settings_alone(model: Model) -> None:
    once = with_sketch(model, MODEL, _on_a_grid)
    assert once.startswith(MODEL.rstrip())
    edited = once.replace("15:0,0,0,0,0,0", "15:0,0,0,1,0,0")
    assert with_sketch(model, edited, _on_a_grid) == edited


def test_a_sketch_can_be_read_again(model: Model) -> None:
    path = model.path.with_name("again.mdl")
    path.write_text(with_sketch(model, MODEL, _on_a_grid), encoding="utf-8")
    again = load_model(path)
    assert {name: set(shown) for name, shown in again.views.items()} == {n: set(v) for n, v in model.views.items()}
    assert again.references == model.references


def test_a_file_without_groups_has_nothing_to_make_views_of(tmp_path: Path) -> None:
    path = tmp_path / "flat.mdl"
    text = re.sub(r"\*{56}\n\t\.[^\n]*\n\*{56}~\n\t\|\n", "", MODEL)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelFileError, match="has no groups"):
        with_sketch(load_model(path), text, _on_a_grid)
    with pytest.raises(ModelFileError, match="no view to draw"):
        write_pictures(load_model(path), tmp_path)


@pytest.mark.parametrize("options", [(), ("--sketch",)])
def test_without_graphviz_one_sentence_says_so(
    model: Model, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    before = model.path.read_bytes()
    with pytest.raises(ReportError, match="'dot' is not installed"):
        write_sketch(model) if options else write_pictures(model, tmp_path / "pictures")
    assert model.path.read_bytes() == before
    assert not (tmp_path / "pictures").exists()


LOOPS = """
[Spending]
polarity = "B"
sentence = "What is spent is gone."
path = ["Cash", "spending"]
signs = "+-"
landmarks = ["Cash", "spending"]
[Progress]
polarity = "R"
sentence = "Research makes spending effective."
path = ["Research", "effect", "spending"]
signs = "+++"
landmarks = ["Research", "spending"]
[Unsigned]
polarity = "B"
sentence = "It is not drawn."
path = ["Mood"]
"""


def test_the_picture_of_loops_shows_landmarks_and_the_signs_of_chains(model: Model) -> None:
    (model.path.parent / "loops.toml").write_text(LOOPS, encoding="utf-8")
    spending, progress, unsigned = read_loops(model)
    assert {(a.label, b.label): sign for (a, b), sign in signed_links(spending).items()} == {
        ("Cash", "spending"): 1,
        ("spending", "Cash"): -1,
    }
    assert {(a.label, b.label): sign for (a, b), sign in signed_links(progress).items()} == {
        ("Research", "spending"): 1,
        ("spending", "Research"): 1,
    }
    source = sources(model)["feedback_loops"]
    assert not unsigned.landmarks
    assert all(text in source for text in ("<B>B1</B>", "<B>R1</B>", "Progress", "Cash"))
    assert all(text not in source for text in ("Mood", "Unsigned", "effect"))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('landmarks = ["Cash", "spending"]', 'landmarks = ["Cash", "income"]', "unknown landmark 'income'"),
        ('landmarks = ["Cash", "spending"]', 'landmarks = ["Cash"]', "one landmark makes no picture"),
        ('signs = "+-"', 'signs = "+x"', "'Spending.signs' is '\\+x'"),
    ],
)
def test_a_wrong_landmark_is_one_sentence(model: Model, before: str, after: str, said: str) -> None:
    (model.path.parent / "loops.toml").write_text(LOOPS.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(TrilemmaError, match=said):
        sources(model)


DRAWN = ROOT / "docs" / "structure"
SHIPPED = pytest.mark.parametrize("name", [path.name for path in sorted(DRAWN.glob("*")) if path.is_dir()])


@SHIPPED
def test_the_sketch_of_a_shipped_model_is_current(name: str) -> None:
    model = load_model(name)
    drawn = read_sketch(model.path.read_text(encoding="utf-8"))
    assert list(drawn) == list(model.views), f"run: trilemma draw {name} --sketch"
    for title, sketch in drawn.items():
        view = view_of(model, title)
        assert sorted(sketch.words) == sorted(model.views[title])
        arrows = {(shown_name(model, cause), shown_name(model, effect)) for cause, effect in view.arrows}
        assert sketch.arrows == arrows, f"run: trilemma draw {name} --sketch"


@SHIPPED
def test_the_pictures_of_a_shipped_model_are_current(name: str) -> None:
    stored = {path.stem: path.read_text(encoding="utf-8") for path in (DRAWN / name).glob("*.dot")}
    assert stored == sources(load_model(name)), f"run: trilemma draw {name}"
    assert {path.stem for path in (DRAWN / name).glob("*.svg")} == stored.keys()


def test_a_crossing_and_a_link_over_a_name_aretangles() -> None:
    crossed = 'digraph g { node [pin=true] a [pos="0,0!"] b [pos="3,3!"] c [pos="0,3!"] d [pos="3,0!"] a -> b; c -> d }'
    apart = crossed.replace("a -> b; c -> d", "a -> c; b -> d")
    over = crossed.replace("a -> b; c -> d", 'e [pos="1.5,0!"] a -> d; b -> c')
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    assert tangle(apart) < tangle(crossed)
    assert tangle(apart) < tangle(over)


@needs_graphviz
def test_graphviz_keeps_what_it_places_apart(model: Model) -> None:
    places = layout(view_graph(model, view_of(model, "Money"))).boxes
    for name, box in places.items():
        for other in (b for n, b in places.items() if n > name):
            apart = abs(box.x - other.x) >= (box.width + other.width) / 2 - 1
            assert apart or abs(box.y - other.y) >= (box.height + other.height) / 2 - 1


@needs_graphviz
def test_the_command_draws_every_view(workspace: Workspace, model: Model) -> None:
    folder = workspace.folder / "pictures"
    printed = workspace.run("draw", str(model.path), "--output", str(folder)).succeeded().split()
    assert [Path(name).name for name in printed] == ["money.svg", "effects_odd_even.svg"]
    assert all("</svg>" in (folder / Path(name).name).read_text(encoding="utf-8") for name in printed)
    workspace.run("draw", str(model.path), "--sketch").succeeded()
    assert set(read_sketch(model.path.read_text(encoding="utf-8"))) == set(model.views)

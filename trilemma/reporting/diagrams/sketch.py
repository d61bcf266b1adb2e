"""The sketch inside a Vensim file: one view a group of the file, laid out by Graphviz, inputs as shadow variables.

The equations of the file are left alone, and so are the settings behind its sketch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

import graphviz

from trilemma.errors import ModelFileError
from trilemma.reporting.diagrams.dot import ends_of, shown_name, start_of, view_graph
from trilemma.reporting.diagrams.layout import Box, Layout, layout
from trilemma.reporting.diagrams.structure import Pipe, View, view_of
from trilemma.translation.model import Model
from trilemma.translation.source_text import END_OF_SKETCH, SKETCH_MARK, group_views

SCALE = 4 / 3  # from points to Vensim's pixels
MARGIN = 40
HEIGHT = "0.5"  # inches for a variable at least: some programs draw a circle above its name
VALVE_DEPTH = 8  # points from the top of a flow to the middle of its valve
STRAIGHT = 9  # points that an arrow may bend and still be drawn straight
HEAD = f"""{SKETCH_MARK} Sketch information - do not modify anything except names
V300  Do not put anything below this section - it will be ignored
"""
FONT = "$192-192-192,0,Arial|12||0-0-0|0-0-0|0-0-255|-1--1--1|-1--1--1|96,96,100,0"
SHADOW = "8,2,0,3,-1,0,0,0,128-128-128,0-0-0,|12||128-128-128"
SETTINGS = """:L<%^E!@
15:0,0,0,0,0,0
19:100,0
27:0,
34:0,
4:Time
35:Date
36:YYYY-MM-DD
37:2000
38:1
39:1
40:2
41:0
42:0
"""
STOCK, WORD, FLOW_NAME = "3,3,0,0,0,0,0,0", "8,3,0,0,0,0,0,0", "40,3,0,0,-1,0,0,0"


Arrange: TypeAlias = Callable[[graphviz.Digraph], Layout]
"""From the graph of a view to where its parts lie."""


def with_sketch(model: Model, text: str, arrange: Arrange = layout) -> str:
    """Return the text of a model file with a new sketch.

    Parameters
    ----------
    model
        The model that the text holds.
    text
        The text of a .mdl, with or without a sketch.
    arrange
        What lays the views out, Graphviz by default.

    Raises
    ------
    ModelFileError
        If the file has neither groups nor views.
    ReportError
        If Graphviz is not installed.
    """
    equations, _, behind = text.partition(SKETCH_MARK)
    settings = behind.partition(END_OF_SKETCH)[2].strip("\n") or _settings(model)
    grouped = _by_group(model, text)
    if not grouped.views:
        message = f"'{model.path}' has no groups to make views of: head the equations of each view with its name."
        raise ModelFileError(message)
    views = "".join(HEAD + "\n".join(_view(grouped, view_of(grouped, name), arrange)) + "\n" for name in grouped.views)
    return f"{equations.rstrip()}\n\n{views}{END_OF_SKETCH}\n{settings}\n"


def _by_group(model: Model, text: str) -> Model:
    """Return a model whose views are the groups of its file, or the model itself if that has none."""
    lines = {key: [c.line for c in variable.components if c.line] for key, variable in model.nodes.items()}
    groups = group_views(text, lines)
    if not groups:
        return model
    nodes = {key: replace(v, view="" if v.hidden else groups.get(key, "")) for key, v in model.nodes.items()}
    shown = {v.view: [w.name for w in nodes.values() if w.view == v.view] for v in nodes.values() if v.view}
    ordered = [name for name in dict.fromkeys(groups.values()) if name in shown]
    return replace(model, nodes=nodes, views={name: tuple(shown[name]) for name in ordered})


class _Numbers(dict[str, int]):
    """The number of each object of a view, given at its first use."""

    def __missing__(self, name: str) -> int:
        """Give the next number."""
        self[name] = len(self) + 1
        return self[name]


def _view(model: Model, view: View, arrange: Arrange) -> Iterator[str]:
    """Yield the lines of a view."""
    graph = view_graph(model, view)
    graph.node_attr["height"] = HEIGHT
    places = arrange(graph)
    numbers = _Numbers()
    yield f"*{view.name}"
    yield FONT
    flows = {pipe.flow for pipe in view.pipes}
    for key, kind in view.kinds.items():
        if key not in flows and kind != "input":
            yield _word(numbers[key], shown_name(model, key), places.boxes[key], STOCK if kind == "stock" else WORD)
    for pipe in view.pipes:
        yield from _pipe(model, pipe, places, numbers)
    for cause, effect in view.arrows:
        start = start_of(view, cause, effect)
        if start not in numbers:
            yield _word(numbers[start], shown_name(model, cause), places.boxes[start], SHADOW)
        yield _arrow(numbers, places, start, effect)


def _word(number: int, name: str, box: Box, form: str) -> str:
    """Return the line of a variable."""
    half = f"{_pixels(box.width / 2)},{_pixels(box.height / 2)}"
    return f"10,{number},{name},{_at(box.x, box.y)},{half},{form}"


def _pipe(model: Model, pipe: Pipe, places: Layout, numbers: _Numbers) -> Iterator[str]:
    """Yield the lines of a flow: clouds, both halves of its pipe, its valve, its name."""
    box = places.boxes[pipe.flow]
    valve = box.top + VALVE_DEPTH
    number = numbers[f"valve {pipe.flow}"]
    for end, is_stock, head in zip(ends_of(pipe), (pipe.source, pipe.target), (100, 4), strict=True):
        place = places.boxes[end]
        if is_stock is None:
            yield f"12,{numbers[end]},48,{_at(place.x, place.y)},10,8,0,3,0,0,-1,0,0,0"
        level = abs(place.y - valve) < place.height / 2  # else the pipe turns into the stock from above or below
        corner = ((place.x + box.x) / 2 if level else place.x, valve)
        own = numbers[f"pipe {pipe.flow} {end}"]
        yield f"1,{own},{number},{numbers[end]},{head},0,0,22,0,0,0,-1--1--1,,1|({_at(*corner)})|"
    yield f"11,{number},0,{_at(box.x, valve)},6,8,34,3,0,0,1,0,0,0"
    below = Box(box.x, (valve + 8 + box.top + box.height) / 2, box.width, box.top + box.height - valve - 8)
    yield _word(numbers[pipe.flow], shown_name(model, pipe.flow), below, FLOW_NAME)


def _arrow(numbers: _Numbers, places: Layout, start: str, end: str) -> str:
    """Return the line of an arrow: straight, or an arc through the middle of Graphviz's spline."""
    first, last, (x, y) = places.boxes[start], places.boxes[end], places.middles[start, end]
    dx, dy = last.x - first.x, last.y - first.y
    bend = abs(dx * (y - first.y) - dy * (x - first.x)) / max(1.0, (dx * dx + dy * dy) ** 0.5)
    curved = bend > STRAIGHT
    point = _at(x, y) if curved else "0,0"
    number = numbers[f"arrow {start} {end}"]
    return f"1,{number},{numbers[start]},{numbers[end]},{int(curved)},0,0,0,0,64,0,-1--1--1,,1|({point})|"


def _pixels(points: float) -> int:
    """Return a length in Vensim's pixels."""
    return round(SCALE * points)


def _at(x: float, y: float) -> str:
    """Return a place in a view."""
    return f"{_pixels(x) + MARGIN},{_pixels(y) + MARGIN}"


def _settings(model: Model) -> str:
    """Return the settings behind the sketch of a file that has none: the span of the model's time."""
    clock = model.clock
    return f"{SETTINGS}24:{clock.initial_time:g}\n25:{clock.final_time:g}\n26:{clock.final_time:g}"

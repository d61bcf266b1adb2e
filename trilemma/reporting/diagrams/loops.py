"""The picture of a model's feedback loops: their landmarks, the signs of the links between them, R and B in the middle.

A link stands for the chain of equations between two landmarks; its sign is the product of the signs along the chain.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping, Sequence

import graphviz

from trilemma.reporting.diagrams.dot import INK, NODE, WIDTH
from trilemma.translation.loops import Loop
from trilemma.translation.model import Model, Selection

TINTS = ("#cfe2f3", "#d5ead0", "#fce5c4", "#efd9ea", "#d8ecec", "#f3f0c8")
"""For the main views of the model, in their order; others are grey."""
OTHER = "#e9ecef"
COLOURS = {"R": "#1b6e3c", "B": "#a3312a"}
SIGNS = {1: "+", -1: "−", 0: ""}
GRAPH = {
    "overlap": "prism",
    "sep": "+14",
    "splines": "true",
    "outputorder": "edgesfirst",
    "bgcolor": "white",
    "pad": "0.2",
    "fontname": "Helvetica,Arial,sans-serif",
    "fontsize": "11",
    "labelloc": "b",
}

LINK = {"len": "1.7", "fontsize": "15"}

Link = tuple[Selection, Selection]


def loop_graph(model: Model, loops: Sequence[Loop]) -> graphviz.Digraph:
    """Return the graph of the loops that have landmarks, for Graphviz's `neato`."""
    drawn = [loop for loop in loops if loop.landmarks]
    graph = graphviz.Digraph("loops", graph_attr=GRAPH, node_attr=NODE, engine="neato")
    tints = dict(zip(model.main_views, TINTS, strict=False))
    graph.graph_attr["label"] = _legend(tints)
    for step in dict.fromkeys(landmark for loop in drawn for landmark in loop.landmarks):
        tint = tints.get(step.variable.view, OTHER)
        name = "\n".join(textwrap.wrap(step.label, WIDTH, break_long_words=False))
        graph.node(step.label, label=name, shape="box", style="rounded,filled", fillcolor=tint, color=tint)
    links: dict[Link, int] = {}
    for loop in drawn:
        links |= signed_links(loop)
    for (cause, effect), sign in links.items():
        colour = INK if sign >= 0 else COLOURS["B"]
        graph.edge(cause.label, effect.label, label=SIGNS[sign], color=colour, fontcolor=colour, **LINK)
    for loop in drawn:
        _add_label(graph, loop)
    return graph


def signed_links(loop: Loop) -> dict[Link, int]:
    """Return the links between neighbouring landmarks with their signs; 0 where the loop states none."""
    signs = [{"+": 1, "-": -1}[sign] for sign in loop.signs] or [0] * len(loop.path)
    ends = [loop.path.index(landmark) for landmark in loop.landmarks]
    found: dict[Link, int] = {}
    for first, last in zip(ends, [*ends[1:], ends[0] + len(loop.path)], strict=True):
        product = 1
        for position in range(first, last):
            product *= signs[position % len(signs)]
        found[loop.path[first], loop.path[last % len(loop.path)]] = product
    return found


def _legend(tints: Mapping[str, str]) -> str:
    """Return what the colours and signs mean."""
    cells = "".join(f'<TD BGCOLOR="{tint}">{html.escape(view)}</TD>' for view, tint in tints.items())
    signs = "+ same direction, − opposite direction; R reinforcing, B balancing loop"
    table = f'<TABLE BORDER="0" CELLSPACING="6" CELLPADDING="3"><TR>{cells}<TD>{signs}</TD></TR></TABLE>'
    return f"<{table}>"


def _add_label(graph: graphviz.Digraph, loop: Loop) -> None:
    """Add the label of a loop, drawn to its middle by threads that are not shown."""
    colour = COLOURS[loop.polarity]
    name = "<BR/>".join(html.escape(line) for line in textwrap.wrap(loop.name, WIDTH))
    text = f'<<FONT COLOR="{colour}"><B>{loop.label}</B><BR/><FONT POINT-SIZE="9">{name}</FONT></FONT>>'
    graph.node(f"loop {loop.label}", label=text, shape="plaintext")
    for landmark in loop.landmarks:
        graph.edge(f"loop {loop.label}", landmark.label, style="invis", len="1.1")

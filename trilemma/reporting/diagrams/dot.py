"""From a view to a graph for Graphviz: boxes for stocks, valves on pipes for flows, plain names for the rest."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping

import graphviz

from trilemma.reporting.diagrams.structure import Kind, Pipe, View
from trilemma.translation.model import Model

INK, MUTED, PALE = "#1f2933", "#7b8794", "#e4e7eb"
STOCK, LEVER, INPUT = "#d9e8f6", "#b5541b", "#8a94a0"
WIDTH = 18
"""Letters in a line of a name."""

GRAPH = {"rankdir": "LR", "nodesep": "0.12", "ranksep": "0.3", "splines": "true", "bgcolor": "white", "pad": "0.2"}
NODE = {
    "fontname": "Helvetica,Arial,sans-serif",
    "fontsize": "11",
    "fontcolor": INK,
    "margin": "0.04,0.03",
    "width": "0.2",
    "height": "0.2",
}
"""Width and height are the least ones, in inches."""

EDGE = {"color": MUTED, "arrowsize": "0.55", "penwidth": "0.8"}
PIPE = {"color": f"{INK}:white:{INK}", "penwidth": "1.4", "weight": "12", "arrowsize": "0.8"}
CLOUD = {"shape": "circle", "width": "0.16", "fixedsize": "true", "color": MUTED, "style": "dashed"}
STYLES: dict[Kind, dict[str, str]] = {
    "stock": {"shape": "box", "style": "filled", "fillcolor": STOCK, "color": INK, "margin": "0.12,0.08"},
    "flow": {"shape": "plain"},
    "auxiliary": {"shape": "plaintext"},
    "series": {"shape": "plaintext", "fontname": "Helvetica-Oblique,Arial,sans-serif"},
    "constant": {"shape": "plaintext", "fontcolor": MUTED, "fontsize": "10"},
    "lever": {"shape": "box", "style": "rounded", "color": LEVER, "fontcolor": LEVER},
    "table": {"shape": "plaintext", "fontcolor": MUTED, "fontsize": "10"},
    "input": {"shape": "plaintext", "fontcolor": INPUT},
}


def view_graph(model: Model, view: View) -> graphviz.Digraph:
    """Return the graph of a view."""
    graph = graphviz.Digraph(view.name, graph_attr=GRAPH, node_attr=NODE, edge_attr=EDGE)
    for pipe in view.pipes:
        _add_pipe(graph, model, pipe)
    flows = {pipe.flow for pipe in view.pipes}
    back = _backward(view)
    for key, kind in view.kinds.items():
        if kind != "input" and key not in flows:
            graph.node(key, label=label(model, key, kind), **STYLES[kind])
    for cause, effect in view.arrows:
        start = start_of(view, cause, effect)
        if start != cause:
            graph.node(start, label=label(model, cause, "input"), **STYLES["input"])
        graph.edge(start, effect, **({"constraint": "false"} if (cause, effect) in back else {}))
    return graph


def _backward(view: View) -> frozenset[tuple[str, str]]:
    """Return the arrows that lead back to the left: those that would close a loop with pipes and other arrows.

    Pipes come first, and arrows out of stocks last, so that loops are cut where a stock acts back.
    """
    after: dict[str, set[str]] = {}
    for pipe in view.pipes:
        for start, end in ((pipe.source, pipe.flow), (pipe.flow, pipe.target)):
            if start is not None and end is not None:
                after.setdefault(start, set()).add(end)
    back: set[tuple[str, str]] = set()
    for cause, effect in sorted(view.arrows, key=lambda arrow: view.kinds[arrow[0]] == "stock"):
        if _leads(after, effect, cause):
            back.add((cause, effect))
        else:
            after.setdefault(cause, set()).add(effect)
    return frozenset(back)


def _leads(after: Mapping[str, set[str]], start: str, end: str) -> bool:
    """Whether a way leads from one node to another."""
    seen = {start}
    waiting = [start]
    while waiting:
        new = after.get(waiting.pop(), set()) - seen
        seen |= new
        waiting.extend(new)
    return end in seen


def start_of(view: View, cause: str, effect: str) -> str:
    """Return the node that an arrow starts from: an input stands beside each of its uses, so that no arrow is long."""
    return f"{cause} for {effect}" if view.kinds[cause] == "input" else cause


def ends_of(pipe: Pipe) -> tuple[str, str]:
    """Return the nodes that a pipe comes from and leads to: stocks, or clouds outside the view."""
    return pipe.source or f"from {pipe.flow}", pipe.target or f"to {pipe.flow}"


def shown_name(model: Model, key: str) -> str:
    """Return the name of a variable, or of the time."""
    return "Time" if key == "time" else model.nodes[key].name


def _add_pipe(graph: graphviz.Digraph, model: Model, pipe: Pipe) -> None:
    """Add a flow with its pipe; what is outside the view is a small cloud."""
    ends = ends_of(pipe)
    for end, stock in zip(ends, (pipe.source, pipe.target), strict=True):
        if stock is None:
            graph.node(end, label="", **CLOUD)
    graph.node(pipe.flow, label=label(model, pipe.flow, "flow"), **STYLES["flow"])
    graph.edge(ends[0], f"{pipe.flow}:valve:w", arrowhead="none", **PIPE)
    graph.edge(f"{pipe.flow}:valve:e", ends[1], **PIPE)


def label(model: Model, key: str, kind: Kind) -> str:
    """Return the label of a variable: its name in short lines, under a valve if it is a flow."""
    lines = textwrap.wrap(shown_name(model, key), WIDTH, break_long_words=False)
    if kind == "input":
        lines = [f"‹{lines[0]}", *lines[1:]]
        lines[-1] += "›"
    if kind != "flow":
        return "\n".join(lines)
    rows = "".join(f"<TR><TD>{html.escape(line)}</TD></TR>" for line in lines)
    valve = '<TR><TD PORT="valve" WIDTH="14" HEIGHT="14" FIXEDSIZE="TRUE" BGCOLOR="white"></TD></TR>'
    table = f'<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0" CELLPADDING="0">{valve}</TABLE>'
    head = f"<TR><TD>{table}</TD></TR>"
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">{head}{rows}</TABLE>>'

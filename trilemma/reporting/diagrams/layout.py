"""Runs Graphviz: where it places things, and pictures; the only module that needs its program to be installed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import graphviz

from trilemma.errors import ReportError

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """Where a node lies: its centre, from the upper left corner of the picture, and its size, in points."""

    x: float
    y: float
    width: float
    height: float

    @property
    def top(self) -> float:
        """The height of its upper side."""
        return self.y - self.height / 2


@dataclass(frozen=True)
class Layout:
    """Where nodes lie, by name, and the middle of each edge, by the names of its ends."""

    boxes: Mapping[str, Box]
    middles: Mapping[tuple[str, str], Point]


def picture(source: str, form: Literal["svg", "png", "json0"], engine: Literal["dot", "neato"] = "dot") -> bytes:
    """Return the picture of a graph in the language of Graphviz, or as JSON where everything in it lies.

    Raises
    ------
    ReportError
        If Graphviz is not installed.
    """
    try:
        return graphviz.Source(source).pipe(format=form, engine=engine)
    except graphviz.ExecutableNotFound as error:
        message = (
            "pictures of structure are drawn by Graphviz, whose program 'dot' is not installed: install the package "
            "'graphviz' of your system (apt, dnf, brew, winget)."
        )
        raise ReportError(message) from error


def layout(graph: graphviz.Digraph) -> Layout:
    """Return where Graphviz places the nodes and edges of a graph.

    Raises
    ------
    ReportError
        If Graphviz is not installed.
    """
    found: dict[str, Any] = json.loads(picture(graph.source, "json0"))
    height = float(found["bb"].split(",")[3])
    names: dict[int, str] = {}
    boxes: dict[str, Box] = {}
    for node in found["objects"]:
        x, y = map(float, node["pos"].split(","))
        names[node["_gvid"]] = node["name"]
        boxes[node["name"]] = Box(x, height - y, 72 * float(node["width"]), 72 * float(node["height"]))
    middles: dict[tuple[str, str], Point] = {}
    for edge in found.get("edges", []):
        x, y = _middle(edge["pos"])
        middles[names[edge["tail"]], names[edge["head"]]] = (x, height - y)
    return Layout(boxes, middles)


def _middle(spline: str) -> Point:
    """Return the middle of a spline: the point halfway along the middle one of its Bezier curves."""
    pairs = [tuple(map(float, part.split(","))) for part in spline.split() if not part.startswith(("e", "s"))]
    curve = (len(pairs) - 1) // 3 // 2
    a, b, c, d = pairs[3 * curve : 3 * curve + 4]
    if (len(pairs) - 1) // 3 % 2 == 0:
        return a[0], a[1]
    return (a[0] + 3 * b[0] + 3 * c[0] + d[0]) / 8, (a[1] + 3 * b[1] + 3 * c[1] + d[1]) / 8

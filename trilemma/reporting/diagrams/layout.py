"""Runs Graphviz: where it places things, and pictures; the only module that needs its program to be installed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import graphviz

from trilemma.errors import ReportError

PAGE = 1.4  # width over height of a picture that fits a page
STEPS = 40  # places along a line at which it may pass over a name

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


def untangled(source: str, seeds: int = 100) -> str:
    """Return a graph for `neato` with the start, of some, that gives the picture with fewest crossings.

    Parameters
    ----------
    source
        The text of a graph.
    seeds
        How many starts are tried.

    Raises
    ------
    ReportError
        If Graphviz is not installed.
    """
    started = [source.replace("{", f"{{\n\tstart={seed}", 1) for seed in range(1, seeds + 1)]
    return min(started, key=tangle)


def tangle(source: str) -> float:
    """Return how tangled a picture is: crossings, links over names, its size, and how far it is from a page's shape."""
    straight = source.replace("splines=true", "splines=line")  # the places are the same, and found sooner
    found: dict[str, Any] = json.loads(picture(straight, "json0", "neato"))
    points = {node["_gvid"]: complex(*map(float, node["pos"].split(","))) for node in found["objects"]}
    sizes = {n["_gvid"]: complex(36 * float(n["width"]), 36 * float(n["height"])) for n in found["objects"]}
    shown = [(e["tail"], e["head"]) for e in found["edges"] if e.get("style") != "invis"]
    crossings = sum(_cross(points, one, other) for i, one in enumerate(shown) for other in shown[:i])
    covered = sum(_covers(points, ends, node, sizes[node]) for ends in shown for node in points if node not in ends)
    width, height = (float(part) for part in found["bb"].split(",")[2:])
    return crossings + covered + 6 * abs(math.log(width / height / PAGE)) + 6 * math.log(width * height)


def _cross(points: Mapping[int, complex], one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether the straight lines of two links cross."""
    if set(one) & set(other):
        return False
    (a, b), (c, d) = ((points[i], points[j]) for i, j in (one, other))
    return _side(a, b, c) != _side(a, b, d) and _side(c, d, a) != _side(c, d, b)


def _side(a: complex, b: complex, c: complex) -> bool:
    """Whether a point lies to the left of a line."""
    return ((b - a).conjugate() * (c - a)).imag > 0


def _covers(points: Mapping[int, complex], ends: tuple[int, int], node: int, half: complex) -> bool:
    """Whether the straight line of a link passes over a node of some half width and half height."""
    a, b = points[ends[0]], points[ends[1]]
    for part in range(1, STEPS):
        apart = a + (b - a) * part / STEPS - points[node]
        if abs(apart.real) < half.real and abs(apart.imag) < half.imag:
            return True
    return False

"""What stands in the picture of a view: its variables, the pipes of its flows, the arrows between them. No geometry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from trilemma.errors import unknown_name
from trilemma.translation import ir
from trilemma.translation.model import Model
from trilemma.translation.ordering import causes

Kind = Literal["stock", "flow", "auxiliary", "series", "constant", "lever", "table", "input"]
"""An input is a variable of another view; a series follows from the time alone."""

LEVERS = ("lever", "switch")
MINOR: tuple[Kind, ...] = ("constant", "table")
"""Kinds that a picture can do without."""


@dataclass(frozen=True)
class Pipe:
    """A flow with the stock that it drains and the one that it fills, by key; None is outside the view."""

    flow: str
    source: str | None
    target: str | None


@dataclass(frozen=True)
class View:
    """What a view shows.

    Attributes
    ----------
    kinds
        The kind of each variable in it, by key, in the order of the file; inputs from other views come last. The time
        has the key "time".
    pipes, arrows
        Flows through stocks; and pairs (cause, effect) without those that a pipe shows.
    """

    name: str
    kinds: Mapping[str, Kind]
    pipes: tuple[Pipe, ...]
    arrows: tuple[tuple[str, str], ...]


def view_of(model: Model, view: str, *, minor: bool = True) -> View:
    """Return what a view of a model shows.

    Parameters
    ----------
    minor
        Whether plain constants and tables are shown, and the time.

    Raises
    ------
    UnknownNameError
        If the model has no such view.
    """
    names = {ir.normalise(name): name for name in model.views}
    if ir.normalise(view) not in names:
        raise unknown_name("view", view, model.views, f"model '{model.name}'")
    name = names[ir.normalise(view)]
    own: dict[str, Kind] = {key: _kind(model, key) for key, variable in model.nodes.items() if variable.view == name}
    shown: dict[str, Kind] = {key: kind for key, kind in own.items() if minor or kind not in MINOR}
    pipes = tuple(_pipes(model, shown))
    arrows = tuple(_arrows(model, shown, pipes, minor=minor))
    flows: dict[str, Kind] = {pipe.flow: "flow" for pipe in pipes}
    inputs: dict[str, Kind] = {cause: "input" for cause, _ in arrows if cause not in shown}
    return View(name, {**shown, **flows, **inputs}, pipes, arrows)


def _kind(model: Model, key: str) -> Kind:
    """Return the kind of a variable in its own view."""
    variable = model.nodes[key]
    if variable.kind == "stock":
        return "stock"
    if variable.kind == "lookup":
        return "table"
    if variable.kind == "constant":
        roles = {row.role for row in model.parameters.rows if ir.normalise(row.variable) == key}
        return "lever" if roles & set(LEVERS) else "constant"
    followed = [cause for cause in causes(model, key, initial=False) if not _is_table(model, cause)]
    return "series" if followed == ["time"] else "auxiliary"


def _is_table(model: Model, key: str) -> bool:
    """Whether a variable is a lookup table."""
    return key in model.nodes and model.nodes[key].kind == "lookup"


def _pipes(model: Model, shown: Mapping[str, Kind]) -> Iterator[Pipe]:
    """Yield the flows of the stocks of a view that are variables of it; each drains and fills one stock at most."""
    drained: dict[str, str] = {}
    filled: dict[str, str] = {}
    for key, kind in shown.items():
        if kind == "stock":
            for component in model.nodes[key].components:
                assert isinstance(component.expression, ir.Integral)
                for flow, sign in _terms(component.expression.flow):
                    (filled if sign > 0 else drained).setdefault(flow, key)
    for flow in dict.fromkeys([*drained, *filled]):
        if shown.get(flow) in ("auxiliary", "series"):
            yield Pipe(flow, drained.get(flow), filled.get(flow))


def _terms(node: ir.Expression, sign: int = 1) -> Iterator[tuple[str, int]]:
    """Yield the variables that are added in a net flow, with 1, and those that are subtracted, with -1."""
    match node:
        case ir.Operation("+", (left, right)):
            yield from _terms(left, sign)
            yield from _terms(right, sign)
        case ir.Operation("-", (left, right)):
            yield from _terms(left, sign)
            yield from _terms(right, -sign)
        case ir.Operation("negative", (operand,)):
            yield from _terms(operand, -sign)
        case ir.Reference(key):
            yield key, sign
        case _:
            pass


def _arrows(
    model: Model, shown: Mapping[str, Kind], pipes: tuple[Pipe, ...], *, minor: bool
) -> Iterator[tuple[str, str]]:
    """Yield causes and effects; pipes, and causes that are not shown, are left out."""
    piped = {(pipe.flow, stock) for pipe in pipes for stock in (pipe.source, pipe.target)}
    for effect in shown:
        for cause in causes(model, effect, initial=minor):
            hidden = cause == "time" or _is_minor(model, cause) or model.nodes[cause].kind == "control"
            if cause == effect or (cause, effect) in piped or (hidden and not minor):
                continue
            yield cause, effect


def _is_minor(model: Model, key: str) -> bool:
    """Whether a variable is a plain constant or a table."""
    return key in model.nodes and _kind(model, key) in MINOR

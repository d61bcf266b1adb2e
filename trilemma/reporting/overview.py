"""A model at a glance: its views with their stocks, its loops, its levers and switches, its mechanisms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trilemma.translation.inspection import describe_levers, describe_loops, describe_views
from trilemma.translation.model import Model
from trilemma.validation.spec import read_checks


def overview(model: Model) -> dict[str, Any]:
    """Return what a model holds, for JSON and for `overview_page`.

    Raises
    ------
    LoopsFileError, ChecksFileError, UnknownNameError
        If loops.toml or checks.toml beside the model has a mistake.
    """
    clock = model.clock
    step = model.nodes.get("time_step")
    return {
        "model": model.name,
        "title": model.title,
        "version": model.version,
        "status": model.status,
        "description": model.description,
        "time": {
            "start": clock.initial_time,
            "stop": clock.final_time,
            "step": clock.time_step,
            "unit": "" if step is None else step.unit,
        },
        "variables": len(model.variables),
        "stocks": sum(variable.kind == "stock" for variable in model.variables.values()),
        "ranges": {name: list(elements) for name, elements in model.ranges.items()},
        "main_views": list(model.main_views),
        "views": describe_views(model),
        "loops": describe_loops(model),
        "levers": describe_levers(model),
        "mechanisms": [
            {"mechanism": name, "title": table.title, "sentence": table.sentence, "off": table.off}
            for name, table in read_checks(model).mechanisms.items()
        ],
        "outcomes": [
            {"outcome": one.name, "unit": one.unit, "sentence": one.sentence} for one in model.derived.values()
        ],
    }


def overview_page(found: dict[str, Any]) -> RenderableType:
    """Return an overview for a terminal; sections of which the model has nothing are left out."""
    time = found["time"]
    facts = [
        f"version {found['version']}" if found["version"] else "",
        found["status"],
        f"{found['variables']} variables, {found['stocks']} of them stocks",
        f"{time['start']:g} to {time['stop']:g} in steps of {time['step']:g} {time['unit']}".strip(),
    ]
    head = Text.assemble((found["title"] or found["model"], "bold"), "\n", "; ".join(fact for fact in facts if fact))
    sections: list[RenderableType] = [head]
    if found["views"]:
        main = set(found["main_views"])
        rows = [
            (f"{one['view']}{' *' * (one['view'] in main)}", str(one["variables"]), ", ".join(one["stocks"]))
            for one in found["views"]
        ]
        sections.append(
            _table(f"Views{' (* to be read first)' if main else ''}", ("view", "variables", "stocks"), rows)
        )
    if found["loops"]:
        rows = [(one["loop"], one["name"], f"{one['sentence']}\n{_path(one['stocks'])}") for one in found["loops"]]
        sections.append(_table("Loops", ("", "loop", "what happens, and the stocks on the way"), rows))
    for role, title in (("lever", "Levers"), ("switch", "Switches")):
        rows = [_lever(one) for one in found["levers"] if one["role"] == role]
        if rows:
            sections.append(_table(title, ("name", "now", "range", "meaning"), rows))
    if found["mechanisms"]:
        rows = [(one["mechanism"], one["title"], _settings(one["off"])) for one in found["mechanisms"]]
        sections.append(_table("Mechanisms", ("", "mechanism", "switched off by"), rows))
    if found["outcomes"]:
        rows = [(one["outcome"], one["unit"], one["sentence"]) for one in found["outcomes"]]
        sections.append(_table("Derived outcomes", ("outcome", "unit", "meaning"), rows))
    if not found["views"]:
        sections.append(Text("It has no views: `--variables` lists what it holds."))
    return Group(*sections)


def _table(title: str, columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> Table:
    """Return a table with a title above it."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name == "variables" else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _path(path: list[str]) -> str:
    """Return a loop as a chain that comes back to its beginning; one stock stands alone."""
    return " → ".join([*path, path[0]] if len(path) > 1 else path)


def _lever(one: dict[str, Any]) -> tuple[str, str, str, str]:
    """Return the row of a lever or a switch; one value stands for elements that are equal."""
    values: dict[str, float] = one["values"]
    if len(set(values.values())) == 1:
        now = f"{next(iter(values.values())):g}"
    else:
        now = ", ".join(f"{name.partition('[')[2].removesuffix(']')} {value:g}" for name, value in values.items())
    unit = "" if one["unit"].lower() in ("", "dmnl", "1") else f" {one['unit']}"
    return one["name"], now, f"{one['low']:g} to {one['high']:g}{unit}", one["meaning"]


def _settings(settings: dict[str, Any]) -> str:
    """Return what a mechanism is switched off by."""
    return ", ".join(
        f"{name} = {value:g}" if isinstance(value, int | float) else name for name, value in settings.items()
    )

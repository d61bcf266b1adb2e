"""The scorecard of a model's tests as a table, as records, and as the table of mechanisms in the model's README."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from rich.table import Table

from trilemma.validation.result import Check
from trilemma.validation.statements import MechanismTable

MARKS = {"passed": "✓", "explained": "≈", "failed": "✗"}
STYLES = {"passed": "green", "explained": "yellow", "failed": "bold red"}


def scorecard_table(checks: Sequence[Check]) -> Table:
    """Return a table with a row for each test and a rule between categories."""
    table = Table(header_style="bold")
    for name in ("category", "test", "expected", "measured", ""):
        table.add_column(name, overflow="fold", vertical="middle" if not name else "top")
    for category, group in groupby(checks, key=lambda one: one.category):
        rows = list(group)
        last = ""
        for i, one in enumerate(rows):
            mark = f"[{STYLES[one.verdict]}]{MARKS[one.verdict]}[/]"
            cells = (category if i == 0 else "", "" if one.name == last else one.name, one.expected, one.measured)
            table.add_row(*map(_plain, cells), mark, end_section=i == len(rows) - 1)
            last = one.name
    return table


def _plain(text: str) -> str:
    """Return a text in which brackets are no markup."""
    return text.replace("[", r"\[")


def scorecard_records(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Return a record for each test."""
    return [asdict(one) for one in checks]


def summary(checks: Sequence[Check]) -> str:
    """Return how many tests passed, and the sentence of each that failed or had to be explained."""
    count = {verdict: sum(one.verdict == verdict for one in checks) for verdict in MARKS}
    told = [f"{MARKS[one.verdict]} {one.category}, {one.name}: {one.sentence}" for one in checks]
    told = [line for line, one in zip(told, checks, strict=True) if one.verdict != "passed"]
    total = f"{len(checks)} tests: " + ", ".join(f"{n} {verdict}" for verdict, n in count.items() if n or not checks)
    return "\n".join([*told, f"{total}."])


def mechanism_table(mechanisms: dict[str, MechanismTable], checks: Sequence[Check]) -> str:
    """Return the mechanisms of a model as a Markdown table: how each is switched off, and what that was seen to do.

    Parameters
    ----------
    mechanisms
        The tables of checks.toml by name.
    checks
        The checks of the mechanisms.
    """
    lines = [
        "| | mechanism | switched off by | what then changes | what stays within 1 % |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, table in mechanisms.items():
        own = [one for one in checks if one.name == name]
        labels = [*table.rises, *table.falls]
        changed, unchanged = own[: len(labels)], own[len(labels) :]
        off = [f"`{key}` = {_setting(value)}" for key, value in table.off.items()]
        seen = [f"{MARKS[one.verdict]} `{at}` {one.measured}" for at, one in zip(labels, changed, strict=True)]
        kept = [
            f"{MARKS[one.verdict]} `{at}` {one.measured}" for at, one in zip(table.unaffected, unchanged, strict=True)
        ]
        cells = (name, f"{table.title}. {table.sentence}", *("<br>".join(part) for part in (off, seen, kept)))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _setting(value: object) -> str:
    """Return the value of a setting for a reader."""
    if not isinstance(value, dict):
        return f"{value:g}" if isinstance(value, int | float) else str(value)
    if set(value) == {"scale"}:
        return f"{value['scale']:g} x its own"
    return ", ".join(f"{key}: {_setting(own)}" for key, own in value.items())

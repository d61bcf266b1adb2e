"""Reads the sketch of a Vensim file back, apart from our own reader."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field


@dataclass
class Drawn:
    """What a view of a sketch shows: names, those of them that are shadows, and pairs of names that arrows join."""

    words: list[str] = field(default_factory=list[str])
    shadows: list[str] = field(default_factory=list[str])
    stocks: list[str] = field(default_factory=list[str])
    arrows: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    pipes: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    boxes: list[tuple[int, int, int, int]] = field(default_factory=list[tuple[int, int, int, int]])


def read_sketch(text: str) -> dict[str, Drawn]:
    """Return what each view shows; an arrow or a pipe whose end does not exist is an error."""
    views: dict[str, Drawn] = {}
    for part in text.split("\\\\\\---///")[1:]:
        _, _, name, _, *lines = part.split("///---\\\\\\")[0].strip().splitlines()
        rows = list(csv.reader(lines))
        view = views[name.removeprefix("*")] = Drawn()
        names: dict[str, str] = {}
        valves: dict[str, str] = {}
        for before, row in zip([[""], *rows], rows, strict=False):
            if row[0] == "10":
                names[row[1]] = row[2]
                if before[0] == "11":
                    valves[before[1]] = row[2]
                shown = int(row[8]) % 2
                (view.words if shown else view.shadows).append(row[2])
                view.boxes.append((int(row[3]), int(row[4]), int(row[5]), int(row[6])))
                if row[7] == "3":
                    view.stocks.append(row[2])
            elif row[0] == "12":
                names[row[1]] = ""
        for row in (row for row in rows if row[0] == "1"):
            if row[7] == "22":
                view.pipes.add((valves[row[2]], names[row[3]]))
            else:
                view.arrows.add((names[row[2]], names[row[3]]))
    return views

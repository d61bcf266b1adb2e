"""Tables of a comparison: the tidy frame of `compare` in, text out (terminal, JSON, CSV, HTML).

A frame has one row per outcome, element, scenario and time, with the 5, 50 and 95 % quantiles of the level and of the
paired difference to a baseline. Nothing is computed here but the layout and the digits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from trilemma.errors import ReportError
from trilemma.reporting.labels import Label, label
from trilemma.reporting.numerals import MISSING, decimals, difference_places, number, share, signed, span
from trilemma.reporting.statistics import direction

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

SIDE_BY_SIDE = 4  # more scenarios than this do not fit beside each other in a terminal
UNCLEAR = "≈"
LEGEND = (
    "Median and 5–95 % band over the draws; below, the paired difference to the baseline, whose median is not the "
    f"difference of the medians. {UNCLEAR} marks no clear difference: its band spans zero, or it is under half a "
    "per cent of the level."
)


@dataclass(frozen=True)
class Cell:
    """One outcome in one scenario at one time, in the unit it is shown in; differences are None in the baseline.

    `relative` is the difference in parts of the baseline, and None where that is undefined.
    """

    low: float
    middle: float
    high: float
    difference: tuple[float, float, float] | None
    share_higher: float
    undefined: int
    n: int
    relative: tuple[float, float, float] | None = None

    @property
    def clear(self) -> bool:
        """Whether the difference has a clear direction."""
        return self.direction != 0

    @property
    def direction(self) -> int:
        """1 or -1 where the difference is clear, else 0."""
        if self.difference is None or not math.isfinite(self.difference[1]):
            return 0
        return direction(self.difference, self.middle - self.difference[1])

    @property
    def difference_places(self) -> int:
        """The decimals that suit the difference: at most one more than those of the level."""
        difference = self.difference or (0.0, 0.0, 0.0)
        held_against = self.middle - difference[1]
        return difference_places(difference, decimals([self.low, self.middle, self.high, held_against]))

    @property
    def places(self) -> int:
        """The decimals that suit the band."""
        return decimals([self.low, self.middle, self.high])

    def difference_text(self, *, band: bool = True, relative: bool = False) -> str:
        """Return the difference with its sign and band; ``≈`` before it where no direction is clear.

        A relative difference is in per cent of the baseline.
        """
        found = self._difference(relative)
        if found is None:
            return ""
        (_, middle, _), places, unit = found
        mark = "" if self.clear else f"{UNCLEAR} "
        text = mark + signed(middle, places) + unit
        return f"{text} ({self.difference_band(relative=relative)})" if band else text

    def difference_band(self, *, relative: bool = False) -> str:
        """Return the band of the difference; empty where there is none."""
        found = self._difference(relative)
        if found is None:
            return ""
        (low, _, high), places, unit = found
        return span(low, high, places) + unit

    def _difference(self, relative: bool) -> tuple[tuple[float, float, float], int, str] | None:
        """Return the difference as it is shown, its decimals and what stands behind it."""
        values = self.relative if relative else self.difference
        if self.difference is None or values is None or not math.isfinite(values[1]):
            return None
        if not relative:
            return values, self.difference_places, ""
        low, middle, high = (100 * value for value in values)
        return (low, middle, high), decimals([low, middle, high], 2), " %"


def full_name(outcome: str, element: object) -> str:
    """Return ``outcome`` or ``outcome[element]``."""
    text = "" if element is None or element != element else str(element)  # noqa: PLR0124 (NaN)
    return f"{outcome}[{text}]" if text else outcome


def baseline_of(frame: pd.DataFrame) -> str | None:
    """Return the scenario that the differences are taken against."""
    if "baseline" in frame.attrs:
        return str(frame.attrs["baseline"])
    columns = ["difference_p5", "difference_p50", "difference_p95"]
    moved = (frame[columns].fillna(0.0) != 0.0).to_numpy().any(axis=1)
    others = set(frame["scenario"][moved])
    return next((str(name) for name in frame["scenario"] if name not in others), None)


def cells(frame: pd.DataFrame, *, scaled: bool = False) -> dict[tuple[str, str, float], Cell]:
    """Return the cells of a frame by (outcome name, scenario, time).

    Parameters
    ----------
    frame
        What `compare` returns.
    scaled
        Whether values are converted to the units that reports show them in (per cent, ...).
    """
    baseline = baseline_of(frame)
    found: dict[tuple[str, str, float], Cell] = {}
    for row in frame.to_dict("records"):
        name = full_name(str(row["outcome"]), row["element"])
        factor = label(name, str(row["unit"])).scale if scaled else 1.0
        steps = tuple(factor * float(row[f"difference_{q}"]) for q in ("p5", "p50", "p95"))
        found[name, str(row["scenario"]), float(row["time"])] = Cell(
            low=factor * float(row["p5"]),
            middle=factor * float(row["p50"]),
            high=factor * float(row["p95"]),
            difference=None if row["scenario"] == baseline else (steps[0], steps[1], steps[2]),
            share_higher=float(row["share_higher"]),
            undefined=int(row["undefined"]),
            n=int(row["n"]),
            relative=_relative(row) if row["scenario"] != baseline else None,
        )
    return found


def _relative(row: Mapping[Any, Any]) -> tuple[float, float, float] | None:
    """Return the relative difference of a row of a frame, where it has one."""
    low, middle, high = (float(row.get(f"relative_{q}", math.nan)) for q in ("p5", "p50", "p95"))
    return (low, middle, high) if math.isfinite(middle) else None


def _rows(frame: pd.DataFrame) -> dict[tuple[str, float], str]:
    """Return the rows of a table, (outcome name, time) to the model's unit, in the frame's order."""
    listed = zip(frame["outcome"], frame["element"], frame["time"], frame["unit"], strict=True)
    return {(full_name(str(o), e), float(t)): str(u) for o, e, t, u in listed}


def _scenarios(frame: pd.DataFrame) -> list[str]:
    """Return the scenarios in the frame's order, the baseline first."""
    names = [str(name) for name in dict.fromkeys(frame["scenario"])]
    baseline = baseline_of(frame)
    return sorted(names, key=lambda name: name != baseline)


def comparison_table(frame: pd.DataFrame, *, relative: bool = False) -> Table:
    """Return a terminal table: outcomes by scenarios, or one row a scenario when there are many.

    Names and units are the model's own, so that they can be typed back as ``--outcomes``. With `relative`, differences
    are in per cent of the baseline.
    """
    scenarios = _scenarios(frame)
    draw = _side_by_side if len(scenarios) <= SIDE_BY_SIDE else _one_row_a_scenario
    table = draw(frame, scenarios, relative)
    times = sorted(dict.fromkeys(frame["time"]))
    baseline = baseline_of(frame)
    table.title = f"{', '.join(f'{time:g}' for time in times)}; differences to {baseline or 'no baseline'}"
    table.caption = LEGEND
    table.title_justify = table.caption_justify = "left"
    return table


def _side_by_side(frame: pd.DataFrame, scenarios: list[str], relative: bool) -> Table:
    """Return the table with one column a scenario."""
    found, rows = cells(frame), _rows(frame)
    several = len({time for _, time in rows}) > 1
    table = Table(show_lines=True)
    table.add_column("outcome")
    table.add_column("unit", style="dim")
    if several:
        table.add_column("year", justify="right")
    for scenario in scenarios:
        table.add_column(scenario, justify="right")
    for (name, time), unit in rows.items():
        texts = [_rich_cell(found.get((name, scenario, time)), relative) for scenario in scenarios]
        table.add_row(Text(name), Text(unit), *([f"{time:g}"] if several else []), *texts)
    return table


def _rich_cell(cell: Cell | None, relative: bool) -> Text:
    """Return level over difference, as two lines."""
    if cell is None or not math.isfinite(cell.middle):
        return Text(MISSING)
    text = Text(number(cell.middle, cell.places), style="bold")
    text.append(f"  {span(cell.low, cell.high, cell.places)}", style="not bold")
    difference = cell.difference_text(relative=relative)
    if difference:
        text.append(f"\n{difference}", style="not bold" if cell.clear else "not bold dim")
    return text


def _one_row_a_scenario(frame: pd.DataFrame, scenarios: list[str], relative: bool) -> Table:
    """Return the table with one row a scenario, grouped by outcome and year."""
    found = cells(frame)
    table = Table()
    for heading in ("outcome", "scenario"):
        table.add_column(heading, overflow="fold")
    for heading in ("median", "5–95 %", "difference", "5–95 %", "higher in"):
        table.add_column(heading, justify="right", no_wrap=True)
    for (name, time), unit in _rows(frame).items():
        heading = f"{name}\n{unit}, {time:g}"
        for scenario in scenarios:
            cell = found.get((name, scenario, time))
            if cell is None:
                continue
            table.add_row(Text(heading), Text(scenario), *_long_cells(cell, relative))
            heading = ""
        table.add_section()
    return table


def _long_cells(cell: Cell, relative: bool) -> list[str]:
    """Return the numbers of one row: level, band, difference, its band, share of draws that are higher."""
    level = [number(cell.middle, cell.places), span(cell.low, cell.high, cell.places)]
    difference = cell.difference_text(band=False, relative=relative)
    if not difference:
        return [*level, "", "", ""]
    return [*level, difference, cell.difference_band(relative=relative), share(cell.share_higher)]


def to_json(frame: pd.DataFrame) -> str:
    """Return the frame as a JSON list of records; an undefined number is null."""
    return str(frame.to_json(orient="records", double_precision=12, force_ascii=False, indent=2))


def to_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write the frame as CSV, one row a record, numbers unrounded.

    Raises
    ------
    ReportError
        If the file cannot be written.
    """
    try:
        frame.to_csv(path, index=False)
    except OSError as error:
        message = f"the table cannot be written to '{path}' ({error.strerror or error}): name a file that can be."
        raise ReportError(message) from error


def to_html(frame: pd.DataFrame, titles: dict[str, str] | None = None) -> str:
    """Return an HTML table, outcomes by scenarios, with the words and units of reports."""
    scenarios, found, rows = _scenarios(frame), cells(frame, scaled=True), _rows(frame)
    several = len({time for _, time in rows}) > 1
    heads = "".join(f'<th scope="col">{escape((titles or {}).get(name, name))}</th>' for name in scenarios)
    body: list[str] = []
    for (name, time), unit in rows.items():
        words = label(name, unit)
        when = f", {time:g}" if several else ""
        texts = "".join(html_cell(found.get((name, scenario, time))) for scenario in scenarios)
        body.append(f'<tr><th scope="row">{html_label(words, when)}</th>{texts}</tr>')
    return html_table(f'<th scope="col">Outcome</th>{heads}', body)


def scenario_rows_html(
    frame: pd.DataFrame, outcomes: Sequence[str], *, year: float, titles: dict[str, str] | None = None
) -> str:
    """Return an HTML table with one row a scenario and one column an outcome, at one year."""
    found, rows = cells(frame, scaled=True), _rows(frame)
    units = {name: unit for (name, _), unit in rows.items()}
    heads = "".join(f'<th scope="col">{html_label(label(name, units.get(name, "")))}</th>' for name in outcomes)
    baseline = baseline_of(frame)
    body: list[str] = []
    for scenario in _scenarios(frame):
        texts = "".join(html_cell(found.get((name, scenario, year))) for name in outcomes)
        note = " <small>baseline</small>" if scenario == baseline else ""
        title = escape((titles or {}).get(scenario, scenario))
        body.append(f'<tr><th scope="row">{title}{note}</th>{texts}</tr>')
    return html_table(f'<th scope="col">Scenario</th>{heads}', body)


def html_label(words: Label, when: str = "") -> str:
    """Return an outcome's words with its unit below."""
    unit = escape(words.unit or "no unit")
    return f"{escape(words.text)}{when}<br><small>{unit}</small>"


def html_cell(cell: Cell | None) -> str:
    """Return one table cell: median, band, difference."""
    if cell is None or not math.isfinite(cell.middle):
        return f"<td>{MISSING}</td>"
    band = span(cell.low, cell.high, cell.places)
    difference = cell.difference_text(band=False)
    state = "clear" if cell.clear else "unclear"
    below = f'<span class="difference {state}">{difference}</span>' if difference else ""
    return f'<td><b>{number(cell.middle, cell.places)}</b> <span class="band">{band}</span>{below}</td>'


def html_table(heads: str, body: list[str], caption: str = "") -> str:
    """Return the HTML of a table that scrolls sideways on a small screen, from its head cells and its rows."""
    rows = "\n".join(body)
    title = f"<caption>{caption}</caption>" if caption else ""
    table = f'<table class="comparison">{title}<thead><tr>{heads}</tr></thead>\n<tbody>{rows}</tbody></table>'
    return f'<div class="scroll">{table}</div>'

"""Reading a CSV table a person wrote: a mistake is one sentence with file, line and column."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from io import StringIO
from pathlib import Path
from typing import NoReturn

from trilemma.errors import TrilemmaError, list_names


@dataclass(frozen=True)
class Line:
    """A line of a table: its cells by column, without blanks around them, and where it stands."""

    path: Path
    number: int
    cells: dict[str, str]
    error: type[TrilemmaError]

    def __getitem__(self, column: str) -> str:
        """Return the text of a cell."""
        return self.cells[column]

    @property
    def place(self) -> str:
        """The file and the line, for messages."""
        return f"{self.path}, line {self.number}"

    def fail(self, column: str, text: str) -> NoReturn:
        """Raise the error for a cell of this line."""
        msg = f"{self.place}, column '{column}': {text}"
        raise self.error(msg)

    def filled(self, column: str, expected: str = "") -> str:
        """Return the text of a cell that must not be empty."""
        if not self.cells[column]:
            self.fail(column, f"expected {expected or f'a {column}'}, found an empty cell.")
        return self.cells[column]

    def one_of(self, column: str, known: Sequence[str]) -> str:
        """Return the text of a cell that must be one of a few words."""
        if self.cells[column] not in known:
            self.fail(column, f"expected {list_names(known)}, found '{self.cells[column]}'.")
        return self.cells[column]

    def number_of(self, column: str) -> float:
        """Return the finite number in a cell."""
        cell = self.cells[column]
        try:
            value = float(cell)
        except ValueError:
            self.fail(column, f"expected a number, found '{cell}'.")
        if not math.isfinite(value):
            self.fail(column, f"expected a finite number, found '{cell}'.")
        return value

    def date_of(self, column: str) -> date:
        """Return the date in a cell."""
        try:
            return date.fromisoformat(self.cells[column])
        except ValueError:
            self.fail(column, f"expected a date such as 2025-12-31, found '{self.cells[column]}'.")


@dataclass(frozen=True)
class Table:
    """The lines of a table in file order, and the SHA-256 of the file."""

    lines: tuple[Line, ...]
    hash: str


def read_table(path: Path, columns: Sequence[str], error: type[TrilemmaError]) -> Table:
    """Read a table whose first line names its columns, in any order; blank lines do not count.

    Parameters
    ----------
    path
        The file, UTF-8 with or without a byte order mark.
    columns
        The columns that it must have; it may have no others.
    error
        The kind of error to raise for a mistake.
    """
    content, text = _read_text(path, error)
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    lines: list[Line] = []
    try:
        header = _read_header(next(reader, []), columns, path, error)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append(_read_line(header, cells, Line(path, reader.line_num, {}, error)))
    except csv.Error as failure:
        msg = f"{path}, line {reader.line_num}: expected comma-separated cells ({failure}); check the quotes."
        raise error(msg) from failure
    return Table(tuple(lines), hashlib.sha256(content).hexdigest())


def _read_text(path: Path, error: type[TrilemmaError]) -> tuple[bytes, str]:
    """Return the content of a file, as bytes and as text."""
    try:
        content = path.read_bytes()
    except OSError as failure:
        msg = f"{path} cannot be read ({failure.strerror}); give the path of a CSV table."
        raise error(msg) from failure
    try:
        return content, content.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        line = content[: failure.start].count(b"\n") + 1
        msg = f"{path}, line {line}: expected UTF-8 text; save the table as UTF-8."
        raise error(msg) from failure


def _read_header(cells: list[str], columns: Sequence[str], path: Path, error: type[TrilemmaError]) -> list[str]:
    """Return the names of the columns in the order of the file."""
    header = [cell.strip().lower() for cell in cells]
    for name in columns:
        if header.count(name) != 1:
            found = "is missing" if name not in header else "appears twice"
            msg = f"{path}, line 1: column '{name}' {found}; expected the columns {', '.join(columns)}."
            raise error(msg)
    for name in header:
        if name not in columns:
            msg = f"{path}, line 1: unknown column '{name}'; expected the columns {', '.join(columns)}."
            raise error(msg)
    return header


def _read_line(header: list[str], cells: list[str], line: Line) -> Line:
    """Return a line with its cells by column."""
    if len(cells) != len(header):
        hint = "quote cells that hold a comma" if len(cells) > len(header) else "add the missing cells"
        column = header[min(len(cells), len(header) - 1)]
        line.fail(column, f"expected {len(header)} cells, found {len(cells)}; {hint}.")
    return Line(line.path, line.number, dict(zip(header, (c.strip() for c in cells), strict=True)), line.error)

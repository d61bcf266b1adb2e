"""The parameter table: read parameters.csv, hold it against a model, turn uniform numbers into draws.

One row a scalar constant of the model: its value, its range, its prior and where the numbers come from. This
module knows no model file; the caller passes constants, units and limits in.

Priors
------
``uniform``
    Between low and high.
``normal``, ``lognormal``
    Central is the mean (normal) or the median (lognormal), low to high the 5 to 95 % range. Cut to the limits
    of the variable, by default to values of at least 0.
``beta``
    On 0 to 1; central is the mean, the width from low to high that of the 5 to 95 % range.
``dirichlet(group)``
    The rows of a group sum to 1; each row by itself is a beta as above.
(empty)
    Held at the central value. Levers, switches and inputs have no prior; their low and high are hard limits.
"""

from __future__ import annotations

import csv
import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from trilemma.errors import ParameterTableError, list_names, near_names

if TYPE_CHECKING:
    from trilemma.translation.priors import FloatArray, Limits

COLUMNS = ("name", "unit", "central", "low", "high", "prior", "role", "source", "note")
NUMBERS = ("central", "low", "high")
ROLES = ("parameter", "lever", "switch", "input")
FAMILIES = ("uniform", "normal", "lognormal", "beta", "dirichlet")

_PRIOR = re.compile(r"(?P<family>[a-z]+)(?:\((?P<group>[^()]+)\))?")


@dataclass(frozen=True)
class Parameter:
    """One scalar constant of a model: value, range, prior and source."""

    name: str
    unit: str
    central: float
    low: float
    high: float
    prior: str
    role: str
    source: str
    note: str = ""

    @property
    def variable(self) -> str:
        """Return the name without its elements: "viability" of "viability[EUV]"."""
        return self.name.split("[", 1)[0].strip()

    @property
    def family(self) -> str:
        """Return the kind of prior, empty when the value is held."""
        return self.prior.split("(", 1)[0]

    @property
    def group(self) -> str:
        """Return the group of a dirichlet prior, else an empty text."""
        match = _PRIOR.fullmatch(self.prior)
        return (match["group"] or "").strip() if match else ""


@dataclass(frozen=True)
class ParameterTable:
    """The rows of a parameters.csv in file order, and the SHA-256 of the file (empty when there is none)."""

    rows: tuple[Parameter, ...] = ()
    hash: str = ""

    @cached_property
    def by_name(self) -> Mapping[str, Parameter]:
        """Return the rows by their names."""
        return {row.name: row for row in self.rows}

    @cached_property
    def uncertain(self) -> tuple[Parameter, ...]:
        """Return the parameters that have a prior, in file order."""
        return tuple(row for row in self.rows if row.role == "parameter" and row.prior)


def read_parameters(path: str | Path) -> ParameterTable:
    """Read and check a parameters.csv.

    Raises
    ------
    ParameterTableError
        For the first mistake, with file, line, column and what was expected.
    """
    path = Path(path)
    content, text = _read_text(path)
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    rows: list[Parameter] = []
    lines: list[int] = []
    try:
        header = _read_header(next(reader, []), path)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(_read_row(header, cells, _Place(path, reader.line_num)))
                lines.append(reader.line_num)
    except csv.Error as error:
        msg = f"{path}, line {reader.line_num}: expected comma-separated cells ({error}); check the quotes."
        raise ParameterTableError(msg) from error
    _check_names(rows, lines, path)
    _check_groups(rows, lines, path)
    return ParameterTable(tuple(rows), hashlib.sha256(content).hexdigest())


def check_against_model(table: ParameterTable, constants: Mapping[str, float], units: Mapping[str, str]) -> list[str]:
    """Say where a table and the constants of its model differ, one sentence a difference.

    Parameters
    ----------
    table
        The table.
    constants
        Every scalar constant of the model but the control variables, by names such as "viability[EUV]".
    units
        Units by the same names, or by the names of whole variables.
    """
    problems = [
        f"'{name}' is a constant of the model and has no row in the table; add one."
        for name in constants
        if name not in table.by_name
    ]
    for row in table.rows:
        if row.name not in constants:
            problems.append(
                f"'{row.name}' has a row and is no constant of the model; {near_names(row.name, constants)}"
            )
            continue
        if not math.isclose(row.central, constants[row.name], rel_tol=1e-12, abs_tol=1e-300):
            problems.append(
                f"'{row.name}' is {row.central:g} in the table and {constants[row.name]:g} in the model; "
                "make them equal."
            )
        unit = units.get(row.name, units.get(row.variable, ""))
        if row.unit.strip() != unit.strip():
            problems.append(f"'{row.name}' has the unit '{row.unit}' in the table and '{unit}' in the model.")
    return problems


def sample_priors(
    table: ParameterTable,
    uniforms: FloatArray,
    limits: Mapping[str, Limits | None] | None = None,
) -> dict[str, FloatArray]:
    """Turn numbers between 0 and 1 into draws from the priors, by their quantile functions.

    Parameters
    ----------
    table
        The table.
    uniforms
        Numbers in 0..1 of shape (draw, k), a column for each row of ``table.uncertain`` in its order.
    limits
        Limits that cut a normal or lognormal prior, by row name ("viability[EUV]") or whole variable; None in
        a pair means no limit on that side. Without an entry the lower limit is 0.

    Returns
    -------
    dict
        One array of shape (draw,) for each row of ``table.uncertain``.
    """
    from trilemma.translation import priors  # here, since SciPy takes a third of a second to load

    rows = table.uncertain
    uniforms = np.asarray(uniforms, dtype=np.float64)
    if uniforms.ndim != 2 or uniforms.shape[1] != len(rows):
        msg = f"expected uniform numbers of shape (draw, {len(rows)}), a column a prior; got {uniforms.shape}."
        raise ParameterTableError(msg)
    if not ((uniforms >= 0) & (uniforms <= 1)).all():
        msg = "expected uniform numbers between 0 and 1; draw them with a Latin hypercube or a generator."
        raise ParameterTableError(msg)
    inside = np.clip(uniforms, 1e-12, 1 - 1e-12)
    limits = limits or {}
    draws: dict[str, FloatArray] = {}
    for column, row in enumerate(rows):
        if row.family != "dirichlet":
            found = limits.get(row.name, limits.get(row.variable))
            draws[row.name] = _draw(inside[:, column], row, (0.0, None) if found is None else found)
        elif row.name not in draws:
            members = [other for other in rows if other.prior == row.prior]
            shares = priors.dirichlet(
                inside[:, [rows.index(member) for member in members]],
                tuple(member.central for member in members),
                sum(member.high - member.low for member in members),
            )
            draws |= {member.name: shares[:, k] for k, member in enumerate(members)}
    return {row.name: draws[row.name] for row in rows}


def _draw(u: FloatArray, row: Parameter, limits: Limits) -> FloatArray:
    """Return quantiles of the prior of one row; a dirichlet row is drawn with its group."""
    from trilemma.translation import priors

    if row.family == "uniform":
        return row.low + (row.high - row.low) * u
    if row.family == "beta":
        return priors.beta(u, row.central, row.high - row.low)
    curve = priors.normal if row.family == "normal" else priors.lognormal
    return curve(u, row.central, row.low, row.high, limits)


@dataclass(frozen=True)
class _Place:
    """A line of a table, to say where a mistake is."""

    path: Path
    line: int

    def fail(self, column: str, text: str) -> NoReturn:
        """Raise the error for a cell of this line."""
        msg = f"{self.path}, line {self.line}, column '{column}': {text}"
        raise ParameterTableError(msg)


def _read_text(path: Path) -> tuple[bytes, str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}); give the path of a parameters.csv."
        raise ParameterTableError(msg) from error
    try:
        return content, content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        msg = f"{path}, line {line}: expected UTF-8 text; save the table as UTF-8."
        raise ParameterTableError(msg) from error


def _read_header(cells: list[str], path: Path) -> list[str]:
    header = [cell.strip().lower() for cell in cells]
    for name in COLUMNS:
        if header.count(name) != 1:
            found = "is missing" if name not in header else "appears twice"
            msg = f"{path}, line 1: column '{name}' {found}; expected the columns {', '.join(COLUMNS)}."
            raise ParameterTableError(msg)
    for name in header:
        if name not in COLUMNS:
            msg = f"{path}, line 1: unknown column '{name}'; expected the columns {', '.join(COLUMNS)}."
            raise ParameterTableError(msg)
    return header


def _read_row(header: list[str], cells: list[str], place: _Place) -> Parameter:
    if len(cells) != len(header):
        hint = "quote cells that hold a comma" if len(cells) > len(header) else "add the missing cells"
        place.fail(
            header[min(len(cells), len(header) - 1)],
            f"expected {len(header)} cells, found {len(cells)}; {hint}.",
        )
    text = dict(zip(header, (cell.strip() for cell in cells), strict=True))
    for column in ("name", "unit"):
        if not text[column]:
            place.fail(column, f"expected a {column}, found an empty cell.")
    if not text["source"]:
        place.fail("source", "expected a reference or the word 'assumption', found an empty cell.")
    if text["role"] not in ROLES:
        place.fail("role", f"expected {list_names(ROLES)}, found '{text['role']}'.")
    values = {column: _read_number(text[column], column, place) for column in NUMBERS}
    row = Parameter(
        name=text["name"],
        unit=text["unit"],
        prior=text["prior"],
        role=text["role"],
        source=text["source"],
        note=text["note"],
        **values,
    )
    _check_range(row, place)
    _check_prior(row, place)
    return row


def _read_number(cell: str, column: str, place: _Place) -> float:
    try:
        value = float(cell)
    except ValueError:
        place.fail(column, f"expected a number, found '{cell}'.")
    if not math.isfinite(value):
        place.fail(column, f"expected a finite number, found '{cell}'.")
    return value


def _check_range(row: Parameter, place: _Place) -> None:
    if row.low > row.high:
        place.fail("low", f"low is {row.low:g} and above high, {row.high:g}; exchange them.")
    if not row.low <= row.central <= row.high:
        bounds = f"{row.low:g} to {row.high:g}"
        place.fail("central", f"expected a value from low to high, {bounds}; found {row.central:g}.")


def _check_prior(row: Parameter, place: _Place) -> None:
    if not row.prior:
        return
    match = _PRIOR.fullmatch(row.prior)
    grouped = bool(row.group) == (row.family == "dirichlet")
    if match is None or match["family"] not in FAMILIES or not grouped:
        known = "'uniform', 'normal', 'lognormal', 'beta', 'dirichlet(group)' or an empty cell"
        place.fail("prior", f"expected {known}, found '{row.prior}'.")
    if row.role != "parameter":
        place.fail("prior", f"a {row.role} has no prior; empty the cell or make the role 'parameter'.")
    if row.low == row.high:
        place.fail("prior", f"a {row.family} prior needs low below high; widen the range or empty the cell.")
    if row.family == "lognormal" and row.low <= 0:
        place.fail("low", f"expected a value above 0 for a lognormal prior, found {row.low:g}.")
    if row.family in ("beta", "dirichlet"):
        if row.low < 0 or row.high > 1:
            place.fail("low", f"expected low and high in 0..1 for a {row.family} prior.")
        if not 0 < row.central < 1:
            place.fail("central", f"expected a mean between 0 and 1 for a {row.family} prior.")


def _check_names(rows: list[Parameter], lines: list[int], path: Path) -> None:
    seen: dict[str, int] = {}
    for row, line in zip(rows, lines, strict=True):
        key = " ".join(row.name.lower().replace("_", " ").split())
        if key in seen:
            _Place(path, line).fail("name", f"'{row.name}' is in line {seen[key]} already; keep one of them.")
        seen[key] = line


def _check_groups(rows: list[Parameter], lines: list[int], path: Path) -> None:
    for prior in dict.fromkeys(row.prior for row in rows if row.family == "dirichlet"):
        members = [(row, line) for row, line in zip(rows, lines, strict=True) if row.prior == prior]
        total = math.fsum(row.central for row, _ in members)
        if abs(total - 1) > 1e-9:
            text = f"the central values of '{prior}' sum to {total:g}; expected 1."
            _Place(path, members[-1][1]).fail("central", text)

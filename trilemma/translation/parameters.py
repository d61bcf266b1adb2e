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

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trilemma.errors import ParameterTableError, near_names
from trilemma.translation.csv_file import Line, read_table

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
    table = read_table(Path(path), COLUMNS, ParameterTableError)
    rows = [_read_row(line) for line in table.lines]
    _check_names(rows, table.lines)
    _check_groups(rows, table.lines)
    return ParameterTable(tuple(rows), table.hash)


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


def _read_row(line: Line) -> Parameter:
    line.filled("source", "a reference or the word 'assumption'")
    values = {column: line.number_of(column) for column in NUMBERS}
    row = Parameter(
        name=line.filled("name"),
        unit=line.filled("unit"),
        prior=line["prior"],
        role=line.one_of("role", ROLES),
        source=line["source"],
        note=line["note"],
        **values,
    )
    _check_range(row, line)
    _check_prior(row, line)
    return row


def _check_range(row: Parameter, line: Line) -> None:
    if row.low > row.high:
        line.fail("low", f"low is {row.low:g} and above high, {row.high:g}; exchange them.")
    if not row.low <= row.central <= row.high:
        bounds = f"{row.low:g} to {row.high:g}"
        line.fail("central", f"expected a value from low to high, {bounds}; found {row.central:g}.")


def _check_prior(row: Parameter, line: Line) -> None:
    if not row.prior:
        return
    match = _PRIOR.fullmatch(row.prior)
    grouped = bool(row.group) == (row.family == "dirichlet")
    if match is None or match["family"] not in FAMILIES or not grouped:
        known = "'uniform', 'normal', 'lognormal', 'beta', 'dirichlet(group)' or an empty cell"
        line.fail("prior", f"expected {known}, found '{row.prior}'.")
    if row.role != "parameter":
        line.fail("prior", f"a {row.role} has no prior; empty the cell or make the role 'parameter'.")
    if row.low == row.high:
        line.fail("prior", f"a {row.family} prior needs low below high; widen the range or empty the cell.")
    if row.family == "lognormal" and row.low <= 0:
        line.fail("low", f"expected a value above 0 for a lognormal prior, found {row.low:g}.")
    if row.family in ("beta", "dirichlet"):
        if row.low < 0 or row.high > 1:
            line.fail("low", f"expected low and high in 0..1 for a {row.family} prior.")
        if not 0 < row.central < 1:
            line.fail("central", f"expected a mean between 0 and 1 for a {row.family} prior.")


def _check_names(rows: list[Parameter], lines: tuple[Line, ...]) -> None:
    seen: dict[str, int] = {}
    for row, line in zip(rows, lines, strict=True):
        key = " ".join(row.name.lower().replace("_", " ").split())
        if key in seen:
            line.fail("name", f"'{row.name}' is in line {seen[key]} already; keep one of them.")
        seen[key] = line.number


def _check_groups(rows: list[Parameter], lines: tuple[Line, ...]) -> None:
    for prior in dict.fromkeys(row.prior for row in rows if row.family == "dirichlet"):
        members = [(row, line) for row, line in zip(rows, lines, strict=True) if row.prior == prior]
        total = math.fsum(row.central for row, _ in members)
        if abs(total - 1) > 1e-9:
            members[-1][1].fail("central", f"the central values of '{prior}' sum to {total:g}; expected 1.")

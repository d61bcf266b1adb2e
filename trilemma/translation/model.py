"""The model as everybody above sees it: variables, ranges, views, clock, parameters, outcomes; and loading it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trilemma.content import find_model
from trilemma.errors import ModelFileError, UnknownNameError, unknown_name
from trilemma.translation import ir, source_cache
from trilemma.translation.folding import changes, value_at
from trilemma.translation.outcomes import DerivedOutcome, read_outcomes
from trilemma.translation.parameters import ParameterTable, read_parameters
from trilemma.translation.source import CONTROLS, Source
from trilemma.translation.toml_file import read_toml


@dataclass(frozen=True)
class Clock:
    """The control variables of a model, in its unit of time, as they are at the start.

    Attributes
    ----------
    varying
        The keys of those that change with the time.
    held
        The keys of those that follow from stocks: what they are at the start counts.
    """

    initial_time: float
    final_time: float
    time_step: float
    saveper: float
    varying: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Selection:
    """A name as a user gives it: a whole variable, or one element of it.

    `indices` has a position per dimension for an element, and is None for the whole variable.
    """

    variable: ir.Variable
    indices: tuple[int, ...] | None

    @property
    def label(self) -> str:
        """The name with the model's spelling."""
        if self.indices is None:
            return self.variable.name
        labels = (axis[i] for axis, i in zip(self.variable.elements, self.indices, strict=True))
        return f"{self.variable.name}[{','.join(labels)}]"


@dataclass(frozen=True, eq=False)
class Model:
    """A translated model. Immutable; two loads of one file are two objects with the same `hash`.

    Attributes
    ----------
    name, path, hash
        Folder or file name, the file, and the SHA-256 of its text and of the files that it reads.
    fixed
        By key, variables whose value the translation has taken, so that no run may change them; and what for.
    title, version, status, description, hindsight, headline, main_views
        From model.toml beside the file; empty where there is none. Hindsight says which data values were set with in
        view, the headline names the outcomes that matter most, the main views are those that a reader should see first.
    ranges, hidden_ranges
        Subscript ranges and their elements, named as in the file; and parts of them that definitions cover.
    variables
        All variables by name, without the hidden stocks of delays and smooths.
    nodes
        All variables by key, with the hidden stocks.
    views
        The names shown in each view of the sketch, or in each group of a file without one.
    parameters, derived
        The tables of parameters.csv and outcomes.toml beside the file; empty where there are none.
    """

    name: str
    path: Path
    hash: str
    ranges: Mapping[str, tuple[str, ...]]
    nodes: Mapping[str, ir.Variable]
    views: Mapping[str, tuple[str, ...]]
    clock: Clock
    parameters: ParameterTable
    derived: Mapping[str, DerivedOutcome] = field(default_factory=dict[str, DerivedOutcome])
    hidden_ranges: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    fixed: Mapping[str, str] = field(default_factory=dict[str, str])
    title: str = ""
    version: str = ""
    status: str = ""
    description: str = ""
    hindsight: str = ""
    headline: tuple[str, ...] = ()
    main_views: tuple[str, ...] = ()

    @cached_property
    def variables(self) -> dict[str, ir.Variable]:
        """The visible variables by their name in the file."""
        return {v.name: v for v in self.nodes.values() if not v.hidden}

    @cached_property
    def lower_ranges(self) -> dict[str, tuple[str, ...]]:
        """The ranges by lower-case name, hidden ones included; Vensim does not distinguish case."""
        return {name.lower(): labels for name, labels in [*self.ranges.items(), *self.hidden_ranges.items()]}

    @cached_property
    def owners(self) -> dict[str, np.ndarray]:
        """Which component defines each element of each variable, by key; -1 where none does."""
        return {key: ir.coverage(variable, self.lower_ranges) for key, variable in self.nodes.items()}

    @cached_property
    def covered(self) -> dict[str, tuple[tuple[tuple[int, ...], ...], ...]]:
        """The positions, per dimension, that each definition of each variable covers, by key."""
        return {
            key: tuple(ir.positions(variable, c.subscripts, self.lower_ranges) for c in variable.components)
            for key, variable in self.nodes.items()
        }

    @cached_property
    def references(self) -> dict[str, frozenset[str]]:
        """The keys that the equations of each variable refer to, initial values included."""
        return {
            key: frozenset(
                part.key
                for component in variable.components
                for part in ir.walk(component.expression)
                if isinstance(part, ir.Reference) and part.key != "time"
            )
            for key, variable in self.nodes.items()
        }

    @property
    def initial_time(self) -> float:
        """INITIAL TIME."""
        return self.clock.initial_time

    @property
    def final_time(self) -> float:
        """FINAL TIME."""
        return self.clock.final_time

    @property
    def time_step(self) -> float:
        """TIME STEP."""
        return self.clock.time_step

    @property
    def saveper(self) -> float:
        """SAVEPER."""
        return self.clock.saveper

    def resolve(self, name: str, where: str = "") -> Selection:
        """Return what a name selects: ``name``, or ``name[element]``; case and underscores do not matter.

        Raises
        ------
        UnknownNameError
            If the variable or the element does not exist; near names are listed.
        """
        base, listed = self.split(name)
        variable = self.nodes.get(ir.normalise(base))
        if variable is None or variable.hidden:
            raise unknown_name("variable", base, self.variables, where or f"model '{self.name}'")
        if listed is None:
            return Selection(variable, None)
        labels = [label.strip() for label in listed.split(",")]
        return Selection(variable, self._indices(variable, labels, name, where))

    def split(self, name: str) -> tuple[str, str | None]:
        """Return the variable's name, and what stands in the brackets behind it; a name may hold brackets itself."""
        whole = name.strip()
        if ir.normalise(whole) in self.nodes or "[" not in whole:
            return whole, None
        first, _, rest = whole.removesuffix("]").partition("[")
        last, _, end = whole.removesuffix("]").rpartition("[")
        return (last.strip(), end) if ir.normalise(last) in self.nodes else (first.strip(), rest)

    def _indices(self, variable: ir.Variable, labels: list[str], name: str, where: str) -> tuple[int, ...]:
        """Return the positions of element labels along the dimensions of a variable."""
        place = f" in {where}" if where else ""
        if len(labels) != len(variable.dims):
            shape = f"the dimensions {', '.join(variable.dims)}" if variable.dims else "no dimensions"
            message = f"'{name}'{place} names {len(labels)} element(s), but '{variable.name}' has {shape}."
            raise UnknownNameError(message)
        indices: list[int] = []
        for label, dim, axis in zip(labels, variable.dims, variable.elements, strict=True):
            matches = [i for i, element in enumerate(axis) if element.lower() == label.lower()]
            if not matches:
                raise unknown_name(f"element of '{dim}'", label, axis, f"'{name}'{place}")
            indices.append(matches[0])
        return tuple(indices)

    @cached_property
    def literals(self) -> dict[str, np.ndarray]:
        """The numbers written in the file, by key, in the shape of each variable that has some; NaN for equations."""
        return {
            key: constant_values(variable, self.lower_ranges)
            for key, variable in self.nodes.items()
            if variable.kind != "control" and any(ir.is_literal(c.expression) for c in variable.components)
        }

    def constants(self) -> dict[str, float]:
        """Return every constant scalar element with its value, control variables apart."""
        return {
            label: float(value)
            for key, table in self.literals.items()
            for label, value in zip(ir.element_names(self.nodes[key]), table.ravel(), strict=True)
            if not np.isnan(value)
        }


def constant_values(variable: ir.Variable, ranges: Mapping[str, tuple[str, ...]]) -> np.ndarray:
    """Return the literal values of a variable in its shape; NaN for elements that an equation defines.

    Raises
    ------
    ModelFileError
        If the number of literals does not fit the left-hand side.
    """
    table = np.full(variable.shape, np.nan)
    for component in variable.components:
        expression = component.expression
        where = np.ix_(*ir.positions(variable, component.subscripts, ranges))
        if isinstance(expression, ir.Number):
            table[where] = expression.value
        elif isinstance(expression, ir.Array):
            block = table[where]
            if block.size != len(expression.values):
                message = (
                    f"line {component.line}: '{variable.name}' has {len(expression.values)} numbers "
                    f"for {block.size} elements."
                )
                raise ModelFileError(message)
            table[where] = np.reshape(expression.values, block.shape)
    return table


def load_model(name_or_path: str | Path) -> Model:
    """Load a model by its name under models/, or from a .mdl, .xmile or .stmx file.

    Parameters
    ----------
    name_or_path
        A folder name such as "export_controls", or a path.

    Returns
    -------
    Model
        With the parameters, outcomes and description that lie beside the file.

    Raises
    ------
    UnknownNameError
        If no model has that name.
    ModelFileError
        If the file cannot be read, parsed or represented.
    """
    path = find_model(name_or_path)
    source = _translated(path)
    folder = path.parent
    about = _read_about(folder / "model.toml")
    for view in about.get("main_views", ()):
        if view not in source.views:
            raise unknown_name("view", view, source.views, f"'{folder / 'model.toml'}', 'main_views'")
    parameters, outcomes = folder / "parameters.csv", folder / "outcomes.toml"
    return Model(
        name=folder.name if folder.name == path.stem or about else path.stem,
        path=path,
        hash=hashlib.sha256(b"".join(file.read_bytes() for file in (path, *source.files))).hexdigest(),
        ranges=source.ranges,
        hidden_ranges=source.hidden_ranges,
        fixed=source.fixed,
        nodes=source.variables,
        views=source.views,
        clock=_clock(path, source.variables, source.ranges | source.hidden_ranges),
        parameters=read_parameters(parameters) if parameters.is_file() else ParameterTable(rows=(), hash=""),
        derived=read_outcomes(outcomes) if outcomes.is_file() else {},
        title=about.get("title", path.stem),
        version=about.get("version", ""),
        status=about.get("status", ""),
        description=about.get("description", ""),
        hindsight=about.get("hindsight", ""),
        headline=about.get("headline", ()),
        main_views=about.get("main_views", ()),
    )


def _translated(path: Path) -> Source:
    """Return the translation of a model file: the one kept on disk, or a new one, which is kept."""
    try:
        content = path.read_bytes()
    except OSError:
        content = b""  # the reader says what is wrong
    source = source_cache.load(path, content)
    if source is None:
        from trilemma.translation.pysd_reader import read

        source = read(path)
        _check_references(path, source.variables, source.ranges | source.hidden_ranges)
        source_cache.keep(path, content, source)
    return source


def _read_about(path: Path) -> dict[str, Any]:
    """Read model.toml: texts, and lists of names.

    Raises
    ------
    ModelFileError
        If it is not TOML, or a list is none.
    """
    if not path.is_file():
        return {}
    found = read_toml(path, ModelFileError)
    lists: dict[str, tuple[str, ...]] = {}
    for key in _LISTS:
        names = found.pop(key, [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            message = f"{path.name}: '{key}' is {names!r}, expected a list of names."
            raise ModelFileError(message)
        lists[key] = tuple(names)
    return {**{str(key): str(value) for key, value in found.items()}, **lists}


_LISTS = ("headline", "main_views")


def _check_references(path: Path, variables: Mapping[str, ir.Variable], ranges: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse references to variables that do not exist, or with the wrong number of subscripts."""
    lower = {name.lower(): labels for name, labels in ranges.items()}
    names = [v.name for v in variables.values() if not v.hidden]
    for variable in variables.values():
        for component in variable.components:
            for node in ir.walk(component.expression):
                if isinstance(node, ir.Reference) and node.key != "time":
                    place = f"'{path}', line {component.line}, in the equation of '{variable.name}'"
                    if node.key not in variables:
                        raise unknown_name("variable", node.key.replace("_", " "), names, place)
                    _check_subscripts(node, variables[node.key], lower, place)


def _check_subscripts(
    node: ir.Reference, target: ir.Variable, ranges: Mapping[str, tuple[str, ...]], place: str
) -> None:
    """Refuse a reference whose subscripts do not fit the variable."""
    if len(node.subscripts) != len(target.dims):
        message = (
            f"{place}: '{target.name}' has {len(target.dims)} subscript(s) and is used with {len(node.subscripts)}."
        )
        raise ModelFileError(message)
    for subscript, dim, labels, places in zip(
        node.subscripts, target.dims, target.elements, target.places, strict=True
    ):
        name = ir.range_of(subscript)
        for element in ranges.get(name.lower(), (name,)):
            if element.lower() not in places:
                raise unknown_name(f"element of '{dim}'", element, labels, place)


def _clock(path: Path, variables: Mapping[str, ir.Variable], ranges: Mapping[str, tuple[str, ...]]) -> Clock:
    """Return the control variables as numbers.

    Raises
    ------
    ModelFileError
        If one is missing, does not come down to a number, or they contradict each other.
    """
    lower = {name.lower(): labels for name, labels in ranges.items()}
    initial, final, step, saveper = (_control(path, variables, lower, key) for key in CONTROLS)
    if not step > 0:
        message = f"'{path}': TIME STEP is {step:g}, it must be above 0."
        raise ModelFileError(message)
    if not final > initial:
        message = f"'{path}': FINAL TIME {final:g} must come after INITIAL TIME {initial:g}."
        raise ModelFileError(message)
    changing = frozenset(key for key in CONTROLS if changes(key, variables))
    later = {key: value_at(ir.Reference(key), variables, lower, initial + step) for key in changing}
    held = frozenset(key for key, value in later.items() if value is None)
    return Clock(initial, final, step, saveper if saveper > 0 else step, changing - held, held)


def _control(
    path: Path, variables: Mapping[str, ir.Variable], ranges: Mapping[str, tuple[str, ...]], key: str
) -> float:
    """Return a control variable as a number: what it is at the start."""
    name = key.replace("_", " ").upper()
    if key not in variables:
        if key == "saveper":
            return _control(path, variables, ranges, "time_step")
        message = f"'{path}' has no {name}: every model needs INITIAL TIME, FINAL TIME and TIME STEP."
        raise ModelFileError(message)
    value = value_at(ir.Reference(key), variables, ranges)
    if value is None or not np.isfinite(value):
        message = f"'{path}': {name} must be a number or follow from constants and initial values."
        raise ModelFileError(message)
    return value

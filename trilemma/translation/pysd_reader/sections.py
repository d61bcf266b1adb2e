"""Translates the variables of a model: their ranges, their definitions, their lookups and data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
from pysd.translators.structures import abstract_expressions as ae
from pysd.translators.structures import abstract_model as am

from trilemma.errors import ModelFileError
from trilemma.translation import ir
from trilemma.translation.pysd_reader import external
from trilemma.translation.pysd_reader.constants import Known
from trilemma.translation.pysd_reader.equations import Scope, opened_axes
from trilemma.translation.pysd_reader.external import Place, Series
from trilemma.translation.pysd_reader.files import Section, Sections
from trilemma.translation.pysd_reader.lookups import Lookup
from trilemma.translation.pysd_reader.macros import Local
from trilemma.translation.pysd_reader.ranges import Labels, Ranges, rectangles
from trilemma.translation.source import CONTROLS, Source

_KEYWORDS: dict[str | None, ir.TableKind] = {
    None: "interpolate",
    "interpolate": "interpolate",
    "look_forward": "look_forward",
    "hold_backward": "hold_backward",
    "raw": "raw",
}


@dataclass(frozen=True)
class _Part:
    """The part of a variable that one definition holds for.

    `subscripts` are those on the left-hand side, `elements` the labels that each stands for, `blocks` the positions
    among these, per subscript, that the definition covers: more than one block where EXCEPT leaves no rectangle.
    """

    component: am.AbstractComponent
    subscripts: tuple[str, ...]
    elements: tuple[Labels, ...]
    blocks: tuple[tuple[tuple[int, ...], ...], ...]
    line: int | None


class Reader:
    """Translates a parsed file. Hidden variables found on the way are collected."""

    def __init__(self, path: Path, sections: Sections) -> None:
        self.path = path
        self.section = sections.main
        self.views = sections.views
        self.macros: dict[str, Section] = {m.abstract.name: m for m in sections.macros}
        self.elements = {ir.normalise(e.name): e for e in self.section.abstract.elements}
        self.keys = frozenset(self.elements)
        external.clean()
        self.ranges = Ranges(path, self.section.abstract.subscripts, self.section.mappings, sections.aliases)
        self.files: set[Path] = set(self.ranges.files)
        self.lookups: dict[str, Lookup] = {}
        self.fixed: dict[str, str] = {}
        self._hidden: dict[str, ir.Variable] = {}
        self._count = 0

    def source(self) -> Source:
        """Translate everything; lookups first, since equations call them."""
        ordered = sorted(self.section.abstract.elements, key=lambda e: not _is_lookup(e))
        done = {ir.normalise(e.name): self.variable(e, self.section.lines) for e in ordered}
        variables = {key: done[key] for key in self.elements} | self._hidden
        external.clean()
        shown: dict[str, list[str]] = {}
        for variable in variables.values():
            if variable.view:
                shown.setdefault(variable.view, []).append(variable.name)
        views = {view: tuple(names) for view, names in shown.items()}
        return Source(self.ranges.visible, self.ranges.hidden, variables, views, tuple(sorted(self.files)), self.fixed)

    # ------------------------------------------------------------------ what the translation of equations asks for

    def place(self, line: int | None) -> str:
        """Return the file and the line as errors name them."""
        return f"'{self.path}'{f', line {line}' if line else ''}"

    def fresh(self, name: str) -> str:
        """Return a key for a hidden variable of a variable."""
        self._count += 1
        return f"{ir.normalise(name)}|{self._count}"

    def known(self, *, smallest: bool = False, at_start: bool = False) -> Known:
        """Return what works expressions of constants out; see `constants.Known`."""
        return Known(self.elements, smallest, at_start)

    def fix(self, keys: Iterable[str], why: str) -> None:
        """Remember variables that the translation has taken the value of, so that no run may change them."""
        for key in keys:
            self.fixed.setdefault(key, why)

    def position(self, element: str) -> int:
        """Return the number of an element, from 1 on, in the range that no other one holds."""
        return self._positions.get(element, 1)

    @cached_property
    def _positions(self) -> dict[str, int]:
        """The numbers of all elements."""
        sets = {name: frozenset(labels) for name, labels in self.ranges.visible.items()}
        largest = [name for name in sets if not any(sets[name] < other for other in sets.values())]
        return {label: i for name in largest for i, label in enumerate(self.ranges.visible[name], start=1)}

    def dims(self, key: str) -> Labels:
        """Return the ranges of a variable; none if there is no such variable."""
        element = self.elements.get(key)
        return () if element is None else self._dims(element.name, self._subscripts(element), [])

    def _subscripts(self, element: am.AbstractElement) -> list[Labels]:
        """Return the subscripts of each definition of a variable, spelled as in the definitions of the ranges."""
        return [tuple(self.ranges.spelled(s.strip()) for s in c.subscripts[0]) for c in element.components]

    def add_hidden(self, key: str, axes: Labels, expression: ir.Expression, line: int | None) -> None:
        """Add a hidden variable with one definition over the axes."""
        self._hidden[key] = ir.Variable(
            name=key,
            key=key,
            components=(ir.Component(axes, expression, line),),
            dims=axes,
            elements=tuple(self.ranges.labels(axis) for axis in axes),
            kind="stock" if isinstance(expression, ir.STATES) else "auxiliary",
            hidden=True,
        )

    def add_macro(self, macro: Section, local: Mapping[str, Local], axes: Labels, depth: int) -> None:
        """Add the variables of a macro for one call."""
        for element in sorted(macro.abstract.elements, key=lambda e: not _is_lookup(e)):
            variable = self.variable(element, macro.lines, local, axes, depth)
            self._hidden[variable.key] = variable

    # ----------------------------------------------------------------------------------------- variables

    def variable(
        self,
        element: am.AbstractElement,
        located: Mapping[str, list[int]],
        local: Mapping[str, Local] | None = None,
        axes: Labels = (),
        depth: int = 0,
    ) -> ir.Variable:
        """Translate one variable with all its definitions; inside a macro, for one call over some axes."""
        own = ir.normalise(element.name)
        key = local[own].key if local else own
        lines = located.get(own, [])
        subscripts = self._subscripts(element)
        dims = self._dims(element.name, subscripts, lines)
        labels = tuple(self.ranges.visible[d] for d in dims)
        parts = self._parts(element, subscripts, labels, lines)
        if _is_lookup(element):
            self.lookups[key] = self._lookup(element.name, parts, (*labels, *map(self.ranges.labels, axes)))
        components = tuple(
            component for part in parts for component in self._components(element.name, part, local or {}, axes, depth)
        )
        if len(parts) == 1 and self._is_one_value(components):  # it holds in the elements left out as well, as in PySD
            components = (replace(components[0], subscripts=(*dims, *axes)),)
        return ir.Variable(
            name=key if local else ir.unquoted(element.name),
            key=key,
            components=components,
            dims=(*dims, *axes),
            elements=(*labels, *map(self.ranges.labels, axes)),
            unit=(element.units or "").strip(),
            limits=_limits(element.limits),
            documentation=" ".join((element.documentation or "").split()),
            kind=_kind(element, components),
            view=self.views.get(key, ""),
            hidden=local is not None,
        )

    def _dims(self, name: str, subscripts: Sequence[Labels], lines: Sequence[int]) -> Labels:
        """Return the ranges of a variable: per position, the smallest range that holds all that is defined."""
        if len({len(s) for s in subscripts}) > 1:
            message = f"{self._places(lines)}: '{name}' has definitions with different numbers of subscripts."
            raise ModelFileError(message)
        dims: list[str] = []
        for used in zip(*subscripts, strict=True):
            if len(set(used)) == 1 and used[0] in self.ranges.visible:
                found = used[0]
            else:
                union = {label for s in used for label in self.ranges.labels(s)}
                holding = [n for n, labels in self.ranges.visible.items() if union <= set(labels)]
                if not holding:
                    shown = ", ".join(dict.fromkeys(used))
                    message = f"{self._places(lines)}: no subscript range holds '{shown}' of '{name}'."
                    raise ModelFileError(message)
                found = min(holding, key=lambda n: (len(self.ranges.visible[n]), n in dims))
            dims.append(self.ranges.new(found, dims) if found in dims else found)
        return tuple(dims)

    def _parts(
        self,
        element: am.AbstractElement,
        subscripts: Sequence[Labels],
        labels: Sequence[Labels],
        lines: Sequence[int],
    ) -> list[_Part]:
        """Return what each definition of a variable covers; of two that overlap, the later one holds.

        Raises
        ------
        ModelFileError
            If two definitions have the same left-hand side.
        """
        owner = np.full(tuple(map(len, labels)), -1)
        where = _places(labels)
        seen: set[Labels] = set()
        regions: list[tuple[np.ndarray, ...]] = []
        for number, (component, used) in enumerate(zip(element.components, subscripts, strict=True)):
            region = self._region(where, used)
            mask = np.ones(tuple(map(len, region)), dtype=bool)
            for group in component.subscripts[1]:
                mask &= ~self._excluded(labels, region, group)
            previous = owner[np.ix_(*region)] if labels else owner
            if used in seen and mask.all() and (previous >= 0).any():
                message = (
                    f"{self._places(lines)}: '{ir.unquoted(element.name)}' is defined twice: remove one definition."
                )
                raise ModelFileError(message)
            owner[np.ix_(*region) if labels else ()] = np.where(mask, number, previous)
            regions.append(region)
            seen.add(used)
        parts: list[_Part] = []
        for number, (component, used, region) in enumerate(zip(element.components, subscripts, regions, strict=True)):
            held = (owner[np.ix_(*region)] if labels else owner) == number
            if held.all():
                blocks = (tuple(tuple(range(len(r))) for r in region),)
            else:
                blocks = tuple(rectangles(held)) if labels else ()
            line = lines[number] if number < len(lines) else None
            parts.append(_Part(component, used, tuple(map(self.ranges.labels, used)), blocks, line))
        return parts

    def _region(self, where: Sequence[Mapping[str, int]], used: Sequence[str]) -> tuple[np.ndarray, ...]:
        """Return the positions, per dimension, of subscripts within a variable; `where` are those of its labels."""
        return tuple(
            np.array([at[label] for label in self.ranges.labels(s)], dtype=int)
            for at, s in zip(where, used, strict=True)
        )

    def _excluded(self, labels: Sequence[Labels], region: Sequence[np.ndarray], group: Sequence[str]) -> np.ndarray:
        """Return which elements of a region a group of EXCEPT names."""
        named = [set(self.ranges.labels(self.ranges.spelled(s.strip()))) for s in group]
        hits = [
            np.array([own[i] in wanted for i in positions])
            for own, positions, wanted in zip(labels, region, named, strict=True)
        ]
        mask = np.ones((), dtype=bool)
        for hit in hits:
            mask = mask[..., None] & hit
        return mask

    def _components(
        self, name: str, part: _Part, local: Mapping[str, Local], axes: Labels, depth: int
    ) -> list[ir.Component]:
        """Translate one definition: a component for each block that it covers."""
        components: list[ir.Component] = []
        grid = self._grid(name, part)
        for block in part.blocks:
            opened: dict[str, str] = {}
            subscripts: list[str] = []
            for subscript, labels, positions in zip(part.subscripts, part.elements, block, strict=True):
                if self.ranges.name(subscript) is None:
                    subscripts.append(subscript)
                    continue
                opened[subscript] = self.ranges.part(tuple(labels[i] for i in positions), subscript)
                subscripts.append(opened[subscript])
            scope = Scope(self, name, part.line, opened | {a: a for a in axes}, local, depth)
            if grid is None:
                expression = scope.definition(part.component.ast)
            else:
                expression = _block(grid, block, tuple(opened.values()))
            components.append(ir.Component((*subscripts, *axes), expression, part.line))
        return components

    def _is_one_value(self, components: Sequence[ir.Component]) -> bool:
        """Whether the parts of a definition are one expression that is the same for all elements, and no state."""
        first = components[0].expression
        if any(c.expression != first for c in components) or isinstance(first, ir.STATES):
            return False
        ranges = {s.lower() for c in components for s in c.subscripts if self.ranges.name(s) is not None}
        by_position = any(isinstance(node, ir.Array) and not node.axes for node in ir.walk(first))
        return not by_position and not opened_axes(first) & ranges

    def _grid(self, name: str, part: _Part) -> np.ndarray | None:
        """Return the numbers, or the tables, that a definition gives element by element; None for an equation."""
        tree = part.component.ast
        shape = tuple(map(len, part.elements))
        if isinstance(tree, np.ndarray):
            if tree.size != np.prod(shape):
                message = (
                    f"{self.place(part.line)}: '{name}' has {tree.size} numbers for {int(np.prod(shape))} elements."
                )
                raise ModelFileError(message)
            return tree.astype(float).reshape(shape)
        where = Place(self.path, ir.unquoted(name), part.line)
        if isinstance(tree, ae.GetConstantsStructure | ae.GetLookupsStructure | ae.GetDataStructure):
            tree = replace(tree, file=self.ranges.aliases.get(tree.file, tree.file))
        if isinstance(tree, ae.GetConstantsStructure):
            numbers, file = external.read_constants(where, tree, part.elements)
            self.files.add(file)
            return numbers.reshape(shape)
        time = ir.Reference("time")
        if isinstance(tree, ae.GetLookupsStructure):
            return self._tables(external.read_lookups(where, tree, part.elements), time, "interpolate", shape)
        if isinstance(tree, ae.GetDataStructure):
            keyword = getattr(part.component, "keyword", None)
            series = external.read_data(where, tree, part.elements, keyword)
            return self._tables(series, time, _KEYWORDS[keyword], shape)
        if isinstance(tree, ae.LookupsStructure):
            table = Scope(self, name, part.line, {}).table(time, tree)
            grid = np.full(shape, None, dtype=object)
            for at in np.ndindex(*shape):
                grid[at] = table
            return grid
        if isinstance(tree, ae.DataStructure):
            grid = np.full(shape, None, dtype=object)
            for at in np.ndindex(*shape):
                grid[at] = ir.Missing()
            return grid
        return None

    def _tables(self, series: Series, time: ir.Expression, kind: ir.TableKind, shape: tuple[int, ...]) -> np.ndarray:
        """Return the tables of a series by element."""
        self.files.add(series.file)
        values = series.y.reshape((len(series.x), *shape))
        x = tuple(float(v) for v in series.x)
        grid = np.full(shape, None, dtype=object)
        for at in np.ndindex(*shape):
            grid[at] = ir.Table(time, x, tuple(float(v) for v in values[(slice(None), *at)]), kind)
        return grid

    def _lookup(self, name: str, parts: Sequence[_Part], elements: tuple[Labels, ...]) -> Lookup:
        """Return the tables of a named lookup by element."""
        tables = np.full(tuple(map(len, elements)), None, dtype=object)
        for part in parts:
            grid = self._grid(name, part)
            if grid is None:
                message = f"{self.place(part.line)}: '{name}' mixes a lookup with an equation: define it in one way."
                raise ModelFileError(message)
            own = elements[: len(part.subscripts)]
            region = self._region(_places(own), part.subscripts)
            for block in part.blocks:
                for at in product(*block):
                    tables[tuple(int(r[i]) for r, i in zip(region, at, strict=True))] = grid[at]
        return Lookup(ir.normalise(name), elements, tables)

    def _places(self, lines: Sequence[int]) -> str:
        """Return the file and the lines of all definitions of a variable."""
        shown = f", line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))}" if lines else ""
        return f"'{self.path}'{shown}"


def _places(labels: Sequence[Labels]) -> list[dict[str, int]]:
    """Return the position of each label, per dimension."""
    return [{label: i for i, label in enumerate(own)} for own in labels]


def _block(grid: np.ndarray, block: tuple[tuple[int, ...], ...], axes: Labels) -> ir.Expression:
    """Return the literal numbers, or the tables over time, of a block of a definition."""
    chosen = grid[np.ix_(*block)] if block else grid
    values = chosen.ravel()
    if grid.dtype != object:
        if chosen.size == 1 and not axes:
            return ir.Number(float(values[0]))
        return ir.Array(tuple(float(v) for v in values), tuple(chosen.shape))
    first = values[0]
    if not isinstance(first, ir.Table) or all(v is first or v == first for v in values):
        return first
    return ir.Tables(first.argument, axes, tuple((t.x, t.y) for t in values), first.kind)


def _is_lookup(element: am.AbstractElement) -> bool:
    """Whether a variable is a lookup."""
    return isinstance(element.components[0], am.AbstractLookup)


def _kind(element: am.AbstractElement, components: Sequence[ir.Component]) -> ir.Kind:
    """Classify a variable by what defines it."""
    if ir.normalise(element.name) in CONTROLS:
        return "control"
    if _is_lookup(element):
        return "lookup"
    if isinstance(element.components[0], am.AbstractData):
        return "data"
    if any(isinstance(c.expression, ir.Integral) for c in components):
        return "stock"
    return "constant" if all(ir.is_literal(c.expression) for c in components) else "auxiliary"


def _limits(limits: tuple[float | None, ...] | None) -> tuple[float | None, float | None] | None:
    """Return (low, high), or None when both sides are open."""
    if not limits or all(side is None for side in limits):
        return None
    return limits[0], limits[1]

"""Subscripts: ranges and their elements, mappings between ranges, and hidden ranges for parts of them.

All names leave here spelled as in the definition of their range, whatever their case and blanks at the place of use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from pysd.translators.structures import abstract_model as am

from trilemma.errors import ModelFileError
from trilemma.translation import ir
from trilemma.translation.ir import normalise
from trilemma.translation.pysd_reader.external import read_subscripts
from trilemma.translation.pysd_reader.files import Mappings

Labels = tuple[str, ...]


class Ranges:
    """The subscript ranges of a model.

    Attributes
    ----------
    visible, hidden
        Elements by range: those of the file, and those made here for parts and copies of them.
    files
        The files that ranges were read from.
    """

    def __init__(
        self,
        path: Path,
        definitions: Sequence[am.AbstractSubscriptRange],
        mappings: Mapping[str, Mappings],
        aliases: Mapping[str, str],
    ) -> None:
        self.path = path
        self.aliases = aliases
        self.files: set[Path] = set()
        raw = {r.name: self._content(r) for r in definitions}
        self._names = {normalise(name): name for name in raw}
        self._elements: dict[str, str] = {}
        self.visible: dict[str, Labels] = {name: self._expanded(name, raw, ()) for name in raw}
        self.hidden: dict[str, Labels] = {}
        self._hidden_by_labels: dict[Labels, str] = {}
        self._mapped = self._correspondences(definitions, mappings)

    def _content(self, definition: am.AbstractSubscriptRange) -> list[str]:
        """Return what a range is defined by: elements and ranges."""
        content = definition.subscripts
        if isinstance(content, dict):
            place = content | {"file": self.aliases.get(content["file"], content["file"])}
            labels, file = read_subscripts(self.path, definition.name, place)
            self.files.add(file)
            return labels
        return [content] if isinstance(content, str) else list(content)

    def _expanded(self, name: str, raw: Mapping[str, list[str]], seen: Labels) -> Labels:
        """Return the elements of a range: those that name other ranges are expanded."""
        if name in seen:
            message = f"'{self.path}': the subscript range '{name}' is defined by itself."
            raise ModelFileError(message)
        labels: list[str] = []
        for label in raw[name]:
            inner = self._names.get(normalise(label))
            if inner is not None and inner != name:
                labels += self._expanded(inner, raw, (*seen, name))
            else:
                labels.append(self._elements.setdefault(normalise(label), label))
        return tuple(dict.fromkeys(labels))

    def _correspondences(
        self, definitions: Sequence[am.AbstractSubscriptRange], mappings: Mapping[str, Mappings]
    ) -> dict[tuple[str, str], dict[str, str]]:
        """Return, by (range, range that it is mapped to), which element of the first stands for each of the second.

        A mapping of one element to one holds in the other direction too, unless the file says how that goes.
        """
        found: dict[tuple[str, str], dict[str, str]] = {}
        for definition in definitions:
            own = definition.name
            if isinstance(definition.subscripts, str):  # a copy, "A <-> B": either may stand for the other
                other = self.name(definition.subscripts)
                if other is not None:
                    same = {label: label for label in self.visible[own]}
                    found[own, other] = found[other, own] = same
            for target, listed in mappings.get(own, []):
                other = self.name(target)
                if other is None:
                    message = f"'{self.path}': the subscript range '{own}' is mapped to '{target}', which is no range."
                    raise ModelFileError(message)
                found[own, other] = self._pairs(definition, other, listed)
        for (own, other), pairs in list(found.items()):
            back = {source: label for label, source in pairs.items()}
            if len(back) == len(pairs):
                found.setdefault((other, own), back)
        return found

    def _pairs(self, definition: am.AbstractSubscriptRange, target: str, listed: Labels | None) -> dict[str, str]:
        """Return the element of a range that stands for each element of the range that it is mapped to."""
        own = self.visible[definition.name]
        others: Sequence[str] = self.visible[target] if listed is None else listed
        if len(own) != len(others) and listed is None:
            message = (
                f"'{self.path}': the subscript range '{definition.name}' has {len(own)} elements and is mapped to "
                f"'{target}', which has {len(others)}: list the elements, '-> ({target}: ...)'."
            )
            raise ModelFileError(message)
        sources: Sequence[str] = own
        if len(own) != len(others) and isinstance(definition.subscripts, list):
            sources = definition.subscripts  # one entry of the list may be a range of several elements
        return {
            label: source
            for entry, other in zip(sources, others, strict=False)
            for source in self.labels(entry)[:1]
            for label in self.labels(other)
        }

    def name(self, subscript: str) -> str | None:
        """Return the range that a subscript names, spelled as defined; None if it names none."""
        return subscript if subscript in self.hidden else self._names.get(normalise(subscript))

    def element(self, subscript: str) -> str | None:
        """Return the element that a subscript names, spelled as defined; None if there is none."""
        return self._elements.get(normalise(subscript))

    def labels(self, subscript: str) -> Labels:
        """Return the elements of a range, or the element itself."""
        name = self.name(subscript)
        if name is None:
            return (self.element(subscript) or subscript,)
        return self.hidden[name] if name in self.hidden else self.visible[name]

    def spelled(self, subscript: str) -> str:
        """Return a range or an element spelled as defined."""
        return self.name(subscript) or self.element(subscript) or subscript

    @property
    def lower(self) -> dict[str, Labels]:
        """All ranges by lower-case name."""
        return {name.lower(): labels for name, labels in [*self.visible.items(), *self.hidden.items()]}

    def part(self, labels: Labels, of: str) -> str:
        """Return the name of a range with these elements; a hidden one, unless they are all those of `of`."""
        if labels == self.labels(of):
            return of
        if labels not in self._hidden_by_labels:
            self._hidden_by_labels[labels] = self.copy(of, labels)
        return self._hidden_by_labels[labels]

    def copy(self, of: str, labels: Labels | None = None) -> str:
        """Return the name of a new hidden range with the elements of another one, or with some of them."""
        name = f"{of}|{len(self.hidden) + 1}"
        self.hidden[name] = self.labels(of) if labels is None else labels
        return name

    def new(self, of: str, taken: Sequence[str]) -> str:
        """Return the name of a visible range with the elements of `of` that is none of those taken."""
        own = set(self.visible[of])
        for name, labels in self.visible.items():
            if set(labels) == own and name not in taken:
                return name
        number = next(n for n in range(1, 1000) if normalise(f"{of}{n}") not in self._names)
        name = f"{of}{number}"
        self._names[normalise(name)] = name
        self.visible[name] = self.visible[of]
        return name

    def resolved(self, subscript: str, axes: Mapping[str, str], free: Mapping[str, str]) -> str | None:
        """Return a subscript of a reference in the form of our representation.

        Parameters
        ----------
        subscript
            As written in the equation.
        axes
            By range on the left-hand side, the axis that it opens: the range itself, or a part of it.
        free
            Those that a mapped range takes first: the ones that no other subscript of the reference names.

        Returns
        -------
        str or None
            None for a range that is neither on the left-hand side nor mapped to a range there.
        """
        if subscript.endswith("!"):
            return self.spelled(subscript.removesuffix("!").strip()) + "!"
        name = self.name(subscript)
        if name is None:
            return self.spelled(subscript)
        if name in axes:
            return axes[name]
        for target, axis in [*free.items(), *axes.items()]:
            pairs = self._through(name, target)
            if pairs is not None and all(label in pairs for label in self.labels(axis)):
                chosen = tuple(pairs[label] for label in self.labels(axis))
                return f"{axis}{ir.ARROW}{self.part(chosen, name)}"
        return None

    def _through(self, name: str, target: str) -> dict[str, str] | None:
        """Return which element of a range stands for each of `target`, or of a range that holds its elements."""
        if (name, target) in self._mapped:
            return self._mapped[name, target]
        wanted = set(self.labels(target))
        return next(
            (pairs for (own, _), pairs in self._mapped.items() if own == name and wanted <= set(pairs)),
            None,
        )


def rectangles(mask: np.ndarray) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Yield blocks, as positions along each axis, that together hold each True of an array once."""
    if mask.ndim == 1:
        if mask.any():
            yield (tuple(int(i) for i in np.flatnonzero(mask)),)
        return
    rows: dict[bytes, list[int]] = {}
    for i, row in enumerate(mask):
        rows.setdefault(row.tobytes(), []).append(i)
    for same in rows.values():
        for block in rectangles(mask[same[0]]):
            yield (tuple(same), *block)

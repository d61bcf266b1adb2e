"""Named lookups: their tables by element, and what a call of one becomes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from trilemma.translation import ir

if TYPE_CHECKING:
    from trilemma.translation.pysd_reader.equations import Scope


@dataclass(frozen=True)
class Lookup:
    """A named lookup.

    Attributes
    ----------
    key
        The key of its variable.
    elements
        Per subscript, the labels of its elements.
    tables
        The table of each combination of elements; their argument does not count. None where there is no table.
    """

    key: str
    elements: tuple[tuple[str, ...], ...]
    tables: np.ndarray

    def applied(self, scope: Scope, argument: ir.Expression, subscripts: tuple[str, ...]) -> ir.Expression:
        """Return the lookup, with its subscripts in our form, applied to an argument."""
        if len(subscripts) != len(self.elements):
            raise scope.unsupported(f"a lookup of {len(self.elements)} subscript(s) with {len(subscripts)}")
        ranges = scope.reader.ranges
        axes = [ir.axis_of(s) for s in subscripts]
        is_open = [ranges.name(ir.range_of(s)) is not None for s in subscripts]
        open_axes = list(dict.fromkeys(a for a, o in zip(axes, is_open, strict=True) if o))
        sizes = {a: len(ranges.labels(ir.range_of(s))) for a, s in zip(axes, subscripts, strict=True)}
        chosen: list[ir.Table] = []
        for at in product(*(range(sizes[a]) for a in open_axes)):
            position = dict(zip(open_axes, at, strict=True))
            labels = [ranges.labels(ir.range_of(s))[position.get(a, 0)] for s, a in zip(subscripts, axes, strict=True)]
            chosen.append(self._table(scope, labels))
        first = chosen[0]
        if all(table is first or table == first for table in chosen):
            return ir.Table(argument, first.x, first.y, first.kind, (self.key, *subscripts))
        points = tuple((t.x, t.y) for t in chosen)
        return ir.Tables(argument, tuple(open_axes), points, first.kind, (self.key, *subscripts))

    def _table(self, scope: Scope, labels: list[str]) -> ir.Table:
        """Return the table of one combination of elements."""
        try:
            found = self.tables[tuple(own.index(label) for own, label in zip(self.elements, labels, strict=True))]
        except ValueError:
            found = None
        if found is None:
            raise scope.unsupported(f"the elements '{','.join(labels)}' of a lookup, which have no table")
        return found

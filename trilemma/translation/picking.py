"""What a name with subscripts in an expression picks from the values of a variable: elements, ranges, or all of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from trilemma.errors import UnknownNameError, unknown_name
from trilemma.translation import ir
from trilemma.translation.labelled import Array, Labelled
from trilemma.translation.model import Model


@dataclass(frozen=True)
class Pick:
    """A part of a variable: the dimensions that are left, and the positions along each of the variable's own.

    A single position stands for an element, whose dimension goes; several ones for a range, whose dimension stays
    under the name of the range.
    """

    variable: ir.Variable
    dims: tuple[str, ...]
    positions: tuple[int | tuple[int, ...], ...]

    def of(self, values: Array) -> Labelled:
        """Return the part of values on (time, the variable's dimensions, run)."""
        for axis in reversed(range(len(self.positions))):
            chosen = self.positions[axis]
            before = (slice(None),) * (1 + axis)
            if isinstance(chosen, int):
                values = values[(*before, chosen)]
            elif chosen != tuple(range(values.shape[1 + axis])):
                values = values[(*before, np.array(chosen))]
        return Labelled(self.dims, values)


@lru_cache(maxsize=4096)
def pick(model: Model, name: str, subscripts: tuple[str, ...] = (), where: str = "") -> Pick:
    """Return what a name and its subscripts pick.

    Parameters
    ----------
    model
        The model whose variable it is.
    name, subscripts
        As an expression has them, without the ``!``; no subscripts pick the whole variable.
    where
        What the expression belongs to, for messages.

    Raises
    ------
    UnknownNameError
        If the variable, or an element or a range of it, does not exist.
    """
    variable = model.resolve(name, where).variable
    if not subscripts:
        return Pick(variable, variable.dims, tuple(tuple(range(size)) for size in variable.shape))
    if len(subscripts) != len(variable.dims):
        shape = f"the dimensions {', '.join(variable.dims)}" if variable.dims else "no dimensions"
        place = f" in {where}" if where else ""
        message = f"'{name}[{','.join(subscripts)}]'{place} names {len(subscripts)} element(s), but it has {shape}."
        raise UnknownNameError(message)
    ranges = {own.lower(): (own, labels) for own, labels in model.ranges.items()}
    dims: list[str] = []
    positions: list[int | tuple[int, ...]] = []
    for subscript, dim, places in zip(subscripts, variable.dims, variable.places, strict=True):
        key = subscript.lower()
        if key in places:
            positions.append(places[key])
        elif key in ranges and all(label.lower() in places for label in ranges[key][1]):
            dims.append(ranges[key][0])
            positions.append(tuple(places[label.lower()] for label in ranges[key][1]))
        else:
            labels = variable.elements[variable.dims.index(dim)]
            place = f"'{name}[{','.join(subscripts)}]'" + (f" in {where}" if where else "")
            raise unknown_name(f"element of '{dim}'", subscript, [*labels, dim], place)
    return Pick(variable, tuple(dims), tuple(positions))

"""Writes a call of a macro out: a copy of its variables for each call, over the axes that the arguments use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trilemma.errors import ModelFileError
from trilemma.translation import ir
from trilemma.translation.pysd_reader.files import Section

if TYPE_CHECKING:
    from trilemma.translation.pysd_reader.equations import Scope


@dataclass(frozen=True)
class Local:
    """A name inside a macro: the variable that stands for it in one call, and the axes of the call."""

    key: str
    axes: tuple[str, ...]


DEEPEST = 50
"""Calls of macros within macros, at most."""


def call(scope: Scope, macro: Section, arguments: Sequence[ir.Expression]) -> ir.Expression:
    """Add the variables of a macro for one call; return the reference to its result.

    Raises
    ------
    ModelFileError
        If the number of arguments is wrong, or macros call each other without end.
    """
    name, parameters = macro.abstract.name, [ir.normalise(p) for p in macro.abstract.params]
    if len(arguments) != len(parameters):
        message = (
            f"{scope.reader.place(scope.line)}: '{scope.name}' calls the macro '{name}' with {len(arguments)} "
            f"argument(s): it takes {len(parameters)}."
        )
        raise ModelFileError(message)
    if scope.depth >= DEEPEST:
        message = f"{scope.reader.place(scope.line)}: the macro '{name}' calls itself without end."
        raise ModelFileError(message)
    axes, seen, inner = scope.opened(arguments)
    names = [*parameters, *(ir.normalise(e.name) for e in macro.abstract.elements)]
    local = {own: Local(scope.reader.fresh(scope.name), axes) for own in names}
    for parameter, argument in zip(parameters, inner, strict=True):
        scope.reader.add_hidden(local[parameter].key, axes, argument, scope.line)
    scope.reader.add_macro(macro, local, axes, scope.depth + 1)
    return ir.Reference(local[ir.normalise(name)].key, seen)

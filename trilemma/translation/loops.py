"""Named feedback loops: loops.toml beside a model, read and held against its dependency graph. Nothing is run here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from trilemma.errors import LoopsFileError, unknown_name
from trilemma.translation import ir
from trilemma.translation.model import Model, Selection
from trilemma.translation.ordering import causes
from trilemma.translation.toml_file import read_toml
from trilemma.translation.toml_tables import STRICT, validated

FILE = "loops.toml"
Polarity = Literal["R", "B"]


class _Table(BaseModel):
    """A loop as written."""

    model_config = STRICT
    polarity: Polarity
    sentence: str
    path: list[str]
    signs: str = Field(default="", pattern=r"^[+-]*$")
    reverses: str = ""
    landmarks: list[str] = []


@dataclass(frozen=True)
class Loop:
    """A feedback loop with a name.

    Attributes
    ----------
    name, sentence
        What it is called, and what happens in it.
    label
        "R1", "B2": its polarity and its number among the loops of that polarity.
    polarity
        R for one that reinforces a change, B for one that balances it.
    path
        Scalar elements, each a direct cause of the next one, the last of the first. A stock may be one by itself.
    signs
        The expected signs of the links, "++-", from each element to the next; empty where none are stated.
    reverses
        Why the polarity is the opposite one at times; empty where it must not be.
    landmarks
        The elements of the path, in its order, that a picture of the loops shows; empty for a loop that is not drawn.
    """

    name: str
    label: str
    polarity: Polarity
    sentence: str
    path: tuple[Selection, ...]
    signs: str = ""
    reverses: str = ""
    landmarks: tuple[Selection, ...] = ()

    @property
    def links(self) -> tuple[tuple[Selection, Selection], ...]:
        """Cause and effect of each link."""
        return tuple(zip(self.path, (*self.path[1:], self.path[0]), strict=True))

    @property
    def shown_path(self) -> str:
        """The path in one line."""
        return " → ".join(selection.label for selection in (*self.path, self.path[0]))


def read_loops(model: Model) -> tuple[Loop, ...]:
    """Return the loops of the loops.toml beside a model; none where there is no such file.

    Raises
    ------
    LoopsFileError
        If the file has a mistake.
    UnknownNameError
        If a variable or an element of a path does not exist.
    """
    path = model.path.parent / FILE
    if not path.is_file():
        return ()
    numbers = {"R": 0, "B": 0}
    loops: list[Loop] = []
    for name, content in read_toml(path, LoopsFileError).items():
        if not isinstance(content, dict):
            message = f"{FILE}: '{name}' is {content!r}, expected a table with polarity, sentence and path."
            raise LoopsFileError(message)
        table = validated(_Table, content, FILE, LoopsFileError, table=name)
        numbers[table.polarity] += 1
        loops.append(_loop(model, name, f"{table.polarity}{numbers[table.polarity]}", table))
    return tuple(loops)


def _loop(model: Model, name: str, label: str, table: _Table) -> Loop:
    """Return a loop with the names of its path looked up."""
    place = f"{FILE}, '{name}'"
    path = tuple(_scalar(model, step, place) for step in table.path)
    if not path:
        message = f"{place}: the path names nothing: list the variables along the loop, each a cause of the next one."
        raise LoopsFileError(message)
    twice = [step.label for i, step in enumerate(path) if step in path[:i]]
    if twice:
        message = f"{place}: '{twice[0]}' stands twice in the path: a loop passes each variable once."
        raise LoopsFileError(message)
    if table.signs and len(table.signs) != len(path):
        message = f"{place}: {len(table.signs)} signs for {len(path)} links: give one a link, or none."
        raise LoopsFileError(message)
    if table.signs and (table.signs.count("-") % 2 == 1) != (table.polarity == "B"):
        message = f"{place}: the signs multiply to the other polarity than '{table.polarity}': correct one of them."
        raise LoopsFileError(message)
    landmarks = _landmarks(model, table, path, place)
    return Loop(name, label, table.polarity, table.sentence, path, table.signs, table.reverses, landmarks)


def _landmarks(model: Model, table: _Table, path: tuple[Selection, ...], place: str) -> tuple[Selection, ...]:
    """Return the landmarks of a loop in the order of its path."""
    named = [_scalar(model, name, f"{place}, landmarks") for name in table.landmarks]
    for step in named:
        if step not in path:
            raise unknown_name("landmark", step.label, [s.label for s in path], place)
    if len(named) == 1:
        message = f"{place}: one landmark makes no picture: name two at least, or none."
        raise LoopsFileError(message)
    return tuple(step for step in path if step in named)


def _scalar(model: Model, name: str, place: str) -> Selection:
    """Return the scalar element that a step of a path names."""
    selection = model.resolve(name, place)
    if selection.indices is None and selection.variable.dims:
        example, dims = ir.element_names(selection.variable)[0], ", ".join(selection.variable.dims)
        message = f"{place}: '{name}' has the dimensions {dims}: name an element, such as '{example}'."
        raise LoopsFileError(message)
    return selection


def broken_links(model: Model, loop: Loop) -> Iterator[tuple[Selection, Selection]]:
    """Yield the links of a loop whose effect does not refer to its cause, whatever the elements."""
    for cause, effect in loop.links:
        if cause.variable.key not in causes(model, effect.variable.key, initial=False):
            yield cause, effect

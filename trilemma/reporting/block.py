"""A piece of the report as HTML, which a notebook cell shows when it is the cell's value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """A piece of HTML."""

    html: str

    def _repr_html_(self) -> str:
        return self.html

"""Copies of model files that PySD can run.

PySD 3.14 stops where a lookup over a range is called for a part of the range with an argument that has subscripts
("new dimensions () must be a superset of existing dimensions"). The copy has one such equation for each element.
"""

from __future__ import annotations

import re
from pathlib import Path

CALL = re.compile(
    r"^(?P<name>[^\n\[\]=]+)\[(?P<part>\w+)\]=\n\t"
    r"(?P<table>[\w ]+)\[(?P=part)\]\((?P<at>[^\n|]*\[(?P=part)\][^\n|]*)\)\n"
    r"(?P<end>\t~[^|]*\|)",
    re.MULTILINE,
)


def copy_for_pysd(path: Path, folder: Path, name: str | None = None) -> Path:
    """Write a copy of a Vensim file into a folder, where PySD may put its Python file beside it; return its path."""
    copy = folder / (name or path.name)
    text = path.read_text(encoding="utf-8")
    copy.write_text(CALL.sub(lambda match: _written_out(match, text), text), encoding="utf-8")
    return copy


def _written_out(match: re.Match[str], text: str) -> str:
    """Return an equation once for each element of its range."""
    part = match["part"]
    declared = re.search(rf"^{part}:\s*\n?\t?(?P<elements>[\w, ]+)\n", text, re.MULTILINE)
    assert declared is not None, part
    written: list[str] = []
    for element in map(str.strip, declared["elements"].split(",")):
        at = match["at"].replace(f"[{part}]", f"[{element}]")
        written.append(f"{match['name']}[{element}]=\n\t{match['table']}[{element}]({at})\n{match['end']}")
    return "\n\n".join(written)

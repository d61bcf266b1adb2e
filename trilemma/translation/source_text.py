"""Looks up in the text of a model file what parsing loses: the lines of definitions, the views they belong to."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trilemma.errors import ModelFileError
from trilemma.translation.ir import normalise

SKETCH_MARK = "\\\\\\---///"
_SHORT_MARK = re.compile(r"(?<!\\)\\{1,2}---///")  # as other tools write it
END_OF_SKETCH = "///---\\\\\\"
_NOT_IN_CP1252 = (0x81, 0x8D, 0x8F, 0x90, 0x9D)
_HEAD = re.compile(r"(?>\s+|\{[^}]*\}|\|)*+")
_TEXT = r'(?>"(?>\\"|[^"])*+"|[^~|])*+'  # what stands in quotes may hold any sign
_ENTRY = re.compile(
    rf"(?P<equation>{_TEXT})~(?P<units>{_TEXT})(?:~(?P<documentation>[^~|]*+)(?:~{_TEXT})?)?\|", re.DOTALL
)
_COMMENT = re.compile(r"\"(?:\\\"|[^\"])*\"|(?<=[(,\s])'[^'\n]*'|\{(?>[^{}]++|\{[^{}]*+\})*+\}")
_MACRO = re.compile(
    r":MACRO:\s*(?P<name>[^(]*)\((?P<parameters>[^)]*)\)(?P<body>.*?):END OF MACRO:", re.DOTALL | re.IGNORECASE
)

_GROUP = re.compile(r"^\*{3,}\s*\n\s*\.(?P<name>[^\n~]+?)\s*\n\*{3,}\s*~", re.MULTILINE)
_OWN_GROUPS = ("control", "subscripts")


def read_text(path: Path) -> str:
    """Return the text of a model file.

    Raises
    ------
    ModelFileError
        If it cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"cannot read the model file '{path}': {error.strerror}."
        raise ModelFileError(message) from error
    text = data.decode(_encoding(data)).replace("\r\n", "\n").replace("\r", "\n")
    return _SHORT_MARK.sub(lambda _: SKETCH_MARK, text)


def _encoding(data: bytes) -> str:
    """Return the encoding of some bytes; the one that is named in a file's first line is often wrong."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "latin-1" if any(byte in data for byte in _NOT_IN_CP1252) else "cp1252"
    return "utf-8-sig"


def clean(equation: str) -> str:
    """Return an equation on one line, as PySD keeps it."""
    return re.sub(r"[\n\t\s]+", " ", re.sub(r"\\\n\t", " ", equation)).strip()


@dataclass(frozen=True)
class Definition:
    """One definition of a .mdl, on one line of text each, and the line of the file that it begins on."""

    line: int
    equation: str
    units: str
    documentation: str


@dataclass(frozen=True)
class MacroText:
    """A macro of a .mdl: its name, its parameters, further results, and its definitions."""

    name: str
    parameters: tuple[str, ...]
    results: tuple[str, ...]
    definitions: tuple[Definition, ...]


def split_vensim(path: Path, text: str) -> tuple[list[Definition], list[MacroText]]:
    """Split the text of a .mdl into definitions and macros; headings of groups are left out.

    Raises
    ------
    ModelFileError
        If it does not consist of definitions, or one is not closed by "|".
    """
    body = text.split(SKETCH_MARK, 1)[0]
    macros: list[MacroText] = []
    for match in _MACRO.finditer(body):
        line = 1 + body.count("\n", 0, match.start("body"))
        listed, _, results = match["parameters"].partition(":")
        macros.append(
            MacroText(
                clean(match["name"]).lower().replace(" ", "_"),
                _names(listed),
                _names(results),
                tuple(_definitions(path, match["body"], line)),
            )
        )
    main = list(_definitions(path, _MACRO.sub(lambda m: "\n" * m[0].count("\n"), body), 1))
    if not main:
        message = (
            f"'{path}' is not a Vensim model that can be parsed: every definition must read "
            "'name = equation ~ unit ~ comment |'; open it in Vensim, or check the file's first and last lines."
        )
        raise ModelFileError(message)
    return main, macros


def _names(text: str) -> tuple[str, ...]:
    """Return the names in a list with commas."""
    return tuple(clean(name) for name in text.split(",") if name.strip())


def _definitions(path: Path, body: str, line: int) -> Iterator[Definition]:
    """Yield the definitions of a part of a .mdl that begins on a line of the file."""
    position = 0
    while True:
        head = _HEAD.match(body, position)
        start = head.end() if head else position
        line += body.count("\n", position, start)
        match = _ENTRY.match(body, start)
        if match is None:
            break
        if not match["equation"].startswith("*"):  # else it is the heading of a group
            equation = _COMMENT.sub(lambda m: " " if m[0].startswith("{") else m[0], match["equation"])
            yield Definition(line, clean(equation), clean(match["units"]), clean(match["documentation"] or ""))
        line += match[0].count("\n")
        position = match.end()
    rest = clean(body[start:])
    if "~" in rest:
        shown = clean(rest.split("~", 1)[0])[:60]
        message = f"'{path}', line {line}: the definition '{shown}' is not closed: it must end with '|'."
        raise ModelFileError(message)
    if rest:
        message = (
            f"'{path}', line {line}: '{rest[:60]}' is no definition: it must read 'name = equation ~ unit ~ comment |'."
        )
        raise ModelFileError(message)


def sketch_views(text: str) -> dict[str, str]:
    """Return the view that shows each variable, by the variable's key; shadow variables do not count."""
    views: dict[str, str] = {}
    if SKETCH_MARK not in text:
        return views
    view = ""
    for line in text.split(SKETCH_MARK, 1)[1].split(END_OF_SKETCH, maxsplit=1)[0].splitlines():
        if line.startswith("*"):
            view = line[1:].strip()
        elif line.startswith("10,"):
            row = next(csv.reader([line]))
            if len(row) > 8 and int(row[8]) % 2:  # an even number marks a shadow variable
                views.setdefault(normalise(row[2]), view)
    return views


def group_views(text: str, lines: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """Return the group that each variable of a .mdl stands under, by the variable's key; not those of Vensim itself.

    Parameters
    ----------
    lines
        The lines of the definitions by the variable's key.
    """
    body = text.split(SKETCH_MARK, 1)[0]
    headings = [(body.count("\n", 0, match.end()), clean(match["name"])) for match in _GROUP.finditer(body)]
    found = {key: [name for line, name in headings if line < numbers[0]] for key, numbers in lines.items() if numbers}
    return {key: names[-1] for key, names in found.items() if names and names[-1].lower() not in _OWN_GROUPS}


def file_aliases(text: str) -> dict[str, str]:
    """Return the files that stand behind names such as "?data" in a .mdl, as its settings list them."""
    return {name: file.strip() for name, file in re.findall(r"^30:(\?[^=\n]*)=(.*)$", text, flags=re.MULTILINE)}


def xmile_lines(text: str) -> dict[str, list[int]]:
    """Return the lines of the definitions of an XMILE file by the variable's key."""
    found: dict[str, list[int]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        for name in re.findall(r'<(?:stock|flow|aux|gf)\s[^>]*name="([^"]+)"', line):
            found.setdefault(normalise(name.replace("\\n", " ")), []).append(number)
    return found

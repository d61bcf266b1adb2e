"""Looks up in the text of a model file what parsing loses: the lines of definitions, the views of the sketch."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from trilemma.errors import ModelFileError
from trilemma.translation.ir import normalise

SKETCH_MARK = "\\\\\\---///"
END_OF_SKETCH = "///---\\\\\\"
_NOT_IN_CP1252 = (0x81, 0x8D, 0x8F, 0x90, 0x9D)
_HEAD = re.compile(r"(?:\s|\{[^}]*\}|:END OF MACRO:|:MACRO:[^)]*\))*", re.IGNORECASE)
_DEFINITION = re.compile(r'(?:"(?:\\"|[^"])*"|[^|"])*\|?')


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
    return data.decode(_encoding(data)).replace("\r\n", "\n").replace("\r", "\n")


def text_encoding(path: Path) -> str:
    """Return the encoding of a model file: UTF-8 or UTF-16 where its bytes are that, else Windows' Western one."""
    return _encoding(path.read_bytes())


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


def definition_lines(path: Path, text: str) -> dict[str, list[int]]:
    """Return the lines of the definitions of a .mdl by their cleaned equation.

    Raises
    ------
    ModelFileError
        If a definition is not closed by "|".
    """
    found: dict[str, list[int]] = {}
    for line, chunk in _chunks(text.split(SKETCH_MARK, 1)[0]):
        equation = clean(chunk.split("~")[0])
        if not chunk.endswith("|") and "~" in chunk:
            message = f"'{path}', line {line}: the definition '{equation[:60]}' is not closed: it must end with '|'."
            raise ModelFileError(message)
        found.setdefault(equation, []).append(line)
    return found


def _chunks(body: str) -> Iterator[tuple[int, str]]:
    """Yield the definitions of a .mdl with the line that each begins on."""
    line = 1
    for match in _DEFINITION.finditer(body):
        chunk = match.group()
        head = _HEAD.match(chunk)
        blank = head.group() if head else ""
        if chunk[len(blank) :].strip(" |"):
            yield line + blank.count("\n"), chunk[len(blank) :]
        line += chunk.count("\n")


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

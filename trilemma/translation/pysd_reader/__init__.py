"""Reads Vensim and XMILE files with PySD's translator and returns our representation; the only place that knows PySD.

`files` parses definition by definition, `ranges` resolves subscripts, `sections` translates variables, `equations`
their expressions, `stateful` writes delays and smooths out as stocks, `macros` writes out the calls of macros,
`lookups` picks tables by element, `constants` works numbers out, `external` reads data from other files.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from trilemma.translation.pysd_reader.files import read_sections
from trilemma.translation.pysd_reader.sections import Reader
from trilemma.translation.source import Source

__all__ = ["read"]

_NOT_OURS = r"(?!'.*' is large)"
"""Warnings of PySD and of what it stands on, which say nothing that a reader of the model could act on."""


def read(path: Path) -> Source:
    """Read a model file.

    Raises
    ------
    ModelFileError
        If the file cannot be read or parsed; the sentence names the line and the definition.
    UnsupportedError
        If it uses a construct that has no representation.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_NOT_OURS)
        return Reader(path, read_sections(path)).source()

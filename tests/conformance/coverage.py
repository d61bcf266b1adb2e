"""Writes docs/coverage.md: what of Vensim and XMILE is supported, and which case tests it.

``python -m tests.conformance.coverage`` writes the file; a test holds that it is up to date.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from pysd.builders.python.python_functions import functionspace

from tests.conformance.cases import Case
from tests.conformance.structures import STRUCTURES
from tests.conformance.table import CASES
from trilemma.engine.function_table import CALLS, shown_name

FILE = Path(__file__).parents[2] / "docs" / "coverage.md"

ELSEWHERE = {"active_initial", "elmcount"}
"""Functions of PySD's table that the reader turns into something else."""

HEAD = """# What is supported, and tested

Written by `python -m tests.conformance.coverage` from the conformance table: small models of our own, each with values
worked out by hand or in closed form. A case that PySD 3 runs is held against PySD as well, every variable at every
saved time; where it is not, the table says what PySD does. Where PySD's translator cannot parse a file, neither can
trilemma: it names the line.
"""


def table() -> str:
    """Return the text of docs/coverage.md."""
    structures = _rows(STRUCTURES)
    functions = _rows(case for case in CASES if case not in STRUCTURES)
    missing = sorted(shown_name(name) for name in functionspace if name.lower() not in CALLS and name not in ELSEWHERE)
    texts = "\n".join(case.model.upper().replace(" (", "(") for case in CASES)
    untested = sorted({name for name in map(shown_name, CALLS) if not re.search(rf"\b{name}\(", texts)})
    count = len(CASES)
    compared = sum(case.against_pysd for case in CASES)
    return "\n".join(
        [
            HEAD,
            f"{count} cases, {compared} of them equal to PySD.\n",
            "## Structures\n",
            *structures,
            "\n## Functions\n",
            *functions,
            "\n## Without a case of their own\n",
            _listed("Supported, and in no case", untested),
            _listed("In PySD's table of functions and not supported", missing),
            "",
        ]
    )


def _rows(cases: Iterable[Case]) -> list[str]:
    """Return a table with a row for each construct."""
    by_construct: dict[str, list[Case]] = {}
    for case in cases:
        by_construct.setdefault(case.construct, []).append(case)
    rows = ["| construct | cases | PySD |", "| --- | --- | --- |"]
    for construct in sorted(by_construct, key=lambda name: name.strip(":").lower()):
        found = by_construct[construct]
        names = "; ".join(_escaped(case.name) for case in found)
        apart = [f"{case.why_not} ({_escaped(case.name)})" for case in found if not case.against_pysd and case.why_not]
        same = sum(case.against_pysd for case in found)
        verdict = "; ".join([*([f"equal in {same}"] if same else []), *apart])
        rows.append(f"| {_escaped(construct)} | {names} | {verdict} |")
    return rows


def _escaped(text: str) -> str:
    """Return a text that may stand in a cell."""
    return text.replace("|", "\\|")


def _listed(title: str, names: list[str]) -> str:
    """Return a line that lists names."""
    return f"{title}: {', '.join(names) if names else 'none'}.\n"


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(table(), encoding="utf-8")

"""A small project for tests: one model with four scenarios, and a forecast of two with a notebook of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ("-m", "trilemma.cli")
LONGEST = 120  # seconds; a command that takes longer hangs

MODEL = """{UTF-8}
actor: US, CN
	~
	~	|
growth[actor]=
	0.2, 0.3
	~	1/Year
	~	Yearly growth.
	|
lever=
	0.5
	~	Dmnl
	~	What policy sets from 2022 on.
	|
history switch=
	1
	~	Dmnl
	~	1 = as it was.
	|
brake= lever*STEP(1, 2022)
	~	Dmnl
	~	What is felt.
	|
Fleet[actor]= INTEG(Fleet[actor]*growth[actor]*(1-brake)*history switch, start fleet[actor])
	~	Kunit
	~	Units in use.
	|
start fleet[actor]=
	10, 5
	~	Kunit
	~	Units at the start.
	|
fleet ratio= Fleet[US]/Fleet[CN]
	~	Dmnl
	~	How far ahead.
	|
INITIAL TIME = 2020
	~	Year
	~	Start.
	|
FINAL TIME = 2024
	~	Year
	~	End.
	|
TIME STEP = 0.125
	~	Year
	~	Step.
	|
SAVEPER = 0.5
	~	Year
	~	Interval of saved times.
	|
"""

PARAMETERS = """name,unit,central,low,high,prior,role,source,note
growth[US],1/Year,0.2,0.1,0.3,uniform,parameter,assumption,
growth[CN],1/Year,0.3,0.2,0.4,uniform,parameter,assumption,
lever,Dmnl,0.5,0,1,,lever,assumption,
history switch,Dmnl,1,0,1,,switch,assumption,
start fleet[US],Kunit,10,10,10,,parameter,assumption,
start fleet[CN],Kunit,5,5,5,,parameter,assumption,
"""

OUTCOMES = """["fleet lag"]
expression = "lag_months(Fleet[US], Fleet[CN])"
unit = "Month"
sentence = "By how many months one fleet trails the other."
"""

SCENARIOS = """[as_is]
title = "As it is"
sentence = "The lever stays where it is."
[as_is.overrides]
lever = 0.5

[tight]
title = "Tight"
sentence = "The lever is pulled."
extends = "as_is"
[tight.overrides]
lever = 1

[fast]
title = "Fast"
sentence = "Chinese growth is known."
extends = "as_is"
[fast.overrides]
growth = { CN = 0.35 }

[never]
title = "Never"
sentence = "Nothing ever grew."
[never.overrides]
"history switch" = 0
"""

CLAIMS = """[H1]
title = "A tight lever slows both fleets"
says = "Pulling the lever slows all."
tested = "By the share of both fleets that is lost at the end."
change = "A lever that acts on one of them."
[[H1.condition]]
title = "Fleets lost"
metric = "sum(Fleet[actor!])"
scenario = "tight"
against = "as_is"
paired = "shortfall"
at = 2024
above = 0.05
"""

FORECAST = """title = "A small forecast"
sentence = "Two policies."
model = "small"
baseline = "as_is"
scenarios = ["as_is", "tight"]
outcomes = ["fleet ratio", "Fleet", "fleet lag"]
[design]
method = "latin_hypercube"
draws = 4
seed = 7
[horizon]
save_every = 0.5
"""

PARAMETERS_CELL = 'store = ""'
PAGE_CELL = """import json
from pathlib import Path
from IPython.display import HTML
from trilemma.forecasting.store import open_store

ratio = float(open_store(Path(store))["fleet ratio"].isel(time=-1).median())
HTML('<script type="application/json" id="report-numbers">' + json.dumps({"fleet ratio": ratio}) + "</script>")"""


def notebook(*cells: str) -> str:
    """Return the text of a notebook of code cells, the first one tagged as the parameters."""
    listed = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell-{i}",
            "metadata": {"tags": [] if i else ["parameters"]},
            "outputs": [],
            "source": source,
        }
        for i, source in enumerate(cells)
    ]
    return json.dumps({"cells": listed, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


FILES = {
    "models/small/small.mdl": MODEL,
    "models/small/parameters.csv": PARAMETERS,
    "models/small/outcomes.toml": OUTCOMES,
    "models/small/claims.toml": CLAIMS,
    "forecasts/scenarios.toml": SCENARIOS,
    "forecasts/trial.toml": FORECAST,
    "notebooks/trial.ipynb": notebook(PARAMETERS_CELL, PAGE_CELL),
}


def write_project(folder: Path) -> None:
    """Write the project into a folder."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Workspace:
    """The project in a folder, and the command line run on it as a process of its own."""

    folder: Path

    @property
    def results(self) -> Path:
        """The folder of the result stores."""
        return self.folder / "forecasts" / "results"

    @property
    def reports(self) -> Path:
        """The folder of the reports."""
        return self.folder / "reports"

    @property
    def temporary(self) -> Path:
        """The folder that the processes use for what is temporary."""
        return self.folder.parent / f"{self.folder.name}-temporary"

    def command(self, *words: str, program: tuple[str, str] = PROGRAM) -> list[str]:
        """Return all words of a command on this project."""
        return [sys.executable, *program, "--project", str(self.folder), *words]

    def environment(self) -> dict[str, str]:
        """Return the environment of the processes."""
        self.temporary.mkdir(exist_ok=True)
        return {**os.environ, "TMPDIR": str(self.temporary), "PYTHONUTF8": "1", "COLUMNS": "120"}

    def start(self, *words: str, program: tuple[str, str] = PROGRAM) -> subprocess.Popen[str]:
        """Start a command."""
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # inherited from a shell that runs them behind it
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return subprocess.Popen(
            self.command(*words, program=program),
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def run(self, *words: str, program: tuple[str, str] = PROGRAM) -> Outcome:
        """Run a command to its end."""
        process = self.start(*words, program=program)
        printed, complaint = process.communicate(timeout=LONGEST)
        return Outcome(process.returncode, printed, complaint)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text that occurs in one of the project's files."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def made(self) -> dict[str, bytes]:
        """Return all that is in the results and the reports, hidden files too."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else b""
            for folder in (self.results, self.reports)
            for path in sorted(folder.rglob("*"))
        }


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it printed."""

    status: int
    printed: str
    complaint: str

    def succeeded(self) -> str:
        """Return what was printed, after a check that all went well and nothing else was said."""
        assert (self.status, self.complaint) == (0, "")
        return self.printed

    def failed(self, status: int = 2) -> str:
        """Return the sentence of a failure, after a check that it is one line and that nothing was printed."""
        assert (self.status, self.printed) == (status, ""), self.complaint
        lines = self.complaint.splitlines()
        assert len(lines) == 1, self.complaint
        assert lines[0].startswith("trilemma: ")
        assert lines[0].endswith((".", "?"))
        return lines[0].removeprefix("trilemma: ")

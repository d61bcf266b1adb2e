"""Writes into README.md what its commands print, and draws its figure; writes mechanisms into the READMEs of models.

``python -m tests.documentation --write`` needs the results of the default forecast; a test compares the outputs with
what stands there.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
FIGURE = ROOT / "docs" / "capability_lag.png"
PANELS = (
    "as_enacted",
    "never_controlled",
    "full_stack_tight",
    "api_geofence_only",
    "hardware_only",
    "full_deregulation",
)
BLOCK = re.compile(r"<!-- output: (?P<command>trilemma [^\n]*) -->\n```text\n(?P<text>.*?)```\n<!-- end -->", re.DOTALL)

MECHANISMS = re.compile(r"<!-- mechanisms -->\n.*?<!-- end -->", re.DOTALL)


def blocks(text: str) -> dict[str, str]:
    """Return the output shown for each command."""
    return {match["command"]: match["text"] for match in BLOCK.finditer(text)}


def output(command: str, *options: str, folder: Path = ROOT) -> str:
    """Return what a command prints in a folder, standard error first, without blanks at the ends of lines."""
    words = [sys.executable, "-m", "trilemma.cli", *options, *shlex.split(command)[1:]]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return "".join(f"{line.rstrip()}\n" for line in (done.stderr + done.stdout).splitlines())


def refreshed(text: str) -> str:
    """Return a text with the output of each command as it is now; with a warning in one it is not to be shown."""

    def again(shown: re.Match[str]) -> str:
        printed = output(shown["command"])
        if "trilemma: warning:" in printed:
            sys.exit(f"{shown['command']} warns, so that nothing was written:\n{printed}")
        return f"<!-- output: {shown['command']} -->\n```text\n{printed}```\n<!-- end -->"

    return BLOCK.sub(again, text)


def with_mechanisms(text: str, table: str) -> str:
    """Return the README of a model with its table of mechanisms as given; one without the marks stays as it is."""
    return MECHANISMS.sub(lambda _: f"<!-- mechanisms -->\n{table}<!-- end -->", text)


def model_readmes() -> dict[Path, str]:
    """Return the READMEs of models that show a table of mechanisms, as they ought to be."""
    from trilemma.content import list_models
    from trilemma.reporting.scorecard import mechanism_table
    from trilemma.translation.model import load_model
    from trilemma.validation.scorecard import check
    from trilemma.validation.spec import read_checks

    found: dict[Path, str] = {}
    for file in list_models():
        readme = file.parent / "README.md"
        text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
        if MECHANISMS.search(text):
            model = load_model(file)
            table = mechanism_table(read_checks(model).mechanisms, check(model, only=["mechanisms"]))
            found[readme] = with_mechanisms(text, table)
    return found


def draw(path: Path) -> None:
    """Draw the figure of the README from the stored results."""
    from trilemma.forecasting.sweep import open_results
    from trilemma.reporting.figures import fan_chart

    results = open_results("policy_comparison")
    years = (2020, 2035)
    figure = fan_chart(
        results, "exact lag", scenarios=PANELS, baseline="as_enacted", year=2030, window=years, policy_start=2026
    )
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Write, or print what would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write all READMEs and the figure")
    text = refreshed(README.read_text(encoding="utf-8"))
    if parser.parse_args().write:
        README.write_text(text, encoding="utf-8")
        draw(FIGURE)
        for path, own in model_readmes().items():
            path.write_text(own, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()

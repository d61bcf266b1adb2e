"""What a model file holds, before names are resolved: what readers return."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from trilemma.translation import ir

CONTROLS = ("initial_time", "final_time", "time_step", "saveper")
"""The keys of the control variables."""


@dataclass(frozen=True)
class Source:
    """What a model file holds, before names are resolved.

    Attributes
    ----------
    ranges, hidden_ranges
        Elements by range: those of the file, and those of parts of them that definitions cover.
    variables
        By key.
    views
        The names shown in each view of the sketch, or in each group of a file without one.
    files
        The other files that the model reads.
    fixed
        By key, variables whose value the translation has taken, and what for.
    """

    ranges: dict[str, tuple[str, ...]]
    hidden_ranges: dict[str, tuple[str, ...]]
    variables: dict[str, ir.Variable]
    views: dict[str, tuple[str, ...]]
    files: tuple[Path, ...] = ()
    fixed: dict[str, str] = field(default_factory=dict[str, str])

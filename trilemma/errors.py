"""The mistakes a user can make, each as one sentence with its remedy; nothing here knows any other module."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class TrilemmaError(ValueError):
    """A user's mistake. Its text is one plain sentence: what, where, what was expected, what to do.

    `exit_code` is the status with which the command line stops.
    """

    exit_code = 2


class UnknownNameError(TrilemmaError):
    """A name (variable, element, scenario, outcome, model, ...) that does not exist; near names are listed."""


class ModelFileError(TrilemmaError):
    """A model file that cannot be read or parsed."""


class UnsupportedError(ModelFileError):
    """A model file that uses a construct which the engine does not run."""


class OverrideError(TrilemmaError):
    """An override whose shape, time axis or value does not fit its variable."""


class MemoryLimitError(TrilemmaError, MemoryError):
    """Runs whose results need more memory than they may take."""


class ParameterTableError(TrilemmaError):
    """A parameters.csv that contradicts itself or its model."""


class EvidenceError(TrilemmaError):
    """A table of observations, events or measurements with a wrong cell, or one that contradicts itself."""


class EnsembleError(TrilemmaError):
    """A calibrated ensemble that is missing, damaged or made for another state of its model."""


class CalibrationError(TrilemmaError):
    """A fit or a sample that did not converge, or that its data cannot support; nothing is written then."""


class LoopsFileError(TrilemmaError):
    """A loops.toml with a wrong key or value, or a path that is none."""


class ForecastFileError(TrilemmaError):
    """A forecast or scenario file with a wrong key or value."""


class ChecksFileError(TrilemmaError):
    """A checks.toml with a wrong key, value or statement."""


class StoreError(TrilemmaError):
    """A result store that is missing, foreign, damaged or cannot be written."""


class ClaimError(TrilemmaError):
    """A claim that is badly written, or that some results cannot test."""


class ReportError(TrilemmaError):
    """A report that could not be made."""


class TrilemmaWarning(UserWarning):
    """Something that is allowed and probably not what the user wanted."""


def list_names(names: Iterable[str], conjunction: str = "or") -> str:
    """Return names as a readable list: ``a``, ``a or b``, ``a, b or c``."""
    quoted = [f"'{name}'" for name in names]
    if len(quoted) < 2:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])} {conjunction} {quoted[-1]}"


def near_names(name: str, known: Iterable[str], n: int = 5) -> str:
    """Return "did you mean ...?" for the known names nearest to `name`; list all when they are few."""
    candidates = list(dict.fromkeys(known))
    if not candidates:
        return "there are none."
    lowered = {candidate.lower(): candidate for candidate in reversed(candidates)}
    wanted = name.lower()
    near = [lowered[match] for match in get_close_matches(wanted, lowered, n=n, cutoff=0.5)]
    words = wanted.replace("_", " ").split()
    holding = [c for c in candidates if any(len(word) > 2 and word in c.lower() for word in words)]
    near += [c for c in holding if c not in near]
    if near:
        return f"did you mean {list_names(near[:n])}?"
    if len(candidates) <= 20:
        return f"known are {list_names(candidates, 'and')}."
    return f"none of the {len(candidates)} known names is near it."


def unknown_name(kind: str, name: str, known: Iterable[str], where: str = "") -> UnknownNameError:
    """Return the error for a name that does not exist.

    Parameters
    ----------
    kind
        What the name should have named: "variable", "scenario", ...
    name
        The name as the user wrote it.
    known
        The names that exist.
    where
        Where it was written, such as a file and key; empty when that is plain.
    """
    place = f" in {where}" if where else ""
    return UnknownNameError(f"unknown {kind} '{name}'{place}: {near_names(name, known)}")

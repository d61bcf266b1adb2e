"""How much memory runs take, and how many of them go together so that they stay within a limit.

The limit is what the caller gives, or half of what this process may still have. What runs take is worked out from the
shapes of a program before it is compiled; it is an estimate, on the safe side.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path

import psutil

from trilemma.engine.loop import Request, sizes
from trilemma.errors import MemoryLimitError, OverrideError
from trilemma.translation.model import Model

NUMBER = 8  # bytes
SMALL = 64 << 20
"""Bytes that nobody counts."""

_CGROUP = Path("/sys/fs/cgroup")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


@dataclass(frozen=True)
class Need:
    """The bytes that a run takes: for what is saved of it, and beside that while it runs."""

    saved: int
    working: int


@lru_cache(maxsize=256)
def need(model: Model, request: Request) -> Need:
    """Return what a run of a request takes."""
    outcomes = sum(prod(model.nodes[key].shape) for key in request.outcomes)
    found = sizes(model, request)
    saves = request.saves
    working = found.values + 2 * (found.states + found.delayed)  # a state and the next one
    return Need(saved=saves * (NUMBER * outcomes + 4), working=NUMBER * working)


def chunk(need: Need, runs: int, largest: int, together: int, limit: float | None) -> int:
    """Return how many runs are computed in one go.

    Parameters
    ----------
    largest
        How many are fastest.
    together
        How many such chunks are computed at a time.
    limit
        Bytes that all runs may take; half of what is free by default.

    Raises
    ------
    MemoryLimitError
        If what is saved does not fit.
    """
    if limit is None and runs * need.saved + min(runs, together * largest) * (need.saved + need.working) < SMALL:
        return largest
    together = min(together, runs)
    allowed = default_limit() if limit is None else limit
    left = allowed - runs * need.saved
    fitting = int(left / (together * (need.saved + need.working)))
    if fitting < 1:
        least = runs * need.saved + together * (need.saved + need.working)
        named = f"{runs:,} runs need" if runs > 1 else "1 run needs"
        message = (
            f"{named} about {shown(least)} of memory and may take {shown(allowed)}: ask for fewer outcomes, save less "
            "often, run fewer at a time (a sweep writes as it goes), or raise max_memory."
        )
        raise MemoryLimitError(message)
    return min(largest, fitting)


def default_limit() -> int:
    """Return half of the bytes that this process may still have."""
    free = psutil.virtual_memory().available
    with suppress(OSError, ValueError):  # a container may have less than the machine
        limit, held = ((_CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        if limit != "max":
            free = min(free, int(limit) - int(held))
    return max(free, 0) // 2


def read_size(text: str) -> int:
    """Return bytes from words such as "500 MB", "2GB" or "1.5 GiB".

    Raises
    ------
    OverrideError
        If they are no size above zero.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([kmgt]?i?)b?\s*", text, flags=re.IGNORECASE)
    size = int(float(found[1]) * _UNITS.get(found[2].lower(), 0)) if found else 0
    if size < 1:
        message = f"cannot read the memory limit '{text}': give a size such as '500 MB' or '2 GB'."
        raise OverrideError(message)
    return size


def shown(size: float) -> str:
    """Return a number of bytes for people."""
    unit, by = next(((u, b) for u, b in (("GB", 1e9), ("MB", 1e6)) if size >= b), ("kB", 1e3))
    return f"{size / by:,.1f} {unit}"

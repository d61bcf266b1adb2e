"""What is asked of XLA on a CPU beyond its defaults: for all programs of a process, and for one.

XLA runs a step of a loop as some hundred kernels, each with a cost of its own. One option makes it one function of the
whole loop: three times faster for one run, a third for a batch, which then also gains from smaller chunks. XLA takes
that option from the environment alone, when it is first used; so ``import trilemma`` sets ``XLA_FLAGS``, unless it
holds ``--xla_backend_extra_options`` already. Results are the same but for rounding. This module does not import JAX.
"""

from __future__ import annotations

import os
import sys
from typing import Any

FLAGS = "XLA_FLAGS"
THREADS = "NPROC"

LARGEST_LOOP = 2**27
"""Bytes that a loop reads and writes to become one function; a chunk of runs stays below."""

OPTION = f"xla_cpu_small_while_loop_byte_threshold={LARGEST_LOOP}"
"""An XLA that does not know the option takes no notice of it."""

FEW_RUNS = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 1}
"""For a few runs: compiles in two thirds of the time, and runs as fast."""

MANY_RUNS = {"xla_cpu_prefer_vector_width": 512}
"""For a batch: the widest registers, where the processor has them."""


LARGE_FEW_RUNS = FEW_RUNS | {"xla_backend_optimization_level": 0}
LARGE_MANY_RUNS = MANY_RUNS | {"xla_backend_optimization_level": 1}
"""For models of thousands of equations, which take longer to compile than to run."""


def ask_for_one_function() -> None:
    """Set the option of the process, unless the user has set theirs."""
    held = os.environ.get(FLAGS, "")
    if "xla_backend_extra_options" not in held:
        os.environ[FLAGS] = f"{held} --xla_backend_extra_options={OPTION}".strip()


def processors() -> int:
    """Return the number of processors that this process may use."""
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def threads() -> int:
    """Return how many threads XLA works with: as many as there are processors, unless ``NPROC`` says otherwise."""
    held = os.environ.get(THREADS, "")
    return int(held) if held.isdecimal() and int(held) else processors()


def ask_for_threads() -> None:
    """Ask for two threads a processor, for programs that call back into others; too late once JAX is there."""
    if "jax" not in sys.modules:
        os.environ.setdefault(THREADS, str(2 * processors()))


def makes_one_function() -> bool:
    """Return whether XLA was asked to make a loop one function."""
    return OPTION in os.environ.get(FLAGS, "")


def options(backend: str, *, few_runs: bool, large: bool = False) -> dict[str, Any] | None:
    """Return the options of one program; there are none but on a CPU."""
    if backend != "cpu":
        return None
    if large:
        return LARGE_FEW_RUNS if few_runs else LARGE_MANY_RUNS
    return FEW_RUNS if few_runs else MANY_RUNS

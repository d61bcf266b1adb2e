"""Runs a program over many runs: equal chunks, a worker thread each, all calling one compiled function.

Two threads with chunks of some hundred runs are faster than one call on everything with XLA's own threads: a chunk
stays in the cache. The last chunk is filled up with copies of its last run, so that all have one shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from trilemma.engine import compiler
from trilemma.engine.inputs import Inputs
from trilemma.engine.loop import Given, Program, Series
from trilemma.engine.values import Draws

CHUNK = 256
"""Runs in a chunk at most; from 512 on their arrays leave the cache of a core."""

Outputs = tuple[dict[str, np.ndarray], np.ndarray]
"""Outcomes by key, shape (saves, dims, runs or 1), and what failed, shape (saves, runs); see `checks`."""


def run(
    program: Program, inputs: Inputs, progress: Callable[[int, int], None] | None = None, *, largest: int = CHUNK
) -> Outputs:
    """Run a program for all runs of the inputs.

    Parameters
    ----------
    progress
        Called with the number of finished runs and of all runs after each chunk.
    largest
        The most runs in a chunk.
    """
    runs = inputs.runs or 1
    chunks = list(_chunks(runs, largest))
    if len(chunks) == 1:
        outputs = _call(program, inputs, chunks[0], runs)
        if progress is not None:
            progress(runs, runs)
        return outputs
    whole: Outputs | None = None
    pool = ThreadPoolExecutor(max_workers=workers())
    try:
        for where, part in zip(
            chunks, pool.map(lambda where: _call(program, inputs, where, runs), chunks), strict=True
        ):
            whole = _room_for(part, runs) if whole is None else whole
            _put(whole, part, where)
            if progress is not None:
                progress(min(runs, int(where[-1]) + 1), runs)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    assert whole is not None
    return whole


def workers() -> int:
    """Return the number of worker threads: the processors that this process may use."""
    return compiler.processors()


def _chunks(runs: int, largest: int) -> Iterator[np.ndarray]:
    """Yield the positions of the runs of each chunk; all chunks have the same size."""
    count = -(-runs // largest)
    if runs >= 2 * workers() and count < workers():
        count = workers()
    size = -(-runs // count)
    for first in range(0, runs, size):
        yield np.minimum(np.arange(first, first + size), runs - 1)


def _call(program: Program, inputs: Inputs, where: np.ndarray, runs: int) -> Outputs:
    """Call a program for some of the runs and bring its results to NumPy."""
    saved, failures = program(given(inputs, where, runs))
    outcomes = {key: np.asarray(values) for key, values in saved.items()}
    return outcomes, np.asarray(failures)


def given(inputs: Inputs, where: np.ndarray, runs: int) -> Given:
    """Return the arrays that a program is called with, for the runs at some positions."""

    def part(array: np.ndarray) -> np.ndarray:
        return array[..., where] if array.shape[-1] == runs and runs > 1 else array

    return Given(
        constants={key: part(value) for key, value in inputs.constants.items()},  # type: ignore[misc]
        replaced={
            key: Series(entry.knots, part(entry.values)) if entry.knots is not None else part(entry.values)  # type: ignore[arg-type, misc]
            for key, entry in inputs.replaced.items()
        },
        initial={key: part(entry.values) for key, entry in inputs.initial.items()},  # type: ignore[misc]
        draws=Draws(np.uint32(inputs.seed), part(inputs.numbers)),  # type: ignore[arg-type]
        state=None if inputs.state is None else {key: part(value) for key, value in inputs.state.items()},  # type: ignore[misc]
    )


def _room_for(part: Outputs, runs: int) -> Outputs:
    """Return arrays for the outputs of all runs; one value for all runs stays one, unless a chunk is one run."""
    outcomes, failures = part
    size = failures.shape[-1]
    whole = {
        key: values if values.shape[-1] == 1 < size else np.empty((*values.shape[:-1], runs), values.dtype)
        for key, values in outcomes.items()
    }
    return whole, np.empty((*failures.shape[:-1], runs), failures.dtype)


def _put(whole: Outputs, part: Outputs, where: np.ndarray) -> None:
    """Put the outputs of a chunk in their place, without its filling."""
    place = slice(int(where[0]), int(where[-1]) + 1)
    count = place.stop - place.start
    for key, values in part[0].items():
        if whole[0][key].shape[-1] > values.shape[-1] or values.shape[-1] > 1:
            whole[0][key][..., place] = values[..., :count]
    whole[1][..., place] = part[1][..., :count]

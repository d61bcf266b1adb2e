"""Results one block after another, the next computed while the caller deals with the last: two blocks are in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def ahead(tasks: Iterable[Callable[[], Result]]) -> Iterator[Result]:
    """Yield the results of tasks in their order, each task begun when the result before is handed over.

    Parameters
    ----------
    tasks
        Functions without arguments; the iterable is asked for one only when it is about to begin.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        running: list[Future[Result]] = []
        for task in tasks:
            done = [one.result() for one in running]
            running = [pool.submit(task)]
            yield from done
            del done  # else it would be held until the next one is there
        yield from (one.result() for one in running)

"""Simulations whose clock changes in a run: a TIME STEP, SAVEPER or FINAL TIME that follows from the time.

The times of all steps are worked out beforehand, for all runs alike. Each stretch of equal steps is a simulation of its
own that goes on from the state in which the one before ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from trilemma.engine.batches import CHUNK, Outputs, run
from trilemma.engine.programs import FEW_RUNS, build
from trilemma.engine.warm_start import PREFIX
from trilemma.errors import UnsupportedError
from trilemma.translation import ir
from trilemma.translation.folding import value_at
from trilemma.translation.model import Model

if TYPE_CHECKING:
    from trilemma.engine.simulate import Plan

PRECISION = 1e-10
"""Part of a step by which two times may differ and count as the same."""

MOST_STEPS = 10_000_000
MOST_STRETCHES = 100
"""Each stretch is compiled for itself."""


@dataclass(frozen=True)
class Stretch:
    """Steps of one length: where they begin, the number of the first, and those at whose beginning is saved.

    `saved` counts from the first step of the stretch; the end of the stretch counts too where it is the last one.
    """

    start: float
    time_step: float
    first: int
    steps: int
    saved: tuple[int, ...]

    @property
    def times(self) -> np.ndarray:
        """The saved times."""
        return self.start + np.array(self.saved, dtype=int) * self.time_step


def refuse_varying(model: Model) -> None:
    """Refuse a model whose clock changes, where only one grid of times will do.

    Raises
    ------
    UnsupportedError
        With the control variables that change.
    """
    if model.clock.varying:
        raise UnsupportedError(
            f"'{model.path}': {_names(model)} changes over time, which only a whole simulation can follow: "
            "give time_step, or write a constant into the file."
        )


def stretches(model: Model, save_every: float | None = None, stop: float | None = None) -> list[Stretch]:
    """Return the stretches of a simulation whose clock changes.

    Raises
    ------
    UnsupportedError
        If a step is not above 0, if the simulation has no end, or if its steps change too often to be compiled.
    """
    found: list[Stretch] = []
    begin = now = start = model.initial_time
    length, first, count, saved = _control(model, "time_step", now), 0, 0, []
    while True:
        every = save_every if save_every is not None else _control(model, "saveper", now)
        if every <= 0 or _is_multiple(now - begin, every, length):
            saved.append(count - first)
        if not now + length * PRECISION < (stop if stop is not None else _control(model, "final_time", now)):
            return [*found, Stretch(start, length, first, count - first, tuple(saved))]
        count += 1
        now = start + (count - first) * length
        following = _control(model, "time_step", now)
        if following != length:
            found.append(Stretch(start, length, first, count - first, tuple(saved)))
            start, length, first, saved = now, following, count, []
        if not length > 0 or count > MOST_STEPS or len(found) > MOST_STRETCHES:
            reason = "is not above 0" if not length > 0 else "changes too often, or the simulation has no end"
            message = f"'{model.path}': at {now:g}, TIME STEP {reason}: write a constant into the file."
            raise UnsupportedError(message)


def run_stretches(
    model: Model,
    plan: Plan,
    parts: list[Stretch],
    progress: Callable[[int, int], None] | None = None,
    *,
    largest: int = CHUNK,
) -> tuple[Outputs, np.ndarray]:
    """Run a plan over the stretches of its clock; return what was saved, and the saved times.

    Raises
    ------
    UnsupportedError
        If the model delays values by a fixed time, and its steps change.
    """
    if len(parts) > 1 and plan.request.pipes:
        message = f"'{model.path}' has a DELAY FIXED and a TIME STEP that changes: write a constant into the file."
        raise UnsupportedError(message)
    inputs, outputs = plan.inputs, list[Outputs]()
    for number, part in enumerate(parts):
        request = replace(
            plan.request,
            start=part.start - part.first * part.time_step,
            time_step=part.time_step,
            first_step=part.first,
            steps_per_save=1,
            saves=part.steps + 1,
            keep_state=number < len(parts) - 1,
        )
        program = build(model, request, few_runs=(inputs.runs or 1) <= FEW_RUNS)
        outcomes, failures = run(program, inputs, progress if number == len(parts) - 1 else None, largest=largest)
        inputs = replace(inputs, state={label: a[0] for label, a in outcomes.items() if label.startswith(PREFIX)})
        chosen = np.array(part.saved, dtype=int)
        kept = {key: array[chosen] for key, array in outcomes.items() if not key.startswith(PREFIX)}
        outputs.append((kept, np.broadcast_to(failures, (part.steps + 1, failures.shape[-1]))[chosen]))
    saved = {key: np.concatenate([outcomes[key] for outcomes, _ in outputs]) for key in outputs[0][0]}
    times = np.concatenate([part.times for part in parts])
    return (saved, np.concatenate([failures for _, failures in outputs])), times


def _control(model: Model, key: str, time: float) -> float:
    """Return a control variable at a time."""
    if key not in model.clock.varying:
        return float(getattr(model.clock, key))
    value = value_at(ir.Reference(key), model.nodes, model.lower_ranges, time)
    assert value is not None  # it had a value one step after the start
    return value


def _is_multiple(since: float, every: float, step: float) -> bool:
    """Whether a time since the start is a whole number of intervals."""
    return min(since % every, -since % every) < step * PRECISION


def _names(model: Model) -> str:
    """Return the control variables that change."""
    return " and ".join(sorted(key.replace("_", " ").upper() for key in model.clock.varying))

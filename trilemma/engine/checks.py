"""Failure as data: where in a run a value stops being finite, or leaves the range that the model file declares for it.

States and outcomes are looked at when outcomes are saved. The program returns one number a run and save; what it means
is worked out afterwards, so that a batch is hardly slower for it and a failing run leaves the others alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from trilemma.translation import ir
from trilemma.translation.model import Model
from trilemma.translation.ordering import Node, component_of

RESULT = "result"
DETAILS = ("result_variable", "result_time", "result_sentence")
"""The coordinates of a Dataset that say more of a failure than its code."""

MEANINGS = ("finite", "not_finite", "out_of_range")
"""By code. A run that is not finite may have been out of range before."""

TOLERANCE = 1e-9
"""How far beyond a limit counts as rounding: of the larger limit's size, of 1 at least."""


@dataclass(frozen=True)
class Checks:
    """What is looked at: the name of each row of values, and its limits (infinite where none is declared)."""

    labels: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray


def checks_of(model: Model, states: Sequence[Node], outcomes: Sequence[str]) -> Checks:
    """Return what is looked at: states first, then the other outcomes, each in order."""
    rows = [row for node in states for row in _rows_of_state(model, node)]
    rows += [row for key in _others(model, states, outcomes) for row in _rows_of_outcome(model, key)]
    labels, limits = [label for label, _ in rows], np.array([limit for _, limit in rows]).reshape((-1, 2))
    return Checks(tuple(labels), limits[:, 0], limits[:, 1])


def first_failures(
    checks: Checks, model: Model, states: Mapping[Node, Array], saved: Mapping[str, Array], runs: int
) -> Array:
    """Return, by run, the first row that fails at a save: n values that are not finite, n out of range, 2 n none."""
    parts = [level.reshape((-1, level.shape[-1])) for level in states.values()]
    for key in _others(model, list(states), list(saved)):
        part = saved[key].reshape((-1, saved[key].shape[-1]))
        defined = np.flatnonzero(model.owners[key].ravel() >= 0)
        parts.append(part if len(defined) == part.shape[0] else part[defined])
    n = len(checks.labels)
    if n == 0:
        return jnp.zeros((runs,), dtype=jnp.int32)
    values = jnp.concatenate([jnp.broadcast_to(part, (part.shape[0], runs)) for part in parts])
    row = jnp.arange(n, dtype=jnp.int32)[:, None]
    limits = np.stack([checks.low, checks.high])
    slack = TOLERANCE * np.maximum(1.0, np.abs(np.where(np.isfinite(limits), limits, 0.0)).max(axis=0))
    inside = (values >= (checks.low - slack)[:, None]) & (values <= (checks.high + slack)[:, None])
    return jnp.min(jnp.where(jnp.isfinite(values), jnp.where(inside, 2 * n, n + row), row), axis=0)


def _others(model: Model, states: Sequence[Node], outcomes: Sequence[str]) -> list[str]:
    """Return the outcomes that are no states; data may be undefined where their file says nothing."""
    keys = {node.key for node in states}
    return [key for key in outcomes if key not in keys and model.nodes[key].kind != "data"]


def _limits(variable: ir.Variable) -> tuple[float, float]:
    """Return the declared limits of a variable."""
    low, high = variable.limits or (None, None)
    return (-np.inf if low is None else low, np.inf if high is None else high)


def _rows_of_state(model: Model, node: Node) -> list[tuple[str, tuple[float, float]]]:
    """Return the name and the limits of each element of a state; a hidden one goes by the variable that holds it."""
    variable = model.nodes[node.key]
    where = ir.positions(variable, component_of(model, node).subscripts, model.lower_ranges)
    holder = model.nodes.get(node.key.partition("|")[0], variable)
    labels = product(*([axis[i] for i in own] for axis, own in zip(variable.elements, where, strict=True)))
    return [(_label(holder.name, label), _limits(variable)) for label in labels]


def _rows_of_outcome(model: Model, key: str) -> list[tuple[str, tuple[float, float]]]:
    """Return the name and the limits of each element of an outcome that an equation defines."""
    variable = model.nodes[key]
    labels = zip(product(*variable.elements), model.owners[key].ravel(), strict=True)
    return [(_label(variable.name, label), _limits(variable)) for label, owner in labels if owner >= 0]


def _label(name: str, elements: Sequence[str]) -> str:
    """Return the name of an element."""
    return f"{name}[{','.join(elements)}]" if elements else name


def result_variables(
    checks: Checks, failures: np.ndarray, times: np.ndarray, dims: tuple[str, ...]
) -> dict[str, xr.Variable]:
    """Return the code, the variable, the time and the sentence of each run; `failures` has shape (saves, runs)."""
    n = len(checks.labels)
    runs = failures.shape[1]
    code, rows, at = np.zeros(runs, dtype=np.int8), np.zeros(runs, dtype=int), np.full(runs, np.nan)
    for number, found in ((2, (failures >= n) & (failures < 2 * n)), (1, failures < n)):
        failed = found.any(axis=0)
        first = found.argmax(axis=0)
        code[failed], at[failed] = number, times[first[failed]]
        rows[failed] = failures[first[failed], np.flatnonzero(failed)] % max(n, 1)
    names, sentences = np.full(runs, "", dtype=object), np.full(runs, "", dtype=object)
    for run in np.flatnonzero(code):
        names[run] = checks.labels[rows[run]]
        sentences[run] = _sentence(checks, int(code[run]), int(rows[run]), float(at[run]))
    values = {RESULT: code, "result_variable": names, "result_time": at, "result_sentence": sentences}
    return {
        name: xr.Variable(dims, array if dims else array[0:1].reshape(()), _ATTRIBUTES[name], fastpath=True)
        for name, array in values.items()
    }


def _sentence(checks: Checks, code: int, row: int, time: float) -> str:
    """Return what happened in a run."""
    label = checks.labels[row]
    if code == 1:
        return (
            f"'{label}' is not finite at {time:g}: the run overflowed, divided by zero, or took a root or "
            "a logarithm that is not defined."
        )
    low, high = checks.low[row], checks.high[row]
    limits = f"{low:.6g} to {high:.6g}" if np.isfinite([low, high]).all() else f"{'>=' if np.isfinite(low) else '<='} "
    if not np.isfinite([low, high]).all():
        limits += f"{low if np.isfinite(low) else high:.6g}"
    return f"'{label}' leaves the range that the model file declares for it ({limits}) at {time:g}."


_ATTRIBUTES: dict[str, dict[str, Any]] = {
    RESULT: {
        "long_name": "result of the run",
        "description": "0: all saved values and stocks are finite; 1: at least one is not; 2: all are finite, "
        "and at least one is outside the range that the model file declares",
        "flag_values": [0, 1, 2],
        "flag_meanings": " ".join(MEANINGS),
    },
    "result_variable": {"long_name": "first variable that failed", "description": "empty where none did"},
    "result_time": {"long_name": "first saved time at which a variable failed"},
    "result_sentence": {"long_name": "what happened in the run", "description": "empty where nothing did"},
}

"""A model as a function of some of its constants: the pure function that gradients, calibration and interop stand on.

A parameter is a constant, or a variable that the overrides hold at a number; a whole subscripted one stands for its
elements. The function takes theta, shape (parameters, runs), and gives the outcomes as arrays (time, dims, runs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import Array

from trilemma.engine.inputs import Inputs, Overrides
from trilemma.engine.large import is_large
from trilemma.engine.loop import Given, Parts, parts, pure, sizes
from trilemma.engine.programs import FEW_RUNS
from trilemma.engine.reverse import reversible
from trilemma.engine.simulate import Plan, plan_run, selected
from trilemma.errors import OverrideError, list_names
from trilemma.translation import ir
from trilemma.translation.expressions import evaluate
from trilemma.translation.labelled import Labelled
from trilemma.translation.model import Model, Selection
from trilemma.translation.ordering import component_of, upstream
from trilemma.translation.picking import pick

KEPT = 4 * 2**20
"""Bytes for each run that reverse mode keeps of the states of all steps; beyond that it keeps those of saves."""


class Slot(NamedTuple):
    """Where a parameter stands: its label, its variable, its element, and whether an override holds it."""

    label: str
    key: str
    element: tuple[int, ...]
    held: bool


@dataclass(frozen=True, eq=False)
class Parametrised:
    """A model, the outcomes wanted of it, and the parameters that may move.

    `central` holds the parameters' values as the file and the overrides give them, shape (parameters, runs or 1).
    """

    model: Model
    plan: Plan
    slots: tuple[Slot, ...]
    central: np.ndarray

    @property
    def times(self) -> np.ndarray:
        """The times of the outcomes."""
        return self.plan.times[:: self.plan.stride]


def parametrise(
    model: Model,
    parameters: Sequence[str] | None,
    outcomes: Sequence[str] | None,
    overrides: Overrides | None = None,
    *,
    save_every: float | None = None,
    method: str = "euler",
    time_step: float | None = None,
    start: float | None = None,
    stop: float | None = None,
    initial: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Parametrised:
    """Resolve names of parameters and outcomes; without parameters, all constants that an outcome depends on.

    Raises
    ------
    UnknownNameError, OverrideError
        If a name does not exist, or a parameter is no constant.
    """
    plan = plan_run(model, overrides, outcomes, save_every, method, time_step, start, stop, initial, seed)
    if parameters is None:
        reached = upstream(model, plan.wanted.keys)
        parameters = [name for name in model.constants() if model.resolve(name).variable.key in reached]
    slots: dict[tuple[str, tuple[int, ...]], Slot] = {}
    for name in [parameters] if isinstance(parameters, str) else parameters:
        for slot in _slots(model, plan.inputs, str(name)):
            slots.setdefault((slot.key, slot.element), slot)
    if not slots:
        message = "no parameter was named: give the names of at least one constant."
        raise OverrideError(message)
    found = tuple(slots.values())
    return Parametrised(model, plan, found, _central(plan.inputs, found))


def refuse_delays(problem: Parametrised) -> None:
    """Refuse parameters that set the time of a DELAY FIXED: how long its memory is belongs to the compiled program.

    Raises
    ------
    OverrideError
        With the parameter and the delay.
    """
    for node, _, _ in problem.plan.request.pipes:
        expression = component_of(problem.model, node).expression
        assert isinstance(expression, ir.Memory)
        assert expression.delay is not None
        named = [part.key for part in ir.walk(expression.delay) if isinstance(part, ir.Reference)]
        reached = upstream(problem.model, [key for key in named if key in problem.model.nodes])
        for slot in problem.slots:
            if slot.key in reached:
                message = (
                    f"'{slot.label}' cannot move: the time of a DELAY FIXED follows from it; set it by an override."
                )
                raise OverrideError(message)


def _slots(model: Model, inputs: Inputs, name: str) -> list[Slot]:
    """Return the scalar elements that a parameter's name stands for.

    Raises
    ------
    OverrideError
        If one is not a number of its own.
    """
    selection = model.resolve(name, "the parameters")
    variable = selection.variable
    one = selection.indices is not None or not variable.dims
    indices = [selection.indices or ()] if one else list(product(*map(range, variable.shape)))
    replaced, literal = inputs.replaced.get(variable.key), model.literals.get(variable.key)
    slots: list[Slot] = []
    for index in indices:
        if not one and model.owners[variable.key][index] < 0:
            continue  # this element does not exist
        label = name.strip() if one else Selection(variable, index).label
        held = replaced is not None and bool(replaced.mask[index])
        if held and replaced is not None and replaced.knots is not None:
            message = f"the parameter '{label}' is overridden by a series over time: it is no number to move."
            raise OverrideError(message)
        if not held and (literal is None or np.isnan(literal[index])):
            raise _no_constant(model, variable, label)
        slots.append(Slot(label, variable.key, index, held))
    return slots


def _no_constant(model: Model, variable: ir.Variable, label: str) -> OverrideError:
    """Return the error for a parameter that follows from an equation or from the clock."""
    if variable.kind == "control":
        return OverrideError(f"'{label}' cannot be a parameter: it sets the clock of the simulation.")
    reached = upstream(model, [variable.key]) - {variable.key}
    near = [v.name for key, v in model.nodes.items() if key in reached and key in model.literals][:5]
    hint = f"it depends on {list_names(near, 'and')}; name such a constant" if near else "name a constant"
    lines = [str(component.line) for component in variable.components if component.line]
    place = f" (line {lines[0]})" if lines else ""
    return OverrideError(
        f"'{label}' cannot be a parameter: it follows from an equation{place}; {hint}, or hold it by an override."
    )


def _central(inputs: Inputs, slots: Sequence[Slot]) -> np.ndarray:
    """Return the values that the parameters have already, shape (parameters, runs or 1)."""
    values = [(inputs.replaced[s.key].values if s.held else inputs.constants[s.key])[s.element] for s in slots]
    return np.stack(np.broadcast_arrays(*values)).astype(float)


Moving: TypeAlias = dict[str, dict[str, Array]]
"""The arrays that hold parameters, by key: "constants" and "replaced", as in `Given`."""


def moving(given: Given, slots: Sequence[Slot], theta: Array) -> Moving:
    """Return the inputs that hold parameters, with these at theta, shape (parameters, runs)."""
    by_key: dict[tuple[str, bool], list[int]] = {}
    for row, slot in enumerate(slots):
        by_key.setdefault((slot.key, slot.held), []).append(row)
    found: Moving = {"constants": {}, "replaced": {}}
    for (key, held), rows in by_key.items():
        holder: dict[str, Any] = given.replaced if held else given.constants
        old = jnp.asarray(holder[key])
        runs = max(old.shape[-1], theta.shape[-1])
        if old.ndim == 1:
            new = jnp.broadcast_to(theta[rows[0]], (runs,))
        else:
            index = tuple(np.array(axis) for axis in zip(*(slots[row].element for row in rows), strict=True))
            new = jnp.broadcast_to(old, (*old.shape[:-1], runs)).at[index].set(theta[np.array(rows)])
        found["replaced" if held else "constants"][key] = new
    return found


def placed(given: Given, moving: Moving) -> Given:
    """Return the inputs with others in place of those that hold parameters."""
    constants, replaced = given.constants | moving["constants"], given.replaced | moving["replaced"]
    return given._replace(constants=constants, replaced=replaced)


def outcomes_at(problem: Parametrised, given: Given, theta: Array, *, reverse: bool) -> dict[str, Labelled]:
    """Return the outcomes, each (time or 1, dims, runs or 1), for parameters (parameters, runs). Pure.

    Parameters
    ----------
    reverse
        Whether it will be differentiated in reverse mode, for which it is made then, or in forward mode.
    """
    model, request = problem.model, problem.plan.request
    moved, few = moving(given, problem.slots, theta), theta.shape[-1] <= FEW_RUNS
    if not reverse:
        inputs = placed(given, moved)
        if is_large(model, request):
            inputs = inputs._replace(moving=theta)
        return _outcomes(problem, inputs, pure(model, request, hoisted=few)(inputs)[0])
    own = parts(model, request)
    simulation = Parts(
        lambda moving: own.start(placed(given, moving)),
        lambda moving, count, carry: own.step(placed(given, moving), count, carry),
        lambda moving, count, carry: own.save(placed(given, moving), count, carry),
    )
    held = sizes(model, request)
    keep = 8 * (held.states + held.delayed) * request.saves * request.steps_per_save <= KEPT
    return _outcomes(problem, placed(given, moved), reversible(simulation, request, few=few, keep=keep)(moved))


def _outcomes(problem: Parametrised, given: Given, saved: Mapping[str, Array]) -> dict[str, Labelled]:
    """Return the outcomes from what the program saves."""
    model, plan = problem.model, problem.plan
    whole = {key: saved[key] if key in saved else given.constants[key][None] for key in plan.wanted.keys}

    def named(selection: Selection) -> Labelled:
        own = selection.variable.dims if selection.indices is None else ()
        return Labelled(own, selected(selection, whole[selection.variable.key]))

    found = {label: named(selection) for label, selection in plan.wanted.selections.items()}
    for name, outcome in plan.wanted.derived.items():
        place = f"the expression of '{name}'"

        def lookup(name: str, elements: tuple[str, ...], place: str = place) -> Labelled:
            picked = pick(model, name, elements, place)
            return picked.of(whole[picked.variable.key])

        found[name] = evaluate(outcome.expression, lookup, plan.times)
    return {label: Labelled(found[label].dims, found[label].values[:: plan.stride]) for label in plan.wanted.labels}


def outcome_dims(problem: Parametrised) -> dict[str, tuple[str, ...]]:
    """Return the dimensions of its own of each outcome; those of a derived one follow from its expression."""
    model, plan = problem.model, problem.plan

    def lookup(name: str, elements: tuple[str, ...]) -> Labelled:
        picked = pick(model, name, elements)
        return picked.of(np.ones((len(plan.times), *picked.variable.shape, 1)))

    selections = plan.wanted.selections.items()
    dims = {label: chosen.variable.dims if chosen.indices is None else () for label, chosen in selections}
    derived = plan.wanted.derived.items()
    return dims | {name: evaluate(outcome.expression, lookup, plan.times).dims for name, outcome in derived}

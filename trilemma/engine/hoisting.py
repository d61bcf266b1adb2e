"""Takes out of the loop over time what does not depend on the state: once before it, or for all instants at once.

A function of what is fixed, of the instant and of the state is traced, and its operations are sorted by what they
depend on. What is fixed is worked out before the loop; what follows from the instant, and does not fill the run axis,
is worked out for all instants as one vector operation; the rest is left to the loop. No operation is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Var, jaxpr_as_fun

MAX_VALUES = 2**20
"""Numbers that one hoisted array may hold over all instants: what fills the run axis stays in the loop."""

MAX_HELD = 2**23
"""Numbers that all hoisted arrays together may hold; above it, everything that follows from the instant stays."""

Tree = Any
"""A nest of tuples and dictionaries of arrays, as JAX understands it."""

Split = Callable[..., tuple[list[Array], Callable[[Sequence[Array], Tree], Tree]]]
"""What `hoist` and `in_loop` are."""


class Level(IntEnum):
    """What an operation depends on, at most."""

    FIXED = 0
    INSTANT = 1
    STATE = 2


def hoist(
    function: Callable[[Tree, Tree, Tree], Tree], fixed: Tree, instants: Tree, state: Tree
) -> tuple[list[Array], Callable[[Sequence[Array], Tree], Tree]]:
    """Split a function of (fixed, instant, state) for a loop over instants.

    Parameters
    ----------
    fixed
        The first argument.
    instants
        The second argument for every instant: arrays with one more axis, the first.
    state
        A third argument; only its shapes matter.

    Returns
    -------
    tuple
        Arrays over instants, to be scanned, and the rest: the function's value from a slice of these and the state.
    """
    instant = jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape[1:], array.dtype), instants)
    count = jax.tree.leaves(instants)[0].shape[0]
    closed, shape = jax.make_jaxpr(function, return_shape=True)(fixed, instant, state)
    # the way back of an inner loop may hold operations whose results nobody needs: they have none
    closed = closed.replace(jaxpr=closed.jaxpr.replace(eqns=[e for e in closed.jaxpr.eqns if e.outvars]))
    sizes = [len(jax.tree.leaves(tree)) for tree in (fixed, instant, state)]
    levels = _levels(closed.jaxpr, sizes, MAX_VALUES // count)
    if sum(_size(v) for v in _passed_on(closed.jaxpr, levels, Level.INSTANT)) > MAX_HELD // count:
        levels = _levels(closed.jaxpr, sizes, 0)
    once, by_instant, by_state = (_part(closed.jaxpr, levels, level) for level in Level)
    before = once(*closed.consts, *jax.tree.leaves(fixed))
    series = jax.vmap(lambda leaves: by_instant(*before, *leaves))(jax.tree.leaves(instants))

    def rest(values: Sequence[Array], state: Tree) -> Tree:
        return jax.tree.unflatten(jax.tree.structure(shape), by_state(*before, *values, *jax.tree.leaves(state)))

    return series, rest


def in_loop(
    function: Callable[[Tree, Tree, Tree], Tree], fixed: Tree, instants: Tree, state: Tree
) -> tuple[list[Array], Callable[[Sequence[Array], Tree], Tree]]:
    """Leave a function of (fixed, instant, state) whole, in the form that `hoist` returns.

    A batch is as fast so, since the compiler takes out what is fixed and the instant is one number beside a thousand
    runs; its program is smaller and compiles in two thirds of the time.
    """
    del state
    structure = jax.tree.structure(instants)
    return jax.tree.leaves(instants), lambda values, now: function(fixed, jax.tree.unflatten(structure, values), now)


def _size(variable: Any) -> int:  # noqa: ANN401
    """Return how many numbers a variable of a traced function holds."""
    return int(np.prod(variable.aval.shape))


def _levels(jaxpr: Jaxpr, sizes: Sequence[int], largest: int) -> dict[Var, Level]:
    """Return what each variable of a traced function depends on; larger ones than `largest` are left to the loop."""
    variables = iter(jaxpr.invars)
    levels = {next(variables): level for level, n in zip(Level, sizes, strict=True) for _ in range(n)}
    levels |= dict.fromkeys(jaxpr.constvars, Level.FIXED)
    for equation in jaxpr.eqns:
        level = max((levels[v] for v in _variables(equation.invars)), default=Level.FIXED)
        if level == Level.INSTANT and max(map(_size, equation.outvars)) > largest:
            level = Level.STATE
        levels |= dict.fromkeys(equation.outvars, level)
    return levels


def _variables(atoms: Iterable[Any]) -> list[Var]:
    """Return the variables among variables and literals."""
    return [atom for atom in atoms if not isinstance(atom, Literal)]


def _passed_on(jaxpr: Jaxpr, levels: Mapping[Var, Level], level: Level) -> list[Var]:
    """Return the variables of a level that later levels use, or the function returns."""
    later = [v for e in jaxpr.eqns if levels[e.outvars[0]] > level for v in _variables(e.invars)]
    return [v for v in dict.fromkeys([*later, *_variables(jaxpr.outvars)]) if levels[v] == level]


def _part(jaxpr: Jaxpr, levels: Mapping[Var, Level], level: Level) -> Callable[..., list[Array]]:
    """Return the operations of a level as a function: of what lower levels pass on and of its own inputs."""
    passed = [v for lower in Level if lower < level for v in _passed_on(jaxpr, levels, lower)]
    own = [v for v in [*jaxpr.constvars, *jaxpr.invars] if levels[v] == level]
    returned = jaxpr.outvars if level == Level.STATE else _passed_on(jaxpr, levels, level)
    part = jaxpr.replace(
        constvars=[],
        invars=[*passed, *own],
        outvars=returned,
        eqns=[e for e in jaxpr.eqns if levels[e.outvars[0]] == level],
        debug_info=jaxpr.debug_info.with_unknown_names(),
    )
    return jaxpr_as_fun(ClosedJaxpr(part, []))

"""Cuts a large program into functions that XLA compiles one by one, so that time grows as the program does.

XLA makes a whole loop over time one function (see `compiler`), and takes several times as long for one twice as long.
Here the operations of a traced function are put in an order in which values are used soon after they are made, and cut
into pieces; each becomes a function that XLA is told to leave one. Loops and branches are gone into. No operation is
changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
from jax import Array
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var, jaxpr_as_fun
from jax.extend.core.primitives import jit_p

LEFT_ONE = {"inlineable": "false"}
"""What tells XLA not to put a function into its caller; one that does not know it takes longer for the same result."""

GONE_INTO = frozenset({"scan", "while", "cond", "jit"})
"""Operations that hold others, which are cut where they are many."""


def in_pieces(function: Callable[..., Any], size: int) -> Callable[..., Any]:
    """Return a function of arrays as one that does the same in pieces of about `size` operations."""

    def cut(*arguments: Any) -> Any:  # noqa: ANN401 - trees of arrays
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
        results = _cut(closed, size)(*jax.tree.leaves(arguments))
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    return cut


def _cut(closed: ClosedJaxpr, size: int) -> Callable[..., Sequence[Array]]:
    """Return a traced function, in pieces if it is large."""
    jaxpr = closed.jaxpr
    if _length(jaxpr) <= size:
        return jaxpr_as_fun(closed)
    calls: list[tuple[Sequence[Var], Sequence[Var], Callable[..., Sequence[Array]]]] = []
    wanted = set(_variables(jaxpr.outvars))
    for piece in reversed(list(_pieces(jaxpr, size))):
        made = dict.fromkeys(variable for equation in piece for variable in equation.outvars)
        used = dict.fromkeys(variable for equation in piece for variable in _variables(equation.invars))
        inputs, outputs = [v for v in used if v not in made], [v for v in made if v in wanted]
        calls.append((inputs, outputs, _call(jaxpr, piece, inputs, outputs, size)))
        wanted.update(inputs)

    def run(*arguments: Array) -> list[Array]:
        values: dict[Any, Any] = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*closed.consts, *arguments), strict=True))
        for inputs, outputs, call in reversed(calls):
            values |= zip(outputs, call(*(values[v] for v in inputs)), strict=True)
        return [v.val if isinstance(v, Literal) else values[v] for v in jaxpr.outvars]

    return run


def _pieces(jaxpr: Jaxpr, size: int) -> Iterator[list[JaxprEqn]]:
    """Yield the operations of a traced function in pieces; one that holds many is a piece of its own."""
    piece, length = list[JaxprEqn](), 0
    for equation in _near_first(jaxpr):
        own = _length_of(equation)
        if piece and length + own > size:
            yield piece
            piece, length = [], 0
        piece.append(equation)
        length += own
    if piece:
        yield piece


def _near_first(jaxpr: Jaxpr) -> list[JaxprEqn]:
    """Return the operations that the results need, each as soon after what it needs as may be."""
    makers = {variable: i for i, equation in enumerate(jaxpr.eqns) for variable in equation.outvars}
    done: dict[int, None] = {}
    for result in _variables(jaxpr.outvars):
        waiting = [makers[result]] if result in makers else []
        while waiting:
            needed = [makers[v] for v in _variables(jaxpr.eqns[waiting[-1]].invars) if v in makers]
            missing = [maker for maker in needed if maker not in done]
            if missing:
                waiting.append(missing[0])
            else:
                done.setdefault(waiting.pop())
    return [jaxpr.eqns[i] for i in done]


def _call(
    jaxpr: Jaxpr, piece: list[JaxprEqn], inputs: Sequence[Var], outputs: Sequence[Var], size: int
) -> Callable[..., Sequence[Array]]:
    """Return a piece of a traced function as a function that is left one; or gone into, if it holds many operations."""
    many = _length_of(piece[0]) > size
    part = jaxpr.replace(
        constvars=[],
        invars=list(inputs),
        outvars=list(outputs),
        eqns=[_gone_into(piece[0], size)] if many else piece,
        debug_info=jaxpr.debug_info.with_unknown_names(),
    )
    function = jaxpr_as_fun(ClosedJaxpr(part, []))
    if many:
        return function
    # bound with what was traced before: the tag is for the call, and tracing it now would put it on all inside
    parameters = jax.make_jaxpr(jax.jit(function))(*(variable.aval for variable in inputs)).eqns[0].params

    def left_one(*arguments: Array) -> Sequence[Array]:
        with set_xla_metadata(**LEFT_ONE):
            return jit_p.bind(*arguments, **parameters)

    return left_one


def _gone_into(equation: JaxprEqn, size: int) -> JaxprEqn:
    """Return an operation with what it holds in pieces."""

    def cut(value: Any) -> Any:  # noqa: ANN401 - any parameter of an operation
        if isinstance(value, ClosedJaxpr) and _length(value.jaxpr) > size:
            return jax.make_jaxpr(_cut(value, size))(*value.in_avals)
        return tuple(map(cut, value)) if isinstance(value, tuple) else value

    if equation.primitive.name not in GONE_INTO:
        return equation
    return equation.replace(params={name: cut(value) for name, value in equation.params.items()})


def _length(jaxpr: Jaxpr) -> int:
    """Return the number of operations of a traced function, with those that they hold."""
    return sum(map(_length_of, jaxpr.eqns))


def _length_of(equation: JaxprEqn) -> int:
    """Return the number of operations that one stands for."""
    return 1 + sum(map(_length, _held(equation.params.values())))


def _held(values: Iterable[Any]) -> Iterator[Jaxpr]:
    """Yield the traced functions among the parameters of an operation."""
    for value in values:
        if isinstance(value, ClosedJaxpr):
            yield value.jaxpr
        elif isinstance(value, tuple):
            yield from _held(value)


def _variables(atoms: Iterable[Any]) -> list[Var]:
    """Return the variables among variables and literals."""
    return [atom for atom in atoms if not isinstance(atom, Literal)]

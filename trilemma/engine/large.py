"""Models of thousands of equations: their programs are compiled in pieces, and the user is told before it takes long.

Smaller models are compiled as they always are, so that neither their speed nor their last digit depends on this.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import jax

from trilemma.engine.loop import Request, definitions
from trilemma.engine.outlining import in_pieces
from trilemma.errors import TrilemmaWarning
from trilemma.translation import ir
from trilemma.translation.model import Model

LARGE = 6_000
"""Numbers, names and operations in the equations of a program from which on it is compiled in pieces."""

LONG = 12_000
"""From so many on, compiling takes long enough that the user is told."""

PIECE = 1500
"""Traced operations in a piece. Fewer cost calls, and values that pass through memory; more take longer to compile."""

Options: TypeAlias = dict[str, Any] | None
"""Options of the compiler."""


@lru_cache(maxsize=256)
def extent(model: Model, request: Request) -> tuple[int, int]:
    """Return how many equations the program of a request has, and how many numbers, names and operations these."""
    found = [e for e in definitions(model, request) if not ir.is_literal(e)]
    return len(found), sum(1 for expression in found for _ in ir.walk(expression))


def is_large(model: Model, request: Request) -> bool:
    """Return whether the program of a request is compiled in pieces; only a CPU makes a function of a whole loop."""
    return jax.default_backend() == "cpu" and extent(model, request)[1] >= LARGE


def compilable(function: Callable[..., Any], model: Model, request: Request, options: Options) -> Callable[..., Any]:
    """Return a function that runs the program of a request, to be compiled at its first call; a large one in pieces.

    Parameters
    ----------
    options
        What is asked of the compiler.
    """
    if not is_large(model, request):
        return jax.jit(function, compiler_options=options)
    pieces = in_pieces(function, PIECE)

    def told(*arguments: Any) -> Any:  # noqa: ANN401 - trees of arrays
        _tell(model, request)
        return pieces(*arguments)

    return jax.jit(told, compiler_options=options)


def _tell(model: Model, request: Request) -> None:
    """Tell the user that compiling takes long, if it does."""
    equations, parts = extent(model, request)
    if parts >= LONG:
        message = (
            f"what is asked of '{model.name}' has {equations:,} equations: compiling them takes minutes the first "
            "time, and is kept on disk; fewer outcomes need fewer equations."
        )
        warnings.warn(message, TrilemmaWarning, stacklevel=2)

"""All functions that the engine knows, by the lower-case name under which the reader calls them."""

from __future__ import annotations

from collections.abc import Callable

from trilemma.engine import functions, functions_allocation, functions_random, functions_time, functions_vector
from trilemma.engine.values import Function
from trilemma.translation import ir
from trilemma.translation.model import Model

CALLS: dict[str, Function] = {
    **functions.FUNCTIONS,
    **functions_time.FUNCTIONS,
    **functions_vector.FUNCTIONS,
    **functions_random.FUNCTIONS,
    **functions_allocation.FUNCTIONS,
}

CHECKS: dict[str, Callable[[Model, ir.Call], str | None]] = {
    "allocate_available": functions_allocation.check_profile,
    "get_time_value": functions_time.check_time_value,
}
"""By function, what says of a call why it cannot be run, or None where it can."""

NOTES = {"a_function_of": "stands for an equation that is not written yet: the value is NaN."}
"""By function, what a user is warned of."""

SHOWN = {
    "xpulse": "PULSE",
    "xpulse_train": "PULSE",
    "xramp": "RAMP",
}
"""How PySD's own names for functions of XMILE are written in a model."""


def shown_name(function: str) -> str:
    """Return the name of a function as a model has it."""
    return SHOWN.get(function, function.replace("_", " ").upper())

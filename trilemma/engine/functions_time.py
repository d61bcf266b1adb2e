"""Functions of time: test inputs, and GET TIME VALUE.

Test inputs change at the beginning of a step alone, whatever the method of integration. Half a step is added to the
time before it is compared, as Vensim does, so that rounding does not move a pulse by a step.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from trilemma.engine.values import Function, Instant, literal, of_time
from trilemma.translation import ir
from trilemma.translation.model import Model

SMALL_TIME = 1e-6
"""By how much RAMP begins early."""


def step(now: Instant, height: Array, start: Array) -> Array:
    """Return STEP: `height` from the step that contains `start` on."""
    return jnp.where(now.held + now.time_step / 2 > start, height, 0.0)


def ramp(now: Instant, slope: Array, start: Array, end: Array | None = None) -> Array:
    """Return RAMP: rises by `slope` a unit of time from `start`, to `end` where one is given."""
    until = now.time if end is None else jnp.minimum(now.time, end)
    return jnp.where(now.time + SMALL_TIME > start, slope * (until - start), 0.0)


def pulse(now: Instant, start: Array, width: Array | float) -> Array:
    """Return PULSE: 1 from `start` for `width`, and for one step at least."""
    since = now.held + now.time_step / 2 - start
    return jnp.where((since > 0) & (since < _lasting(now, width)), 1.0, 0.0)


def pulse_train(now: Instant, start: Array, interval: Array, width: Array, end: Array) -> Array:
    """Return PULSE TRAIN: pulses of `width` every `interval` from `start` until `end`.

    The arguments come in the order of PySD's translator, not of Vensim. An interval of 0 means a single pulse.
    """
    return jnp.where(now.held + now.time_step / 2 < end, _repeated(now, start, interval, _lasting(now, width)), 0.0)


def pulse_xmile(now: Instant, start: Array, volume: Array) -> Array:
    """Return XMILE's PULSE: all of `volume` flows in the step that contains `start`."""
    return volume / now.time_step * pulse(now, start, 0.0)


def pulse_train_xmile(now: Instant, start: Array, interval: Array, volume: Array) -> Array:
    """Return XMILE's PULSE with an interval: `volume` flows in one step every `interval`, without end."""
    return volume / now.time_step * _repeated(now, start, interval, now.time_step)


def _lasting(now: Instant, width: Array | float) -> Array:
    """Return how long a pulse lasts: one step at least."""
    return jnp.maximum(width, now.time_step)


def _repeated(now: Instant, start: Array, interval: Array, width: Array | float) -> Array:
    """Return pulses of 1 every `interval` from `start` on."""
    since = now.held + now.time_step / 2 - start
    again = interval > 0
    safe = jnp.where(again, interval, 1.0)
    phase = jnp.where(again, since - safe * jnp.floor(since / safe), since)
    return jnp.where((since > 0) & (phase < width), 1.0, 0.0)


def get_time_value(now: Instant, _: Array, offset: Array, __: Array) -> Array:
    """Return GET TIME VALUE(0, offset, 0): the time plus an offset."""
    return now.time + offset


def check_time_value(_: Model, call: ir.Call) -> str | None:
    """Return why a GET TIME VALUE cannot be run: the computer's clock, the initial time, parts of a calendar."""
    relative, measure = literal(call.arguments[0]), literal(call.arguments[2])
    if relative is None or measure is None:
        return "needs numbers as its first and last argument, not variables."
    if relative == 2:
        return "reads the computer's clock (first argument 2): a run must give the same result at any hour."
    if relative == 1:
        return "counts from the initial time (first argument 1), which Vensim does not do as documented: use Time."
    if (relative, measure) != (0, 0):
        return (
            f"asks for a part of the calendar (last argument {measure:g}), which needs a date for Time 0: use 0, "
            "the time in the model's unit, and work it out from that."
        )
    return None


FUNCTIONS: dict[str, Function] = {
    "get_time_value": of_time(get_time_value, 3),
    "pulse": of_time(pulse, 2),
    "pulse_train": of_time(pulse_train, 4),
    "ramp": of_time(ramp, 2, 3),
    "step": of_time(step, 2),
    "xpulse": of_time(pulse_xmile, 2),
    "xpulse_train": of_time(pulse_train_xmile, 3),
    "xramp": of_time(ramp, 2),
}

"""trilemma: system-dynamics forecasts of export controls on frontier AI.

The names below are the public interface; each module is loaded when a name of it is first used, so that
``import trilemma`` costs little.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from trilemma.engine.compiler import ask_for_one_function

if TYPE_CHECKING:
    from trilemma.calibration.release import calibrate
    from trilemma.calibration.score import score
    from trilemma.engine.gradients import sensitivities
    from trilemma.engine.simulate import simulate, state_at
    from trilemma.errors import TrilemmaError, TrilemmaWarning
    from trilemma.forecasting.claims import judge_claims
    from trilemma.forecasting.compare import compare
    from trilemma.forecasting.spec import load_forecast
    from trilemma.forecasting.sweep import open_results, sweep
    from trilemma.reporting.render import report
    from trilemma.translation.model import load_model
    from trilemma.validation.scorecard import check

__version__ = "0.1.0"

__all__ = [
    "TrilemmaError",
    "TrilemmaWarning",
    "calibrate",
    "check",
    "compare",
    "judge_claims",
    "load_forecast",
    "load_model",
    "open_results",
    "report",
    "score",
    "sensitivities",
    "simulate",
    "state_at",
    "sweep",
]

_HOMES = {
    "TrilemmaError": "trilemma.errors",
    "TrilemmaWarning": "trilemma.errors",
    "calibrate": "trilemma.calibration.release",
    "check": "trilemma.validation.scorecard",
    "compare": "trilemma.forecasting.compare",
    "judge_claims": "trilemma.forecasting.claims",
    "load_forecast": "trilemma.forecasting.spec",
    "load_model": "trilemma.translation.model",
    "open_results": "trilemma.forecasting.sweep",
    "report": "trilemma.reporting.render",
    "score": "trilemma.calibration.score",
    "sensitivities": "trilemma.engine.gradients",
    "simulate": "trilemma.engine.simulate",
    "state_at": "trilemma.engine.simulate",
    "sweep": "trilemma.forecasting.sweep",
}


ask_for_one_function()  # XLA reads it when it is first used


def __getattr__(name: str) -> object:
    """Load a public name from its module on first use."""
    if name not in _HOMES:
        message = f"module 'trilemma' has no attribute '{name}'"
        raise AttributeError(message)
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted([*__all__, "__version__"])

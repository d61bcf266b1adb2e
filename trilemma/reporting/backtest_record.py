"""What is kept of a model's backtest: made, read, and as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trilemma.calibration.backtest import backtest, fit_origins, read_backtest, totals, write_backtest
from trilemma.calibration.problem import Tell, silent
from trilemma.calibration.rivals import compare_structures, read_rivals, write_rivals
from trilemma.errors import ForecastFileError
from trilemma.forecasting.spec import load_forecast
from trilemma.reporting.numerals import rounded
from trilemma.translation.overrides import scalars

if TYPE_CHECKING:
    import pandas as pd

    from trilemma.translation.model import Model


@dataclass(frozen=True, eq=False)
class Record:
    """What is kept of a model's backtest: the scores of the series, and the comparison of rival structures if any."""

    series: pd.DataFrame
    rivals: pd.DataFrame | None = None


def make_record(model: Model, rivals: str | None = None, *, tell: Tell = silent) -> Record:
    """Backtest a model, compare the variants of a forecast as rival structures, and keep both beside the model.

    Parameters
    ----------
    rivals
        The name or the path of the forecast; no structures are compared by default.

    Raises
    ------
    ForecastFileError
        If the forecast is one of another model, or has no variants.
    EvidenceError, CalibrationError
        If the evidence is wrong, or a fit does not converge.
    """
    structures = {} if rivals is None else _structures(model, rivals)
    fitted = fit_origins(model, tell=tell)
    write_backtest(model, backtest(model, fitted))
    if structures:
        write_rivals(model, compare_structures(model, structures, fitted, tell=tell))
    return read_record(model)


def read_record(model: Model) -> Record:
    """Read what is kept of a model's backtest.

    Raises
    ------
    CalibrationError
        If there is none, or it was made for other equations or other evidence.
    """
    return Record(read_backtest(model), read_rivals(model))


def _structures(model: Model, rivals: str) -> dict[str, dict[str, float]]:
    """Return the constants that each variant of a forecast sets."""
    forecast = load_forecast(rivals)
    if forecast.load_model().hash != model.hash:
        message = f"the forecast '{rivals}' is one of another model than '{model.name}': name one of this model."
        raise ForecastFileError(message)
    if len(forecast.variants) < 2:
        message = f"the forecast '{rivals}' has no [variants] to compare: name one that has, or add two."
        raise ForecastFileError(message)
    return {
        variant.name: {
            name: float(value)
            for name, value in scalars(model, variant.overrides).items()
            if not isinstance(value, dict)
        }
        for variant in forecast.variants
    }


def record_document(record: Record) -> dict[str, list[dict[str, Any]]]:
    """Return totals, series and rival structures as plain data; undefined numbers are None."""
    found = {"totals": _records(totals(record.series)), "series": _records(record.series)}
    return found if record.rivals is None else {**found, "rivals": _records(record.rivals)}


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame as plain data."""
    return [
        {str(key): rounded(value, 6) if isinstance(value, float) else value for key, value in row.items()}
        for row in frame.to_dict("records")
    ]

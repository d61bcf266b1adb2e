"""Which observations each measurement takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trilemma.calibration.evidence import Observation
from trilemma.calibration.measurement import Measurement
from trilemma.errors import EvidenceError


@dataclass(frozen=True)
class Datum:
    """An observation with the measurement that reads it off the model."""

    measurement: Measurement
    observation: Observation


def measured(
    measurements: Sequence[Measurement], observations: Iterable[Observation], *, own: bool = True
) -> tuple[Datum, ...]:
    """Return the observations that measurements take, in the order of the measurements and then of time.

    Parameters
    ----------
    own
        Whether the observations are those that the table was written for. Of others, a value without a logarithm is
        passed over, where its measurement takes one.

    Raises
    ------
    EvidenceError
        If two measurements take one observation, or a logarithm is asked of a value that is not above 0.
    """
    found: list[Datum] = []
    rows = sorted(observations, key=lambda row: (row.end, row.start))
    owner: dict[int, str] = {}
    for measurement in measurements:
        for row in filter(measurement.takes, rows):
            if id(row) in owner:
                message = (
                    f"{measurement.place}: '{owner[id(row)]}' takes the observation of '{row.series}' to {row.end} "
                    "too; let their periods in column 'used' exclude each other."
                )
                raise EvidenceError(message)
            if measurement.transform == "log" and row.value <= 0:
                if not own:
                    continue
                message = (
                    f"{row.place}, column 'value': {row.value:g} has no logarithm, and '{measurement.name}' takes one; "
                    f"leave the row out by column 'used' of {measurement.place}."
                )
                raise EvidenceError(message)
            if measurement.sd_of(row) == 0:
                message = (
                    f"{measurement.place}: the observation to {row.end} has a standard deviation of 0; give a model_sd."
                )
                raise EvidenceError(message)
            owner[id(row)] = measurement.name
            found.append(Datum(measurement, row))
    return tuple(found)


def refuse_empty(measurements: Iterable[Measurement], data: Iterable[Datum]) -> None:
    """Refuse a measurement that takes no observation.

    Raises
    ------
    EvidenceError
        With its file and line.
    """
    taken = {datum.measurement.name for datum in data}
    for measurement in measurements:
        if measurement.name not in taken:
            message = (
                f"{measurement.place}: no observation has the series '{measurement.series}', the unit "
                f"'{measurement.unit}' and a period in '{measurement.used_text}'; correct one of them or drop the row."
            )
            raise EvidenceError(message)

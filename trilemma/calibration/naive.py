"""Naive forecasts that a model must beat: the last value, and the exponential trend of the last two years.

Both stand on a history of observations of the same measurement, in the space where errors are normal (straight lines
there are exponential for "log"), amounts of a period taken per year. Each is a normal distribution about its value:
the variance grows with the time since the last observation, at the rate at which the same forecast, one step ahead,
was wrong in the past (squared errors over years, summed), and the source's own error comes on top. A trend with no past
error of its own takes that of the last value. A history of one point has no past error: it takes the median rate of all
measurements that have one, as a share of the value where errors are not in logs, and has no trend. Without any history
there is no naive forecast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from trilemma.calibration.evidence import Observation
from trilemma.calibration.matching import Datum
from trilemma.calibration.measurement import Measurement

YEARS = 2.0
"""How far back a trend looks from the last observation."""

NAMES = ("last value", "trend")
_DAY = 1 / 365


@dataclass(frozen=True)
class Normal:
    """A normal distribution in the space where errors are normal."""

    mean: float
    sd: float


@dataclass(frozen=True, eq=False)
class History:
    """The past of one measurement, a point for each time at which a period ended: when it ended, its middle, its level.

    Attributes
    ----------
    ends, middles, levels
        Shape (points,), by time; levels are transformed, and amounts are per year.
    """

    ends: np.ndarray
    middles: np.ndarray
    levels: np.ndarray

    def before(self, end: float) -> History:
        """Return the points whose period ended before a time."""
        kept = self.ends < end - _DAY / 2
        return History(self.ends[kept], self.middles[kept], self.levels[kept])

    def up_to(self, point: int) -> History:
        """Return the first points, the given one included."""
        return History(self.ends[: point + 1], self.middles[: point + 1], self.levels[: point + 1])


def length_of(measurement: Measurement, row: Observation) -> float:
    """Return the years by which an amount of a period is divided to be a rate; 1 for all that is no such amount."""
    start, end = measurement.span_of(row)
    return end - start if measurement.rule == "total" and measurement.since is None else 1.0


def history_of(measurement: Measurement, data: Sequence[Datum], until: date | None = None) -> History:
    """Return the history of a measurement; of several observations of one day the mean counts."""
    rows = [
        datum.observation
        for datum in data
        if datum.measurement.name == measurement.name and (until is None or datum.observation.end <= until)
    ]
    points: dict[float, list[tuple[float, float]]] = {}
    for row in rows:
        start, end = measurement.span_of(row)
        level = measurement.transformed(row.value / length_of(measurement, row))
        middle = end if measurement.since is not None else (start + end) / 2
        points.setdefault(end, []).append((middle, level))
    ends = sorted(points)
    means = np.array([np.mean(points[end], axis=0) for end in ends]).reshape(len(ends), 2)
    return History(np.array(ends), means[:, 0], means[:, 1])


def naive_forecasts(
    targets: Sequence[Datum], history: Sequence[Datum], until: date | None = None
) -> dict[str, list[Normal | None]]:
    """Return each naive forecast of each target, None where its history does not allow it.

    Parameters
    ----------
    targets
        What is to be foretold.
    history
        What was observed; of it counts what ended before the target did.
    until
        And by this day.
    """
    measurements = {datum.measurement.name: datum.measurement for datum in (*history, *targets)}
    past = {name: history_of(measurement, history, until) for name, measurement in measurements.items()}
    usual: dict[float, float] = {}
    found: dict[str, list[Normal | None]] = {name: [] for name in NAMES}
    for target in targets:
        end = target.measurement.span_of(target.observation)[1]
        if end not in usual:
            usual[end] = _usual_rate({name: own.before(end) for name, own in past.items()}, measurements)
        own = past[target.measurement.name].before(end)
        for name, forecast in zip(NAMES, _forecasts(own, target, usual[end]), strict=True):
            found[name].append(forecast)
    return found


def _forecasts(own: History, target: Datum, usual: float) -> tuple[Normal | None, Normal | None]:
    """Return the last value and the trend as forecasts of a target."""
    if not own.ends.size:
        return None, None
    measurement, row = target.measurement, target.observation
    start, end = measurement.span_of(row)
    middle = end if measurement.since is not None else (start + end) / 2
    last = float(own.levels[-1])
    rate = _rate(own, _last)
    if math.isnan(rate):
        rate = usual * (1.0 if measurement.transform == "log" else last**2)
    if math.isnan(rate):
        return None, None
    trend, trend_rate = _trend(own, middle), _rate(own, _trend)

    def normal(level: float, variance: float) -> Normal:
        length, logs = length_of(measurement, row), measurement.transform == "log"
        spread = math.sqrt(variance * (end - own.ends[-1])) * (1.0 if logs else length)
        mean = level + math.log(length) if logs else level * length
        return Normal(mean, math.hypot(spread, measurement.source_sd_of(row)))

    followed = None if trend is None else normal(trend, rate if math.isnan(trend_rate) else trend_rate)
    return normal(last, rate), followed


def _last(own: History, _middle: float) -> float | None:
    """Return the last level."""
    return float(own.levels[-1]) if own.ends.size else None


def _trend(own: History, middle: float) -> float | None:
    """Return the line of least squares through the last two years at a time; None for fewer than two points."""
    recent = own.ends >= own.ends[-1] - YEARS - _DAY
    at, levels = own.middles[recent], own.levels[recent]
    if at.size < 2 or np.ptp(at) == 0:
        return None
    slope = float(np.cov(at, levels, bias=True)[0, 1] / np.var(at))
    return float(levels.mean() + slope * (middle - at.mean()))


def _rate(own: History, method: Callable[[History, float], float | None]) -> float:
    """Return the variance a year of a method's one-step errors in the past; NaN where there was no step."""
    squares, years = 0.0, 0.0
    for point in range(own.ends.size - 1):
        foretold = method(own.up_to(point), float(own.middles[point + 1]))
        if foretold is not None:
            squares += (float(own.levels[point + 1]) - foretold) ** 2
            years += float(own.ends[point + 1] - own.ends[point])
    return squares / years if years > 0 else math.nan


def _usual_rate(past: dict[str, History], measurements: dict[str, Measurement]) -> float:
    """Return the median variance a year of the last value over the measurements in logs; NaN where none has one."""
    rates = [_rate(own, _last) for name, own in past.items() if measurements[name].transform == "log"]
    known = [rate for rate in rates if not math.isnan(rate)]
    return float(np.median(known)) if known else math.nan

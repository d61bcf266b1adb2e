"""Numbers as text: significant digits that suit the band, a true minus sign, signed differences, spans."""

from __future__ import annotations

import math
from collections.abc import Iterable

MINUS = "\u2212"
MISSING = "n/a"


def decimals(values: Iterable[float], significant: int = 3) -> int:
    """Return how many decimals show the largest of `values` with about `significant` digits, at most 4."""
    finite = [abs(value) for value in values if math.isfinite(value) and value != 0]
    if not finite:
        return 0 if significant < 2 else 1
    magnitude = math.floor(math.log10(max(finite)))
    return min(4, max(0, significant - 1 - magnitude))


def rounded(value: float, digits: int = 15) -> float | None:
    """Return a number of so many significant digits that JSON can hold; undefined is None."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def difference_places(difference: Iterable[float], level_places: int) -> int:
    """Return the decimals that suit a difference: those of its level, or one more where it is small."""
    return min(max(level_places, decimals(difference, 2)), level_places + 1)


def number(value: float, places: int | None = None) -> str:
    """Return a number with `places` decimals (three significant digits when None), thousands set apart."""
    if not math.isfinite(value):
        return MISSING
    places = decimals([value]) if places is None else places
    text = f"{abs(value):,.{places}f}"
    return MINUS + text if value < 0 and any(digit in text for digit in "123456789") else text


def signed(value: float, places: int | None = None) -> str:
    """Return a number that always carries its sign; zero carries none."""
    text = number(value, places)
    plain = text == MISSING or text.startswith(MINUS) or not any(digit in text for digit in "123456789")
    return text if plain else f"+{text}"


def span(low: float, high: float, places: int | None = None) -> str:
    """Return a range: ``11–31``, or ``−0.3 to 0.4`` when an end is negative."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return MISSING
    places = decimals([low, high]) if places is None else places
    joint = " to " if low < 0 or high < 0 else "\u2013"
    return f"{number(low, places)}{joint}{number(high, places)}"


def quantity(value: float, unit: str, places: int | None = None) -> str:
    """Return a number with its unit; the percent sign is set close, an index has no unit text."""
    text = number(value, places)
    if not unit or unit.startswith("index") or text == MISSING:
        return text
    return f"{text} {unit}"


def of_draws(fraction: float) -> str:
    """Return a share of draws in words: ``all draws``, ``no draw``, ``88 % of draws``."""
    text = share(fraction)
    return {"all": "all draws", "none": "no draw"}.get(text, f"{text} of draws")


def share(fraction: float) -> str:
    """Return a share of draws in whole per cent; "all" and "none" only where that is exact."""
    if not math.isfinite(fraction):
        return MISSING
    percent = 100 * fraction
    if percent in {0, 100}:
        return "all" if percent else "none"
    if 0 < percent < 1:
        return "under 1 %"
    if 99 < percent < 100:
        return "over 99 %"
    return f"{percent:.0f} %"

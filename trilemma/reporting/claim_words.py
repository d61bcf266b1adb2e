"""Words for what results say of a claim: what was asked, how sure the verdict is, and where it flips."""

from __future__ import annotations

import math
from collections.abc import Mapping

from trilemma.forecasting.claim_file import EVERY, Condition, Record
from trilemma.forecasting.claim_metrics import Measured
from trilemma.forecasting.claims import Finding
from trilemma.forecasting.regions import Bound, Region
from trilemma.reporting.numerals import MINUS, MISSING, decimals, number, share, span

PERCENT = 100
LISTED = 2  # scenarios that are named; of more, the number is told


def verdict_text(finding: Finding) -> str:
    """Return the share of draws behind a verdict, with the error that their number leaves."""
    if finding.draws == 1:
        return "one draw"
    error = PERCENT * finding.error
    text = share(finding.share)
    return text if text in ("all", "none") or error < 0.5 else f"{text} ± {error:.0f}"


def value_texts(measured: Measured) -> tuple[str, str]:
    """Return the median and the band of a condition's metric; a shortfall in per cent."""
    scale, unit = (PERCENT, "%") if measured.condition.paired == "shortfall" else (1, measured.unit)
    low, middle, high = (scale * value for value in measured.band)
    places = decimals([low, middle, high])
    unit = "" if unit == "Dmnl" or not math.isfinite(middle) else f" {unit}"
    if unit == " Year":
        return number(middle, 1).replace(",", ""), span(low, high, 1).replace(",", "")
    return number(middle, places) + unit, span(low, high, places)


def asked_text(condition: Condition | Record) -> str:
    """Return what a metric must be: ``above 5 %``, ``1 to 3``."""
    percent = isinstance(condition, Condition) and condition.paired == "shortfall"
    limits = (("above", condition.above), ("below", condition.below))
    if condition.above is not None and condition.below is not None:
        return f"{_limit(condition.above, percent)} to {_limit(condition.below, percent)}"
    return "".join(f"{word} {_limit(value, percent)}" for word, value in limits if value is not None)


def _limit(value: float, percent: bool) -> str:
    """Return a threshold as it was written."""
    return f"{PERCENT * value:g} %" if percent else f"{value:g}".replace("-", MINUS)


def setting_text(condition: Condition, titles: Mapping[str, str]) -> str:
    """Return where and when a metric is taken, with the titles of scenarios."""
    where = " and ".join(f"‘{titles.get(name, name)}’" for name in condition.scenarios)
    if condition.scenarios == (EVERY,):
        where = "each scenario"
    elif len(condition.scenarios) > LISTED:
        where = f"each of {len(condition.scenarios)} scenarios"
    if condition.against is not None:
        link = {"difference": "less", "ratio": "over", "shortfall": "short of"}[condition.paired]
        where = f"{where} {link} ‘{titles.get(condition.against, condition.against)}’"
    when = f"{condition.at:g}" if condition.at is not None else ""
    if condition.over is not None:
        when = f"mean {condition.over[0]:g}–{condition.over[1]:g}"
    return ", ".join(part for part in (where, when) if part)


def region_text(region: Region, variants: Mapping[str, str]) -> str:
    """Return the assumptions that make a region: ``‘armington’ is above 3.9 and ‘x’ at most 2``."""
    return " and ".join(_bound_text(bound, variants) for bound in region.bounds)


def _bound_text(bound: Bound, variants: Mapping[str, str]) -> str:
    """Return one side of a region."""
    if bound.is_in_force is not None:
        return f"{'' if bound.is_in_force else 'not '}under ‘{variants.get(bound.name, bound.name)}’"
    if bound.above is not None and bound.below is not None:
        return f"‘{bound.name}’ is between {_value(bound.above)} and {_value(bound.below)}"
    if bound.above is not None:
        return f"‘{bound.name}’ is above {_value(bound.above)}"
    return f"‘{bound.name}’ is at most {MISSING if bound.below is None else _value(bound.below)}"


def _value(value: float) -> str:
    """Return a value at which draws part, to three digits."""
    return number(value) if abs(value) >= 1e-2 or value == 0 else f"{value:.2g}".replace("-", MINUS, value < 0)


def undefined_text(finding: Finding) -> str:
    """Return in how many draws a claim is undefined; empty where it never is."""
    if not finding.undefined:
        return ""
    return f"Undefined in {_of_draws(finding.undefined)}, which count for neither side."


def flip_sentences(finding: Finding, variants: Mapping[str, str]) -> list[str]:
    """Return where the verdict is another one, and what moves it most where it is the same everywhere."""
    sentences = [
        f"{verdict.capitalize()} under ‘{variants.get(name, name)}’: holds in {_of_draws(part)}."
        for name, (verdict, part) in finding.by_variant.items()
        if verdict != finding.verdict
    ]
    any_variant = bool(sentences)
    if finding.by_variant and not any_variant:
        parts = [part for _, part in finding.by_variant.values()]
        spread = share(min(parts)) if min(parts) == max(parts) else f"{share(min(parts))} to {share(max(parts))}"
        sentences.append(f"The same under each of the {len(parts)} structures: holds in {spread} of the draws.")
    if finding.flip is None:
        return [*sentences, "Too few draws to look for the assumptions that it turns on."]
    sentences += [
        f"{region.verdict.capitalize()} where {region_text(region, variants)}: "
        f"holds in {_of_draws(region.share)} there ({share(region.size)} of all)."
        for region in finding.flip.regions
    ]
    if finding.flip.regions:
        return sentences
    if finding.flip.leading is None:
        return [*sentences, "No single assumption, and no two together, move it clearly."]
    below, above = finding.flip.leading
    return [
        *sentences,
        f"No {'other ' if any_variant else ''}assumption turns it; what moves it most: it holds in "
        f"{_of_draws(above.share)} where {region_text(above, variants)}, and in {_of_draws(below.share)} elsewhere.",
    ]


def _of_draws(part: float) -> str:
    """Return a share of draws in words."""
    text = share(part)
    return {"all": "all draws", "none": "no draw"}.get(text, f"{text} of the draws")

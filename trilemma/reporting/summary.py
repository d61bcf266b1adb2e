"""The summary in plain words: sentences whose numbers and direction words are computed from the results."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trilemma.reporting.labels import Label, outcome_label
from trilemma.reporting.numerals import decimals, number, quantity, share, signed, span
from trilemma.reporting.statistics import rank_correlation
from trilemma.reporting.study import Study
from trilemma.reporting.tables import Cell
from trilemma.reporting.wording import movement, when

LISTED = 5  # names in a list before it is cut


@dataclass(frozen=True)
class Finding:
    """One paragraph of the summary: a heading and its sentences."""

    heading: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        """The sentences as one paragraph."""
        return " ".join(self.sentences)


def outcome_finding(study: Study, outcome: str) -> Finding:
    """Return what is found on one outcome: its level, the effect of the baseline itself, and of the scenarios."""
    label = outcome_label(study.data, outcome)
    cell = study.cells[outcome, study.baseline, study.year]
    sentences = [_level(study, outcome, label, cell)]
    if cell.undefined:
        sentences.append(
            f"It is not defined in {cell.undefined} of {study.draws:,} draws, which are left out."
        )
    if study.reference:
        sentences.append(_against_reference(study, outcome, label, study.reference))
    sentences += _over_scenarios(study, outcome, label)
    return Finding(label.text, tuple(sentences))


def _level(study: Study, outcome: str, label: Label, cell: Cell) -> str:
    """Return the sentence on the level in the baseline and how it moved."""
    title = study.titles[study.baseline]
    verb, before, _ = movement(
        study.data, outcome, scenario=study.baseline, start=study.start, end=study.year
    )
    places = decimals([cell.low, cell.middle, cell.high])
    level = quantity(cell.middle, label.unit, places)
    text = f"In ‘{title}’ the median is {level} in {when(study.year)} (5–95 %: {span(cell.low, cell.high, places)})"
    if not math.isfinite(before) or study.start >= study.year:
        return f"{text}."
    trend = {"grows": "up from", "falls": "down from"}.get(verb)
    if trend is None:
        return f"{text}; in {when(study.start)} it is {number(before, places)}, and draws disagree on the direction."
    return f"{text}, {trend} {number(before, places)} in {when(study.start)}."


def _against_reference(study: Study, outcome: str, label: Label, reference: str) -> str:
    """Return the sentence on the baseline less the reference."""
    cell = study.cells[outcome, reference, study.year]
    other = study.titles[reference]
    if cell.difference is None or not math.isfinite(cell.difference[1]):
        return f"Its difference to ‘{other}’ is not defined."
    low, middle, high = (-value for value in reversed(cell.difference))
    unit = label.difference_unit
    places = cell.difference_places
    band = f"5–95 %: {span(low, high, places)}"
    if not cell.clear:
        return (
            f"There is no clear difference to ‘{other}’: {signed(middle, places)} {unit} ({band}).".replace(
                "  ", " "
            )
        )
    word = "higher" if middle > 0 else "lower"
    agree = 1 - cell.share_higher if middle > 0 else cell.share_higher
    amount = quantity(abs(middle), unit, places)
    return f"That is {amount} {word} than in ‘{other}’ ({band}; {word} in {share(agree)} of draws)."


def _over_scenarios(study: Study, outcome: str, label: Label) -> list[str]:
    """Return the sentences on the other scenarios: which raise it, which lower it, how many are not clear."""
    steps: dict[str, float] = {}
    for scenario in study.others:
        cell = study.cells[outcome, scenario, study.year]
        if scenario != study.reference and cell.difference is not None and cell.clear:
            steps[scenario] = cell.difference[1]
    counted = [name for name in study.others if name != study.reference]
    if not counted:
        return []
    raised = sorted((n for n in steps if steps[n] > 0), key=lambda n: -steps[n])
    lowered = sorted((n for n in steps if steps[n] < 0), key=lambda n: steps[n])
    unclear = len(counted) - len(steps)
    head = f"Of the {'other ' if study.reference else ''}{len(counted)} scenarios,"
    parts: list[str] = []
    for word, names in (("raise", raised), ("lower", lowered)):
        if names:
            verb = f"{word}s" if len(names) == 1 else word
            parts.append(f"{len(names)} clearly {verb} it ({_named(study, names, steps, label)})")
    if unclear:
        parts.append(f"{unclear} {'shows' if unclear == 1 else 'show'} no clear difference")
    return [f"{head} {'; '.join(parts)}."]


def _named(study: Study, names: Sequence[str], steps: dict[str, float], label: Label) -> str:
    """Return names with their median differences, cut after a few."""
    places = decimals([steps[name] for name in names], 2)
    shown = [f"‘{study.titles[name]}’ {signed(steps[name], places)}" for name in names[:LISTED]]
    shown[0] += f" {label.difference_unit}" if label.difference_unit else ""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(shown) + more


def measures_finding(study: Study, months: str, magnitude: str) -> Finding | None:
    """Return a warning where two measures of the same gap move apart over time, else None."""
    span_of_time = {"start": study.start, "end": study.year}
    verb, before, after = movement(study.data, months, scenario=study.baseline, **span_of_time)
    other, low, high = movement(study.data, magnitude, scenario=study.baseline, **span_of_time)
    if verb == other or not all(math.isfinite(value) for value in (before, after, low, high)):
        return None
    first, second = outcome_label(study.data, months), outcome_label(study.data, magnitude)
    text = (
        f"From {when(study.start)} to {when(study.year)} the median {first.text.lower()} goes from {number(before)} to "
        f"{quantity(after, first.unit)}, while the {second.text.lower()} goes from {number(low)} to "
        f"{quantity(high, second.unit)}. The two do not tell the same story: a lag in months also grows when the US "
        "frontier itself slows down. Read both."
    )
    return Finding("Months against magnitude", (text,))


def trilemma_finding(study: Study, indices: Sequence[str]) -> Finding:
    """Return which scenarios better all three indices, and how many trade one for another."""
    better: list[str] = []
    trading: list[str] = []
    worse: list[str] = []
    for scenario in study.others:
        found = [study.cells[index, scenario, study.year] for index in indices]
        signs = {cell.direction for cell in found}
        better += [scenario] if signs == {1} else []
        trading += [scenario] if {1, -1} <= signs else []
        worse += [scenario] if signs == {-1} else []
    names = [outcome_label(study.data, index).text.lower() for index in indices]
    title = study.titles[study.baseline]
    head = f"The three goals are {names[0]}, {names[1]} and {names[2]}, each an index from 0 to 100."
    if better:
        body = f"Against ‘{title}’, {_titles(study, better)} clearly {_verb('raise', better)} all three in {when(study.year)}."
    else:
        body = f"No scenario clearly raises all three above ‘{title}’ in {when(study.year)}."
    count = f"{len(trading)} of {len(study.others)}" if trading else f"None of the {len(study.others)}"
    tail = f"{count} clearly {_verb('raise', trading)} one and {_verb('lower', trading)} another"
    tail += f" ({_titles(study, trading)})." if trading else "."
    if worse:
        tail += f" {_titles(study, worse)} clearly {_verb('lower', worse)} all three."
    return Finding(
        "The three goals together",
        (head, body, tail, "The weights inside the indices are a value judgement."),
    )


def _verb(word: str, names: Sequence[str]) -> str:
    """Return the verb in the number of its subject."""
    return f"{word}s" if len(names) == 1 else word


def _titles(study: Study, names: Iterable[str]) -> str:
    """Return titles as a list in words."""
    quoted = [f"‘{study.titles[name]}’" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def driver_finding(study: Study, outcomes: Sequence[str], *, top: int = 3) -> Finding:
    """Return the parameters whose draws go most with each outcome in the baseline."""
    sentences: list[str] = []
    for outcome in outcomes:
        ranked = rank_correlation(study.data, outcome, year=study.year, scenario=study.baseline).iloc[:top]
        if not len(ranked):
            continue
        listed = ", ".join(f"{name} ({signed(float(value), 2)})" for name, value in ranked.items())
        sentences.append(f"{outcome_label(study.data, outcome).text}: {listed}.")
    head = "The spread comes from the priors. These parameters go with it most, by rank correlation:"
    return Finding(
        "What drives the spread", (head, *sentences) if sentences else ("No parameter was varied.",)
    )

"""The summary in plain words: sentences whose numbers and direction words are computed from the results."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trilemma.reporting.labels import Label, outcome_label
from trilemma.reporting.numerals import decimals, number, of_draws, quantity, signed, span
from trilemma.reporting.statistics import MATERIAL, bands, rank_correlation
from trilemma.reporting.study import Study
from trilemma.reporting.tables import Cell
from trilemma.reporting.wording import movement, when

LISTED = 5  # names in a list before it is cut
APART = 0.25  # two measures part if the shares of draws that rise differ by more


@dataclass(frozen=True)
class Finding:
    """One paragraph of the summary: a heading and its sentences."""

    heading: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        """The sentences as one paragraph."""
        return " ".join(self.sentences)


def glance(study: Study, outcomes: Sequence[str], indices: Sequence[str]) -> str:
    """Return the whole in one paragraph: how many scenarios clearly move each outcome, and all three goals."""
    counts: list[str] = []
    for outcome in outcomes:
        moved = sum(study.cells[outcome, name, study.year].clear for name in study.others)
        verb = "changes" if moved == 1 else "change"
        head = "" if counts else f" of {_counted(len(study.others))} clearly {verb}"
        counts.append(f"{moved or 'none'}{head} {outcome_label(study.data, outcome).phrase}")
    listed = ", ".join(counts[:-1]) + (" and " if counts[1:] else "") + counts[-1]
    text = f"Against ‘{study.titles[study.baseline]}’ in {when(study.year)}, {listed}."
    if indices:
        better = [n for n in study.others if all(study.cells[i, n, study.year].direction > 0 for i in indices)]
        subject = f"{_titles(study, better)} clearly {_verb('raise', better)}" if better else "None clearly raises"
        text += f" {subject} all three goals at once."
    return f"{text} All of the width of the bands comes from assumed ranges of parameters."


def outcome_finding(study: Study, outcome: str) -> Finding:
    """Return what is found on one outcome: its level, the effect of the baseline itself, and of the scenarios."""
    label = outcome_label(study.data, outcome)
    cell = study.cells[outcome, study.baseline, study.year]
    sentences = [_level(study, outcome, label, cell)]
    if cell.undefined:
        sentences.append(f"It is not defined in {cell.undefined} of {study.draws:,} draws, which are left out.")
    if study.reference:
        held_against = study.cells[outcome, study.reference, study.year]
        sentences.append(_against_reference(study, label, held_against, study.reference))
    sentences += _over_scenarios(study, outcome, label)
    return Finding(label.text, tuple(sentences))


def _level(study: Study, outcome: str, label: Label, cell: Cell) -> str:
    """Return the sentence on the level in the baseline and how it moved."""
    title = study.titles[study.baseline]
    level = quantity(cell.middle, label.unit, cell.places)
    text = f"In ‘{title}’ the median is {level} in {when(study.year)}"
    if study.draws == 1:
        return f"In ‘{title}’ it is {level} in {when(study.year)}."
    text += f" (5–95 %: {span(cell.low, cell.high, cell.places)})"
    moved = movement(study.data, outcome, scenario=study.baseline, start=study.start, end=study.year)
    if not math.isfinite(moved.before) or study.start >= study.year:
        return f"{text}."
    before = f"{number(moved.before, cell.places)} in {when(study.start)}"
    return f"{text}, {f'{moved.way} from' if moved.clear else 'against'} {before} ({moved.way} in {moved.agreement})."


def _against_reference(study: Study, label: Label, cell: Cell, reference: str) -> str:
    """Return the sentence on the baseline less the reference; `cell` is that of the reference."""
    other = study.titles[reference]
    if cell.difference is None or not math.isfinite(cell.difference[1]):
        return f"Its difference to ‘{other}’ is not defined."
    low, middle, high = (-value for value in reversed(cell.difference))
    places = cell.difference_places
    band = f"5–95 %: {span(low, high, places)}"
    word = "higher" if middle > 0 else "lower"
    agreement = of_draws(1 - cell.share_higher if middle > 0 else cell.share_higher)
    amount = quantity(abs(middle), label.difference_unit, places)
    doubt = "" if cell.clear else ", but not clearly"
    return f"That is {amount} {word} than in ‘{other}’{doubt} ({band}; {word} in {agreement})."


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
    head = f"Of {_counted(len(counted))},"
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
    first, second = (
        movement(study.data, name, scenario=study.baseline, start=study.start, end=study.year)
        for name in (months, magnitude)
    )
    medians = (first.before, first.after, second.before, second.after)
    if abs(first.rising - second.rising) < APART or not all(math.isfinite(value) for value in medians):
        return None
    one, other = outcome_label(study.data, months), outcome_label(study.data, magnitude)
    text = (
        f"From {when(study.start)} to {when(study.year)} the median {one.text.lower()} goes from "
        f"{number(first.before)} to {quantity(first.after, one.unit)} and rises in {of_draws(first.rising)}. "
        f"The median {other.text.lower()} goes from {number(second.before)} to {quantity(second.after, other.unit)} "
        f"and rises in {of_draws(second.rising)}. The two do not tell the same story: a lag in months also grows when "
        "the US frontier itself slows down. Read both."
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
        subject = f"{_titles(study, better)} clearly {_verb('raise', better)}"
        body = f"Against ‘{title}’, {subject} all three in {when(study.year)}."
    else:
        body = f"No scenario clearly raises all three above ‘{title}’ in {when(study.year)}."
    count = f"{len(trading) or 'None'} of {_counted(len(study.others))}"
    tail = f"{count} clearly {_verb('raise', trading)} one and {_verb('lower', trading)} another"
    tail += f" ({_titles(study, trading)})." if trading else "."
    if worse:
        tail += f" {_titles(study, worse)} clearly {_verb('lower', worse)} all three."
    return Finding(
        "The three goals together",
        (head, body, tail, "The weights inside the indices are a value judgement."),
    )


def _counted(count: int) -> str:
    """Return how many scenarios there are besides the baseline and the reference."""
    return "the one other scenario" if count == 1 else f"the {count} other scenarios"


def _verb(word: str, names: Sequence[str]) -> str:
    """Return the verb in the number of its subject."""
    return f"{word}s" if len(names) == 1 else word


def _titles(study: Study, names: Iterable[str]) -> str:
    """Return titles as a list in words."""
    quoted = [f"‘{study.titles[name]}’" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def early(study: Study, outcomes: Sequence[str]) -> list[str]:
    """Return the scenarios that differ from the baseline before the year from which policies part."""
    if study.policy_start is None:
        return []
    found: set[str] = set()
    for outcome in outcomes:
        before = {"time": slice(None, study.policy_start - 1e-9)}
        level = abs(bands(study.data, outcome, scenarios=[study.baseline]).sel(before)).max()
        step = abs(bands(study.data, outcome, baseline=study.baseline).sel(before)).max(["quantile", "time"])
        found |= {str(name) for name in step["scenario"].to_numpy()[(step > MATERIAL * level).to_numpy()]}
    return [name for name in study.others if name in found]


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
    return Finding("What drives the spread", (head, *sentences) if sentences else ("No parameter was varied.",))

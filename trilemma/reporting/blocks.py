"""Blocks of the report: each a piece of HTML that a notebook cell shows with one call.

Figures become inline SVG with an alternative text; tables and text become plain HTML. No block loads anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from trilemma.reporting import figures, summary, tables, triangle
from trilemma.reporting.block import Block
from trilemma.reporting.labels import outcome_label
from trilemma.reporting.numerals import number
from trilemma.reporting.svg import inline_svg
from trilemma.reporting.wording import when

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from trilemma.reporting.study import Study

DIFFERENCE = "draw by draw. Line: median; shaded: 5–95 % of draws. ≈ marks no clear difference."
WARNING = (
    "The numbers show how this version of the model behaves under stated assumptions. "
    "They are not findings about the world and not a forecast to act on."
)
ONE_DRAW = "This forecast has one draw, so there is no band and no word on how sure a number is."
CLEAR = (
    "A band holds the middle 90 % of the draws from {source}. A difference is taken draw by draw; it is "
    "called clear if its 5–95 % band leaves zero out and its median is at least half a per cent of the level."
)


def _clear(study: Study) -> str:
    """Return what bands and clear differences are, and where draws come from."""
    posterior = study.data.attrs.get("draws_from") == "posterior"
    return CLEAR.format(source="the calibrated ensemble" if posterior else "the stated priors")


def figure_block(figure: Figure, alt: str, caption: str) -> Block:
    """Return a figure with its alternative text and its caption."""
    return Block(f"<figure>{inline_svg(figure, alt)}<figcaption>{escape(caption)}</figcaption></figure>")


def _title_of(figure: Figure) -> str:
    """Return the finding that a figure carries as its title, on one line."""
    return " ".join(figure.get_suptitle().split())


def masthead(study: Study) -> Block:
    """Return the head of the page: title, question, and the standing of the model."""
    attrs = study.data.attrs
    title = escape(str(attrs.get("title", attrs.get("forecast", "Policy comparison"))))
    sentence = escape(str(attrs.get("sentence", "")))
    version, status = (
        str(attrs.get("model_version", "?")),
        str(attrs.get("model_status", "status not stated")),
    )
    model = str(attrs.get("model_title", attrs.get("model", "")))
    facts = (
        f"{len(study.scenarios)} scenarios × {number(study.draws, 0)} draws, {study.data['time'][0].item():.0f} to "
        f"{study.data['time'][-1].item():.0f}; baseline ‘{study.titles[study.baseline]}’."
    )
    return Block(
        f'<header class="masthead"><h1>{title}</h1><p class="lead">{sentence}</p>'
        f'<p class="banner"><b>Model version {escape(version)}, {escape(status)}.</b> {escape(model)}. '
        f"{WARNING}</p>"
        f'<p class="facts">{escape(facts)}</p></header>'
    )


def summary_block(
    study: Study,
    outcomes: Sequence[str],
    *,
    indices: Sequence[str],
    drivers: Sequence[str],
    measures: tuple[str, str] | None = None,
) -> Block:
    """Return the summary in plain words."""
    found = [summary.outcome_finding(study, name) for name in study.stored(outcomes)]
    if measures is not None and len(study.stored(measures)) == len(measures):
        contrast = summary.measures_finding(study, *measures)
        found[1:1] = [contrast] if contrast else []
    if study.others and len(study.stored(indices)) == len(indices):
        found.append(summary.trilemma_finding(study, indices))
    found.append(summary.driver_finding(study, study.stored(drivers)))
    shown, goals_shown = study.stored(outcomes), study.stored(indices)
    lead = summary.glance(study, shown, goals_shown) if study.others and shown else ""
    items = "".join(f"<dt>{escape(f.heading)}</dt><dd>{escape(f.text)}</dd>" for f in found)
    head = f'<p class="glance">{escape(lead)}</p>' if lead else ""
    note = f'<p class="note">{_clear(study) if study.draws > 1 else ONE_DRAW}</p>'
    return Block(f'{head}{note}<dl class="summary">{items}</dl>')


def scenario_note(study: Study, outcomes: Sequence[str]) -> Block:
    """Return what a difference between scenarios means, and which scenarios do not part in the same year."""
    title = study.titles[study.baseline]
    text = f"Each scenario runs on the same draws as ‘{title}’, so a difference is due to its settings alone."
    names = summary.early(study, study.stored(outcomes))
    if names and study.policy_start is not None:
        listed = ", ".join(f"‘{study.titles[name]}’" for name in names)
        text += (
            f" Most scenarios part from the baseline in {when(study.policy_start)}. These differ earlier, "
            f"because they change history or a parameter of the whole run, and are thought experiments: {listed}."
        )
    return Block(f"<p>{escape(text)}</p>")


def scenario_table(study: Study, outcomes: Sequence[str]) -> Block:
    """Return the table of all scenarios, one row each, at the year of the study."""
    table = tables.scenario_rows_html(study.frame, study.stored(outcomes), year=study.year, titles=study.titles)
    return Block(f'<p class="note">{when(study.year)}. {escape(tables.LEGEND)}</p>{table}')


def outcome_table(study: Study) -> Block:
    """Return the table of all outcomes for the highlighted scenarios, folded away."""
    frame = study.frame
    rows = frame["scenario"].isin(study.highlight) & (frame["time"] == study.year)
    chosen = frame.loc[rows].copy()
    chosen.attrs = {**frame.attrs, "baseline": study.baseline}
    table = tables.to_html(chosen, study.titles)
    head = f"All outcomes of the highlighted scenarios, {when(study.year)}"
    return Block(f"<details><summary>{escape(head)}</summary>{table}</details>")


def _not_stored(outcomes: Sequence[str]) -> Block:
    """Return a note in the place of a figure whose outcomes are not stored."""
    names = ", ".join(outcomes)
    return Block(f'<p class="note">Not shown: this forecast does not store {escape(names)}.</p>')


def fans(study: Study, outcome: str) -> Block:
    """Return the fan charts of an outcome, one panel a highlighted scenario."""
    if not study.stored([outcome]):
        return _not_stored([outcome])
    figure = figures.fan_chart(
        study.data,
        outcome,
        scenarios=study.highlight,
        baseline=study.baseline,
        year=study.year,
        window=study.window,
        policy_start=study.policy_start,
    )
    label = outcome_label(study.data, outcome)
    start = f" Dotted line: {when(study.policy_start)}, when new policies start." if study.policy_start else ""
    caption = (
        f"{label.about} Line: median; shaded: 5–95 % of draws; dashed grey: median of "
        f"‘{study.titles[study.baseline]}’.{start}"
    ).strip()
    return figure_block(figure, f"Fan charts. {_title_of(figure)}.", caption)


def differences(study: Study, outcome: str) -> Block:
    """Return the paired differences of an outcome over time, one panel a highlighted scenario."""
    if not study.stored([outcome]):
        return _not_stored([outcome])
    if len(study.highlight) < 2:
        return Block("")
    figure = figures.difference_chart(
        study.data,
        outcome,
        scenarios=study.highlight,
        baseline=study.baseline,
        year=study.year,
        window=study.window,
        policy_start=study.policy_start,
    )
    caption = f"Scenario less ‘{study.titles[study.baseline]}’, {DIFFERENCE}"
    return figure_block(figure, f"Charts of paired differences. {_title_of(figure)}.", caption)


def effects(study: Study, outcomes: Sequence[str]) -> Block:
    """Return the effects of all scenarios at the year of the study."""
    shown = study.stored(outcomes)
    if not shown or not study.others:
        return _not_stored(outcomes)
    figure = figures.effect_chart(
        study.data, shown, scenarios=study.scenarios, baseline=study.baseline, year=study.year
    )
    caption = (
        f"Scenario less ‘{study.titles[study.baseline]}’ in {when(study.year)}, draw by draw. Mark: median; "
        "line: 5–95 % of draws. Filled: clear. Hollow grey: no clear difference."
    )
    return figure_block(figure, f"Chart of effects of all scenarios. {_title_of(figure)}.", caption)


def goals(study: Study, indices: Sequence[str]) -> Block:
    """Return the triangles of the three indices, one panel a highlighted scenario."""
    if len(study.stored(indices)) < len(indices):
        return _not_stored(indices)
    figure = triangle.triangle_chart(
        study.data,
        indices,
        scenarios=study.highlight,
        baseline=study.baseline,
        year=study.year,
        years=study.years,
    )
    others = [year for year in study.years if year != study.year]
    marks = [f"{mark} {when(year)}" for mark, year in zip("○◇", others, strict=False)]
    year, title = when(study.year), study.titles[study.baseline]
    caption = (
        f"Blue with marks and numbers: medians in {year}; bars along the axes: 5–95 % of draws. Dashed grey: "
        f"‘{title}’ in {year}. Medians of other years beside each axis: {', '.join(marks) or 'none'}. "
        "Each axis runs from 0 at the centre to 100."
    )
    return figure_block(figure, f"Triangles of three indices. {_title_of(figure)}.", caption)


def drivers(study: Study, outcomes: Sequence[str], *, effect: bool = False, top: int = 10) -> Block:
    """Return what drives the spread of outcomes in the baseline, or of its difference to the reference."""
    if effect and study.reference is None:
        return Block("")
    shown = study.stored(outcomes)
    if not shown:
        return _not_stored(outcomes)
    against = study.reference if effect else None
    figure = figures.driver_chart(
        study.data, shown, scenario=study.baseline, year=study.year, baseline=against, top=top
    )
    title = study.titles[study.baseline]
    of = f"‘{title}’ less ‘{study.titles[against]}’" if against else f"the outcome in ‘{title}’"
    caption = (
        f"Spearman’s rank correlation of each parameter with {of}, {when(study.year)}. Filled: it rises with the "
        "parameter; hatched: it falls. A correlation says which prior sets the width of the band, "
        "not which policy works. Names are those of the model’s parameters."
    )
    return figure_block(figure, f"Bar charts of rank correlations. {_title_of(figure)}.", caption)

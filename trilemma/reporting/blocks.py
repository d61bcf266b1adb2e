"""Blocks of the report: each a piece of HTML that a notebook cell shows with one call.

Figures become inline SVG with an alternative text; tables and text become plain HTML. No block loads anything.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from trilemma.reporting import figures, summary, tables, triangle
from trilemma.reporting.labels import outcome_label, outcome_names
from trilemma.reporting.numerals import number
from trilemma.reporting.statistics import rank_correlation
from trilemma.reporting.wording import when

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from trilemma.reporting.study import Study

NUMBERS_ID = "report-numbers"
SIGNIFICANT = 6


@dataclass(frozen=True)
class Block:
    """A piece of HTML that a notebook shows."""

    html: str

    def _repr_html_(self) -> str:
        return self.html


def inline_svg(figure: Figure, alt: str) -> str:
    """Return a figure as SVG to stand inside a page: no header, no metadata, names that meet no other figure's."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\s+xmlns:xlink="[^"]*"|\s+xmlns="[^"]*"', "", text)
    text = text.replace("xlink:href=", "href=")
    prefix = f"f{abs(hash_text(alt)):x}-"
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}\1)", text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}\1"', text)
    text = re.sub(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', _svg_head(alt), text, count=1)
    return re.sub(r"(\d+\.\d{2})\d+", r"\1", re.sub(r"\n\s*", "\n", text))


def hash_text(text: str) -> int:
    """Return a small number that depends on the text alone."""
    value = 0
    for character in text:
        value = (value * 131 + ord(character)) % 0xFFFFFF
    return value


def _svg_head(alt: str) -> str:
    """Return the opening tag of an inline SVG, as a replacement pattern."""
    safe = escape(alt, quote=True).replace("\\", "\\\\")
    return rf'<svg viewBox="\1" role="img" aria-label="{safe}">'


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
        "The numbers show how this version of the model behaves under stated assumptions. They are not findings about the "
        "world and not a forecast to act on.</p>"
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
    found = [summary.outcome_finding(study, name) for name in stored(study, outcomes)]
    if measures is not None and len(stored(study, measures)) == len(measures):
        contrast = summary.measures_finding(study, *measures)
        found[1:1] = [contrast] if contrast else []
    if study.others and len(stored(study, indices)) == len(indices):
        found.append(summary.trilemma_finding(study, indices))
    found.append(summary.driver_finding(study, stored(study, drivers)))
    items = "".join(f"<dt>{escape(f.heading)}</dt><dd>{escape(f.text)}</dd>" for f in found)
    note = (
        "A band holds the middle 90 % of the draws from the stated priors. A difference is taken draw by draw; it is called "
        "clear if its 5–95 % band leaves zero out and its median is at least half a per cent of the level."
    )
    return Block(f'<p class="note">{note}</p><dl class="summary">{items}</dl>')


def scenario_table(study: Study, outcomes: Sequence[str]) -> Block:
    """Return the table of all scenarios, one row each, at the year of the study."""
    table = tables.scenario_rows_html(
        study.frame, stored(study, outcomes), year=study.year, titles=study.titles
    )
    return Block(f'<p class="note">{when(study.year)}. {escape(tables.LEGEND)}</p>{table}')


def outcome_table(study: Study) -> Block:
    """Return the table of all outcomes for the highlighted scenarios, folded away."""
    frame = study.frame
    chosen = frame[frame["scenario"].isin(study.highlight) & (frame["time"] == study.year)].copy()
    chosen.attrs = {**frame.attrs, "baseline": study.baseline}
    table = tables.to_html(chosen, study.titles)
    head = f"All outcomes of the highlighted scenarios, {when(study.year)}"
    return Block(f"<details><summary>{escape(head)}</summary>{table}</details>")


def stored(study: Study, outcomes: Sequence[str]) -> list[str]:
    """Return those of `outcomes` that the forecast has stored."""
    known = set(outcome_names(study.data))
    return [name for name in outcomes if name in known]


def _not_stored(outcomes: Sequence[str]) -> Block:
    """Return a note in the place of a figure whose outcomes are not stored."""
    names = ", ".join(outcomes)
    return Block(f'<p class="note">Not shown: this forecast does not store {escape(names)}.</p>')


def fans(study: Study, outcome: str) -> Block:
    """Return the fan charts of an outcome, one panel a highlighted scenario."""
    if not stored(study, [outcome]):
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
    start = (
        f" Dotted line: {when(study.policy_start)}, when new policies start." if study.policy_start else ""
    )
    caption = (
        f"{label.about} Line: median; shaded: 5–95 % of draws; dashed grey: median of "
        f"‘{study.titles[study.baseline]}’.{start}"
    ).strip()
    return figure_block(figure, f"Fan charts. {_title_of(figure)}.", caption)


def differences(study: Study, outcome: str) -> Block:
    """Return the paired differences of an outcome over time, one panel a highlighted scenario."""
    if not stored(study, [outcome]) or len(study.highlight) < 2:
        return _not_stored([outcome])
    figure = figures.difference_chart(
        study.data,
        outcome,
        scenarios=study.highlight,
        baseline=study.baseline,
        year=study.year,
        window=study.window,
        policy_start=study.policy_start,
    )
    caption = f"Scenario less ‘{study.titles[study.baseline]}’, draw by draw. Line: median; shaded: 5–95 % of draws."
    return figure_block(figure, f"Charts of paired differences. {_title_of(figure)}.", caption)


def effects(study: Study, outcomes: Sequence[str]) -> Block:
    """Return the effects of all scenarios at the year of the study."""
    shown = stored(study, outcomes)
    if not shown or not study.others:
        return _not_stored(outcomes)
    figure = figures.effect_chart(
        study.data, shown, scenarios=study.scenarios, baseline=study.baseline, year=study.year
    )
    caption = (
        f"Scenario less ‘{study.titles[study.baseline]}’ in {when(study.year)}, draw by draw. Mark: median; line: 5–95 % of "
        "draws. Filled: clear. Hollow grey: no clear difference."
    )
    return figure_block(figure, f"Chart of effects of all scenarios. {_title_of(figure)}.", caption)


def goals(study: Study, indices: Sequence[str]) -> Block:
    """Return the triangles of the three indices, one panel a highlighted scenario."""
    if len(stored(study, indices)) < len(indices):
        return _not_stored(indices)
    figure = triangle.triangle_chart(
        study.data,
        indices,
        scenarios=study.highlight,
        baseline=study.baseline,
        year=study.year,
        years=study.years,
    )
    before = [when(y) for y in study.years if y < study.year]
    after = [when(y) for y in study.years if y > study.year]
    lines = [
        f"Orange dotted: {', '.join(before)}." if before else "",
        f"Orange dash-dotted: {', '.join(after)}." if after else "",
    ]
    caption = (
        f"Blue with marks and numbers: medians in {when(study.year)}; bars along the axes: 5–95 % of draws. Dashed grey: "
        f"‘{study.titles[study.baseline]}’ in {when(study.year)}. {' '.join(lines)} Each axis runs from 0 at the centre to 100."
    )
    return figure_block(
        figure, f"Triangles of three indices. {_title_of(figure)}.", " ".join(caption.split())
    )


def drivers(study: Study, outcomes: Sequence[str], *, top: int = 10) -> Block:
    """Return what drives the spread of outcomes in the baseline."""
    shown = stored(study, outcomes)
    if not shown:
        return _not_stored(outcomes)
    figure = figures.driver_chart(study.data, shown, scenario=study.baseline, year=study.year, top=top)
    caption = (
        f"Spearman’s rank correlation of each parameter with the outcome in ‘{study.titles[study.baseline]}’, "
        f"{when(study.year)}. Filled: the outcome rises with the parameter; hatched: it falls. A correlation says which prior "
        "sets the width of the band, not which policy works."
    )
    return figure_block(figure, f"Bar charts of rank correlations. {_title_of(figure)}.", caption)


def definitions(study: Study) -> Block:
    """Return what the baseline sets, and what each scenario sets otherwise than the baseline."""
    own = _settings(study.definitions.get(study.baseline, {}))
    body: list[str] = []
    for name in study.scenarios:
        entry = study.definitions.get(name, {})
        settings = _settings(entry) if name == study.baseline else _less(_settings(entry), own)
        listed = "<br>".join(f"{escape(key)} = {escape(_setting(value))}" for key, value in settings.items())
        body.append(
            f'<tr><th scope="row">{escape(study.titles[name])}<br><code>{escape(name)}</code></th>'
            f'<td>{escape(str(entry.get("sentence", "")))}</td><td class="settings">{listed or "no setting of its own"}</td></tr>'
        )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Scenario", "Question", "Settings"))
    rows = "\n".join(body)
    return Block(
        f'<div class="scroll"><table class="definitions"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _settings(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a scenario by what they set."""
    initial = {f"{name} (initial value)": value for name, value in entry.get("initial", {}).items()}
    return {**entry.get("overrides", {}), **initial}


def _less(settings: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that differ from the baseline's, element by element."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        other = own.get(name)
        if isinstance(value, Mapping) and isinstance(other, Mapping) and "time" not in value:
            value = {key: entry for key, entry in value.items() if other.get(key) != entry}  # noqa: PLW2901
        if value != other and value != {}:
            found[name] = value
    return found


def _setting(value: object) -> str:
    """Return an override in short form."""
    if isinstance(value, Mapping):
        if set(value) == {"time", "value"}:
            pairs = zip(value["time"], value["value"], strict=True)
            return "; ".join(f"{number(float(v))} in {float(t):g}" for t, v in pairs)
        return ", ".join(f"{key} {_setting(entry)}" for key, entry in value.items())
    return f"{float(value):g}" if isinstance(value, int | float) else str(value)


def provenance(study: Study) -> Block:
    """Return where the numbers come from and the command that makes them again."""
    attrs = study.data.attrs
    forecast = str(attrs.get("forecast", ""))
    versions = attrs.get("versions", "{}")
    listed = json.loads(versions) if isinstance(versions, str) else dict(versions)
    rows: dict[str, str] = {
        "Forecast": forecast,
        "Forecast hash": str(attrs.get("forecast_hash", "")),
        "Model": f"{attrs.get('model', '')}, version {attrs.get('model_version', '?')}",
        "Model hash": str(attrs.get("model_hash", "")),
        "Parameters hash": str(attrs.get("parameters_hash", "")),
        "Design": f"{attrs.get('design', '')}, {attrs.get('draws', study.draws)} draws, seed {attrs.get('seed', '')}",
        "Integration": f"{attrs.get('method', '')}, time step {attrs.get('time_step', '')} year",
        "Versions": ", ".join(f"{name} {version}" for name, version in listed.items()),
        "Made again by": f"trilemma forecast {forecast}",
    }
    body = "".join(
        f'<tr><th scope="row">{escape(key)}</th><td><code>{escape(value)}</code></td></tr>'
        for key, value in rows.items()
        if value.strip(" ,")
    )
    return Block(f'<table class="provenance"><tbody>{body}</tbody></table>')


def numbers(study: Study, *, drivers: Sequence[str] = ()) -> Block:
    """Return all numbers of the report as JSON inside the page, for `trilemma report --check` and for reuse."""
    found: dict[str, Any] = {}
    for (name, scenario, time), cell in study.cells.items():
        entry = {"p5": cell.low, "p50": cell.middle, "p95": cell.high}
        if cell.difference is not None:
            low, middle, high = cell.difference
            entry |= {"difference_p5": low, "difference_p50": middle, "difference_p95": high}
        found.setdefault(name, {}).setdefault(scenario, {})[f"{time:g}"] = {
            k: _rounded(v) for k, v in entry.items()
        }
    ranked = {
        name: {
            str(key): _rounded(float(value))
            for key, value in rank_correlation(
                study.data, name, year=study.year, scenario=study.baseline
            ).items()
        }
        for name in stored(study, drivers)
    }
    document = {
        "outcomes": found,
        "rank_correlation": ranked,
        "baseline": study.baseline,
        "draws": study.draws,
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return Block(f'<script type="application/json" id="{NUMBERS_ID}">{text}</script>')


def _rounded(value: float) -> float | None:
    """Return a number to six significant digits; None where it is not defined."""
    return float(f"{value:.{SIGNIFICANT}g}") if value == value and abs(value) != float("inf") else None  # noqa: PLR0124

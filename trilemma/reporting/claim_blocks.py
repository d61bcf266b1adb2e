"""Blocks of the page of claims: an overview, and for each claim what is said, how it is tested, and what came out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from trilemma.forecasting.claims import SUPPORTED
from trilemma.reporting.block import Block
from trilemma.reporting.blocks import figure_block
from trilemma.reporting.claim_figures import assumptions_of, metric_chart, verdict_chart
from trilemma.reporting.claim_tables import record
from trilemma.reporting.claim_words import (
    asked_text,
    flip_sentences,
    setting_text,
    undefined_text,
    value_texts,
    verdict_text,
)
from trilemma.reporting.numerals import number, share
from trilemma.reporting.provenance import NUMBERS_ID
from trilemma.reporting.tables import html_table

if TYPE_CHECKING:
    from trilemma.forecasting.claim_records import RecordFinding
    from trilemma.forecasting.claims import Finding
    from trilemma.reporting.claim_study import ClaimStudy

LIMIT = f"{100 * SUPPORTED:.0f} %"
RULE = (
    f"A claim holds in a draw if all its conditions do. It is supported if it holds in at least {LIMIT} of the draws, "
    f"rejected if it fails in at least {LIMIT}, else undecided. Differences between scenarios are taken within each "
    "draw. ± is the standard error that comes from the number of draws alone."
)
METRICS = (
    "Each metric over the draws. Plain: its condition holds; hatched: it fails. Vertical line: threshold. The few "
    "draws beyond the axis are counted in the outermost bars."
)
TENTHS = (
    "Dots: in how many draws the claim holds, by tenths of the assumption, with the standard error. Dotted: where the "
    "draws part. "
)
STRUCTURES = "Bars: in how many draws it holds under each structure. "
LIMITS = "Dashed: the limits of the verdicts."


def overview(study: ClaimStudy) -> Block:
    """Return the head of the page and the verdicts on all claims."""
    attrs, sizes = study.data.attrs, study.data.sizes
    title = f"The essay’s claims, put to the test: {attrs.get('model_title', attrs.get('model', ''))}"
    version = f"Model version {attrs.get('model_version', '?')}, {attrs.get('model_status', 'status not stated')}."
    facts = f"{sizes['draw']:,} draws in each of {sizes['scenario']} scenarios of ‘{attrs['title']}’."
    body = "".join(_overview_row(study, claim.name, claim.title) for claim in study.claims)
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Claim", "", "Verdict", "Holds in"))
    return Block(
        f'<header class="masthead"><h1>{escape(title)}</h1><p class="banner"><b>{escape(version)}</b> A verdict is one '
        f'on the model and its assumptions.</p><p class="facts">{escape(facts)}</p></header><p>{escape(RULE)}</p>'
        f'<table class="claims"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
    )


def _overview_row(study: ClaimStudy, name: str, title: str) -> str:
    """Return the row of one claim."""
    finding = study.findings.get(name)
    verdict = finding.verdict if finding else study.records[name].verdict
    how = f"{verdict_text(finding)} of draws" if finding else "the record, no simulation"
    how = how.replace("all of draws", "all draws").replace("none of draws", "no draw")
    return (
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(title)}</td>'
        f'<td class="{verdict}">{verdict}</td><td>{escape(how)}</td></tr>'
    )


def claims(study: ClaimStudy) -> Block:
    """Return one page for each claim."""
    return Block("".join(_page(study, claim.name) for claim in study.claims))


def _page(study: ClaimStudy, name: str) -> str:
    """Return the page of one claim."""
    finding, recorded = study.findings.get(name), study.records.get(name)
    if finding is not None:
        claim, verdict, body = finding.claim, finding.verdict, _tested(study, finding)
    elif recorded is not None:
        claim, verdict, body = recorded.claim, recorded.verdict, _recorded(recorded)
    else:
        raise KeyError(name)
    return (
        f'<section class="claim"><h2>{escape(claim.name)}. {escape(claim.title)}</h2>'
        f"<h3>What the essay says</h3><p>{escape(claim.says)}</p>"
        f"<h3>How it is tested</h3><p>{escape(claim.tested)}</p>"
        f'<h3>Verdict: <span class="{verdict}">{verdict}</span></h3>{body}'
        f"<h3>What would change it</h3><p>{escape(claim.change)}</p></section>"
    )


def _tested(study: ClaimStudy, finding: Finding) -> str:
    """Return what simulation says of a claim: numbers, spread, and where the verdict flips."""
    undefined = f" {undefined_text(finding)}"
    rows: list[str] = []
    for measured in finding.conditions:
        condition, (middle, band) = measured.condition, value_texts(measured)
        rows.append(
            f'<tr><th scope="row">{escape(condition.title)}<br><small>{escape(setting_text(condition, study.titles))}'
            f"</small></th><td>{escape(middle)}</td><td>{escape(band)}</td><td>{escape(asked_text(condition))}</td>"
            f"<td>{escape(share(measured.share))}</td></tr>"
        )
    heads = ("Metric", "Median", "5–95 %", "Must be", "Holds in")
    figure = metric_chart(finding)
    flips = "".join(f"<li>{escape(sentence)}</li>" for sentence in flip_sentences(finding, study.variants))
    return (
        f"<p>It holds in {escape(verdict_text(finding))} of {finding.draws:,} draws.{escape(undefined.rstrip())}</p>"
        f"{_table(heads, rows)}{figure_block(figure, f'Histograms. {figure.get_suptitle()}.', METRICS).html}"
        f"<h3>Where the verdict flips</h3><ul>{flips}</ul>{_turning(study, finding)}"
    )


def _table(heads: Sequence[str], rows: Sequence[str]) -> str:
    """Return a table from the words of its head and its rows."""
    return html_table("".join(f'<th scope="col">{escape(text)}</th>' for text in heads), list(rows))


def _turning(study: ClaimStudy, finding: Finding) -> str:
    """Return the figure of what a verdict turns on, where there is something to draw."""
    if not assumptions_of(finding) and not finding.by_variant:
        return ""
    figure = verdict_chart(finding, study.data, study.variants)
    tenths = TENTHS if assumptions_of(finding) else ""
    caption = tenths + (STRUCTURES if finding.by_variant else "") + LIMITS
    return figure_block(figure, f"Charts of shares of draws. {figure.get_suptitle()}.", caption).html


def _recorded(finding: RecordFinding) -> str:
    """Return what the record says of a claim."""
    rows = [
        f'<tr><th scope="row">{escape(one.record.title)}<br><small>{escape(one.record.series)}, '
        f"{one.record.during[0]} to {one.record.during[1]} over {one.record.against[0]} to {one.record.against[1]}; "
        f"{one.observations} observations</small></th><td>{number(one.ratio, 2)}</td>"
        f"<td>{escape(asked_text(one.record))}</td><td>{'holds' if one.holds else 'fails'}</td></tr>"
        for one in finding.comparisons
    ]
    heads = ("Observed", "Ratio", "Must be", "")
    return (
        "<p>No simulation decides this claim. The ratios below are those of observations, with no probability.</p>"
        f"{_table(heads, rows)}"
    )


def numbers(study: ClaimStudy) -> Block:
    """Return the numbers of the page as JSON, for `trilemma report --check` and for reuse."""
    shown = {name: _numbers(record(finding)) for name, finding in study.findings.items()}
    shown |= {
        name: {"verdict": finding.verdict, "ratios": {one.record.title: one.ratio for one in finding.comparisons}}
        for name, finding in study.records.items()
    }
    text = json.dumps({"claims": shown}, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return Block(f'<script type="application/json" id="{NUMBERS_ID}">{text}</script>')


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page tells of one claim in numbers, but for the regions, which hang on single draws."""
    quantities = ("p5", "p50", "p95", "share")
    conditions = {one["title"]: {name: one[name] for name in quantities} for one in row["conditions"]}
    return {"verdict": row["verdict"], "probability": row["probability"], "conditions": conditions}

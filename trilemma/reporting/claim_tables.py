"""Verdicts on claims as a terminal table and as records for JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from trilemma.forecasting.claim_records import RecordFinding
from trilemma.forecasting.claims import SUPPORTED, Finding
from trilemma.forecasting.regions import Region
from trilemma.reporting.claim_study import ClaimStudy
from trilemma.reporting.claim_words import (
    asked_text,
    flip_sentences,
    setting_text,
    undefined_text,
    value_texts,
    verdict_text,
)
from trilemma.reporting.numerals import number, share

STYLES = {"supported": "bold green", "rejected": "bold red", "undecided": "bold yellow"}
LEGEND = (
    f"A claim holds in a draw if all its conditions do; supported: in at least {100 * SUPPORTED:.0f} % of the draws, "
    f"rejected: fails in at least {100 * SUPPORTED:.0f} %. ± is the standard error from the number of draws. Median "
    "and 5–95 % band over the draws, differences paired. Regions are found on one half of the draws, their shares are "
    "those of the other half. A claim that no simulation decides is held against the record of observations."
)


def claims_table(study: ClaimStudy) -> Table:
    """Return a terminal table: each claim with its verdict, its conditions, and where the verdict flips."""
    table = Table(box=SIMPLE_HEAD, caption=LEGEND, caption_justify="left")
    for heading in ("claim", "verdict"):
        table.add_column(heading, no_wrap=True)
    table.add_column("holds in", justify="right", no_wrap=True)
    table.add_column("what is measured", overflow="fold", max_width=54)
    for heading in ("median", "5–95 %", "must be"):
        table.add_column(heading, justify="right", no_wrap=True)
    for claim in study.claims:
        rows = _tested(study, claim.name) if claim.name in study.findings else _recorded(study, claim.name)
        for row in rows:
            table.add_row(*row)
        table.add_section()
    return table


def _tested(study: ClaimStudy, name: str) -> Iterator[tuple[str | Text, ...]]:
    """Yield the rows of a claim that simulation decides."""
    finding = study.findings[name]
    word = Text(finding.verdict, style=STYLES[finding.verdict])
    yield name, word, verdict_text(finding), Text(finding.claim.title, style="bold")
    for measured in finding.conditions:
        text = Text(measured.condition.title)
        setting = setting_text(measured.condition, study.titles)
        text.append(f" ({setting})" if setting else "", style="dim")
        yield "", "", share(measured.share), text, *value_texts(measured), asked_text(measured.condition)
    undefined = undefined_text(finding)
    for sentence in [*([undefined] if undefined else []), *flip_sentences(finding, study.variants)]:
        yield "", "", "", Text(sentence, style="italic")


def _recorded(study: ClaimStudy, name: str) -> Iterator[tuple[str | Text, ...]]:
    """Yield the rows of a claim that the record decides."""
    finding = study.records[name]
    word = Text(finding.verdict, style=STYLES[finding.verdict])
    yield name, word, "record", Text(finding.claim.title, style="bold")
    for compared in finding.comparisons:
        text = Text(compared.record.title)
        text.append(f" ({compared.observations} observations of {compared.record.series})", style="dim")
        held = "holds" if compared.holds else "fails"
        yield "", "", held, text, number(compared.ratio, 2), "", asked_text(compared.record)


def to_json(study: ClaimStudy) -> str:
    """Return all findings as a JSON list of records, numbers unrounded; an undefined number is null."""
    rows = [
        record(study.findings[claim.name]) if claim.name in study.findings else _record(study.records[claim.name])
        for claim in study.claims
    ]
    return json.dumps(rows, ensure_ascii=False, indent=1)


def _record(finding: RecordFinding) -> dict[str, Any]:
    """Return what the record says as plain data."""
    return {
        "claim": finding.claim.name,
        "title": finding.claim.title,
        "verdict": finding.verdict,
        "probability": None,
        "comparisons": [
            {
                **compared.record.model_dump(mode="json", exclude={"where"}, exclude_none=True),
                "ratio": compared.ratio,
                "observations": compared.observations,
                "holds": compared.holds,
            }
            for compared in finding.comparisons
        ],
    }


def record(finding: Finding) -> dict[str, Any]:
    """Return a finding as plain data."""
    flip = finding.flip
    return {
        "claim": finding.claim.name,
        "title": finding.claim.title,
        "verdict": finding.verdict,
        "probability": finding.share,
        "standard_error": finding.error,
        "undefined": finding.undefined,
        "draws": finding.draws,
        "conditions": [
            {
                **m.condition.model_dump(exclude={"where"}, exclude_none=True),
                "unit": m.unit,
                "share": m.share,
                **{f"p{q}": v if math.isfinite(v) else None for q, v in zip((5, 50, 95), m.band, strict=True)},
            }
            for m in finding.conditions
        ],
        "variants": {name: {"verdict": word, "share": part} for name, (word, part) in finding.by_variant.items()},
        "flips": None if flip is None else [_region(region) for region in flip.regions],
        "leading": None if flip is None or flip.leading is None else [_region(region) for region in flip.leading],
    }


def _region(region: Region) -> dict[str, Any]:
    """Return a region as plain data."""
    bounds = [{key: value for key, value in asdict(bound).items() if value is not None} for bound in region.bounds]
    return {"verdict": region.verdict, "share": region.share, "size": region.size, "bounds": bounds}

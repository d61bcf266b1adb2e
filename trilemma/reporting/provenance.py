"""Blocks on where a report comes from: what each scenario sets, hashes and versions, and all numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from trilemma.reporting.block import Block
from trilemma.reporting.numerals import number
from trilemma.reporting.statistics import rank_correlation

if TYPE_CHECKING:
    from trilemma.reporting.study import Study

NUMBERS_ID = "report-numbers"
SIGNIFICANT = 6


WORDS = {
    "prior": "the stated priors",
    "posterior": "the calibrated ensemble, posterior.nc; what data do not inform is drawn from its prior",
    "central": "the central values",
}
"""Where draws come from, by the attribute `draws_from` of results."""


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
            f"<td>{escape(str(entry.get('sentence', '')))}</td>"
            f'<td class="settings">{listed or "no setting of its own"}</td></tr>'
        )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Scenario", "Question", "Settings"))
    rows = "\n".join(body)
    table = f'<table class="definitions"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    return Block(f'<div class="scroll">{table}</div>')


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
        if value not in (other, {}):
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
        "Draws from": WORDS.get(str(attrs.get("draws_from", "prior")), ""),
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
        found.setdefault(name, {}).setdefault(scenario, {})[f"{time:g}"] = {k: _rounded(v) for k, v in entry.items()}
    ranked = {
        name: {
            str(key): _rounded(float(value))
            for key, value in rank_correlation(study.data, name, year=study.year, scenario=study.baseline).items()
        }
        for name in study.stored(drivers)
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

"""Blocks of the calibration report: how well the model fits, what the data told, how far off its forecasts were."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from trilemma.calibration.scoring import Columns, columns_of, mean, some
from trilemma.reporting.backtest_record import Record, record_document
from trilemma.reporting.backtests import HEADS, findings, total_rows
from trilemma.reporting.block import Block
from trilemma.reporting.blocks import figure_block
from trilemma.reporting.calibration_figures import (
    fit_bands,
    learning_chart,
    pair_chart,
    residual_chart,
)
from trilemma.reporting.calibration_study import learnt, trade_offs
from trilemma.reporting.numerals import number, rounded, share
from trilemma.reporting.provenance import NUMBERS_ID
from trilemma.reporting.rival_scores import RIVAL_HEADS, rival_findings, rival_rows
from trilemma.reporting.tables import html_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from trilemma.reporting.calibration_study import CalibrationStudy

PAIRED = 4
"""Parameters in the figure of those that trade off."""

BLURRED = 0.1
"""A contraction below this counts as nothing learnt."""

SYSTEMATIC = 0.5
"""Theil's share of the bias from which on an error is called one of level."""

SEVERAL = 3
"""Observations that a series must have for that."""

INFERENCE = {
    "nuts": "Hamiltonian Monte Carlo (NUTS)",
    "laplace": "a normal approximation about the mode, corrected by importance",
    "weights": "draws from the priors, weighed by the data",
    "prior": "draws from the priors",
}


def masthead(study: CalibrationStudy) -> Block:
    """Return the head of the page: which model, which data, how."""
    model, posterior = study.model, study.posterior
    how = INFERENCE.get(str(posterior.attrs.get("inference", "")), "a method that is not stated")
    facts = (
        f"{posterior.draws:,} draws of {len(posterior.labels)} uncertain parameters, {int(posterior.fitted.sum())} of "
        f"them fitted to the evidence, the others as the priors have them; by {how}. Shown against "
        f"{len(study.rows)} observations in {len(study.series)} series."
    )
    return Block(
        f'<header class="masthead"><h1>Calibration: {escape(model.title)}</h1>'
        f'<p class="banner"><b>Model version {escape(model.version or "?")}, {escape(model.status)}.</b> '
        f"{escape(' '.join(model.hindsight.split()))}</p>"
        f'<p class="facts">{escape(facts)}</p></header>'
    )


def wrong(study: CalibrationStudy) -> Block:
    """Return what the model gets wrong, in words that follow from the tables."""
    columns = columns_of(study.series)
    scored = some(columns, columns["n"].astype(int) > 0)
    rows = some(columns_of(study.rows), study.rows["crps"].notna().to_numpy(dtype=bool))
    said = [
        f"In sample, {share(mean(rows['within_90']))} of {len(rows['crps'])} observations lie in the 90 % bands and "
        f"{share(mean(rows['within_50']))} in the 50 % bands.",
        _outside(scored),
        _one_sided(scored),
        _undefined(study),
        _unlearnt(study),
        *([] if study.backtest is None else findings(study.backtest)),
    ]
    items = "".join(f"<li>{escape(text)}</li>" for text in said if text)
    return Block(f"<ul>{items}</ul>")


def _outside(scored: Columns) -> str:
    """Return the series of which the bands miss most observations."""
    missed = some(scored, scored["coverage_90"].astype(float) < 0.5)
    if not len(missed["series"]):
        return "No series lies outside its bands more often than not."
    return f"Outside the 90 % bands more often than not: {', '.join(_sided(missed))}."


def _one_sided(scored: Columns) -> str:
    """Return the series whose error is one of level."""
    biased = some(scored, (scored["theil_um"].astype(float) >= SYSTEMATIC) & (scored["n"].astype(int) >= SEVERAL))
    if not len(biased["series"]):
        return "In no series is the error mainly one of level."
    return f"The error is mainly one of level (Theil's UM above {SYSTEMATIC}) in: {', '.join(_sided(biased))}."


def _sided(part: Columns) -> list[str]:
    """Return series with the side on which the model errs and by how much, the largest first."""
    order = np.argsort(-part["mape"].astype(float))
    return [
        f"{part['series'][i]} (too {'high' if float(part['bias'][i]) > 0 else 'low'}, "
        f"{number(100 * float(part['mape'][i]), 0)} % off)"
        for i in order
    ]


def _undefined(study: CalibrationStudy) -> str:
    """Return how often the model has no value."""
    lost = study.rows["undefined"].to_numpy(dtype=float)
    if not (lost > 0).any():
        return ""
    count = int((lost > 0).sum())
    return f"For {count} observations the model has no value in some draws, at most in {share(float(lost.max()))}."


def _unlearnt(study: CalibrationStudy) -> str:
    """Return how many parameters the data say nothing of."""
    table = columns_of(learnt(study))
    blind = int((table["contraction"].astype(float) < BLURRED).sum())
    return (
        f"The data say next to nothing of {blind} of {len(table['parameter'])} uncertain parameters (they take away "
        f"less than {number(100 * BLURRED, 0)} % of the prior variance): what hangs on them is assumed."
    )


def fits(study: CalibrationStudy) -> Block:
    """Return the fit of every series."""
    caption = (
        "Dots: observations, orange outside the 90 % band. Line: median of the model; blue: 5–95 % of the posterior "
        "draws of the model alone; light blue: 5–95 % of what would be observed, errors of sources and expressions "
        "included. At the end of each period."
    )
    return _figure(fit_bands(study.rows, study.bands), "Panels of fit and data", caption)


def residuals(study: CalibrationStudy) -> Block:
    """Return the residuals."""
    caption = "Observations of one series are not independent: a row of dots on one side is one error, not many."
    return _figure(residual_chart(study.rows), "Residuals over time and their distribution", caption)


def learning(study: CalibrationStudy) -> Block:
    """Return where posteriors lie within their priors."""
    caption = "Line: 5–95 % of the posterior; dot: its median. A line as wide as the shading has learnt nothing."
    return _figure(learning_chart(learnt(study)), "Posterior intervals within priors", caption)


def pairs(study: CalibrationStudy) -> Block:
    """Return the parameters that trade off against each other."""
    found = trade_offs(study, 12)
    if not found:
        return Block("")
    labels = list(dict.fromkeys(name for one, other, _ in found for name in (one, other)))[:PAIRED]
    first, second, correlation = found[0]
    title = f"‘{first}’ and ‘{second}’ trade off most: their correlation is {correlation:+.2f}"
    listed = "; ".join(f"{one} and {other} {value:+.2f}" for one, other, value in found)
    caption = f"Draws of the posterior. The strongest rank correlations: {listed}."
    return _figure(pair_chart(study.posterior.parameters, labels, title), "Scatter plots of parameters", caption)


def identifiability(study: CalibrationStudy) -> Block:
    """Return what the data told of each fitted parameter, those narrowed most first."""
    table = columns_of(learnt(study))
    shown = some(table, table["fitted"].astype(bool))
    heads = ("Parameter", "Unit", "Prior 5–50–95 %", "Posterior 5–50–95 %", "Variance taken away")
    body = [
        f'<tr><th scope="row">{escape(str(name))}</th><td>{escape(str(unit))}</td><td>{before}</td><td>{after}</td>'
        f"<td>{number(100 * float(gain), 0)} %</td></tr>"
        for name, unit, before, after, gain in zip(
            shown["parameter"],
            shown["unit"],
            _spans(shown, "prior_"),
            _spans(shown, ""),
            shown["contraction"],
            strict=True,
        )
    ]
    others = int((~table["fitted"].astype(bool)).sum())
    note = f"{others} more parameters are not fitted: at the central values the data say too little of them."
    return Block(f"{_table(heads, body)}<p class='note'>{escape(note)}</p>")


def _spans(table: Columns, prefix: str) -> list[str]:
    """Return quantiles as text."""
    rows = zip(*(table[f"{prefix}{key}"].astype(float) for key in ("p5", "p50", "p95")), strict=True)
    return [" – ".join(_short(float(value)) for value in row) for row in rows]


def _short(value: float) -> str:
    """Return a number of three digits, with a power of ten where it is long."""
    return number(value) if 1e-3 <= abs(value) < 1e6 or not value else f"{value:.3g}"


def backtested(study: CalibrationStudy) -> Block:
    """Return the totals of the backtest."""
    if study.backtest is None:
        return Block('<p class="note">No backtest lies beside the model.</p>')
    return Block(_table(HEADS, [_row(cells) for cells in total_rows(study.backtest)]))


def _row(cells: tuple[str, ...]) -> str:
    """Return a row of a table."""
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def rivals(study: CalibrationStudy) -> Block:
    """Return the comparison of rival structures; nothing where none was made."""
    if study.rivals is None:
        return Block("")
    body = [
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>" for cells in rival_rows(study.rivals)
    ]
    said = "".join(f"<li>{escape(text)}</li>" for text in rival_findings(study.rivals))
    return Block(f"<h3>Rival structures</h3><ul>{said}</ul>{_table(RIVAL_HEADS, body)}")


def scored(study: CalibrationStudy) -> Block:
    """Return the scores of every series in sample, folded away."""
    heads = ("Series", "n", "CRPS", "in 50 %", "in 90 %", "MAPE", "UM", "US", "UC")
    body = [
        f'<tr><th scope="row">{escape(str(row["series"]))}</th><td>{row["n"]}</td><td>{number(row["crps"], 3)}</td>'
        + "".join(f"<td>{number(100 * row[key], 0)} %</td>" for key in ("coverage_50", "coverage_90", "mape"))
        + "".join(f"<td>{number(row[f'theil_{key}'], 2)}</td>" for key in ("um", "us", "uc"))
        + "</tr>"
        for row in study.series.to_dict("records")
    ]
    return Block(f"<details><summary>Scores of every series, in sample</summary>{_table(heads, body)}</details>")


def _table(heads: tuple[str, ...], body: list[str]) -> str:
    """Return a table from the words of its head and its rows."""
    return html_table("".join(f'<th scope="col">{escape(head)}</th>' for head in heads), body)


def _figure(figure: Figure, alt: str, caption: str) -> Block:
    """Return a figure with its caption."""
    return figure_block(figure, f"{alt}. {figure.get_suptitle()}", caption)


def numbers(study: CalibrationStudy) -> Block:
    """Return the numbers of the page as JSON, for `trilemma report --check` and for reuse."""
    keys = ("coverage_50", "coverage_90", "crps", "mape")
    document: dict[str, Any] = {
        "series": {
            str(row["series"]): {key: rounded(float(row[key]), 6) for key in keys}
            for row in study.series.to_dict("records")
        },
        "parameters": {
            str(row["parameter"]): {key: rounded(float(row[key]), 6) for key in ("p5", "p50", "p95", "contraction")}
            for row in learnt(study).to_dict("records")
        },
    }
    if study.backtest is not None:
        document["backtest"] = {
            f"{row['origin']}, {row['years_ahead']}, {row['forecast']}": {
                key: row[key] for key in ("coverage_50", "coverage_90", "skill")
            }
            for row in record_document(Record(study.backtest))["totals"]
        }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return Block(f'<script type="application/json" id="{NUMBERS_ID}">{text}</script>')

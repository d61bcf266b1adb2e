"""Rival structures side by side: what each policy changes under each variant of the model."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from trilemma.forecasting.compare import compare
from trilemma.forecasting.variants import variant_names
from trilemma.reporting.block import Block
from trilemma.reporting.labels import outcome_label
from trilemma.reporting.tables import cells, html_cell, html_table
from trilemma.reporting.wording import when

if TYPE_CHECKING:
    from trilemma.reporting.study import Study


def by_variant(study: Study, outcomes: Sequence[str]) -> Block:
    """Return, for each outcome, levels and paired differences of the highlighted scenarios under each variant.

    Nothing is shown of a forecast without variants.
    """
    names = variant_names(study.data)
    shown = study.stored(outcomes)
    if not names or not shown or len(study.highlight) < 2:
        return Block("")
    titles = study.variants
    rows = "".join(f"<li>{escape(titles[name])}: {escape(study.variant_sentences[name])}</li>" for name in names)
    note = (
        f"{when(study.year)}: median and 5–95 % band under each structure; below, the paired difference to "
        f"‘{study.titles[study.baseline]}’. "
        "All other figures and tables of this page are over the draws of all structures together."
    )
    tables = "".join(_table(study, outcome, names) for outcome in shown)
    return Block(f'<ul>{rows}</ul><p class="note">{escape(note)}</p>{tables}')


def _table(study: Study, outcome: str, names: Sequence[str]) -> str:
    """Return the table of one outcome: a row a variant, a column a highlighted scenario."""
    scenarios = list(study.highlight)
    heads = "".join(f'<th scope="col">{escape(study.titles[scenario])}</th>' for scenario in scenarios)
    body: list[str] = []
    for name in names:
        frame = compare(
            study.data,
            scenarios=scenarios,
            baseline=study.baseline,
            at=study.year,
            outcomes=[outcome],
            variant=name,
        )
        found = cells(frame, scaled=True)
        texts = "".join(html_cell(found[outcome, scenario, study.year]) for scenario in scenarios)
        body.append(f'<tr><th scope="row">{escape(study.variants[name])}</th>{texts}</tr>')
    caption = escape(outcome_label(study.data, outcome).axis)
    return html_table(f'<th scope="col">Structure</th>{heads}', body, caption)

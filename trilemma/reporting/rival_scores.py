"""Rival structures by what they would have foretold: as tables and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from trilemma.calibration.rivals import CARRIES
from trilemma.reporting.numerals import number

if TYPE_CHECKING:
    import pandas as pd

RIVAL_HEADS = ("structure", "log score", "behind the best", "weight", "tail k", "weight if k allows")


def rival_rows(rivals: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the cells of the comparison of rival structures, below `RIVAL_HEADS`."""
    return [
        (
            str(row["structure"]),
            number(float(row["log_score"]), 1),
            f"{number(float(row['behind']), 1)} ± {number(float(row['error']), 1)}",
            number(float(row["weight"]), 2),
            number(float(row["k_hat"]), 2),
            number(float(row["weight_reliable"]), 2) if row["reliable"] else "–",
        )
        for row in rivals.to_dict("records")
    ]


def rival_table(rivals: pd.DataFrame) -> Table:
    """Return the comparison of rival structures as a table for the terminal."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in RIVAL_HEADS:
        table.add_column(head, justify="left" if head == "structure" else "right")
    for cells in rival_rows(rivals):
        table.add_row(*cells)
    return table


def rival_findings(rivals: pd.DataFrame) -> list[str]:
    """Return what the comparison of rival structures says, and how far it carries."""
    rows = [{str(key): value for key, value in row.items()} for row in rivals.to_dict("records")]
    sound = [row for row in rows if row["reliable"]]
    near = [str(row["structure"]) for row in rows[1:] if float(row["behind"]) < 2 * float(row["error"])]
    best = f"Of {len(rows)} structures ‘{rows[0]['structure']}’ would have foretold {rows[0]['n']} observations best"
    said = [f"{best}; within two standard errors of it: {', '.join(near) or 'none'}."]
    if len(sound) < len(rows):
        others = ", ".join(str(row["structure"]) for row in rows if not row["reliable"])
        said.append(
            f"Draws that were fitted without it do not carry to {others} (k above {CARRIES}): their scores stand "
            "between the model as it is and the structure fitted anew."
        )
        weighed = [f"{row['structure']} {number(float(row['weight_reliable']), 2)}" for row in sound]
        said.append(f"Stacking the others alone gives {', '.join(weighed)}.")
    return said

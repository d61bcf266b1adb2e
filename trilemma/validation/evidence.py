"""Evidence: the central run against what was observed, before any fit; each headline quantity by itself.

An observation that the model misses may be known: then its table says how many are missed at most, and why. The reason
is a text for readers; what is tested is that no more are missed than it says.
"""

from __future__ import annotations

import pandas as pd

from trilemma.calibration.check import DEVIATIONS, SHARE, evidence_check
from trilemma.calibration.measurement import MEASUREMENTS
from trilemma.errors import unknown_name
from trilemma.validation.plans import Setting
from trilemma.validation.result import Check, Verdict
from trilemma.validation.statements import MissedTable

CATEGORY = "evidence"


def checks(setting: Setting) -> list[Check]:
    """Return a check for each headline quantity; none for a model without measurements.

    Raises
    ------
    UnknownNameError
        If the file speaks of a quantity that no measurement checks.
    """
    if not (setting.model.path.parent / MEASUREMENTS).is_file():
        return []
    rows = evidence_check(setting.model, method=setting.spec.method)
    quantities = {str(name): group for name, group in rows.groupby("check", sort=False)}
    for name in setting.spec.evidence:
        if name not in quantities:
            raise unknown_name("headline quantity", name, quantities, f"{setting.spec.file}, [evidence]")
    return [_check(name, group, setting.spec.evidence.get(name)) for name, group in quantities.items()]


def _check(name: str, rows: pd.DataFrame, missed: MissedTable | None) -> Check:
    """Return the check of one quantity."""
    wrong = rows[rows["verdict"] != "agrees"]
    verdict: Verdict = "passed" if wrong.empty else "failed"
    if missed is not None and 0 < len(wrong) <= missed.missed:
        verdict = "explained"
    measured = f"{len(rows) - len(wrong)} of {len(rows)}"
    said = f"{measured} observations of {name} lie within {100 * SHARE:g} % or {DEVIATIONS:g} standard deviations."
    if len(wrong):
        far = [
            f"{row['end']}: {row['model']:.3g} against {row['observed']:.3g} {row['unit']} ({row['measurement']})"
            for _, row in wrong.iterrows()
        ]
        said += f" Not so {'; '.join(far)}."
    if missed is not None and len(wrong):
        said += f" Known: {missed.missed} at most, since {missed.why}"
    return Check(CATEGORY, name, f"{len(rows)} of {len(rows)} observations agree", measured, verdict, said)

"""The shipped model and a mixed small one, run by PySD: every variable at every saved time.

Relative differences are taken against max(|value|, 1e-6 of the variable's largest value): below that floor a number is
the rounding error of a difference of larger ones. PySD needs about 20 s for one run of the shipped model.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pysd
import pytest

from tests.pysd_copy import copy_for_pysd
from trilemma.content import find_model
from trilemma.engine.simulate import simulate
from trilemma.translation.model import load_model

FLOOR = 1e-6
TOLERANCE = 1e-9


def differences(path: Path, folder: Path) -> dict[str, float]:
    """Return the largest relative difference between PySD and the engine for each scalar element."""
    model = load_model(path)
    ours = simulate(model)
    names = [v.name for v in model.variables.values() if v.kind not in ("control", "lookup")]
    theirs = pysd.read_vensim(str(copy_for_pysd(path, folder))).run(return_columns=names)
    found: dict[str, float] = {}
    for name in names:
        array = ours[name]
        dims = [d for d in array.dims if d != "time"]
        for labels in product(*(array[d].to_numpy() for d in dims)):
            column = f"{name}[{','.join(labels)}]" if dims else name
            values = array.sel(dict(zip(dims, labels, strict=True))).to_numpy()
            found[column] = _difference(np.broadcast_to(values, len(theirs)), theirs[column])
    return found


def _difference(ours: np.ndarray, theirs: pd.Series) -> float:
    expected = theirs.to_numpy(dtype=float)
    scale = np.maximum(np.abs(expected), FLOOR * np.abs(expected).max())
    return float(np.max(np.abs(ours - expected) / np.where(scale > 0, scale, 1.0)))


@pytest.mark.slow
def test_every_variable_of_the_shipped_model_equals_pysd(tmp_path: Path) -> None:
    found = differences(find_model("export_controls"), tmp_path)
    assert len(found) > 500
    assert max(found.values()) <= TOLERANCE, sorted(found.items(), key=lambda item: -item[1])[:5]


MIXED = """{UTF-8}
seg: A, B, C ~~|
sub: B, C ~~|
c[seg] = 0.5, 1.5, 2.5 ~~|
stock[seg] = INTEG(inflow[seg] - stock[seg]/c[seg], c[seg]*2) ~~|
inflow[A] = STEP(2, 1.3) ~~|
inflow[sub] = RAMP(0.5, 1, 3)*c[sub] ~~|
smooth = SMOOTH3I(SUM(stock[seg!]), 1.5, 2.25) ~~|
delayed = DELAY3(smooth, 1.2) ~~|
table = WITH LOOKUP(smooth, ([(0,0)-(9,9)],(1,2),(2,5),(6,1))) ~~|
share[seg] = stock[seg]^0.7/SUM(stock[seg!]^0.7) ~~|
largest = VMAX(stock[seg!]) - VMIN(stock[seg!]) ~~|
chosen = IF THEN ELSE(largest > 1 :AND: Time < 3, LN(1+largest), -largest^2) ~~|
ratio = ZIDZ(chosen, smooth-smooth) + XIDZ(1, largest-largest, 3) + MODULO(Time, 0.7) ~~|
start = INITIAL(SUM(stock[seg!])) ~~|
INITIAL TIME = 0 ~~|
FINAL TIME = 6 ~~|
TIME STEP = 0.125 ~~|
SAVEPER = 0.5 ~~|
"""


def test_a_mixed_model_equals_pysd(tmp_path: Path) -> None:
    path = tmp_path / "mixed.mdl"
    path.write_text(MIXED, encoding="utf-8")
    (tmp_path / "copy").mkdir()
    found = differences(path, tmp_path / "copy")
    assert max(found.values()) <= 1e-12, found

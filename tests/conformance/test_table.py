"""Every case of the conformance table: the values that it states, and PySD's."""

from __future__ import annotations

import warnings
from itertools import product
from pathlib import Path

import numpy as np
import pysd
import pytest

from tests.conformance.cases import Case, expected_values, run
from tests.conformance.table import CASES
from trilemma.engine.simulate import simulate
from trilemma.translation.model import load_model


def test_names_of_cases_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_gives_the_values_that_it_states(case: Case, tmp_path: Path) -> None:
    model = load_model(case.write(tmp_path))
    for name, values in case.expected.items():
        times, got = run(model, name)
        wanted = expected_values(values, times)
        size = np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0)
        np.testing.assert_allclose(got, wanted, rtol=case.tolerance, atol=case.tolerance * size, err_msg=name)


@pytest.mark.parametrize("case", [c for c in CASES if c.against_pysd], ids=lambda case: case.name)
def test_a_case_equals_pysd(case: Case, tmp_path: Path) -> None:
    path = case.write(tmp_path)
    model = load_model(path)
    ours = simulate(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = pysd.read_vensim if path.suffix == ".mdl" else pysd.read_xmile
        theirs = read(str(path)).run()
    columns = {_plain(column): column for column in theirs.columns}
    for name in (v.name for v in model.variables.values() if v.name in ours):
        array = ours[name]
        dims = [d for d in array.dims if d != "time"]
        for labels in product(*(array[d].to_numpy() for d in dims)):
            column = f"{name}[{','.join(labels)}]" if dims else name
            values = np.broadcast_to(array.sel(dict(zip(dims, labels, strict=True))).to_numpy(), len(theirs))
            wanted = theirs[columns[_plain(column)]].to_numpy(dtype=float)
            size = np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0)
            np.testing.assert_allclose(values, wanted, rtol=1e-9, atol=1e-9 * size, err_msg=column)


def _plain(column: str) -> str:
    """Return a name without quotes and signs of escape, which PySD keeps."""
    return column.replace('"', "").replace("\\", "")

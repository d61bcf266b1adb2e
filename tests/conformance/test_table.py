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
    names = [v.name for v in model.variables.values() if v.kind not in {"control", "lookup"} and v.name in ours]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = pysd.read_vensim if path.suffix == ".mdl" else pysd.read_xmile
        theirs = read(str(path)).run(return_columns=names)
    for name in names:
        array = ours[name]
        dims = [d for d in array.dims if d != "time"]
        for labels in product(*(array[d].to_numpy() for d in dims)):
            column = f"{name}[{','.join(labels)}]" if dims else name
            values = np.broadcast_to(array.sel(dict(zip(dims, labels, strict=True))).to_numpy(), len(theirs))
            if column in theirs:
                wanted = theirs[column].to_numpy(dtype=float)
                size = np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0)
                np.testing.assert_allclose(values, wanted, rtol=1e-9, atol=1e-9 * size, err_msg=column)

"""Tables of time and their factors: what counts as one, that a factor of 1 changes nothing, and what scaling does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import trilemma
from trilemma.translation.model import Model, load_model
from trilemma.validation.scalable import factor_name, factor_of, scalable, tables_of_time

MODEL = """{UTF-8}
actor: US, CN
	~
	~	|
rules( (2020,0),(2022,0.9),(2024,0.9))
	~	Dmnl
	~	|
lead=
	0.5
	~	Year
	~	|
law= rules(Time)
	~	Dmnl
	~	|
foreseen= rules(Time+lead)
	~	Dmnl
	~	|
budget[US]= WITH LOOKUP(Time, ((2020,4),(2024,8)))
	~	BUSD
	~	|
budget[CN]= WITH LOOKUP(Time, ((2020,1),(2024,2)))
	~	BUSD
	~	|
mixed= Level*WITH LOOKUP(Time, ((2020,1),(2024,3)))
	~	Dmnl
	~	|
effect= WITH LOOKUP(Level, ((0,1),(10,5)))
	~	Dmnl
	~	|
Level= INTEG(law, 1)
	~	Dmnl
	~	|
INITIAL TIME = 2020 ~ Year ~|
FINAL TIME = 2024 ~ Year ~|
TIME STEP = 0.25 ~ Year ~|
SAVEPER = 1 ~ Year ~|
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder: Path = tmp_path_factory.mktemp("tables")
    (folder / "tables.mdl").write_text(MODEL, encoding="utf-8")
    return load_model(folder / "tables.mdl")


def test_tables_of_time_go_by_their_lookup_or_by_their_variable(model: Model) -> None:
    assert tables_of_time(model) == ["rules", "budget", "mixed"]


def test_a_factor_of_one_changes_nothing(model: Model) -> None:
    names = ["law", "foreseen", "budget", "mixed", "effect", "Level"]
    plain, factored = trilemma.simulate(model, outcomes=names), trilemma.simulate(scalable(model), outcomes=names)
    for name in names:
        np.testing.assert_array_equal(plain[name], factored[name])


def test_a_factor_scales_all_uses_of_a_table_and_shares_stay_shares(model: Model) -> None:
    names = ["law", "foreseen", "budget", "mixed"]
    plain = trilemma.simulate(model, outcomes=names)
    tested = scalable(model)
    half = trilemma.simulate(tested, {factor_name("rules"): 0.5, factor_name("budget"): 3}, outcomes=names)
    for name, factor in (("law", 0.5), ("foreseen", 0.5), ("budget", 3)):
        np.testing.assert_allclose(half[name], factor * plain[name], rtol=1e-15)
    double = trilemma.simulate(tested, {factor_name("rules"): 2}, outcomes=names)
    np.testing.assert_allclose(double["law"], np.minimum(1, 2 * plain["law"]), rtol=1e-15)


def test_only_what_is_a_table_and_nothing_else_is_scaled_by_its_factor(model: Model) -> None:
    tested = scalable(model)
    assert factor_of(tested, "Rules") == "factor of rules"
    assert factor_of(tested, "budget") == "factor of budget"
    assert [factor_of(tested, name) for name in ("mixed", "law", "effect", "Level", "nothing")] == [None] * 5

"""What names with subscripts pick in expressions: elements, ranges, parts of ranges, and the mistakes."""

from __future__ import annotations

import numpy as np
import pytest

import trilemma
from trilemma.errors import UnknownNameError
from trilemma.translation.model import Model, load_model
from trilemma.translation.picking import pick

MODEL = """{UTF-8}
actor: US, CN, NT
	~
	~	|
rival: US, CN
	~
	~	|
layer: EUV, HBM
	~
	~	|
Fleet[actor]= INTEG(growth[actor], 0)
	~	Kunit
	~	|
growth[actor]=
	1, 2, 4
	~	Kunit/Year
	~	|
grid[actor, layer]=
	1, 2; 3, 4; 5, 6;
	~	Dmnl
	~	|
INITIAL TIME = 2020 ~ Year ~|
FINAL TIME = 2022 ~ Year ~|
TIME STEP = 0.5 ~ Year ~|
SAVEPER = 1 ~ Year ~|
"""

OUTCOMES = """[world]
expression = "sum(Fleet[actor!])"
unit = "Kunit"
sentence = "All fleets."

[rivals]
expression = "sum(Fleet[rival!]) + 0 * max(grid[NT, layer!])"
unit = "Kunit"
sentence = "The fleets of the rivals."

[each]
expression = "Fleet[rival] / growth[rival]"
unit = "Year"
sentence = "One value for each rival."
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("fleets")
    (folder / "fleets.mdl").write_text(MODEL, encoding="utf-8")
    (folder / "outcomes.toml").write_text(OUTCOMES, encoding="utf-8")
    return load_model(folder / "fleets.mdl")


def test_outcomes_sum_over_ranges_and_parts_of_ranges(model: Model) -> None:
    ds = trilemma.simulate(model, outcomes=["world", "rivals", "each"])
    np.testing.assert_allclose(ds["world"], [0, 7, 14])
    np.testing.assert_allclose(ds["rivals"], [0, 3, 6])
    assert ds["each"].dims == ("time", "rival")
    np.testing.assert_allclose(ds["each"].sel(time=2022), [2, 2])


def test_gradients_pass_through_sums_over_parts_of_ranges(model: Model) -> None:
    slopes = trilemma.sensitivities(model, parameters=["growth[US]", "growth[NT]"], outcomes=["rivals"])
    np.testing.assert_allclose(slopes["rivals"].sel(time=2022), [2, 0])


@pytest.mark.parametrize(
    ("subscripts", "dims", "expected"),
    [
        ((), ("actor", "layer"), [[1, 2], [3, 4], [5, 6]]),
        (("actor", "layer"), ("actor", "layer"), [[1, 2], [3, 4], [5, 6]]),
        (("Rival", "HBM"), ("rival",), [2, 4]),
        (("nt", "layer"), ("layer",), [5, 6]),
        (("CN", "euv"), (), 3),
    ],
)
def test_elements_drop_their_dimension_and_ranges_keep_theirs(
    model: Model, subscripts: tuple[str, ...], dims: tuple[str, ...], expected: list[list[float]]
) -> None:
    values = np.arange(1.0, 7.0).reshape(1, 3, 2, 1)
    found = pick(model, "grid", subscripts).of(values)
    assert found.dims == dims
    np.testing.assert_array_equal(found.values[0, ..., 0], expected)


@pytest.mark.parametrize(
    ("name", "subscripts", "sentence"),
    [
        ("grdi", (), "unknown variable 'grdi' in here: did you mean 'grid'"),
        ("grid", ("USA", "HBM"), r"unknown element of 'actor' 'USA' in 'grid\[USA,HBM\]' in here: did you mean 'US'"),
        ("grid", ("HBM", "US"), "unknown element of 'actor' 'HBM'"),
        ("grid", ("US",), r"'grid\[US\]' in here names 1 element\(s\), but it has the dimensions actor, layer"),
    ],
)
def test_a_mistake_is_one_sentence(model: Model, name: str, subscripts: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UnknownNameError, match=sentence):
        pick(model, name, subscripts, "here")

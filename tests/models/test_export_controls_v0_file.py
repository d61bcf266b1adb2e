"""Version 0 of the export-control model as a file: well formed, complete, true to the numbers of the prototype.

Read with PySD and pysimlin alone, so that a fault of our own translation cannot hide one of the file.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import simlin
from pysd.translators.structures.abstract_expressions import (
    IntegStructure,
    ReferenceStructure,
    SmoothStructure,
)
from pysd.translators.structures.abstract_model import AbstractElement, AbstractSection
from pysd.translators.vensim.vensim_file import VensimFile

from trilemma.content import find_model
from trilemma.translation.parameters import check_against_model, read_parameters
from trilemma.translation.priors import beta

MODEL = find_model("export_controls_v0")
REFERENCE = Path(__file__).with_name("prototype_reference.csv")
CONTROLS = ("FINAL TIME", "INITIAL TIME", "SAVEPER", "TIME STEP")
VIEWS = (
    "Policy",
    "API",
    "Developers",
    "Open Weights",
    "Economy",
    "Compute",
    "CN Stack",
    "Capability",
    "Physical",
    "Retaliation",
    "Indices",
)


@pytest.fixture(scope="module")
def vensim() -> VensimFile:
    file = VensimFile(MODEL)
    file.parse()
    file.parse_sketch([])
    return file


@pytest.fixture(scope="module")
def shown(vensim: VensimFile) -> dict[str, set[str]]:
    """Return the variables of each view, named as PySD names them."""
    sections: list[Any] = vensim.sections
    return sections[0].views_dict


@pytest.fixture(scope="module")
def section(vensim: VensimFile) -> AbstractSection:
    return vensim.get_abstract_model().sections[0]


@pytest.fixture(scope="module")
def elements(section: AbstractSection) -> dict[str, AbstractElement]:
    return {e.name: e for e in section.elements if e.name not in CONTROLS}


@pytest.fixture(scope="module")
def ranges(section: AbstractSection) -> dict[str, list[str]]:
    return {r.name: list(r.subscripts) for r in section.subscripts}


@pytest.fixture(scope="module")
def simlin_model() -> simlin.Model:
    return simlin.load(str(MODEL))


def defined(element: AbstractElement, ranges: dict[str, list[str]]) -> list[tuple[str, ...]]:
    """List the elements that the equations of a variable define."""
    cells: list[tuple[str, ...]] = []
    for component in element.components:
        cells += product(*(ranges.get(subscript, [subscript]) for subscript in component.subscripts[0]))
    return cells


def constants(elements: dict[str, AbstractElement], ranges: dict[str, list[str]]) -> Iterator[tuple[str, float]]:
    """List every scalar constant as name and value."""
    for element in elements.values():
        for component in element.components:
            value = component.ast
            if not isinstance(value, (int, float, np.ndarray)):
                continue
            labels = list(product(*(ranges.get(s, [s]) for s in component.subscripts[0])))
            for label, number in zip(labels, np.ravel(np.asarray(value, dtype=float)), strict=True):
                yield element.name + (f"[{','.join(label)}]" if label else ""), float(number)


def test_text_is_plain_utf8_with_header() -> None:
    text = MODEL.read_bytes().decode("utf-8")
    assert text.startswith("{UTF-8}\n")
    assert "\r" not in text


def test_parameter_table_and_constants_agree_both_ways(
    elements: dict[str, AbstractElement], ranges: dict[str, list[str]]
) -> None:
    table = read_parameters(MODEL.with_name("parameters.csv"))
    found = dict(constants(elements, ranges))
    units = {name: element.units for name, element in elements.items()}
    assert check_against_model(table, found, units) == []
    assert len(found) == len(table.rows) > 190


def test_ranges_of_priors_are_what_the_family_says() -> None:
    z95 = 1.6448536269514722
    table = read_parameters(MODEL.with_name("parameters.csv"))
    for row in table.uncertain:
        if row.family == "lognormal":
            assert row.low * row.high == pytest.approx(row.central**2, rel=2e-3), row.name
        elif row.family == "normal":
            assert row.low + row.high == pytest.approx(2 * row.central, rel=1e-6), row.name
            assert (row.high - row.low) / 2 / z95 < 0.75 * row.central, row.name
        elif row.family == "beta":
            ends = beta(np.array([0.05, 0.95]), row.central, row.high - row.low)
            np.testing.assert_allclose(ends, [row.low, row.high], atol=2e-3, err_msg=row.name)


def test_every_variable_has_unit_and_comment(elements: dict[str, AbstractElement]) -> None:
    assert [name for name, e in elements.items() if not e.units.strip()] == []
    assert [name for name, e in elements.items() if len(e.documentation.split()) < 3] == []


def test_shares_carry_their_bounds(elements: dict[str, AbstractElement]) -> None:
    for name in ("viability", "Effective Control", "accelerator share", "leased share of CN"):
        assert elements[name].limits == (0, 1)


def test_no_array_is_partial(elements: dict[str, AbstractElement], ranges: dict[str, list[str]]) -> None:
    whole = [set(labels) for labels in ranges.values()]
    for element in elements.values():
        cells = defined(element, ranges)
        assert len(cells) == len(set(cells)), element.name
        for axis in range(len(cells[0])):
            assert {cell[axis] for cell in cells} in whole, element.name
        assert len(cells[0]) <= 1, f"{element.name}: one range at most"


def test_initial_values_are_floats(elements: dict[str, AbstractElement]) -> None:
    """PySD keeps an integer initial value as an integer state and cuts what is added to it."""
    checked = 0
    for element in elements.values():
        for component in element.components:
            if not isinstance(component.ast, (IntegStructure, SmoothStructure)):
                continue
            initial = component.ast.initial
            if isinstance(initial, ReferenceStructure):
                source = next(e for e in elements.values() if e.name.lower().replace(" ", "_") == initial.reference)
                initial = source.components[0].ast
            assert isinstance(initial, (float, np.ndarray)), element.name
            assert np.asarray(initial).dtype == np.float64, element.name
            checked += 1
    assert checked > 50


def test_eleven_views_show_each_variable_once(shown: dict[str, set[str]], elements: dict[str, AbstractElement]) -> None:
    assert sorted(shown) == sorted(view.lower().replace(" ", "_") for view in VIEWS)
    names = [name for view in shown.values() for name in view]
    assert len(names) == len(set(names))
    assert set(names) == {name.lower().replace(" ", "_") for name in elements}


def test_every_view_holds_a_scalar_stock(shown: dict[str, set[str]], elements: dict[str, AbstractElement]) -> None:
    """So that PySD can run each view by itself (its state must not be one array)."""
    scalar = {
        name.lower().replace(" ", "_")
        for name, element in elements.items()
        if isinstance(element.components[0].ast, IntegStructure) and not element.components[0].subscripts[0]
    }
    for view, names in shown.items():
        assert names & scalar, view


def test_arrows_name_things_that_are_drawn() -> None:
    sketch = MODEL.read_text().split("\\\\\\---///", 1)[1]
    for view in sketch.split("\\\\\\---///"):
        drawn = {int(n) for n in re.findall(r"^1[012],(\d+),", view, re.M)}
        arrows = re.findall(r"^1,\d+,(\d+),(\d+),", view, re.M)
        assert arrows
        assert {int(n) for arrow in arrows for n in arrow} <= drawn


def test_names_in_a_view_do_not_overlap() -> None:
    sketch = MODEL.read_text().split("\\\\\\---///", 1)[1]
    for view in sketch.split("\\\\\\---///"):
        boxes = [tuple(map(int, box)) for box in re.findall(r"^10,\d+,[^,]+,(\d+),(\d+),(\d+),(\d+),", view, re.M)]
        for i, (x, y, w, h) in enumerate(boxes):
            for x2, y2, w2, h2 in boxes[:i]:
                assert abs(x - x2) >= w + w2 or abs(y - y2) >= h + h2


def test_simlin_finds_no_structural_fault(simlin_model: simlin.Model) -> None:
    """Messages on units are left in version 0: the rebuilt model mends them."""
    structural = [i.message for i in simlin_model.check() if not re.search(r"^units ", i.message, re.M)]
    assert structural == []
    assert not any(issue.severity == "error" for issue in simlin_model.check())


def test_trajectories_equal_the_prototype(simlin_model: simlin.Model) -> None:
    """Equal to 1e-9 of each series' largest value; the stored numbers come from the prototype's own file."""
    reference = pd.read_csv(REFERENCE, index_col="time")
    assert len(reference.columns) >= 40
    results = simlin_model.run(analyze_loops=False).results
    yearly = results.iloc[::4].reset_index(drop=True)
    for name in reference.columns:
        expected = reference[name].to_numpy()
        found = yearly[name.lower().replace(" ", "_")].to_numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * np.abs(expected).max(), err_msg=name)


def test_growth_factor_of_one_changes_nothing_and_half_halves(simlin_model: simlin.Model) -> None:
    base = simlin_model.run(analyze_loops=False).results
    half = simlin_model.run(overrides={"us_growth_factor": 0.5}, analyze_loops=False).results
    np.testing.assert_array_equal(base["us_growth_now"], base["base_growth_us"])
    late = half.index >= 2027.25
    np.testing.assert_allclose(half["us_growth_now"][late], 0.5 * half["base_growth_us"][late])
    np.testing.assert_array_equal(half["us_growth_now"][~late][:-1], half["base_growth_us"][~late][:-1])
    assert half["ai_investment[us]"].iloc[-1] < 0.6 * base["ai_investment[us]"].iloc[-1]
    assert half["ai_investment[nt]"].iloc[-1] < base["ai_investment[nt]"].iloc[-1]


def test_reference_table_is_complete() -> None:
    with REFERENCE.open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["time"]) for row in rows] == list(range(2018, 2036))

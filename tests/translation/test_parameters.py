"""The parameter table: what is read, what is refused with which sentence, and what the priors draw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trilemma.errors import ParameterTableError
from trilemma.translation import priors
from trilemma.translation.parameters import (
    COLUMNS,
    Parameter,
    ParameterTable,
    check_against_model,
    read_parameters,
    sample_priors,
)

HEADER = ",".join(COLUMNS)
GOOD = [
    "rate[A],1/Year,0.5,0.25,1,lognormal,parameter,assumption,",
    "rate[B],1/Year,0.5,0.25,1,,parameter,assumption,held",
    "share,Dmnl,0.7,0.5,0.9,beta,parameter,Some Source 2024,a note",
    "level,KH100e,10,4,16,normal,parameter,assumption,",
    "wide,Dmnl,0.2,0,1,uniform,parameter,assumption,",
    "split[A],Dmnl,0.6,0.5,0.7,dirichlet(split),parameter,assumption,",
    "split[B],Dmnl,0.4,0.3,0.5,dirichlet(split),parameter,assumption,",
    "knob,Dmnl,1,0,2,,lever,assumption,",
    "on,Dmnl,1,0,1,,switch,assumption,",
]
Write = Callable[[list[str]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_rows(rows: list[str]) -> Path:
        path = tmp_path / "parameters.csv"
        path.write_text("\n".join([HEADER, *rows]) + "\n")
        return path

    return write_rows


@pytest.fixture
def table(write: Write) -> ParameterTable:
    return read_parameters(write(GOOD))


def row(prior: str, central: float, low: float, high: float, name: str = "x") -> Parameter:
    return Parameter(name, "Dmnl", central, low, high, prior, "parameter", "assumption")


def quantiles(parameter: Parameter, at: list[float], **limits: priors.Limits) -> np.ndarray:
    table = ParameterTable((parameter,))
    return sample_priors(table, np.array(at)[:, None], limits)[parameter.name]


def test_reads_rows_in_file_order(table: ParameterTable) -> None:
    assert [r.name for r in table.rows][:3] == ["rate[A]", "rate[B]", "share"]
    share = table.by_name["share"]
    assert (share.central, share.low, share.high, share.note) == (0.7, 0.5, 0.9, "a note")
    assert table.by_name["rate[A]"].variable == "rate"
    assert table.by_name["split[A]"].group == "split"
    assert [r.name for r in table.uncertain] == ["rate[A]", "share", "level", "wide", "split[A]", "split[B]"]


def test_hash_follows_the_content(write: Write) -> None:
    first = read_parameters(write(GOOD)).hash
    assert len(first) == 64
    assert read_parameters(write(GOOD)).hash == first
    assert read_parameters(write(GOOD[1:])).hash != first


def test_blank_lines_columns_in_other_order_and_byte_order_mark_are_accepted(tmp_path: Path) -> None:
    order = list(reversed(COLUMNS))
    cells = dict(zip(COLUMNS, GOOD[2].split(","), strict=True))
    path = tmp_path / "p.csv"
    text = ",".join(order) + "\n\n" + ",".join(cells[c] for c in order) + "\n"
    path.write_text("\ufeff" + text, encoding="utf-8")
    assert read_parameters(path).rows[0].source == "Some Source 2024"


@pytest.mark.parametrize(
    ("bad", "place", "expected"),
    [
        ("x,Dmnl,one,0,2,,parameter,assumption,", "column 'central'", "expected a number, found 'one'"),
        ("x,Dmnl,nan,0,2,,parameter,assumption,", "column 'central'", "finite"),
        ("x,Dmnl,1,2,0,,parameter,assumption,", "column 'low'", "above high"),
        ("x,Dmnl,3,0,2,,parameter,assumption,", "column 'central'", "from low to high, 0 to 2"),
        ("x,Dmnl,1,0,2,gauss,parameter,assumption,", "column 'prior'", "'lognormal'"),
        ("x,Dmnl,1,0,2,beta(2),parameter,assumption,", "column 'prior'", "found 'beta(2)'"),
        ("x,Dmnl,.5,0,1,dirichlet,parameter,assumption,", "column 'prior'", "dirichlet(group)"),
        ("x,Dmnl,1,0,2,lognormal,parameter,assumption,", "column 'low'", "above 0"),
        ("x,Dmnl,1,0,2,beta,parameter,assumption,", "column 'low'", "0..1"),
        ("x,Dmnl,1,0,1,beta,parameter,assumption,", "column 'central'", "between 0 and 1"),
        ("x,Dmnl,1,1,1,uniform,parameter,assumption,", "column 'prior'", "low below high"),
        ("x,Dmnl,1,0,2,uniform,lever,assumption,", "column 'prior'", "a lever has no prior"),
        ("x,Dmnl,1,0,2,,knob,assumption,", "column 'role'", "'parameter', 'lever', 'switch' or 'input'"),
        ("x,Dmnl,1,0,2,,parameter,,", "column 'source'", "'assumption'"),
        (",Dmnl,1,0,2,,parameter,assumption,", "column 'name'", "empty"),
        ("x,,1,0,2,,parameter,assumption,", "column 'unit'", "empty"),
        ("x,Dmnl,1,0,2,,parameter,assumption", "column 'note'", "expected 9 cells, found 8"),
        ("x,Dmnl,1,0,2,,parameter,assumption,a,b", "column 'note'", "quote cells"),
        ("Rate[a],1/Year,1,1,1,,parameter,assumption,", "column 'name'", "line 2"),
        ("split[C],Dmnl,.4,.3,.5,dirichlet(split),parameter,assumption,", "column 'central'", "sum to 1.4"),
    ],
)
def test_refuses_a_bad_row_with_its_place(write: Write, bad: str, place: str, expected: str) -> None:
    path = write([*GOOD, bad])
    with pytest.raises(ParameterTableError) as caught:
        read_parameters(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}, line {len(GOOD) + 2}, {place}")
    assert expected in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (HEADER.replace(",source", ""), "column 'source' is missing"),
        (HEADER + ",colour", "unknown column 'colour'"),
        (HEADER + ",name", "column 'name' appears twice"),
        ("", "is missing"),
    ],
)
def test_refuses_a_bad_header(tmp_path: Path, header: str, expected: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text(header + "\n")
    with pytest.raises(ParameterTableError, match=expected):
        read_parameters(path)


def test_refuses_what_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(ParameterTableError, match="cannot be read"):
        read_parameters(tmp_path / "absent.csv")
    foreign = tmp_path / "p.csv"
    foreign.write_bytes(HEADER.encode() + b"\nx,\xff\xfe")
    with pytest.raises(ParameterTableError, match="line 2: expected UTF-8"):
        read_parameters(foreign)
    foreign.write_text(HEADER + '\nx,"open')
    with pytest.raises(ParameterTableError, match="quotes"):
        read_parameters(foreign)


def test_differences_from_the_model_are_named(table: ParameterTable) -> None:
    constants = {r.name: r.central for r in table.rows}
    units = {"rate": "1/Year", "level": "KH100e"} | dict.fromkeys(("share", "wide", "split", "knob", "on"), "Dmnl")
    assert check_against_model(table, constants, units) == []
    wrong = constants | {"shore": 1.0, "level": 11.0}
    del wrong["share"]
    problems = check_against_model(table, wrong, units | {"rate[B]": "1/Month"})
    assert len(problems) == 4
    text = "\n".join(problems)
    assert "'shore' is a constant of the model and has no row" in text
    assert "'share' has a row and is no constant of the model; did you mean" in text
    assert "'level' is 10 in the table and 11 in the model" in text
    assert "'rate[B]' has the unit '1/Year' in the table and '1/Month' in the model" in text


def test_low_and_high_are_the_5_and_95_percent_points() -> None:
    at = [0.05, 0.5, 0.95]
    np.testing.assert_allclose(quantiles(row("lognormal", 2, 1, 4), at), [1, 2, 4])
    np.testing.assert_allclose(quantiles(row("normal", 10, 7, 13), at), [7, 10, 13], rtol=1e-6)
    np.testing.assert_allclose(quantiles(row("uniform", 1, 0, 2), at), [0.1, 1, 1.9])
    low, _, high = quantiles(row("beta", 0.7, 0.5, 0.9), at)
    assert high - low == pytest.approx(0.4)


@given(
    central=st.floats(1e-3, 1e6),
    factor=st.floats(1.05, 10),
    u=st.floats(0.001, 0.999),
)
def test_lognormal_is_symmetric_in_the_ratio(central: float, factor: float, u: float) -> None:
    parameter = row("lognormal", central, central / factor, central * factor)
    below, above = quantiles(parameter, [u, 1 - u])
    assert below * above == pytest.approx(central**2, rel=1e-9)


@given(mean=st.floats(0.05, 0.95), share=st.floats(0.02, 0.9))
def test_beta_has_the_mean_and_the_width_asked_for(mean: float, share: float) -> None:
    width = share * min(mean, 1 - mean)
    low, high = priors.beta(np.array([0.05, 0.95]), mean, width)
    assert high - low == pytest.approx(width, rel=1e-6)
    middle = (np.arange(4000) + 0.5) / 4000
    assert priors.beta(middle, mean, width).mean() == pytest.approx(mean, rel=1e-3)


def test_a_beta_too_wide_for_its_mean_is_refused() -> None:
    with pytest.raises(ParameterTableError, match="no beta distribution with mean 0.98"):
        priors.beta(np.array([0.5]), 0.98, 0.9)


def test_draws_respect_the_limits() -> None:
    ends = [0.0, 1e-6, 0.5, 1 - 1e-6, 1.0]
    assert quantiles(row("normal", 0.1, 0.0, 0.2), ends).min() >= 0
    assert quantiles(row("normal", 0.1, 0.0, 0.2), ends, x=(None, None)).min() < 0
    within = quantiles(row("normal", 0.9, 0.6, 1.2), ends, x=(0.0, 1.0))
    assert within.min() >= 0
    assert within.max() <= 1
    assert (np.diff(within) >= 0).all()
    assert quantiles(row("lognormal", 0.5, 0.2, 1.25), ends, x=(0.0, 1.0)).max() <= 1
    element = row("lognormal", 0.5, 0.2, 1.25, name="x[A]")
    assert quantiles(element, ends, x=(0.0, 0.7)).max() <= 0.7


def test_dirichlet_groups_sum_to_one_with_the_right_means(table: ParameterTable) -> None:
    u = np.random.default_rng(7).random((4000, len(table.uncertain)))
    draws = sample_priors(table, u)
    np.testing.assert_allclose(draws["split[A]"] + draws["split[B]"], 1, rtol=0, atol=1e-12)
    assert draws["split[A]"].mean() == pytest.approx(0.6, abs=0.005)
    low, high = np.quantile(draws["split[A]"], [0.05, 0.95])
    assert (low, high) == (pytest.approx(0.5, abs=0.015), pytest.approx(0.7, abs=0.015))


def test_each_draw_depends_on_its_own_column_alone(table: ParameterTable) -> None:
    u = np.random.default_rng(3).random((50, len(table.uncertain)))
    base = sample_priors(table, u)
    column = [r.name for r in table.uncertain].index("level")
    changed = u.copy()
    changed[:, column] = 1 - changed[:, column]
    other = sample_priors(table, changed)
    assert list(base) == [r.name for r in table.uncertain]
    assert [name for name in base if not np.array_equal(base[name], other[name])] == ["level"]


@pytest.mark.parametrize("shape", [(5,), (5, 5), (5, 7)])
def test_refuses_uniform_numbers_of_a_wrong_shape(table: ParameterTable, shape: tuple[int, ...]) -> None:
    with pytest.raises(ParameterTableError, match=r"shape \(draw, 6\)"):
        sample_priors(table, np.full(shape, 0.5))


def test_refuses_numbers_outside_zero_to_one(table: ParameterTable) -> None:
    with pytest.raises(ParameterTableError, match="between 0 and 1"):
        sample_priors(table, np.full((2, 6), 1.5))

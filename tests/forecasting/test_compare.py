"""The comparison: paired differences, quantiles without the undefined, times between saved ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from trilemma.errors import StoreError, TrilemmaError, UnknownNameError
from trilemma.forecasting.compare import compare, quantiles_over


@pytest.fixture
def results() -> xr.Dataset:
    """Return results of two scenarios whose paired difference is 1 in every draw, over a wide spread of levels."""
    rng = np.random.default_rng(5)
    base = rng.normal(100, 30, (40, 3, 2))
    fleet = np.stack([base, base + 1, base * 2])
    lag = np.stack([base[..., 0], base[..., 0] + np.arange(3), base[..., 0]])
    lag[0, :10] = np.nan
    lag[2] = np.nan
    return xr.Dataset(
        {
            "Fleet": (("scenario", "draw", "time", "actor"), fleet.astype(np.float32), {"units": "Kunit"}),
            "lag": (("scenario", "draw", "time"), lag.astype(np.float32), {"units": "Month"}),
            "start": (("scenario", "draw"), np.ones((3, 40), np.float32), {"units": "Dmnl"}),
            "result": (("scenario", "draw"), np.zeros((3, 40), np.int8)),
            "parameter:growth": ("draw", np.arange(40.0)),
        },
        {
            "scenario": np.array(["base", "plus", "double"], dtype=object),
            "draw": np.arange(40),
            "time": [2020.0, 2021.0, 2022.0],
            "actor": np.array(["US", "CN"], dtype=object),
        },
        {"baseline": "base"},
    )


def row(frame: pd.DataFrame, **where: object) -> Any:  # noqa: ANN401 - a row of mixed types
    found = [row for row in frame.to_dict("records") if all(row[name] == value for name, value in where.items())]
    assert len(found) == 1
    return pd.Series(found[0])


def test_the_table_is_tidy_with_the_promised_columns(results: xr.Dataset) -> None:
    frame = compare(results)
    assert list(frame.columns) == [
        "outcome",
        "element",
        "unit",
        "scenario",
        "time",
        "p5",
        "p50",
        "p95",
        "difference_p5",
        "difference_p50",
        "difference_p95",
        "relative_p5",
        "relative_p50",
        "relative_p95",
        "share_higher",
        "n",
        "undefined",
    ]
    assert frame.attrs["baseline"] == "base"
    assert not frame.duplicated(["outcome", "element", "scenario", "time"]).any()
    assert list(frame["outcome"].unique()) == ["Fleet", "lag", "start"]
    assert set(frame["time"]) == {2022.0}
    assert frame[frame["outcome"] == "Fleet"]["element"].tolist() == ["US"] * 3 + ["CN"] * 3


def test_differences_are_paired_by_draw(results: xr.Dataset) -> None:
    plus = row(compare(results), outcome="Fleet", element="CN", scenario="plus")
    assert plus["p95"] - plus["p5"] > 50  # the levels spread, the paired difference does not
    assert plus[["difference_p5", "difference_p50", "difference_p95"]].tolist() == pytest.approx([1, 1, 1], abs=1e-4)
    assert plus["share_higher"] == 1
    base = row(compare(results), outcome="Fleet", element="CN", scenario="base")
    assert base[["difference_p5", "difference_p50", "difference_p95", "share_higher"]].tolist() == [0, 0, 0, 0]


def test_quantiles_equal_numpy_s(results: xr.Dataset) -> None:
    double = row(compare(results, baseline="plus"), outcome="Fleet", element="US", scenario="double")
    values = results["Fleet"].sel(scenario="double", actor="US").isel(time=-1).to_numpy().astype(float)
    other = results["Fleet"].sel(scenario="plus", actor="US").isel(time=-1).to_numpy().astype(float)
    np.testing.assert_allclose(
        double[["p5", "p50", "p95"]].tolist(), np.quantile(values, [0.05, 0.5, 0.95]), rtol=1e-12
    )
    expected = np.quantile(values - other, [0.05, 0.5, 0.95])
    found = double[["difference_p5", "difference_p50", "difference_p95"]].tolist()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_undefined_values_are_left_out_and_counted(results: xr.Dataset) -> None:
    frame = compare(results, outcomes=["lag"], at=2021)
    base, plus, double = (row(frame, scenario=name) for name in ("base", "plus", "double"))
    assert (base["n"], base["undefined"]) == (30, 10)
    assert (plus["n"], plus["undefined"]) == (40, 0)
    assert plus["difference_p50"] == pytest.approx(1, abs=1e-4)  # over the 30 draws defined in both
    assert (double["n"], double["undefined"]) == (0, 40)
    assert np.isnan(double[["p5", "p50", "p95", "difference_p50", "share_higher"]].astype(float)).all()


def test_times_between_saved_ones_are_interpolated(results: xr.Dataset) -> None:
    frame = compare(results, scenarios=["plus"], outcomes=["lag"], at=[2020, 2020.25, 2022])
    assert frame["time"].tolist() == [2020, 2020.25, 2022]
    assert frame["scenario"].unique().tolist() == ["plus"]
    assert frame["difference_p50"].tolist() == pytest.approx([0, 0.25, 2], abs=1e-4)


def test_an_undefined_neighbour_does_not_spoil_a_saved_time(results: xr.Dataset) -> None:
    results["lag"][:, :, 2] = np.nan
    assert compare(results, outcomes=["lag"], at=2021, scenarios=["plus"])["n"].tolist() == [40]
    assert compare(results, outcomes=["lag"], at=2021.5, scenarios=["plus"])["n"].tolist() == [0]


def test_relative_differences_are_paired_by_draw(results: xr.Dataset) -> None:
    double = row(compare(results), outcome="Fleet", element="US", scenario="double")
    assert double["difference_p95"] - double["difference_p5"] > 50
    assert double[["relative_p5", "relative_p50", "relative_p95"]].tolist() == pytest.approx([1, 1, 1], abs=1e-5)


def test_a_relative_difference_to_nothing_is_undefined(results: xr.Dataset) -> None:
    results["Fleet"].loc[{"scenario": "base"}] = 0
    plus = row(compare(results), outcome="Fleet", element="US", scenario="plus")
    assert np.isnan(plus["relative_p50"])
    assert np.isfinite(plus["difference_p50"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"scenarios": ["plsu"]}, r"unknown scenario 'plsu' in the results: did you mean 'plus'"),
        ({"baseline": "bas"}, r"unknown scenario 'bas' in the results: did you mean 'base'"),
        ({"outcomes": ["Fleat"]}, r"unknown outcome 'Fleat' in the results: did you mean 'Fleet'"),
        ({"outcomes": ["Fleet[USA]"]}, r"unknown element of 'actor' 'USA'.*'US'"),
        ({"outcomes": ["Fleet[US,CN]"]}, r"names 2 element\(s\), but 'Fleet' has 1 range"),
        ({"outcomes": ["result"]}, r"unknown outcome 'result'"),
        ({"at": 2030}, r"the time 2030 is outside the saved times, 2020 to 2022"),
        ({"at": float("nan")}, r"the time nan is outside the saved times"),
    ],
)
def test_a_mistake_is_one_sentence(results: xr.Dataset, arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises((UnknownNameError, StoreError), match=sentence) as caught:
        compare(results, **arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_other_data_are_refused() -> None:
    with pytest.raises(TrilemmaError, match="no results of a sweep"):
        compare(xr.Dataset({"x": ("time", [1.0])}))


def test_quantiles_over_equal_nanquantile() -> None:
    values = np.random.default_rng(1).normal(size=(3, 50, 4))
    values[np.random.default_rng(2).uniform(size=values.shape) < 0.3] = np.nan
    found, n = quantiles_over(values, (0, 0.05, 0.5, 1))
    np.testing.assert_allclose(found, np.nanquantile(values, [0, 0.05, 0.5, 1], axis=1), rtol=1e-12)
    np.testing.assert_array_equal(n, (~np.isnan(values)).sum(axis=1))

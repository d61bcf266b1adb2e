from __future__ import annotations

import math

import pytest

from tests.calibration.conftest import MEASURED, OBSERVATIONS, Case
from trilemma.calibration.evidence import read_observations
from trilemma.calibration.measurement import GRADE_SD, TAIL, load_measurements
from trilemma.calibration.predictions import compare_with_evidence
from trilemma.errors import TrilemmaError

LAST = len(MEASURED) + 2  # the line of a row added to the measurements


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("x,sales,units,rat,1,,log,total,0.1,,0,,yes,,", "unknown variable 'rat' in"),
        ("x,sales,units,ahead[JP],1,,log,total,0.1,,0,,yes,,", "unknown element of 'actor' 'JP'"),
        ("x,sales,units,ahead,1,,log,total,0.1,,0,,yes,,", "a value for each element of actor"),
        ("x,sales,units,rate +,1,,log,total,0.1,,0,,yes,,", "expected a number, a name or '('"),
        ("x,sales,units,__import__('os'),1,,log,total,0.1,,0,,yes,,", "unknown function '__import__'"),
        ("x,sales,units,rate,1000,,log,total,0.1,,0,,yes,,", "the factor 1000 has no reason"),
        ("x,sales,units,rate,0,kilo,log,total,0.1,,0,,yes,,", "measures nothing"),
        ("x,sales,units,rate,1,,sqrt,total,0.1,,0,,yes,,", "'log' or 'none', found 'sqrt'"),
        ("x,sales,units,rate,1,,log,sum,0.1,,0,,yes,,", "found 'sum'"),
        ("x,sales,units,rate,1,,log,since 2021,0.1,,0,,yes,,", "'since 2022-01-01', found 'since 2021'"),
        ("x,sales,units,rate,1,,log,total,-0.1,,0,,yes,,", "a standard deviation is not negative, found -0.1"),
        ("x,sales,units,rate,1,,log,total,0.1,-1,0,,yes,,", "a standard deviation is not negative, found -1"),
        ("x,sales,units,rate,1,,log,total,0.1,,1,,yes,,", "from 0 to below 1"),
        ("x,sales,units,rate,1,,log,total,0.1,,0,2021,yes,,", "expected dates such as"),
        ("x,sales,units,rate,1,,log,total,0.1,,0,2022-01-01/2021-01-01,yes,,", "ends before it starts"),
        ("x,sales,units,rate,1,,log,total,0.1,,0,,maybe,,", "'yes' or 'no', found 'maybe'"),
        ("yearly sales,sales,units,rate,1,,log,total,0.1,,0,,yes,,", "is in line 2 already"),
        ("x,sales,pieces,rate,1,,log,total,0.1,,0,,yes,,", "no observation has the series 'sales'"),
        ("x,sails,units,rate,1,,log,total,0.1,,0,,yes,,", "no observation has the series 'sails'"),
        ("x,sales,units,rate,1,,log,total,0.1,,0,../2021-12-31,yes,,", "'yearly sales' takes the observation"),
    ],
)
def test_a_bad_measurement_is_one_sentence_with_its_place(case: Case, bad: str, says: str) -> None:
    case.write(measurements=(*MEASURED, bad))
    with pytest.raises(TrilemmaError) as caught:
        compare_with_evidence(case.model)
    sentence = str(caught.value)
    assert f"measurements.csv, line {LAST}" in sentence
    assert says in sentence
    assert "\n" not in sentence


def test_an_observation_outside_the_run_is_refused_with_both_places(case: Case) -> None:
    case.write((*OBSERVATIONS, "sales,2019-01-01,2019-12-31,5,units,,,A,observation,s,,"))
    with pytest.raises(TrilemmaError, match=r"observations\.csv, line 8: .*2020 to 2024.*measurements\.csv, line 2"):
        compare_with_evidence(case.model)


def test_a_logarithm_of_nothing_is_refused_in_a_models_own_table_and_passed_over_in_others(case: Case) -> None:
    case.write((*OBSERVATIONS, "sales,2020-01-01,2020-12-31,0,units,,,A,observation,s,,"))
    with pytest.raises(TrilemmaError, match=r"observations\.csv, line 8, column 'value': 0 has no logarithm"):
        compare_with_evidence(case.model)
    other = read_observations(case.folder / "observations.csv")
    assert [datum.observation.value for datum in compare_with_evidence(case.model, other).data][:2] == [3000, 5200]


def test_a_measurement_takes_periods_by_their_last_day(case: Case) -> None:
    rows = (MEASURED[0].replace("0.5,,yes", "0.5,2022-12-31/..,yes"), *MEASURED[1:2])
    sold = MEASURED[2].replace("0,,no", "0,2022-12-31/2022-12-31,no")
    case.write(measurements=(*rows, sold))
    taken = [(d.measurement.series, d.observation.end.year) for d in compare_with_evidence(case.model).data]
    assert taken == [("sales", 2022), ("stock", 2021), ("stock", 2022), ("sold", 2022)]


def test_a_standard_deviation_of_0_is_refused(case: Case) -> None:
    case.write(
        (*OBSERVATIONS, "idle,2021-01-01,2021-12-31,0,units,,,A,observation,s,,"),
        (*MEASURED, "idle,idle,units,rate,1,,none,total,0,,0,,no,,"),
    )
    with pytest.raises(TrilemmaError, match="a standard deviation of 0; give a model_sd"):
        compare_with_evidence(case.model)


def test_a_standard_deviation_comes_from_the_sources_range_else_from_the_grade(case: Case) -> None:
    data = compare_with_evidence(case.model).data
    sales, level, sold = load_measurements(case.model)
    audited, ranged, census, recalled, count = (datum.observation for datum in data)
    assert sales.source_sd_of(audited) == GRADE_SD["A"]
    half = (math.log(6000 / 5200) + math.log(5200 / 4000)) / 2
    assert sales.source_sd_of(ranged) == pytest.approx(half / TAIL)
    assert level.source_sd_of(census) == pytest.approx(GRADE_SD["B"] * 4.1)  # without a logarithm: a share of the value
    assert level.source_sd_of(recalled) == pytest.approx(GRADE_SD["M"] * 9.5)
    assert sales.sd_of(audited) == pytest.approx(math.hypot(0.1, GRADE_SD["A"]))
    assert sold.source_sd_of(count) == GRADE_SD["B"]


def test_a_measurement_may_state_what_a_grade_does_not_know(case: Case) -> None:
    case.write(measurements=(MEASURED[0], MEASURED[1].replace("0.2,,0", "0.2,1.5,0"), MEASURED[2]))
    level = load_measurements(case.model)[1]
    observation = compare_with_evidence(case.model).data[2].observation
    assert level.source_sd_of(observation) == 1.5

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.calibration.conftest import OBSERVATIONS, Case
from trilemma.calibration.evidence import EVENTS, Observation, decimal_year, load_evidence, read_observations
from trilemma.calibration.listing import list_events, list_observations, list_series
from trilemma.errors import EvidenceError
from trilemma.translation.model import load_model

LAST = len(OBSERVATIONS) + 2  # the line of a row added to the observations
TOMORROW = date.today() + timedelta(days=1)


@pytest.mark.parametrize(
    ("day", "year"),
    [
        (date(2024, 1, 1), 2024.0),
        (date(2024, 7, 1), 2024 + 182 / 366),
        (date(2025, 7, 2), 2025 + 182 / 365),
        (date(2025, 12, 31), 2025 + 364 / 365),
    ],
)
def test_a_date_is_the_share_of_its_year_that_has_passed(day: date, year: float) -> None:
    assert decimal_year(day) == year


def test_a_period_runs_to_the_end_of_its_last_day(case: Case) -> None:
    rows = load_evidence(case.model).observations
    assert [row.span for row in rows[:2]] == [(2021.0, 2022.0), (2022.0, 2023.0)]
    assert rows[2].span == (2021 + 364 / 365, 2022.0)


@pytest.mark.parametrize(
    ("bad", "column", "says"),
    [
        ("x,2021-01-01,2021-13-31,1,units,,,A,observation,s,,", "period_end", "expected a date such as 2025-12-31"),
        ("x,2021-01-02,2021-01-01,1,units,,,A,observation,s,,", "period_end", "before it starts"),
        ("x,0221-01-01,2021-12-31,1,units,,,A,observation,s,,", "period_start", "correct the year"),
        (f"x,2021-01-01,{TOMORROW},1,units,,,A,observation,s,,", "kind", "cannot have been observed"),
        ("x,2021-01-01,2021-12-31,many,units,,,A,observation,s,,", "value", "expected a number, found 'many'"),
        ("x,2021-01-01,2021-12-31,nan,units,,,A,observation,s,,", "value", "finite"),
        ("x,2021-01-01,2021-12-31,1,,,,A,observation,s,,", "unit", "empty cell"),
        ("x,2021-01-01,2021-12-31,1,unts,,,A,observation,s,,", "unit", "'unts' does not begin with a known unit"),
        ("x,2021-01-01,2021-12-31,1,units,2,,A,observation,s,,", "low", "above the value"),
        ("x,2021-01-01,2021-12-31,1,units,,0.5,A,observation,s,,", "high", "below the value"),
        ("x,2021-01-01,2021-12-31,1,units,,,D,observation,s,,", "grade", "'A', 'B', 'C' or 'M', found 'D'"),
        ("x,2021-01-01,2021-12-31,1,units,,,A,guess,s,,", "kind", "'observation' or 'projection'"),
        ("x,2021-01-01,2021-12-31,1,units,,,A,observation,s,,company guidance", "kind", "whose note says 'guidance'"),
        ("x,2021-01-01,2021-12-31,1,units,,,A,observation,,,", "source", "where the value is from"),
        (",2021-01-01,2021-12-31,1,units,,,A,observation,s,,", "series", "the name of a series"),
        (OBSERVATIONS[0], "series", "the same observation of 'sales' is in line 2"),
        ("x,2021-01-01,2021-12-31,1,units,,,A,observation,s,", "note", "expected 12 cells, found 11"),
    ],
)
def test_a_bad_row_is_one_sentence_with_its_place(case: Case, bad: str, column: str, says: str) -> None:
    case.write((*OBSERVATIONS, bad))
    with pytest.raises(EvidenceError) as caught:
        load_evidence(case.model)
    sentence = str(caught.value)
    assert f"observations.csv, line {LAST}, column '{column}'" in sentence
    assert says in sentence
    assert "\n" not in sentence


def test_rows_that_share_series_and_period_stand_side_by_side(case: Case) -> None:
    other = OBSERVATIONS[0].replace("3000", "3100").replace("annual report", "a newspaper")
    case.write((*OBSERVATIONS, other))
    assert len(load_evidence(case.model).observations) == len(OBSERVATIONS) + 1


def test_a_table_without_rows_is_refused(case: Case) -> None:
    case.write(())
    with pytest.raises(EvidenceError, match="line 1: the table has no rows"):
        load_evidence(case.model)


def test_a_model_without_evidence_says_what_to_add(case: Case) -> None:
    (case.folder / "observations.csv").unlink()
    with pytest.raises(EvidenceError, match=r"has no evidence: put observations\.csv beside small\.mdl"):
        load_evidence(case.model)


def test_words_bind_a_models_own_table_alone(case: Case) -> None:
    case.write((*OBSERVATIONS, "x,2021-01-01,2021-12-31,1,episodes,,,A,observation,s,,above guidance"))
    assert read_observations(case.folder / "observations.csv").observations[-1].unit == "episodes"


def test_events_come_by_date_and_know_their_layers(case: Case) -> None:
    path = case.folder / EVENTS
    header = "date,layer,actor,action,description,url\n"
    path.write_text(header + "2024-12-02,HBM; SME,US,tighten,Late.,\n2022-10-07,chips,US,tighten,Early.,\n")
    listed = list_events(load_evidence(case.model))
    assert [row["description"] for row in listed] == ["Early.", "Late."]
    assert listed[1]["layers"] == "HBM; SME"
    path.write_text(header + "2024-12-02,HMB,US,tighten,Late.,\n")
    with pytest.raises(EvidenceError, match=r"events\.csv, line 2, column 'layer': unknown layer 'HMB'.*'HBM'"):
        load_evidence(case.model)


def test_series_are_listed_by_unit_with_their_use(case: Case) -> None:
    rows = {row["series"]: row for row in list_series(case.model)}
    assert rows["stock"] == {
        "series": "stock",
        "unit": "thousand units",
        "rows": 3,
        "from": "2021-12-31",
        "to": "2023-12-31",
        "grades": "BCM",
        "projections": 1,
        "with range": 0,
        "use": "fitted",
    }
    assert rows["sold"]["use"] == "shown"
    (case.folder / "measurements.csv").unlink()
    assert {row["use"] for row in list_series(case.model)} == {""}


def test_an_unknown_series_is_answered_with_near_ones(case: Case) -> None:
    evidence = load_evidence(case.model)
    assert [row["value"] for row in list_observations(evidence, "sales")] == [3000.0, 5200.0]
    with pytest.raises(EvidenceError, match="no series 'sale'.*'sales'"):
        list_observations(evidence, "sale")


# ------------------------------------------------------------------------------------------ the shipped tables


@pytest.fixture(scope="module")
def shipped() -> tuple[Observation, ...]:
    return load_evidence(load_model("export_controls")).observations


def test_the_shipped_evidence_ends_with_2025(shipped: tuple[Observation, ...]) -> None:
    assert len(shipped) > 800
    assert max(row.end for row in shipped) == date(2025, 12, 31)


def test_shipped_evidence_and_events_speak_of_their_subject_alone(shipped: tuple[Observation, ...]) -> None:
    events = load_evidence(load_model("export_controls")).events
    texts = [" ".join([row.source, row.note]) for row in shipped] + [event.description for event in events]
    for word in ("/work", "/tmp", "/home", "the brief", "index id"):
        assert not [text for text in texts if word in text.lower()]

"""The words of DiracX: statuses both ways, conditions, and the reports that are accepted."""

import pytest

from tests.expectations import refused
from tests.factories import NOW
from worker.domain import dirac
from worker.domain.dirac import (
    COLUMNS,
    REPORTED,
    WORDS,
    Condition,
    DiracStatus,
    Operator,
    PilotChange,
    Registration,
    Search,
    condition,
    holds,
    move_of,
    statuses_of,
    word_of,
    words_of,
)
from worker.domain.errors import IllegalMove, Invalid
from worker.domain.pilot import AT_CE, FINAL, MOVES, Cause, Pilot, Status


def a_pilot(status: Status, *, has_run: bool = False) -> Pilot:
    nothing = dict.fromkeys(Pilot._fields)
    values = {"id": 7, "stamp": "a" * 32, "vo": "lhcb", "ce": "one", "status": status}
    values["started_at"] = NOW if has_run else None
    values["cause"] = Cause.UNKNOWN if status is Status.FAILED else None
    return Pilot(**{**nothing, **values})  # type: ignore[arg-type]


def test_every_status_has_a_word_of_dirac() -> None:
    assert set(WORDS) == set(Status)
    assert word_of(Status.FAILED, has_run=True) is DiracStatus.FAILED
    assert word_of(Status.FAILED, has_run=False) is DiracStatus.ABORTED
    for word in DiracStatus:
        for status in statuses_of(frozenset({word})):
            assert word_of(status, has_run=True) is word_of(status, has_run=False) is word


def test_a_report_never_frees_the_slot_of_a_job_that_may_be_alive() -> None:
    for (was, _), to in REPORTED.items():
        assert to in MOVES[was]
        assert was not in (*AT_CE, Status.SUBMITTING) or to not in FINAL


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("word", DiracStatus)
@pytest.mark.parametrize("has_run", [True, False])
def test_a_report_is_what_it_says_or_is_refused(
    status: Status, word: DiracStatus, has_run: bool
) -> None:
    pilot = a_pilot(status, has_run=has_run)
    try:
        move = move_of(pilot, PilotChange(status=word), "somebody")
    except IllegalMove:
        return
    if move is None:
        assert word_of(status, has_run=has_run) is word
    else:
        assert word_of(move.to, has_run=has_run or move.to is Status.RUNNING) is word
        assert move.reason == f"somebody reported {word}"


def test_what_is_not_kept_takes_its_own_value_alone() -> None:
    pilot = a_pilot(Status.RUNNING)
    same = {"DestinationSite": "one", "Queue": "Unknown", "AccountingSent": False}
    assert move_of(pilot, PilotChange(others=same), "x") is None
    with refused(Invalid, "DestinationSite", "stays at its CE"):
        move_of(pilot, PilotChange(others={"DestinationSite": "two"}), "x")
    with refused(Invalid, "BenchMark", "does not keep"):
        move_of(pilot, PilotChange(others={"BenchMark": 12.5}), "x")


def test_conditions_on_the_status_narrow_together() -> None:
    final = condition("Status", "in", ["Done", "Failed", "Aborted"])
    not_done = condition("Status", "neq", ["Done"])
    assert words_of([final, not_done]) == {"Failed", "Aborted"}
    assert words_of([]) == set(DiracStatus)
    assert words_of([condition("Status", "in", [])]) == frozenset()


@pytest.mark.parametrize(
    ("column", "operator", "values", "is_true"),
    [
        ("GridType", "eq", ["DIRAC"], True),
        ("GridType", "neq", ["DIRAC"], False),
        ("Queue", "in", ["long", "Unknown"], True),
        ("Queue", "not in", ["long"], True),
        ("AccountingSent", "eq", ["False"], True),
        ("AccountingSent", "eq", [1], False),
        ("BenchMark", "eq", ["0"], True),
        ("CurrentJobID", "eq", ["many"], False),
    ],
)
def test_a_condition_on_what_is_not_kept_is_the_same_for_all(
    column: str, operator: str, values: list[str | int], is_true: bool
) -> None:
    assert holds(condition(column, operator, values)) is is_true


def test_values_are_read_by_their_column() -> None:
    assert condition("PilotID", "gt", ["12"]) == Condition("PilotID", Operator.ABOVE, [12])
    [moment] = condition("SubmissionTime", "lt", ["2026-03-01T13:00:00+01:00"]).values
    assert moment == NOW
    [day] = condition("LastUpdateTime", "gt", ["2026-03-01"]).values
    assert day.isoformat() == "2026-03-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("column", "operator", "value"),
    [
        ("VO", "gt", "a"),
        ("Status", "like", "R%"),
        ("PilotID", "eq", "9" * 5000),
        ("PilotID", "eq", "1" * 19 + "9"),
        ("SubmissionTime", "eq", "0001-01-01T00:00:00+14:00"),
        ("SubmissionTime", "in", "2026-03-01"),
        ("StatusReason", "like", "x" * 256),
        ("StatusReason", "eq", "\ud800"),
        ("VO", "eq", "x" * 1001),
    ],
)
def test_a_condition_that_cannot_be_is_refused(column: str, operator: str, value: str) -> None:
    with refused(Invalid, column):
        condition(column, operator, [value])


def test_a_search_shows_all_columns_or_those_that_are_wanted_once() -> None:
    assert Search().shown == COLUMNS
    assert Search(columns=["VO", "Queue", "VO"]).shown == ("VO", "Queue")
    assert Search(page=3, length=20).begin == 40
    with refused(Invalid, "per_page"):
        Search(length=dirac.LONGEST_PAGE + 1)


@pytest.mark.parametrize("word", ["Done", "Failed", "Deleted", "Aborted", "Unknown"])
def test_a_pilot_that_is_over_is_not_registered(word: str) -> None:
    with refused(Invalid, "pilot_status", word):
        Registration(stamp="a" * 32, vo="lhcb", ce="one", status=DiracStatus(word))

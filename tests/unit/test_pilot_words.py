"""The words and drawings of the pages of pilots, without a page."""

import shlex
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.factories import NOW
from worker.cli.pilot import PAGING, list_
from worker.cli.pilot_filter import filter_of
from worker.domain.pages import PageRequest
from worker.domain.pilot import Cause, Status, Transition, Use
from worker.domain.pilot_filter import PilotFilter
from worker.services.observe.failing import By, Failures
from worker.services.operate.pilots import PilotDetails
from worker.web.console import pilot_words as words
from worker.web.console.pilot_life import LEAST, life, marks
from worker.web.console.pilot_query import NEWEST, Query
from worker.web.console.posted import number


def a_life(**more: Any) -> PilotDetails:
    values: dict[str, Any] = dict.fromkeys(PilotDetails.__dataclass_fields__)
    values |= {
        "id": 17, "stamp": "a" * 32, "vo": "lhcb", "ce": "lyon", "status": Status.RUNNING,
        "handle": "771_5", "attempts": 0, "misses": 0, "requeues": 0, "history": [],
        "reserved_at": NOW, "claimed_at": NOW + timedelta(seconds=10),
        "submitted_at": NOW + timedelta(seconds=20), "started_at": NOW + timedelta(seconds=50),
        "updated_at": NOW, "age": timedelta(seconds=100), "wait": timedelta(seconds=30),
        "run_time": timedelta(seconds=3),
    }  # fmt: skip
    return PilotDetails(**{**values, **more})


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"status": Status.RESERVED},
            "has held a slot at lyon for 1 min 40 s; it was not sent yet",
        ),
        ({"status": Status.SUBMITTING}, "is being sent to lyon, whose answer is not known yet"),
        ({"status": Status.SUBMITTED}, "has waited at lyon for 30 s"),
        ({"node": "wn-1"}, "has run on wn-1 for 3 s"),
        ({"status": Status.DONE}, "ended well after 3 s at lyon"),
        (
            {"status": Status.FAILED, "cause": Cause.EXIT_CODE, "exit_code": 127, "node": "wn-1"},
            "failed after 3 s on wn-1: exit code 127",
        ),
        (
            {"status": Status.FAILED, "cause": Cause.OUT_OF_MEMORY},
            "failed after 3 s at lyon: out of memory",
        ),
        (
            {"status": Status.FAILED, "cause": Cause.REFUSED, "run_time": None},
            "failed at lyon without having run: refused",
        ),
        (
            {"status": Status.FAILED, "cause": Cause.UNKNOWN},
            "failed after 3 s at lyon: no reason is known",
        ),
        (
            {"status": Status.FAILED, "cause": Cause.FAILED_LATE, "exit_code": 2},
            "failed after 3 s at lyon: exit code 2",
        ),
        (
            {"status": Status.FAILED, "cause": Cause.FAILED_FAST, "reason": "no disk"},
            "failed after 3 s at lyon: no disk",
        ),
        (
            {"status": Status.CANCELLED, "cancel_reason": "asked for"},
            "was cancelled after 3 s at lyon: somebody asked for it",
        ),
        ({"status": Status.LOST}, "is lost: lyon no longer knows it"),
        ({"status": Status.LOST, "handle": None}, "is lost: it did not reach lyon"),
    ],
)
def test_a_headline_says_what_became_of_a_pilot(more: dict[str, Any], sentence: str) -> None:
    assert words.of_pilot(a_life(**more)) == f"Pilot 17 {sentence}."


def test_what_else_should_be_known_is_said() -> None:
    pilot = a_life(misses=2, attempts=1, cancel_requested_at=NOW, cancel_reason="asked for")
    assert words.more_of(pilot) == [
        "lyon did not know it in the last 2 answers.",
        "1 check had no answer; that changes nothing.",
        "It is to end: somebody asked for it.",
    ]
    assert words.more_of(a_life(status=Status.DONE, use=Use.EMPTY)) == ["It had no work."]


def group(node: str | None, pilots: int, cause: str = "exit_code") -> Failures:
    return Failures(pilots=pilots, words={By.CAUSE: cause, By.NODE: node}, raw=None, reason=None)


@pytest.mark.parametrize(
    ("groups", "begin"),
    [
        ([], "No other pilot failed at lyon for this cause in the last hour."),
        ([group("wn-1", 1)], "No other pilot failed at lyon for this cause in the last hour."),
        ([group("wn-1", 9, "node")], "No other pilot failed"),
        (
            [group("wn-1", 42)],
            "41 others failed there for this cause in the last hour. Most of them were on wn-1",
        ),
        (
            [group("wn-1", 2), group("wn-2", 3), group("wn-3", 4)],
            "1 other failed there for this cause in the last hour, and 7 elsewhere at lyon.",
        ),
        ([group("wn-1", 1), group("wn-2", 1)], "1 other failed at lyon for this cause"),
    ],
)
def test_others_that_ended_alike_point_to_whose_fault_it_is(
    groups: list[Failures], begin: str
) -> None:
    pilot = a_life(status=Status.FAILED, cause=Cause.EXIT_CODE, node="wn-1", ended_at=NOW)
    line = words.whose_fault(pilot, groups, NOW - timedelta(hours=1))
    assert line is not None
    assert line.startswith(begin)
    assert line.endswith("It counts against lyon.")


def test_nobody_is_blamed_for_what_is_no_fault() -> None:
    pilot = a_life(status=Status.FAILED, cause=Cause.PREEMPTED)
    line = words.whose_fault(pilot, [], NOW)
    assert line is not None
    assert "counts against" not in line
    assert words.whose_fault(a_life(status=Status.DONE), [], NOW) is None
    line_of_lost = words.whose_fault(a_life(status=Status.LOST), [group("wn-9", 2, "lost")], NOW)
    assert line_of_lost == "2 others were lost at lyon in the last hour."


def of(pilot_filter: PilotFilter, **page: Any) -> Query:
    return Query(chosen=pilot_filter, page=replace(NEWEST.page, **page))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (of(PilotFilter()), "The newest 25 pilots."),
        (of(PilotFilter(), descending=False), "The oldest 25 pilots."),
        (of(PilotFilter(ce="lyon"), after="x"), "The next 25 pilots at lyon."),
        (
            of(PilotFilter(statuses=[Status.FAILED], ce="lyon", vo="lhcb"), sort="ended_at"),
            "The first 25 pilots that failed at lyon for VO lhcb, the latest end first.",
        ),
        (
            of(PilotFilter(causes=[Cause.NODE, Cause.HELD], node="wn-1")),
            "The newest 25 pilots that failed for the cause node or held on node wn-1.",
        ),
        (
            of(PilotFilter(ce="lyon"), sort="run_time"),
            "The first 25 pilots at lyon, sorted by run time.",
        ),
    ],
)
def test_a_list_that_nobody_counts_says_which_it_shows(query: Query, text: str) -> None:
    assert words.which(query, 25) == text


def test_a_list_that_is_counted_says_how_many_there_are() -> None:
    some = of(PilotFilter(ce="lyon"))

    def headline(query: Query, **counts: int) -> str:
        by_status = Counter({Status(status): n for status, n in counts.items()})
        return words.of_list(query, [], is_last=False, counts=by_status, active=Counter())

    assert headline(some, running=300, submitted=112) == "412 pilots match: 300 run and 112 wait."
    assert headline(some, failed=1) == "1 pilot matches: 1 failed."
    assert headline(some) == "No pilot matches."
    assert headline(NEWEST) == "There is no pilot yet."
    assert headline(NEWEST, running=1, done=8, failed=2) == ("11 pilots: 1 runs and 10 have ended.")


@pytest.mark.parametrize(
    ("old_number", "text", "now", "is_done"),
    [
        (10, None, 10, True),
        (10, None, 11, True),
        (10, None, 12, False),
        (None, None, 1, False),
        (99, None, 99, True),
        (100, None, 100, False),
        (100, 99, 100, False),
        (100, 100, 110, True),
        (100, 100, 3, True),
    ],
)
def test_a_set_is_cancelled_as_it_was_shown(
    old_number: int | None, text: int | None, now: int, *, is_done: bool
) -> None:
    assert (words.objection(old_number, text, now) is None) == is_done


@pytest.mark.parametrize(
    ("text", "value"),
    [("1,200", 1200), ("1 200", 1200), ("12", 12), ("", None), ("x", None), ("-1", None)],
)
def test_a_number_is_read_as_people_write_it(text: str, value: int | None) -> None:
    assert number(text) == value


# -- a life to scale


def test_a_life_is_drawn_to_scale() -> None:
    drawing = life(a_life(), NOW + timedelta(seconds=100))
    assert [(one.status, one.begin, one.breadth) for one in drawing.phases] == [
        (Status.RESERVED, 0, 10),
        (Status.SUBMITTING, 10, 10),
        (Status.SUBMITTED, 20, 30),
        (Status.RUNNING, 50, 50),
    ]
    assert drawing.ended is None
    assert drawing.words == "held a slot 10 s; was sent 10 s; waited 30 s; ran 50 s; and goes on"


def test_whatever_there_was_shows_and_nothing_runs_backwards() -> None:
    begun_before = a_life(
        status=Status.DONE, started_at=NOW - timedelta(seconds=5), ended_at=NOW + timedelta(hours=9)
    )
    drawing = life(begun_before, NOW)
    begins = [one.begin for one in drawing.phases]
    assert begins == sorted(begins)
    assert min(one.breadth for one in drawing.phases) == LEAST
    assert drawing.ended is Status.DONE
    assert life(a_life(status=Status.DONE, ended_at=NOW), NOW).phases[0].breadth == 100


def test_a_pilot_that_was_put_back_to_wait_is_drawn_by_its_history() -> None:
    statuses = (Status.RESERVED, Status.SUBMITTED, Status.RUNNING, Status.SUBMITTED, Status.FAILED)
    steps = [
        Transition(
            id=n, pilot_id=17, was=None, became=status, cause=None, raw=None, reason=None,
            at=NOW + timedelta(seconds=25 * n),
        )
        for n, status in enumerate(statuses)
    ]  # fmt: skip
    pilot = a_life(
        status=Status.FAILED, requeues=1, history=steps, ended_at=NOW + timedelta(seconds=100)
    )
    assert [one.begin for one in life(pilot, NOW).phases] == [0, 25, 50, 75]


@pytest.mark.parametrize("length", [0, 1, 59, 3600, 86400, 86400 * 40])
def test_an_axis_has_few_marks_within_it(length: int) -> None:
    begin = datetime.fromisoformat("2026-11-25T20:31:00+00:00")
    all_marks = marks(begin, begin + timedelta(seconds=length))
    assert len(all_marks) <= 6
    assert all(0 < one.at < 100 for one in all_marks)


def test_a_query_is_written_as_a_command() -> None:
    pilot_filter = PilotFilter(ce="a b", statuses=[Status.DONE], older_than=timedelta(hours=2))
    command = of(pilot_filter, sort="age").command()
    assert command == (
        "pilotage pilot list --ce 'a b' --status done --older-than 2h --sort age"
        " --descending --rows 25"
    )


def test_the_command_of_a_query_is_one_that_lists_the_same() -> None:
    pilot_filter = PilotFilter(
        search="abcd", handle="17", node="wn-1", statuses=[Status.FAILED], causes=[Cause.REFUSED],
        uses=[Use.EMPTY], ce="a b", tag="gpu", vo="lhcb", older_than=timedelta(hours=2),
    )  # fmt: skip
    query = of(pilot_filter, sort="age", after="17")
    words = shlex.split(query.command())
    assert words[:3] == ["pilotage", "pilot", "list"]
    values = list_.make_context("list", words[3:]).params
    assert values.pop("as_json") is False
    assert PageRequest(**{name: values.pop(name) for name in PAGING}) == query.page
    assert filter_of(values) == pilot_filter

"""Each kind of planted violation is found; what only looks like one is not."""

import pytest

from tests.chaos.logs import is_known, tracebacks
from tests.chaos.observer import Bounds, Step, replay
from tests.chaos.pulse import Wound, stages
from tests.chaos.verdict import (
    Job,
    Row,
    Verdict,
    duplicate,
    ended_though_wanted,
    freed_too_soon,
    lost,
    stuck,
)

DONE = Row("a", "done", None, 0)
BOUNDS = Bounds(capacity={"ce": 2}, waiting={"ce": 1}, vo={"vo": 2})


def test_what_fits_is_no_violation() -> None:
    rows = [
        DONE,
        Row("b", "failed", "exit_code", 3),
        Row("c", "failed", "signal"),
        Row("d", "lost"),
        Row("e", "failed", "quota"),
        Row("f", "cancelled"),
        Row("g", "failed", "signal", 137),
    ]
    jobs = [Job("a", code=0), Job("b", code=3), Job("c"), Job("g"), Job("f", started=False)]

    assert lost(rows, jobs) == []
    assert duplicate(rows, jobs) == []
    assert stuck(rows) == []


@pytest.mark.parametrize(
    ("rows", "jobs"),
    [
        ([], [Job("a", code=0)]),
        ([DONE], []),
        ([DONE], [Job("a", started=False)]),
        ([DONE], [Job("a", code=3)]),
        ([DONE], [Job("a")]),
        ([DONE], [Job("a", ended=False)]),
        ([Row("a", "failed", "exit_code", 3)], [Job("a", code=0)]),
        ([Row("a", "failed", "exit_code", 3)], []),
        ([Row("a", "failed", "never_started")], [Job("a", code=0)]),
        ([Row("a", "failed", "quota")], [Job("a")]),
        ([Row("a", "lost")], [Job("a", code=0)]),
        ([Row("a", "lost")], [Job("a")]),
        ([Row("a", "cancelled")], [Job("a", ended=False)]),
    ],
)
def test_a_lost_one_is_found(rows: list[Row], jobs: list[Job]) -> None:
    assert len(lost(rows, jobs)) == 1


def test_a_doubled_one_is_found() -> None:
    assert duplicate([DONE], [Job("a", code=0), Job("a", code=0)]) == ["a: 2 jobs"]
    assert duplicate([DONE, DONE], [Job("a", code=0)]) == ["a: 2 rows"]


@pytest.mark.parametrize("status", ["reserved", "submitting", "submitted", "running"])
def test_a_stuck_one_is_found(status: str) -> None:
    assert stuck([DONE, Row("b", status)]) == [f"b: still {status}"]


def test_a_wanted_pilot_that_was_ended_is_found() -> None:
    rows = [
        DONE,
        Row("b", "failed", "removed"),
        Row("c", "failed", "removed"),
        Row("d", "cancelled"),
        Row("e", "failed", "signal", 137),
    ]
    problems = ended_though_wanted(rows, removed={"b"})

    assert [line.split(":")[0] for line in problems] == ["c"]


def step(at: int, stamp: str, was: str | None, became: str) -> Step:
    return Step(at, "ce", "vo", stamp, was, became)


def test_an_exceeded_limit_is_found() -> None:
    lives = [
        step(at, stamp, was, became)
        for at, stamp, was, became in (
            (1, "a", None, "reserved"),
            (2, "a", "reserved", "running"),
            (3, "b", None, "reserved"),
            (4, "b", "reserved", "running"),
        )
    ]

    assert replay(BOUNDS, lives) == []
    assert [
        problem.split(" at ")[0]
        for problem in replay(BOUNDS, [*lives, step(5, "c", None, "reserved")])
    ] == [
        "capacity ce: 3 of 2",
        "vo vo: 3 of 2",
    ]
    both = [step(1, "a", None, "reserved"), step(1, "b", None, "reserved")]
    assert replay(BOUNDS, both) == ["waiting ce: 2 of 1 at 1"]


def test_who_turns_up_late_may_exceed_a_limit_but_nobody_may_be_added_to_it() -> None:
    roomy = Bounds(capacity={"ce": 1}, waiting={}, vo={})
    late = [
        step(1, "a", None, "reserved"),
        step(2, "a", "reserved", "lost"),
        step(3, "b", None, "reserved"),
        step(4, "a", "lost", "running"),
    ]

    assert replay(roomy, late) == []
    assert replay(roomy, [*late, step(5, "c", None, "reserved")]) == [
        "capacity ce: 3 of 1 at 5",
    ]
    later = [*late, step(5, "a", "running", "done"), step(6, "c", None, "reserved")]
    assert replay(roomy, later) == ["capacity ce: 2 of 1 at 6"]


def test_a_wound_heals_when_every_stage_has_been_seen_in_order() -> None:
    wound = Wound("killed", "one", 10.0, stages(["began"], ["did", "moved"]))

    wound.look({"did": 11.0, "moved": 11.0})
    assert wound.progress == 0
    wound.look({"began": 12.0, "did": 11.0, "moved": 13.0})
    assert (wound.progress, wound.seconds) == (1, None)
    wound.look({"began": 12.0, "did": 14.5, "moved": 13.0})
    assert wound.seconds == 4.5


TRACES = '''2026-01-01 12:00:00,000 ERROR Task failed
Traceback (most recent call last):
  File "/x/site-packages/psycopg/y.py", line 1, in y
    raise
ValueError: bad
CONTEXT: a second line

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/x/worker/db/y.py", line 1, in y
worker.domain.errors.DatabaseUnavailable: gone
2026-01-01 12:00:00,000 INFO all is well
Traceback (most recent call last):
  File "/x/lib/python3.11/site-packages/kombu/y.py", line 1, in y
AttributeError: 'a'
2026-01-01 12:00:00,000 ERROR Task handler raised error
Traceback (most recent call last):
  File "/x/lib/python3.11/site-packages/billiard/y.py", line 1, in y
billiard.einfo.ExceptionWithTraceback:
"""
Traceback (most recent call last):
  File "/x/lib/python3.11/site-packages/billiard/y.py", line 1, in y
billiard.exceptions.WorkerLostError: gone
"""
2026-01-01 12:00:00,000 INFO all is well
Traceback (most recent call last):
  File "/x/worker/services/y.py", line 1, in y
AttributeError: 'a'
'''


def test_each_traceback_is_counted_by_the_error_that_it_ends_in() -> None:
    counts = tracebacks(TRACES.splitlines())

    assert counts == {
        "DatabaseUnavailable in worker": 1,
        "AttributeError in kombu": 1,
        "WorkerLostError in billiard": 1,
        "AttributeError in worker": 1,
    }
    assert [error for error in counts if not is_known(error)] == ["AttributeError in worker"]


def test_a_verdict_is_clean_only_when_nothing_at_all_is_wrong() -> None:
    assert Verdict().is_clean
    for kind in Verdict().counts():
        assert not Verdict(**{kind: ["something"]}).is_clean


def test_a_slot_that_is_freed_before_the_job_ends_is_found() -> None:
    steps = [step(9, "a", "running", "done"), step(9, "b", "running", "cancelled")]

    assert freed_too_soon(steps, [Job("a", code=0, until=8.5), Job("b", until=9.5)]) == []
    assert freed_too_soon(steps, [Job("a", code=0, until=9.5)]) == ["a: done before its job ended"]


def test_a_liar_that_ended_its_keeper_may_come_to_any_end_but_must_end() -> None:
    broke = Job("a", broke=True, lie="huge")

    assert lost([DONE], [broke]) == []
    assert lost([Row("a", "failed", "unknown")], [broke]) == []
    assert len(lost([DONE], [broke._replace(ended=False)])) == 1
    assert len(lost([Row("a", "lost")], [broke])) == 1

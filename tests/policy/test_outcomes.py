"""The outcomes that follow from a transition of a pilot."""

from datetime import datetime

import pytest

from tests.factories import MINUTE, NOW
from worker.domain.pilot import CE_FAULTS, FINAL, LEGAL_MOVES, Cause, Status
from worker.policy.outcomes import EventKind, PilotOutcome, events_of, of_unknown_runs

A, R, S, FS, F, FL, E = (
    EventKind.ACCEPTED,
    EventKind.REFUSED,
    EventKind.STARTED,
    EventKind.FAILED_START,
    EventKind.FINISHED,
    EventKind.FAILED_LATE,
    EventKind.ENDED,
)


def ago(minutes: float | None) -> datetime | None:
    return None if minutes is None else NOW - minutes * MINUTE


def end_of(was: Status, became: Status, cause: Cause | None, ran: float | None) -> PilotOutcome:
    return PilotOutcome(was, became, cause, NOW, became, ago(ran), NOW, NOW)


def kinds(step: PilotOutcome) -> list[EventKind] | None:
    events = events_of(step)
    return None if events is None else [event.kind for event in events]


SUBMITTING, SUBMITTED, RUNNING = Status.SUBMITTING, Status.SUBMITTED, Status.RUNNING
ENDS = {
    "refused": (SUBMITTING, Status.FAILED, Cause.REFUSED, None, [R]),
    "never_arrived": (SUBMITTING, Status.LOST, None, None, [R]),
    "vanished_while_it_waited": (SUBMITTED, Status.LOST, None, None, [FS]),
    "vanished_while_it_ran": (RUNNING, Status.LOST, None, 30, [FL]),
    "never_began": (SUBMITTED, Status.FAILED, Cause.NEVER_STARTED, None, [FS]),
    "fast": (RUNNING, Status.FAILED, Cause.FAILED_FAST, 1, [FS]),
    "fast_by_an_exit_code": (RUNNING, Status.FAILED, Cause.EXIT_CODE, 4.9, [FS]),
    "late": (RUNNING, Status.FAILED, Cause.NODE, 5, [FL]),
    "late_and_never_seen_running": (SUBMITTED, Status.FAILED, Cause.SIGNAL, 50, [S, FL]),
    "done": (RUNNING, Status.DONE, None, 60, [F]),
    "done_and_never_seen_running": (SUBMITTED, Status.DONE, None, 2, [S, F]),
    "done_and_never_seen_at_all": (SUBMITTING, Status.DONE, None, 2, [A, S, F]),
    "failed_and_never_seen_at_all": (SUBMITTING, Status.FAILED, Cause.EXIT_CODE, 2, [A, FS]),
    "cancelled": (RUNNING, Status.CANCELLED, None, 9, [E]),
    "cancelled_soon": (RUNNING, Status.CANCELLED, None, 4, []),
    "cancelled_while_it_waited": (SUBMITTED, Status.CANCELLED, None, None, []),
    "preempted": (RUNNING, Status.FAILED, Cause.PREEMPTED, 9, [E]),
    "quota": (SUBMITTING, Status.FAILED, Cause.QUOTA, None, []),
    "credential": (SUBMITTING, Status.FAILED, Cause.CREDENTIAL, None, []),
    "walltime": (RUNNING, Status.FAILED, Cause.WALLTIME, 600, [E]),
    "removed_by_others": (SUBMITTED, Status.FAILED, Cause.REMOVED, None, []),
    "turned_up_done": (Status.LOST, Status.DONE, None, 60, [S, F]),
}


@pytest.mark.parametrize(("was", "became", "cause", "ran", "taught"), ENDS.values(), ids=ENDS)
def test_an_end_teaches(
    was: Status, became: Status, cause: Cause | None, ran: float | None, taught: list[EventKind]
) -> None:
    assert kinds(end_of(was, became, cause, ran)) == taught


@pytest.mark.parametrize(("was", "taught"), [(SUBMITTING, [A]), (RUNNING, [E]), (Status.LOST, [])])
def test_a_submission_that_is_taken_teaches_once_and_a_requeue_is_an_end(
    was: Status, taught: list[EventKind]
) -> None:
    assert kinds(PilotOutcome(was, SUBMITTED, None, NOW, RUNNING, None, None, None)) == taught


BEGINNINGS = {
    "seen_running_after_5_min": (RUNNING, 5, None, [S]),
    "seen_running_after_4_min": (RUNNING, 4, None, None),
    "never_seen_since": (RUNNING, None, None, None),
    "ended_well_at_once": (Status.DONE, 1, 1, [S]),
    "failed_at_once": (Status.FAILED, 1, 1, []),
    "failed_later": (Status.FAILED, 20, 20, [S]),
    "waits_again": (SUBMITTED, 9, None, []),
}


@pytest.mark.parametrize(
    ("status", "checked", "ran", "taught"), BEGINNINGS.values(), ids=BEGINNINGS
)
def test_a_start_is_good_when_it_is_known_to_be(
    status: Status, checked: float | None, ran: float | None, taught: list[EventKind] | None
) -> None:
    """The pilot began at NOW, and this became known at once; the times are minutes after NOW."""

    def later(minutes: float | None) -> datetime | None:
        return None if minutes is None else NOW + minutes * MINUTE

    step = PilotOutcome(SUBMITTED, RUNNING, None, NOW, status, NOW, later(ran), later(checked))
    assert kinds(step) == taught


def test_the_moment_of_a_good_start_is_the_same_whenever_it_is_asked() -> None:
    first = PilotOutcome(SUBMITTED, RUNNING, None, NOW, RUNNING, NOW, None, NOW + 6 * MINUTE)
    later = first._replace(status=Status.DONE, ended_at=NOW + 60 * MINUTE)
    assert events_of(first) == events_of(later)
    [event] = events_of(first) or ()
    assert (event.at, event.began) == (NOW + 5 * MINUTE, NOW)


def test_nothing_is_known_of_a_run_that_began_and_was_put_back_since_the_last_lesson() -> None:
    steps = [(SUBMITTING, RUNNING), (RUNNING, SUBMITTED), (SUBMITTED, RUNNING)]
    now = (RUNNING, NOW + MINUTE, None, NOW + 9 * MINUTE)
    outcomes = [
        PilotOutcome(was, became, None, NOW, *now, id=number, pilot_id=7)
        for number, (was, became) in enumerate(steps)
    ]
    other = outcomes[1]._replace(id=9, pilot_id=8)
    unknown = of_unknown_runs([*outcomes, other])
    assert {number: [event.kind for event in events] for number, events in unknown.items()} == {
        0: [A],
        1: [],
    }


@pytest.mark.parametrize(("was", "became"), LEGAL_MOVES)
def test_every_legal_move_teaches_something_or_nothing(was: Status, became: Status) -> None:
    for cause in Cause if became is Status.FAILED else (None,):
        for began in (None, NOW - 9 * MINUTE):
            ended_at = NOW if became in FINAL else None
            events = events_of(PilotOutcome(was, became, cause, NOW, became, began, ended_at, NOW))
            assert events is not None or became is RUNNING
            if became is Status.FAILED and cause not in CE_FAULTS:
                assert {event.kind for event in events or ()} <= {E}

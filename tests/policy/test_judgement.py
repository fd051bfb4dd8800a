"""The moves and notes that follow from the answers of a CE to a submission, a check, a listing."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from tests.factories import NOW
from worker.domain.bounds import AHEAD
from worker.domain.ce_answers import Listing, Observed, Receipt
from worker.domain.errors import BackendError, CredentialProblem, NotSent, Refused, Unavailable
from worker.domain.pilot import (
    LEGAL_MOVES,
    NOT_SENT,
    Cause,
    Check,
    ExitMeaning,
    Move,
    PilotToCheck,
    Status,
    Use,
)
from worker.policy.judgement import (
    Judgement,
    judge,
    judge_failed_submission,
    judge_missing,
    judge_receipts,
    move_to,
)
from worker.policy.polling import DOUBT_MISSES, LOST_AFTER, LOST_MISSES
from worker.policy.use import NO_RULES, UseRules

IDS = {"accepted": 1, "refused": 2, "not sent": 3, "doubtful": 4}

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SOONEST, LATEST = 10 * SECOND, 5 * MINUTE
DELAY = 90 * SECOND
"""How long a job may be at its CE before a listing shows it."""

RUNS_BADLY = {"status": Status.FAILED, "exit_code": 1, "started_at": NOW - 30 * MINUTE}


def test_a_receipt_that_says_neither_yes_nor_no_moves_nothing() -> None:
    receipts = [
        Receipt("accepted", handle="7", raw="PENDING"),
        Receipt("refused", refused=Cause.QUOTA, reason="full"),
        Receipt("not sent", not_sent=True, raw="left out", reason="no script"),
        Receipt("doubtful", raw="?"),
    ]

    moves = judge_receipts(IDS, receipts, NOW)

    became = {move.pilot_id: (move.to, move.cause, move.raw, move.reason) for move in moves}
    assert became == {
        1: (Status.SUBMITTED, None, "PENDING", None),
        2: (Status.FAILED, Cause.QUOTA, None, "full"),
        3: (Status.LOST, None, NOT_SENT, "no script"),
    }
    assert [move.handle for move in moves] == ["7", None, None]
    assert {(move.was, move.next_check_at) for move in moves} == {(Status.SUBMITTING, NOW)}


@pytest.mark.parametrize(
    ("error", "to", "cause"),
    [
        (CredentialProblem("ce"), Status.FAILED, Cause.CREDENTIAL),
        (Refused("quota", "ce"), Status.FAILED, Cause.QUOTA),
        (Refused("a word of its own", "ce"), Status.FAILED, Cause.REFUSED),
        (NotSent("ce"), Status.LOST, None),
    ],
)
def test_a_call_that_failed_for_certain_decides_all_of_its_pilots(
    error: BackendError, to: Status, cause: Cause | None
) -> None:
    moves = judge_failed_submission([1, 2], error)

    assert [(move.pilot_id, move.to, move.cause) for move in moves] == [
        (1, to, cause),
        (2, to, cause),
    ]
    assert {move.reason for move in moves} == {str(error)}


def test_a_call_that_may_have_arrived_leaves_its_pilots_in_doubt() -> None:
    assert judge_failed_submission([1, 2], Unavailable("ce")) == []


def a_pilot(status: Status = Status.RUNNING, **values: Any) -> PilotToCheck:
    """Make a pilot that was sent to its CE an hour ago."""
    is_there = status is not Status.SUBMITTING
    usual = PilotToCheck(
        id=7,
        stamp="its stamp",
        vo="lhcb",
        status=status,
        handle="12.0" if is_there else None,
        attempts=0,
        misses=0,
        reserved_at=NOW - HOUR,
        claimed_at=NOW - HOUR,
        submitted_at=NOW - HOUR if is_there else None,
        started_at=NOW - 30 * MINUTE if status is Status.RUNNING else None,
        missing_since=None,
        cancel_requested_at=None,
        cancel_reason=None,
        cancel_if_waiting=None,
    )
    return usual._replace(**values)


def observed(**values: Any) -> Observed:
    return Observed(stamp="its stamp", handle="12.0", **values)


def verdict_on(pilot: PilotToCheck, *answers: Observed) -> Move | Check:
    """Return the one move or note that the answers of a check mean for a pilot."""
    return only(judge([pilot], answers, NOW, soonest=SOONEST, latest=LATEST))


def only(judgement: Judgement) -> Move | Check:
    verdicts: tuple[Move | Check, ...] = (*judgement.moves, *judgement.checks)
    assert len(verdicts) == 1
    return verdicts[0]


AT_CE = pytest.mark.parametrize("status", [Status.SUBMITTED, Status.RUNNING])


@AT_CE
def test_a_pilot_that_an_answer_leaves_out_is_not_missing_and_is_asked_about_later(
    status: Status,
) -> None:
    other = Observed(stamp="another", handle="13.0", absent=True)
    often = a_pilot(status, misses=LOST_MISSES, missing_since=NOW - 10 * LOST_AFTER)

    for pilot in (a_pilot(status), often):
        assert verdict_on(pilot, other) == Check(
            pilot_id=7, next_check_at=NOW + LATEST, answered=False, was=status
        )


@AT_CE
@pytest.mark.parametrize(
    ("misses", "missing_for"),
    [
        (0, None),  # absent for the first time
        (1, HOUR),
        (LOST_MISSES - 2, LOST_AFTER),
        (LOST_MISSES - 1, LOST_AFTER - SECOND),
        (LOST_MISSES - 1, None),
        (100, LOST_AFTER - SECOND),
    ],
)
def test_a_pilot_that_was_not_absent_often_and_long_enough_is_only_noted(
    status: Status, misses: int, missing_for: timedelta | None
) -> None:
    since = None if missing_for is None else NOW - missing_for
    pilot = a_pilot(status, misses=misses, missing_since=since)

    assert verdict_on(pilot, observed(absent=True)) == Check(
        pilot_id=7, next_check_at=NOW + SOONEST, missing=True, was=status
    )


@AT_CE
@pytest.mark.parametrize(
    ("misses", "missing_for"),
    [(LOST_MISSES - 1, LOST_AFTER), (LOST_MISSES - 1, HOUR), (100, LOST_AFTER)],
)
def test_a_pilot_is_lost_after_enough_answers_over_enough_time(
    status: Status, misses: int, missing_for: timedelta
) -> None:
    since = NOW - missing_for
    move = verdict_on(a_pilot(status, misses=misses, missing_since=since), observed(absent=True))

    assert isinstance(move, Move)
    assert (move.pilot_id, move.was, move.to, move.cause) == (7, status, Status.LOST, None)
    assert f"{since:%Y-%m-%d %H:%M:%S}Z" in str(move.reason)


@AT_CE
@pytest.mark.parametrize("is_known", [True, False])
def test_the_present_status_and_a_word_without_a_meaning_move_nothing(
    status: Status, *, is_known: bool
) -> None:
    answer = observed(status=status if is_known else None, raw="??", reason="busy", node="n1")

    assert verdict_on(a_pilot(status), answer) == Check(
        pilot_id=7, next_check_at=NOW + LATEST, raw="??", reason="busy", node="n1", was=status
    )


@pytest.mark.parametrize(
    ("later", "began_again"),
    [(HOUR / 4, True), (MINUTE + SECOND, True), (MINUTE, False), (-HOUR / 4, False)],
)
def test_a_pilot_that_began_again_between_two_checks_runs_since_then(
    later: timedelta, *, began_again: bool
) -> None:
    pilot = a_pilot()
    assert pilot.started_at is not None
    start = pilot.started_at + later
    check = verdict_on(pilot, observed(status=Status.RUNNING, started_at=start))

    assert isinstance(check, Check)
    assert check.started_at == (start if began_again else None)


@pytest.mark.parametrize("status", [Status.SUBMITTED, None])
def test_the_start_of_a_pilot_that_does_not_run_is_left_out(status: Status | None) -> None:
    pilot = a_pilot(Status.SUBMITTED)
    check = verdict_on(pilot, observed(status=status, started_at=NOW))
    assert isinstance(check, Check)
    assert check.started_at is None


def test_each_pilot_is_judged_by_the_answer_with_its_stamp_and_the_rules_of_its_vo() -> None:
    pilots = [a_pilot(id=n, stamp=f"stamp {n}", vo=f"vo{n}") for n in (1, 2, 3)]
    answers = [
        Observed(stamp="stamp 3", handle="3", status=Status.RUNNING),
        Observed(stamp="stamp 2", handle="2", status=Status.DONE, exit_code=3),
        Observed(stamp="stamp 1", handle="1", status=Status.DONE, exit_code=3),
    ]
    rules = {"vo1": UseRules(exit_codes={3: ExitMeaning.EMPTY})}

    judgement = judge(pilots, answers, NOW, soonest=SOONEST, latest=LATEST, rules=rules)

    assert [(move.pilot_id, move.to, move.use) for move in judgement.moves] == [
        (1, Status.DONE, Use.EMPTY),
        (2, Status.DONE, Use.USEFUL),
    ]
    assert [check.pilot_id for check in judgement.checks] == [3]
    assert {move.next_check_at for move in judgement.moves} == {NOW + SOONEST}


def in_doubt(listing: dict[str, Any], **values: Any) -> Judgement:
    """Judge a pilot in doubt by a complete, recent listing without jobs, but for these values."""
    usual: dict[str, Any] = {"jobs": [], "complete": True, "as_of": NOW}
    pilot = a_pilot(Status.SUBMITTING, **values)
    return judge_missing([pilot], Listing(**{**usual, **listing}), visibility_delay=DELAY)


def test_a_pilot_that_a_first_listing_lacks_is_noted_and_one_that_a_second_lacks_is_lost() -> None:
    assert DOUBT_MISSES == 2
    first = only(in_doubt({}, misses=0))
    second = only(in_doubt({}, misses=1))

    assert first == Check(pilot_id=7, next_check_at=None, missing=True, was=Status.SUBMITTING)
    assert isinstance(second, Move)
    assert (second.pilot_id, second.was, second.to) == (7, Status.SUBMITTING, Status.LOST)
    assert "2 complete listings" in str(second.reason)


@pytest.mark.parametrize("misses", [0, 1, 100])
@pytest.mark.parametrize(
    ("listing", "values"),
    [
        ({"jobs": [observed(status=Status.RUNNING)]}, {}),
        ({"jobs": [observed(status=None, raw="??")]}, {}),
        ({"complete": False}, {}),
        ({"vos": frozenset({"cms"})}, {}),
        ({"vos": frozenset()}, {}),
        ({}, {"claimed_at": NOW - DELAY}),
        ({}, {"claimed_at": NOW}),
        ({"as_of": NOW - HOUR}, {}),
        ({}, {"claimed_at": None}),
    ],
    ids=[
        "listed",
        "listed with a word without a meaning",
        "incomplete",
        "of another VO",
        "of no VO",
        "too young by a moment",
        "claimed just now",
        "listing from before its claim",
        "never claimed",
    ],
)
def test_a_listing_that_would_not_show_a_pilot_says_nothing_of_it(
    listing: dict[str, Any], values: dict[str, Any], misses: int
) -> None:
    assert in_doubt(listing, misses=misses, **values) == Judgement(moves=[], checks=[])


@pytest.mark.parametrize(
    ("listing", "values"),
    [
        ({"vos": frozenset({"lhcb", "cms"})}, {}),
        ({"jobs": [Observed(stamp="another", handle="13.0", status=Status.RUNNING)]}, {}),
        ({}, {"claimed_at": NOW - DELAY - SECOND}),
    ],
    ids=["of its VO", "with another job", "old enough by a second"],
)
def test_a_listing_that_would_show_a_pilot_counts(
    listing: dict[str, Any], values: dict[str, Any]
) -> None:
    assert only(in_doubt(listing, misses=0, **values)) == Check(
        pilot_id=7, next_check_at=None, missing=True, was=Status.SUBMITTING
    )
    verdict = only(in_doubt(listing, misses=1, **values))
    assert isinstance(verdict, Move)
    assert verdict.to is Status.LOST


REMOVED = (Status.FAILED, Cause.REMOVED)
ENDED = (Status.CANCELLED, None)
NODE = (Status.FAILED, Cause.NODE)
BADLY = (Status.FAILED, Cause.EXIT_CODE)

BECOMES: dict[tuple[Status, str], tuple[Any, Any]] = {
    # The status and the answer; what the pilot becomes, also if we have asked for its end.
    **{
        (was, str(status)): ((status, None), (status, None))
        for was in (Status.SUBMITTING, Status.SUBMITTED, Status.RUNNING, Status.LOST)
        for status in (Status.SUBMITTED, Status.RUNNING, Status.DONE)
        if was is not status
    },
    (Status.SUBMITTING, "cancelled"): (REMOVED, REMOVED),
    (Status.SUBMITTED, "cancelled"): (REMOVED, ENDED),
    (Status.RUNNING, "cancelled"): (REMOVED, ENDED),
    (Status.LOST, "cancelled"): (REMOVED, ENDED),
    (Status.SUBMITTING, "broken node"): (NODE, NODE),
    (Status.SUBMITTED, "broken node"): (NODE, NODE),
    (Status.RUNNING, "broken node"): (NODE, NODE),
    (Status.LOST, "broken node"): (NODE, NODE),
    (Status.SUBMITTING, "exit code"): (BADLY, BADLY),
    (Status.SUBMITTED, "exit code"): (BADLY, ENDED),
    (Status.RUNNING, "exit code"): (BADLY, ENDED),
    (Status.LOST, "exit code"): (BADLY, ENDED),
}

ANSWERS: dict[str, dict[str, Any]] = {
    "submitted": {"status": Status.SUBMITTED},
    "running": {"status": Status.RUNNING},
    "done": {"status": Status.DONE},
    "cancelled": {"status": Status.CANCELLED},
    "broken node": {"status": Status.FAILED, "cause": Cause.NODE},
    "exit code": RUNS_BADLY | {"cause": Cause.EXIT_CODE},
}


@pytest.mark.parametrize(("was", "answer"), BECOMES)
@pytest.mark.parametrize("asked", [False, True], ids=["unasked", "asked to end"])
def test_what_a_pilot_becomes_by_an_answer(was: Status, answer: str, *, asked: bool) -> None:
    ours = {"cancel_requested_at": NOW, "cancel_reason": "a drain"} if asked else {}
    pilot = a_pilot(was, **ours)

    move = move_to(pilot, observed(**ANSWERS[answer], reason="its words"), NOW, NOW + SECOND)

    assert (move.was, (move.to, move.cause)) == (was, BECOMES[was, answer][asked])
    assert move.reason == ("a drain" if move.to is Status.CANCELLED else "its words")
    assert move.next_check_at == NOW + SECOND


@pytest.mark.parametrize("was", [Status.SUBMITTING, Status.SUBMITTED, Status.RUNNING, Status.LOST])
@pytest.mark.parametrize("asked", [False, True], ids=["unasked", "asked to end"])
def test_no_answer_means_a_move_that_is_refused(was: Status, *, asked: bool) -> None:
    pilot = a_pilot(was, cancel_requested_at=NOW if asked else None)
    ends = [Status.SUBMITTED, Status.RUNNING, Status.DONE, Status.FAILED, Status.CANCELLED]
    causes = [None, *Cause]
    codes = [None, 0, 1, 3, 143]
    rules = [NO_RULES, UseRules(exit_codes={3: ExitMeaning.NODE, 143: ExitMeaning.EMPTY})]

    illegal = [
        (answer, move.to)
        for status, cause, code, rule in product(ends, causes, codes, rules)
        for answer in [observed(status=status, cause=cause, exit_code=code)]
        for move in [move_to(pilot, answer, NOW, NOW, rule)]
        if status is not was and (was, move.to) not in LEGAL_MOVES
    ]

    assert illegal == []


def test_a_move_carries_what_the_ce_said() -> None:
    said: dict[str, Any] = {
        "raw": "COMPLETED",
        "exit_code": 0,
        "node": "n1",
        "started_at": NOW - HOUR,
        "ended_at": NOW - MINUTE,
    }

    move = move_to(a_pilot(), observed(status=Status.DONE, **said), NOW, NOW)

    assert {name: getattr(move, name) for name in said} == said
    assert (move.pilot_id, move.handle, move.use) == (7, "12.0", Use.USEFUL)


@pytest.mark.parametrize("is_sent_by_us", [True, False])
def test_a_start_before_a_pilot_was_sent_is_left_out(*, is_sent_by_us: bool) -> None:
    claimed_at = NOW - HOUR
    early, late = claimed_at - AHEAD - SECOND, claimed_at - AHEAD
    pilot = a_pilot(claimed_at=claimed_at if is_sent_by_us else None)

    starts = [
        move_to(pilot, observed(status=Status.DONE, started_at=moment), NOW, NOW).started_at
        for moment in (early, late)
    ]

    assert starts == [None if is_sent_by_us else early, late]


@pytest.mark.parametrize(
    ("answer", "to", "cause", "use"),
    [
        ({"status": Status.DONE, "exit_code": 3}, Status.FAILED, Cause.NODE, None),
        (RUNS_BADLY | {"exit_code": 3}, Status.FAILED, Cause.NODE, None),
        (RUNS_BADLY | {"exit_code": 4}, Status.DONE, None, Use.EMPTY),
        (RUNS_BADLY | {"exit_code": 5}, Status.DONE, None, Use.USEFUL),
        (
            RUNS_BADLY | {"exit_code": 4, "cause": Cause.WALLTIME},
            Status.FAILED,
            Cause.WALLTIME,
            None,
        ),
        ({"status": Status.DONE, "started_at": NOW - MINUTE}, Status.DONE, None, Use.SHORT),
    ],
)
def test_the_rules_of_a_vo_say_what_an_end_means(
    answer: dict[str, Any], to: Status, cause: Cause | None, use: Use | None
) -> None:
    rules = UseRules(
        exit_codes={3: ExitMeaning.NODE, 4: ExitMeaning.EMPTY, 5: ExitMeaning.USEFUL},
        useful_after=5 * MINUTE,
    )

    move = move_to(a_pilot(), observed(**answer), NOW, NOW, rules)

    assert (move.to, move.cause, move.use) == (to, cause, use)

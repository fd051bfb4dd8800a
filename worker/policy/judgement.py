"""The meaning of a CE's answer for the pilots that it is about.

Pure functions: they take recorded pilots, answers and a moment, and return moves and notes. An
error, no answer, or an answer that leaves a pilot out changes no status.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from worker.domain.bounds import AHEAD
from worker.domain.ce_answers import Listing, Observed, Receipt
from worker.domain.errors import BackendError, NotSent
from worker.domain.pilot import (
    NOT_SENT,
    AnyPilot,
    Cause,
    Check,
    ExitMeaning,
    Move,
    Status,
    Use,
)
from worker.policy.comparison import covers
from worker.policy.failures import cause_of, cause_of_refusal
from worker.policy.polling import DOUBT_MISSES, after_failures, is_lost, next_check
from worker.policy.use import NO_RULES, UseRules, meaning_of, use_of


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The moves that an answer means, and the notes on pilots whose status stays."""

    moves: Sequence[Move]
    checks: Sequence[Check]

    @classmethod
    def of(cls, verdicts: Iterable[Move | Check]) -> "Judgement":
        """Separate the moves from the notes."""
        every = list(verdicts)
        return cls(
            moves=[verdict for verdict in every if isinstance(verdict, Move)],
            checks=[verdict for verdict in every if isinstance(verdict, Check)],
        )

    def without_absences(self) -> "Judgement":
        """Return the judgement without missing pilots: another execution may have seen them."""
        return Judgement(
            moves=[move for move in self.moves if move.to is not Status.LOST],
            checks=[check for check in self.checks if not check.missing],
        )


def judge_receipts(
    ids: Mapping[str, int], receipts: Iterable[Receipt], next_check_at: datetime
) -> list[Move]:
    """Return the moves that receipts mean for claimed pilots, whose ids are given by stamp.

    A receipt that neither accepts nor refuses leaves its pilot in doubt.
    """
    return [
        receipt_move(ids[stamp], handle, refused, raw, reason, next_check_at, not_sent=not_sent)
        for stamp, handle, refused, raw, reason, not_sent in receipts
        if handle is not None or refused is not None or not_sent
    ]


def judge_failed_submission(ids: Iterable[int], error: BackendError) -> list[Move]:
    """Return the moves of claimed pilots whose submission failed as a whole.

    They stay in doubt, unless the CE refused them or certainly got none of them.
    """
    refused, not_sent = cause_of_refusal(error), isinstance(error, NotSent)
    if refused is None and not not_sent:
        return []
    return [
        receipt_move(number, refused=refused, reason=str(error), not_sent=not_sent)
        for number in ids
    ]


def receipt_move(
    pilot_id: int,
    handle: str | None = None,
    refused: Cause | None = None,
    raw: str | None = None,
    reason: str | None = None,
    next_check_at: datetime | None = None,
    *,
    not_sent: bool = False,
) -> Move:
    """Return the move that a receipt means for a claimed pilot.

    A pilot with a handle is submitted. A pilot that was refused has failed with the cause. A pilot
    that was not sent is lost, because its CE certainly does not have it.
    """
    to = Status.FAILED if refused else Status.LOST if not_sent else Status.SUBMITTED
    return Move(
        pilot_id=pilot_id,
        was=Status.SUBMITTING,
        to=to,
        cause=refused,
        handle=handle,
        raw=NOT_SENT if not_sent else raw,
        reason=reason,
        next_check_at=next_check_at,
    )


def judge(
    pilots: Iterable[AnyPilot],
    answers: Iterable[Observed],
    now: datetime,
    *,
    soonest: timedelta,
    latest: timedelta,
    rules: Mapping[str, UseRules] = MappingProxyType({}),
) -> Judgement:
    """Judge the answers of a CE about pilots, by the rules of each VO."""
    by_stamp = {answer.stamp: answer for answer in answers}
    return Judgement.of(
        _verdict(pilot, by_stamp.get(pilot.stamp), now, soonest, latest, rules) for pilot in pilots
    )


def judge_failed_call(
    pilots: Iterable[AnyPilot], now: datetime, *, soonest: timedelta
) -> list[Check]:
    """Return the notes on pilots whose CE did not answer. Each is checked less and less often."""
    return [
        Check(
            pilot_id=pilot.id,
            next_check_at=after_failures(now, pilot.attempts + 1, soonest=soonest),
            answered=False,
            was=pilot.status,
        )
        for pilot in pilots
    ]


def judge_missing(
    in_doubt: Iterable[AnyPilot], listing: Listing, *, visibility_delay: timedelta
) -> Judgement:
    """Judge the pilots in doubt that are missing in a complete and recent enough listing."""
    listed = {job.stamp for job in listing.jobs}
    return Judgement.of(
        _given_up_or_missed(pilot)
        for pilot in in_doubt
        if pilot.stamp not in listed and _would_show(listing, pilot, visibility_delay)
    )


def move_to(
    pilot: AnyPilot,
    answer: Observed,
    now: datetime,
    again: datetime,
    rules: UseRules = NO_RULES,
) -> Move:
    """Return the move that an answer means.

    If we asked for a cancellation, a cancelled job was cancelled by us, with our reason. Otherwise
    somebody else removed it at the CE.
    """
    answer = _since_it_was_sent(pilot, answer)
    status = answer.status or pilot.status
    is_ours = pilot.cancel_requested_at is not None and pilot.status is not Status.SUBMITTING
    if status is Status.CANCELLED and not is_ours:
        status = Status.FAILED
    status, cause, use = _what_it_became(pilot, answer, status, rules, now)
    if is_ours and cause in _OF_ITS_PROGRAM:
        # The pilot was asked to end, and its program ended: that is no failure.
        status, cause = Status.CANCELLED, None
    ours = pilot.cancel_reason if status is Status.CANCELLED else None
    return Move(
        pilot_id=pilot.id,
        was=pilot.status,
        to=status,
        cause=cause,
        use=use,
        handle=answer.handle,
        raw=answer.raw,
        reason=ours or answer.reason,
        exit_code=answer.exit_code,
        node=answer.node,
        started_at=answer.started_at,
        ended_at=answer.ended_at,
        next_check_at=again,
    )


def _what_it_became(
    pilot: AnyPilot, answer: Observed, status: Status, rules: UseRules, now: datetime
) -> tuple[Status, Cause | None, Use | None]:
    """Return the status of a pilot, with the cause of a failure or the use of a good end.

    The meaning that its VO gives to the exit code counts only if nothing else is known of the end.
    """
    cause = _cause(pilot, answer, now) if status is Status.FAILED else None
    if status is not Status.DONE and cause not in _BY_EXIT_CODE:
        return status, cause, None
    meaning = meaning_of(rules, answer.exit_code)
    if meaning is ExitMeaning.NODE:
        return Status.FAILED, Cause.NODE, None
    if status is Status.FAILED and meaning is None:
        return status, cause, None
    return Status.DONE, None, use_of(rules, meaning, _ran(pilot, answer, now))


_BY_EXIT_CODE = (Cause.EXIT_CODE, Cause.FAILED_FAST, Cause.FAILED_LATE, Cause.UNKNOWN)
"""The causes of a failure of which only the exit code or the run time is known."""

_OF_ITS_PROGRAM = (*_BY_EXIT_CODE, Cause.SIGNAL)


def _ran(pilot: AnyPilot, answer: Observed, now: datetime) -> timedelta | None:
    """Return how long a pilot has run; `None` if its start is not known."""
    began = answer.started_at or pilot.started_at
    ended = answer.ended_at or now
    return None if began is None else max(ended - began, timedelta())


def _since_it_was_sent(pilot: AnyPilot, answer: Observed) -> Observed:
    """Leave out a start or an end before the pilot was sent: the run time decides the outcome.

    A pilot without `claimed_at` was taken in and not sent by us; it may have run for long already.
    """
    if pilot.claimed_at is None:
        return answer
    earliest = pilot.claimed_at - AHEAD
    started_at, ended_at = (
        None if moment is not None and moment < earliest else moment
        for moment in (answer.started_at, answer.ended_at)
    )
    if (started_at, ended_at) == (answer.started_at, answer.ended_at):
        return answer
    return answer._replace(started_at=started_at, ended_at=ended_at)


def _verdict(
    pilot: AnyPilot,
    answer: Observed | None,
    now: datetime,
    soonest: timedelta,
    latest: timedelta,
    rules: Mapping[str, UseRules],
) -> Move | Check:
    again = next_check(now, _since(pilot), soonest=soonest, latest=latest)
    if answer is None:
        return Check(pilot_id=pilot.id, next_check_at=again, answered=False, was=pilot.status)
    if answer.absent:
        return _absent(pilot, now, now + soonest)
    if answer.status is None or answer.status is pilot.status:
        return Check(
            pilot_id=pilot.id,
            next_check_at=again,
            raw=answer.raw,
            reason=answer.reason,
            node=answer.node,
            was=pilot.status,
            started_at=_began_again(pilot, answer),
        )
    return move_to(pilot, answer, now, now + soonest, rules.get(pilot.vo, NO_RULES))


SAME_START = timedelta(minutes=1)
"""Two starts that a CE reports of a pilot and that are no further apart are the same."""


def _began_again(pilot: AnyPilot, answer: Observed) -> datetime | None:
    """Return the start of a pilot that its CE stopped and began again between two checks."""
    before, start = pilot.started_at, answer.started_at
    if answer.status is not Status.RUNNING or before is None or start is None:
        return None
    return start if start - before > SAME_START else None


def _absent(pilot: AnyPilot, now: datetime, again: datetime) -> Move | Check:
    missing_since = pilot.missing_since or now
    if not is_lost(pilot.misses + 1, missing_since, now):
        return Check(pilot_id=pilot.id, next_check_at=again, missing=True, was=pilot.status)
    reason = f"the CE has not known the pilot since {missing_since:%Y-%m-%d %H:%M:%S}Z"
    return Move(pilot_id=pilot.id, was=pilot.status, to=Status.LOST, reason=reason)


def _given_up_or_missed(pilot: AnyPilot) -> Move | Check:
    if pilot.misses + 1 >= DOUBT_MISSES:
        reason = f"{DOUBT_MISSES} complete listings of the CE lacked its stamp"
        return Move(pilot_id=pilot.id, was=Status.SUBMITTING, to=Status.LOST, reason=reason)
    return Check(pilot_id=pilot.id, next_check_at=None, missing=True, was=Status.SUBMITTING)


def _would_show(listing: Listing, pilot: AnyPilot, visibility_delay: timedelta) -> bool:
    """Return whether a listing would show a pilot in doubt if its CE had it."""
    if pilot.claimed_at is None or not covers(listing, pilot):
        return False
    return listing.as_of > pilot.claimed_at + visibility_delay


def _cause(pilot: AnyPilot, answer: Observed, now: datetime) -> Cause:
    return cause_of(
        Cause.REMOVED if answer.status is Status.CANCELLED else answer.cause,
        answer.started_at or pilot.started_at,
        answer.ended_at or now,
        exit_code=answer.exit_code,
        words=(answer.raw, answer.reason),
    )


def _since(pilot: AnyPilot) -> datetime:
    """Return when the pilot reached its status."""
    return pilot.started_at or pilot.submitted_at or pilot.reserved_at

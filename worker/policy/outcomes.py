"""Outcomes: what a CE did with pilots, as events in the order in which they became known.

An end that is neither merit nor fault of the CE (cancelled by us, preempted, a quota, a credential,
the time limit) shows only that the pilot runs no longer.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from worker.domain.pilot import CE_FAULTS, NOT_SENT, OF_NO_USE, Cause, Status, Use
from worker.domain.words import Described
from worker.policy.failures import FAST
from worker.policy.polling import next_check
from worker.policy.use import UseRules, meaning_of, use_of

SOONEST, LATEST = timedelta(seconds=30), timedelta(minutes=10)
"""Bounds of the time until a start that could not be judged yet is judged again."""


class EventKind(Described):
    """What a CE did with a pilot."""

    ACCEPTED = "accepted", "The CE accepted the submission."
    REFUSED = "refused", "The CE refused the submission, or never received it."
    STARTED = "started", "The pilot outlived its first minutes."
    FAILED_START = "failed_start", "The pilot never began, or failed within its first minutes."
    FINISHED = "finished", "The pilot ended well."
    FAILED_LATE = "failed_late", "The pilot failed after a good start."
    ENDED = (
        "ended",
        "The pilot ended after a good start, which counts neither for nor against the CE.",
    )
    SHORT = "short", "The pilot ended well, but too soon to have been of use."
    EMPTY = "empty", "The pilot ended well and said that it had no work."


class Event(NamedTuple):
    """One outcome at one CE. A tuple, because outcomes come by the thousand.

    `at` is when it became known, or could have become known. `began` is when the pilot began to
    run, and `ran` how long it ran, both as the CE says; `None` if it never began.
    """

    at: datetime
    kind: EventKind
    began: datetime | None = None
    ran: timedelta | None = None


class PilotOutcome(NamedTuple):
    """One transition of a pilot, and the pilot's present status, as the database has them."""

    was: Status | None
    became: Status
    cause: Cause | None
    at: datetime
    status: Status
    """The pilot's present status; the next fields are its present values, too."""
    started_at: datetime | None
    ended_at: datetime | None
    checked_at: datetime | None
    id: int = 0
    """The key of the transition in the database; 0 if it is not stored."""
    ce: str = ""
    raw: str | None = None
    vo: str = ""
    use: Use | None = None
    """The use of the pilot, if it has ended well by now."""
    exit_code: int | None = None
    pilot_id: int = 0
    """The key of the pilot in the database; 0 if it is not stored."""


def events_of(outcome: PilotOutcome, *, survival: timedelta = FAST) -> tuple[Event, ...] | None:
    """Return the events of one transition. `None`: not known yet; `look_again` says when to try
    again.

    The start of a pilot is known to be good if the pilot was seen running after `survival`, or if
    it has ended well. Until then nothing is learnt from its transition to running.
    """
    if outcome.became is Status.LOST and outcome.raw == NOT_SENT:
        return ()  # nothing was sent to its CE
    if outcome.became is Status.RUNNING:
        return _began(outcome, survival)
    if outcome.became is Status.SUBMITTED:
        return (*_accepted(outcome), *_put_back(outcome))
    if outcome.became is Status.DONE and outcome.use in OF_NO_USE:
        return (*_accepted(outcome), *_for_nothing(outcome, survival))
    if outcome.became is Status.DONE:
        return (*_accepted(outcome), *_unseen_start(outcome), _ended(EventKind.FINISHED, outcome))
    if outcome.became is Status.LOST or outcome.cause in CE_FAULTS:
        return _failed(outcome, survival)
    return _left(outcome, survival)


def of_unknown_runs(outcomes: Iterable[PilotOutcome]) -> dict[int, tuple[Event, ...]]:
    """Return the events of the runs that begin and end by a requeue in these outcomes, by the ids
    of their transitions.

    The present values of the pilot are not those of such a run, so nothing is known of it, except
    that the CE accepted the pilot. The outcomes of each pilot are in the order of its history.
    """
    unknown: dict[int, tuple[Event, ...]] = {}
    began: dict[int, PilotOutcome] = {}
    for outcome in outcomes:
        start = began.pop(outcome.pilot_id, None)
        if outcome.became is Status.RUNNING:
            began[outcome.pilot_id] = outcome
        elif start is not None and outcome.became is Status.SUBMITTED:
            unknown |= {start.id: _accepted(start), outcome.id: ()}
    return unknown


def up_to(outcomes: Iterable[PilotOutcome], now: datetime) -> list[PilotOutcome]:
    """Return outcomes with moments up to now; later ones come from a clock that was set back."""
    return [one if one.at <= now else one._replace(at=now) for one in outcomes]


def without_report(outcome: PilotOutcome, rules: UseRules) -> PilotOutcome:
    """Return the outcome without the influence of the pilot's own report.

    What is learnt of a CE counts for every VO, so reports of one VO's pilots must not change it.
    The present rules are used; the end itself was judged some seconds ago, by the rules of then.
    """
    if not rules.reports or outcome.status is not Status.DONE:
        return outcome
    meaning = meaning_of(rules, outcome.exit_code)
    return outcome._replace(use=use_of(rules, meaning, _ran(outcome)))


def look_again(outcome: PilotOutcome, now: datetime, *, survival: timedelta = FAST) -> datetime:
    """Return when to judge again a start that cannot be judged yet.

    A start cannot be judged before the pilot could have survived. After that it depends on the next
    check of the pilot, which may be late if a CE does not answer.
    """
    began = outcome.started_at or outcome.at
    return max(began + survival, next_check(now, began, soonest=SOONEST, latest=LATEST))


def _began(outcome: PilotOutcome, survival: timedelta) -> tuple[Event, ...] | None:
    began = outcome.started_at or outcome.at
    running = outcome.status is Status.RUNNING
    latest = outcome.checked_at if running else outcome.ended_at
    ran = (latest or outcome.at) - began
    if ran >= survival or (outcome.status is Status.DONE and outcome.use not in OF_NO_USE):
        moment = max(outcome.at, began + survival if ran >= survival else began + ran)
        return (*_accepted(outcome), Event(moment, EventKind.STARTED, began, min(ran, survival)))
    return None if running else _accepted(outcome)


def _accepted(outcome: PilotOutcome) -> tuple[Event, ...]:
    """Return the acceptance: any move from submitting, except a refusal, shows that the CE
    accepted the pilot.
    """
    return (Event(outcome.at, EventKind.ACCEPTED),) if outcome.was is Status.SUBMITTING else ()


def _left(outcome: PilotOutcome, survival: timedelta) -> tuple[Event, ...]:
    """Return the end of a pilot, if it had started well; else nothing."""
    ran = _ran(outcome) if outcome.was is Status.RUNNING else None
    return (_ended(EventKind.ENDED, outcome),) if ran is not None and ran >= survival else ()


def _put_back(outcome: PilotOutcome) -> tuple[Event, ...]:
    """Return the end of a run by a requeue; else nothing.

    The pilot's present start is not that of this run. But the start was learnt to be good: other
    runs that end by a requeue are among `of_unknown_runs`.
    """
    return (Event(outcome.at, EventKind.ENDED),) if outcome.was is Status.RUNNING else ()


def _for_nothing(outcome: PilotOutcome, survival: timedelta) -> tuple[Event, ...]:
    """Return a good end without use. It shows a good start only if the pilot has survived."""
    kind = EventKind.EMPTY if outcome.use is Use.EMPTY else EventKind.SHORT
    ran = _ran(outcome)
    started = _unseen_start(outcome) if ran is not None and ran >= survival else ()
    return (*started, _ended(kind, outcome))


def _unseen_start(outcome: PilotOutcome) -> tuple[Event, ...]:
    """Return the start of a pilot, if it was never seen running; else nothing."""
    return () if outcome.was is Status.RUNNING else (_ended(EventKind.STARTED, outcome),)


def _ended(kind: EventKind, outcome: PilotOutcome) -> Event:
    return Event(outcome.at, kind, outcome.started_at, _ran(outcome))


def _ran(outcome: PilotOutcome) -> timedelta | None:
    if outcome.started_at is None:
        return None
    return max((outcome.ended_at or outcome.at) - outcome.started_at, timedelta())


def _failed(outcome: PilotOutcome, survival: timedelta) -> tuple[Event, ...]:
    ran = _ran(outcome)
    if ran is None and (outcome.cause is Cause.REFUSED or outcome.was is Status.SUBMITTING):
        # A pilot that is lost from submitting was never at the CE.
        return (Event(outcome.at, EventKind.REFUSED),)
    if ran is None or ran < survival:
        return (*_accepted(outcome), _ended(EventKind.FAILED_START, outcome))
    return (*_accepted(outcome), *_unseen_start(outcome), _ended(EventKind.FAILED_LATE, outcome))

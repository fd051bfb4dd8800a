"""check_pilots: ask a CE once after all pilots whose check is due, whatever their VO.

Claim the right to call (committed), call, record (committed). An error, or an answer that leaves
a pilot out, changes no status.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from worker.backends.guard import Guard
from worker.db import ces, mover, outputs, pilot_reads, pilots
from worker.domain.ce import CE
from worker.domain.ce_answers import Job, Observed
from worker.domain.errors import BackendError
from worker.domain.pilot import AT_CE, Cause, Check, Move, Pilot, Status
from worker.domain.schedule import Outcome
from worker.policy.failures import cause_of
from worker.policy.polling import after_failures, is_lost, next_check
from worker.services import ce_calls
from worker.services.runtime import Runtime, TaskResult, skipped
from worker.services.tasks import failure_output


def check_pilots(runtime: Runtime, ce_name: str) -> TaskResult:
    """Advance the statuses of a CE's pilots."""
    with runtime.database.uow() as tx:
        ce = ces.get(tx, ce_name)
        due = pilot_reads.due(tx, ce_name, runtime.now(), runtime.batch)
        if not due:
            return skipped("no check is due")
        driver = runtime.driver(ce)
        hindrance = ce_calls.hindrance(tx, runtime, ce, runtime.now())
        if hindrance:
            return hindrance
    jobs = [Job(stamp=pilot.stamp, handle=pilot.handle or "", vo=pilot.vo) for pilot in due]
    try:
        observed = driver.poll(jobs)
    except BackendError as error:
        return _record_failure(runtime, ce, due, error)
    _insist(driver, due, observed)
    moves, checks = judge(runtime, ce, due, observed)
    unanswered = len(due) - len(observed)
    written = failure_output.fetch(runtime, driver, due, moves)
    moves = failure_output.judged(due, observed, moves, written)
    with runtime.database.uow() as tx:
        if not ce_calls.answered_in_part(tx, runtime, ce_name, unanswered, len(due)):
            # Somebody else has asked since: who is missing here may have been seen there.
            moves = [move for move in moves if move.to is not Status.LOST]
            checks = [check for check in checks if not check.missing]
        moved = mover.move(tx, moves, runtime.now())
        outputs.keep(
            tx, {i: text for i, text in written.items() if i in moved.moved}, runtime.now()
        )
        pilots.checked(tx, checks, runtime.now())
    return TaskResult(
        counts={
            "checked": len(due),
            "moved": len(moved.moved),
            "missing": sum(1 for check in checks if check.missing),
            "unanswered": unanswered,
        },
        lines=(
            *((ce_calls.unanswered(unanswered, len(due)),) if unanswered else ()),
            *_unmapped(observed),
        ),
    )


def plan(runtime: Runtime, ce_name: str) -> TaskResult:
    """Say what `check_pilots` would do now; change nothing and call no CE."""
    with runtime.database.uow() as tx:
        ces.get(tx, ce_name)
        due = pilot_reads.due(tx, ce_name, runtime.now(), runtime.batch)
    return TaskResult(counts={"would check": len(due)})


def judge(
    runtime: Runtime, ce: CE, asked: Sequence[Pilot], observed: Sequence[Observed]
) -> tuple[list[Move], list[Check]]:
    """Turn what a CE said into moves, and into notes on those that stay where they are."""
    options = runtime.options(ce)
    soonest = timedelta(seconds=options.check_soonest)
    latest = timedelta(seconds=options.check_latest)
    now = runtime.now()
    said = {answer.stamp: answer for answer in observed}
    moves, checks = [], []
    for pilot in asked:
        answer = said.get(pilot.stamp)
        again = next_check(now, _since(pilot), soonest=soonest, latest=latest)
        if answer is None:
            checks.append(Check(pilot_id=pilot.id, next_check_at=again, answered=False))
        elif answer.absent:
            missing_since = pilot.missing_since or now
            if is_lost(pilot.misses + 1, missing_since, now):
                reason = f"the CE has not known it since {missing_since:%Y-%m-%d %H:%M:%S}Z"
                moves.append(
                    Move(pilot_id=pilot.id, was=pilot.status, to=Status.LOST, reason=reason)
                )
            else:
                checks.append(Check(pilot_id=pilot.id, next_check_at=now + soonest, missing=True))
        elif answer.status is None or answer.status is pilot.status:
            checks.append(
                Check(
                    pilot_id=pilot.id,
                    next_check_at=again,
                    raw=answer.raw,
                    reason=answer.reason,
                    node=answer.node,
                )
            )
        else:
            moves.append(move_to(pilot, answer, now, now + soonest))
    return moves, checks


def move_to(pilot: Pilot, answer: Observed, now: datetime, again: datetime) -> Move:
    """Make the move that an observation means.

    A job that is gone before its end was cancelled if we asked for it, else somebody removed it.
    """
    status = answer.status or pilot.status
    asked = pilot.cancel_requested_at is not None and pilot.status is not Status.SUBMITTING
    if status is Status.CANCELLED and not asked:
        status = Status.FAILED
    cause = None
    if status is Status.FAILED:
        told = Cause.REMOVED if answer.status is Status.CANCELLED else answer.cause
        started_at = answer.started_at or pilot.started_at
        cause = cause_of(
            told,
            started_at,
            answer.ended_at or now,
            exit_code=answer.exit_code,
            words=(answer.raw, answer.reason),
        )
    return Move(
        pilot_id=pilot.id,
        was=pilot.status,
        to=status,
        cause=cause,
        handle=answer.handle,
        raw=answer.raw,
        reason=answer.reason,
        exit_code=answer.exit_code,
        node=answer.node,
        started_at=answer.started_at,
        ended_at=answer.ended_at,
        next_check_at=again,
    )


def _insist(driver: Guard, due: Sequence[Pilot], observed: Sequence[Observed]) -> None:
    """Ask once more for the end of pilots that are wanted gone and go on."""
    alive = {answer.stamp for answer in observed if answer.status in AT_CE}
    wanted = [
        Job(stamp=pilot.stamp, handle=pilot.handle or "", vo=pilot.vo)
        for pilot in due
        if pilot.cancel_requested_at is not None and pilot.stamp in alive
    ]
    # What a CE answers to this says nothing of their status; the next check asks again.
    with suppress(BackendError):
        driver.cancel(wanted)


def _since(pilot: Pilot) -> datetime:
    """Tell when the pilot came to its status."""
    return pilot.started_at or pilot.submitted_at or pilot.reserved_at


def _record_failure(
    runtime: Runtime, ce: CE, due: Sequence[Pilot], error: BackendError
) -> TaskResult:
    now = runtime.now()
    soonest = timedelta(seconds=runtime.options(ce).check_soonest)
    checks = [
        Check(
            pilot_id=pilot.id,
            next_check_at=after_failures(now, pilot.attempts + 1, soonest=soonest),
            answered=False,
        )
        for pilot in due
    ]
    with runtime.database.uow() as tx:
        pilots.checked(tx, checks, now)
        ce_calls.failed(tx, runtime, ce.name, error)
    return TaskResult(outcome=Outcome.FAILED, counts={"unanswered": len(due)}, lines=(str(error),))


def _unmapped(observed: Sequence[Observed]) -> tuple[str, ...]:
    words = sorted({str(a.raw) for a in observed if a.status is None and not a.absent})
    return tuple(f"the CE used a word that has no meaning here: {word}" for word in words)

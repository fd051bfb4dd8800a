"""dispatch: send the reserved pilots of a CE.

Claim (committed), call, record (committed). A crash or an error between the two commits leaves the
pilots submitting; `reconcile` finds out by their stamps what became of them. If it is certain that
nothing was sent (a program is missing, for example), they are lost at once. A VO whose
credential cannot be used now is left out of the claim, and its pilots stay as they are. Those of a
CE that takes none any longer were never sent: they are cancelled, and their slots are free again.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from worker.db import ces, health, pilot_reads, pilots
from worker.db.pilots import Reserved
from worker.domain.calls import reason_not_to_send
from worker.domain.ce_answers import Receipt
from worker.domain.errors import BackendError, CredentialProblem, NotSent, Refused
from worker.domain.pilot import NOT_SENT, Cause, Move, Status
from worker.domain.schedule import Outcome
from worker.services import credentials, payloads, records
from worker.services.ce_calls import CECall
from worker.services.closings import closed_ce
from worker.services.payloads import Ready
from worker.services.runtime import Runtime, TaskResult, skipped


def dispatch(runtime: Runtime, ce_name: str) -> TaskResult:
    """Send the reserved pilots of a CE, one batch at most."""
    with runtime.database.uow() as tx:
        ce = ces.get(tx, ce_name)
    call = CECall(runtime, ce)
    # Read before the claim: a file may lie where it takes long, and no unit of work is to wait.
    barred = credentials.barred(runtime, ce, call.options)
    with runtime.database.uow() as tx:
        ce = ces.get(tx, ce_name)
        unsent = pilot_reads.unsent(tx, ce_name)
        if not unsent:
            return skipped("nothing is reserved")
        closing = closed_ce(tx, ce, health.get(tx, ce_name), runtime.now())
        if closing is not None:
            count = pilots.cancel_reserved(tx, unsent, closing.sentence, runtime.now())
            return TaskResult(counts={"cancelled": count}, lines=(closing.sentence,))
        ready = payloads.ready(tx, runtime, ce, set(unsent.values()), barred)
        sendable = sum(vo not in ready.left_out for vo in unsent.values())
        if not sendable:
            return skipped(*ready.left_out.values())
        refusal = call.start(tx)
        if refusal is not None:
            return refusal
        claimed = call.claim(tx, min(runtime.batch, sendable), not_of=ready.left_out)
        if not claimed:
            call.give_back(tx)
            return skipped("its submissions for this minute are used up")
    with call:
        return _send(call, claimed, ready)


def plan(runtime: Runtime, ce_name: str) -> TaskResult:
    """Return what `dispatch` would do now; change nothing and call no CE."""
    now = runtime.now()
    with runtime.database.uow() as tx:
        ce = ces.get(tx, ce_name)
    barred = credentials.barred(runtime, ce, runtime.options(ce))
    with runtime.database.uow() as tx:
        ce, record = ces.get(tx, ce_name), health.get(tx, ce_name)
        unsent = pilot_reads.unsent(tx, ce_name)
        closing = closed_ce(tx, ce, record, now)
        left_out = payloads.ready(tx, runtime, ce, set(unsent.values()), barred).left_out
    if closing is not None:
        return TaskResult(counts={"would cancel": len(unsent)}, lines=(closing.sentence,))
    is_backing_off = record.retry_at is not None and now < record.retry_at
    back_off = reason_not_to_send(record, now) if is_backing_off else None
    if back_off is not None:
        return TaskResult(counts={"would send": 0}, lines=(back_off,))
    count = sum(vo not in left_out for vo in unsent.values())
    lines = tuple(left_out.values())
    return TaskResult(counts={"would send": min(count, runtime.batch)}, lines=lines)


def _send(call: CECall, claimed: Sequence[Reserved], ready: Ready) -> TaskResult:
    orders = [ready.order(pilot) for pilot in claimed]
    if call.is_over:
        # This process was stopped for so long that a listing may have given them up already.
        return _too_late(claimed)
    try:
        receipts = call.driver.submit(orders)
    except BackendError as error:
        return _record_failure(call, claimed, error)
    moves = _moves(call, claimed, receipts)
    moved, recording = records.record_receipts(call, moves)
    refused = sum(move.cause is not None for move in moves)
    not_sent = sum(move.raw == NOT_SENT and move.to is Status.LOST for move in moves)
    return TaskResult(
        counts={
            "submitted": len(moved.moved) - refused - not_sent,
            "refused": refused,
            **({"not sent": not_sent} if not_sent else {}),
            "in doubt": len(claimed) - len(moves) + len(recording.left_out),
        },
        lines=(*ready.left_out.values(), *ready.notes, *recording.lines()),
    )


def _too_late(claimed: Sequence[Reserved]) -> TaskResult:
    """Return a failure: nothing is sent, and `reconcile` will find that none arrived."""
    line = "the lease ran out between the claim and the call; nothing was sent"
    return TaskResult(outcome=Outcome.FAILED, counts={"in doubt": len(claimed)}, lines=(line,))


def _moves(call: CECall, claimed: Sequence[Reserved], receipts: Iterable[Receipt]) -> list[Move]:
    """Return what receipts mean. One that says neither yes nor no leaves its pilot in doubt."""
    ids = {pilot.stamp: pilot.pilot_id for pilot in claimed}
    next_check_at = call.runtime.now() + timedelta(seconds=call.options.check_soonest)
    return [
        pilots.receipt_move(
            pilot_id=ids[receipt.stamp],
            handle=receipt.handle,
            refused=receipt.refused,
            raw=receipt.raw,
            reason=receipt.reason,
            next_check_at=next_check_at,
            not_sent=receipt.not_sent,
        )
        for receipt in receipts
        if receipt.handle is not None or receipt.refused is not None or receipt.not_sent
    ]


def _record_failure(call: CECall, claimed: Sequence[Reserved], error: BackendError) -> TaskResult:
    """Record a call that failed as a whole. What becomes of the pilots is decided only by a
    refusal, or if surely nothing was sent to the CE.
    """
    cause, not_sent = _cause(error), isinstance(error, NotSent)
    what = "refused" if cause else "not sent" if not_sent else "in doubt"
    with call.runtime.database.uow() as tx:
        if cause is not None or not_sent:
            receipts = [
                pilots.receipt_move(
                    pilot_id=pilot.pilot_id, refused=cause, reason=str(error), not_sent=not_sent
                )
                for pilot in claimed
            ]
            pilots.record(tx, receipts, call.runtime.now())
        return call.failed(tx, error, {what: len(claimed)})


def _cause(error: BackendError) -> Cause | None:
    if isinstance(error, CredentialProblem):
        return Cause.CREDENTIAL
    if isinstance(error, Refused):
        return Cause(error.cause) if error.cause in set(Cause) else Cause.REFUSED
    return None

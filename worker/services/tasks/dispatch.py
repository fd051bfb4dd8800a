"""dispatch: send the reserved pilots of a CE.

Claim (committed), call, record (committed). A crash or an error between the two commits leaves
the pilots submitting; `reconcile` finds out by their stamps what became of them. If the CE was
surely not asked, a program that is not installed say, they are lost at once. A VO whose
credential cannot be used now is left out of the claim, and its pilots stay as they are. Those of a
CE that takes none any longer were never sent: they are cancelled, and their slots are free again.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from worker.db import ces, health, maintenances, pilot_reads, pilots
from worker.db.health import Health
from worker.db.mover import Moved
from worker.db.pilots import Reserved
from worker.db.uow import Transaction
from worker.domain.calls import reason_not_to_send
from worker.domain.ce import CE
from worker.domain.ce_answers import Order, Receipt
from worker.domain.errors import BackendError, CredentialProblem, NotAsked, Refused
from worker.domain.payload import Fitted
from worker.domain.pilot import Cause, Move
from worker.domain.schedule import Outcome
from worker.services import ce_calls, credentials, payloads, records
from worker.services.ce_calls import CECall
from worker.services.facts import why_it_takes_none
from worker.services.records import Recording
from worker.services.runtime import Runtime, TaskResult, skipped

Lines = tuple[str, ...]


def dispatch(runtime: Runtime, ce_name: str) -> TaskResult:
    """Send the reserved pilots of a CE, one batch at most."""
    # Read before the claim: a file may lie where it takes long, and no unit of work is to wait.
    barred = credentials.barred(runtime, ce_name)
    with runtime.database.uow() as tx:
        ce = ces.get(tx, ce_name)
        waiting = pilot_reads.unsent(tx, ce_name)
        if not waiting:
            return skipped("nothing is reserved")
        reason = _why_it_takes_none(tx, ce, health.get(tx, ce_name), runtime.now())
        if reason is not None:
            count = pilots.cancel_reserved(tx, waiting, reason, runtime.now())
            return TaskResult(counts={"cancelled": count}, lines=(reason,))
        ready = payloads.ready(tx, ce, set(waiting.values()))
        left_out = _left_out({**ready.broken, **barred}, waiting)
        sendable = sum(vo not in left_out for vo in waiting.values())
        if not sendable:
            return skipped(*left_out.values())
        call = ce_calls.begin(tx, runtime, ce)
        if isinstance(call, TaskResult):
            return call
        claimed = _claim(tx, call, min(runtime.batch, sendable), left_out)
        if not claimed:
            call.give_back(tx)
            return skipped("its submissions for this minute are used up")
    with call:
        return _send(call, claimed, ready.fitted, tuple(left_out.values()))


def plan(runtime: Runtime, ce_name: str) -> TaskResult:
    """Return what `dispatch` would do now; change nothing and call no CE."""
    barred, now = credentials.barred(runtime, ce_name), runtime.now()
    with runtime.database.uow() as tx:
        ce, record = ces.get(tx, ce_name), health.get(tx, ce_name)
        waiting = pilot_reads.unsent(tx, ce_name)
        reason, back_off = _why_it_takes_none(tx, ce, record, now), _back_off(record, now)
        broken = payloads.ready(tx, ce, set(waiting.values())).broken
    if reason is not None:
        return TaskResult(counts={"would cancel": len(waiting)}, lines=(reason,))
    if back_off is not None:
        return TaskResult(counts={"would send": 0}, lines=(back_off,))
    left_out = _left_out({**broken, **barred}, waiting)
    count = sum(vo not in left_out for vo in waiting.values())
    lines = tuple(left_out.values())
    return TaskResult(counts={"would send": min(count, runtime.batch)}, lines=lines)


def _back_off(record: Health, now: datetime) -> str | None:
    """Return why a CE is not called yet after calls that failed, or `None`."""
    is_ahead = record.retry_at is not None and now < record.retry_at
    return reason_not_to_send(record, now) if is_ahead else None


def _why_it_takes_none(tx: Transaction, ce: CE, record: Health, now: datetime) -> str | None:
    """Return why a CE takes no more pilots, or `None`."""
    return why_it_takes_none(ce, record, maintenances.current(tx, now).get(ce.name), now)


def _send(
    call: CECall,
    claimed: Sequence[Reserved],
    fitted: Mapping[str, Fitted],
    left_out: tuple[str, ...],
) -> TaskResult:
    if call.is_over:
        # This process was stopped for so long that a listing may have given them up already.
        return _too_late(claimed)
    try:
        receipts = _clear_receipts(call.driver.submit(_orders(claimed, fitted)))
    except BackendError as error:
        return _record_failure(call, claimed, error)

    def write(tx: Transaction, recording: Recording) -> tuple[Moved, tuple[int, ...], Lines]:
        moved = recording.receipts(tx, _recorded(call, claimed, receipts), call.runtime.now())
        call.answered(tx)
        return moved, tuple(recording.left_out), recording.lines()

    moved, not_stored, lines = records.record(call.runtime.database, write)
    refused = sum(1 for receipt in receipts if receipt.refused)
    not_sent = sum(receipt.not_sent for receipt in receipts)
    return TaskResult(
        counts={
            "submitted": len(moved.moved) - refused - not_sent,
            "refused": refused,
            **({"not sent": not_sent} if not_sent else {}),
            "in doubt": len(claimed) - len(receipts) + len(not_stored),
        },
        lines=(*left_out, *lines),
    )


def _too_late(claimed: Sequence[Reserved]) -> TaskResult:
    """Return a failure: nothing is sent, and `reconcile` will find that none arrived."""
    line = "the lease ran out between the claim and the call; nothing was sent"
    return TaskResult(outcome=Outcome.FAILED, counts={"in doubt": len(claimed)}, lines=(line,))


def _left_out(barred: Mapping[str, str], waiting: Mapping[int, str]) -> dict[str, str]:
    """Return the VOs that cannot send their pilots here, and why; these stay reserved."""
    concerned = set(waiting.values())
    return {vo: why for vo, why in sorted(barred.items()) if vo in concerned}


def _claim(tx: Transaction, call: CECall, batch: int, left_out: Collection[str]) -> list[Reserved]:
    batch = call.submissions(tx, batch)
    if not batch:
        return []
    return pilots.claim(tx, call.ce.name, batch, call.runtime.now(), not_of=left_out)


def _orders(claimed: Sequence[Reserved], fitted: Mapping[str, Fitted]) -> list[Order]:
    return [_order(pilot, fitted.get(pilot.vo)) for pilot in claimed]


def _order(pilot: Reserved, payload: Fitted | None) -> Order:
    script, arguments = payload.for_pilot(pilot.stamp) if payload else (None, ())
    return Order(stamp=pilot.stamp, vo=pilot.vo, script=script, arguments=arguments)


def _clear_receipts(receipts: Sequence[Receipt]) -> list[Receipt]:
    """Leave out receipts that say neither yes nor no: their pilots stay in doubt."""
    return [
        receipt
        for receipt in receipts
        if receipt.handle is not None or receipt.refused is not None or receipt.not_sent
    ]


def _recorded(call: CECall, claimed: Sequence[Reserved], receipts: Sequence[Receipt]) -> list[Move]:
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
    ]


def _record_failure(call: CECall, claimed: Sequence[Reserved], error: BackendError) -> TaskResult:
    """Record a call that failed as a whole. What becomes of the pilots is decided only by a
    refusal, or if the CE was surely not asked.
    """
    cause, not_sent = _cause(error), isinstance(error, NotAsked)
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

"""dispatch: send the reserved pilots of a CE.

Claim (committed), call, record (committed). A crash or an error between the two commits leaves the
pilots submitting; `reconcile` finds out by their stamps whether the CE has them. If it is certain
that nothing was sent (a program is missing, for example), the pilots become lost at once. A VO
whose credential cannot be used now is left out of the claim, and its pilots stay as they are. If
the CE no longer takes pilots, or a VO gets none or may not use the CE any more, the reserved pilots
are cancelled, as they were never sent, and their slots are free again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from worker.db import ces, health, mover, pilot_reads, pilots
from worker.db.mover import Moved
from worker.db.pilots import Reserved
from worker.db.uow import Transaction
from worker.domain.calls import is_backing_off, reason_not_to_send
from worker.domain.ce import CE
from worker.domain.errors import BackendError
from worker.domain.pilot import Move, Status
from worker.domain.schedule import Outcome
from worker.policy.judgement import judge_failed_submission, judge_receipts
from worker.services import credentials, payloads, records, trials
from worker.services.ce_calls import CECall
from worker.services.closings import closed_ce, closed_vos
from worker.services.payloads import Ready
from worker.services.runtime import Runtime, TaskResult, skipped


def dispatch(runtime: Runtime, ce_name: str) -> TaskResult:
    """Send the reserved pilots of a CE, one batch at most."""
    with runtime.database.uow() as tx:
        ce = ces.get(tx, ce_name)
    call = CECall(runtime, ce)
    # The files are read before the claim: a slow file system must not delay a unit of work.
    barred = credentials.barred(runtime, ce, call.options)
    with runtime.database.uow() as tx:
        ce = ces.get(tx, ce_name)
        unsent = pilot_reads.unsent(tx, ce_name)
        if not unsent:
            return skipped("nothing is reserved")
        unwanted = _unwanted(tx, ce, unsent, runtime.now())
        if unwanted:
            # The next execution sends the others.
            count = pilots.cancel(tx, unwanted, {}, runtime.now())
            return TaskResult(counts={"cancelled": count}, lines=_reasons(unwanted))
        ready = payloads.ready(tx, runtime, ce, set(unsent.values()), barred)
        sendable = [vo for vo in unsent.values() if vo not in ready.left_out]
        if not sendable:
            return skipped(*ready.left_out.values())
        # Another VO may reserve pilots meanwhile; nothing is prepared for them.
        claimed = call.claim(tx, min(runtime.batch, len(sendable)), only_of=set(sendable))
        if isinstance(claimed, TaskResult):
            return claimed
    with call:
        return _send(call, claimed, ready)


def plan(runtime: Runtime, ce_name: str) -> TaskResult:
    """Return what `dispatch` would do now; change nothing and call no CE."""
    now = runtime.now()
    with runtime.database.uow() as tx:
        ce = ces.get(tx, ce_name)
    barred = credentials.barred(runtime, ce, runtime.options(ce))
    with runtime.database.uow() as tx:
        ce, calls = ces.get(tx, ce_name), health.get(tx, ce_name)
        unsent = pilot_reads.unsent(tx, ce_name)
        unwanted = _unwanted(tx, ce, unsent, now)
        left_out = payloads.ready(tx, runtime, ce, set(unsent.values()), barred).left_out
    if unwanted:
        return TaskResult(counts={"would cancel": len(unwanted)}, lines=_reasons(unwanted))
    # By hand, a CE is called at once.
    must_wait = not runtime.by_hand and is_backing_off(calls, now)
    back_off = reason_not_to_send(calls, now) if must_wait else None
    if back_off is not None:
        return TaskResult(counts={"would send": 0}, lines=(back_off,))
    count = sum(vo not in left_out for vo in unsent.values())
    lines = tuple(left_out.values())
    return TaskResult(counts={"would send": min(count, runtime.batch)}, lines=lines)


def _unwanted(tx: Transaction, ce: CE, unsent: Mapping[int, str], now: datetime) -> dict[int, str]:
    """Return the reserved pilots that are not to be sent any more, each with the reason."""
    closing = closed_ce(tx, ce, now)
    if closing is not None:
        return dict.fromkeys(unsent, closing.sentence)
    closed = {vo: f"VO {vo}: {closing.sentence}" for vo, closing in closed_vos(tx, ce).items()}
    return {pilot: closed[vo] for pilot, vo in unsent.items() if vo in closed}


def _reasons(unwanted: Mapping[int, str]) -> tuple[str, ...]:
    return tuple(sorted(set(unwanted.values())))


def _send(call: CECall, claimed: Sequence[Reserved], ready: Ready) -> TaskResult:
    orders = [ready.order(pilot) for pilot in claimed]
    if call.is_over:
        # This process stood still for so long that, after a listing, another execution may have
        # given the pilots up already.
        return _too_late(claimed)
    try:
        receipts = call.driver.submit(orders)
    except BackendError as error:
        return _record_failure(call, claimed, error)
    ids = {pilot.stamp: pilot.pilot_id for pilot in claimed}
    soonest = timedelta(seconds=call.options.check_soonest)
    moves = judge_receipts(ids, receipts, call.runtime.now() + soonest)
    moved, recording = records.record_receipts(call, claimed, moves)
    in_doubt = len(claimed) - len(moves) + len(recording.left_out)
    lines = (*ready.left_out.values(), *ready.notes, *recording.lines())
    return TaskResult(counts=_counts(moves, moved, in_doubt), lines=lines)


def _counts(moves: Iterable[Move], moved: Moved, in_doubt: int) -> dict[str, int]:
    became = Counter(move.to for move in moves)
    refused, not_sent = became[Status.FAILED], became[Status.LOST]
    submitted = len(moved.moved) - refused - not_sent
    never_sent = {"not sent": not_sent} if not_sent else {}
    return {"submitted": submitted, "refused": refused, **never_sent, "in doubt": in_doubt}


def _too_late(claimed: Sequence[Reserved]) -> TaskResult:
    """Return a failure: nothing is sent, and `reconcile` will find that no pilot arrived."""
    line = "the lease ran out between the claim and the call; nothing was sent"
    return TaskResult(outcome=Outcome.FAILED, counts={"in doubt": len(claimed)}, lines=(line,))


def _record_failure(call: CECall, claimed: Sequence[Reserved], error: BackendError) -> TaskResult:
    """Record a call that failed as a whole, and what the error implies for the pilots."""
    moves = judge_failed_submission([pilot.pilot_id for pilot in claimed], error)
    what = _DECIDED[moves[0].to] if moves else "in doubt"
    with call.runtime.database.uow() as tx:
        mover.move(tx, moves, call.runtime.now())
        trials.note(tx, call.ce.name, claimed, moves, call.runtime.now())
        return call.failed(tx, error, {what: len(claimed)})


_DECIDED = {Status.FAILED: "refused", Status.LOST: "not sent"}

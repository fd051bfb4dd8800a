"""dispatch: send the reserved pilots of a CE.

Claim (committed), call, record (committed). A crash or an error between the two commits leaves
the pilots submitting; `reconcile` finds out by their stamps what became of them. A VO whose
credential cannot be used now is left out of the claim, and its pilots stay as they are.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta

from worker.backends.contract import Options, Order, Receipt
from worker.db import ces, locks, mover, pilot_reads, pilots
from worker.db.pilots import Reserved
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.errors import BackendError, CredentialProblem, Refused
from worker.domain.payload import Fitted
from worker.domain.pilot import Cause, Move, Status
from worker.domain.schedule import Outcome
from worker.services import calling, credentials, payloads
from worker.services.parts import Done, Parts, skipped


def dispatch(parts: Parts, ce_name: str) -> Done:
    """Send what is reserved for a CE, a batch at the most."""
    # Read before the claim: a file may lie where it takes long, and no unit of work is to wait.
    barred = credentials.barred(parts, ce_name)
    with parts.database.uow() as tx:
        ce = ces.get(tx, ce_name)
        waiting = pilot_reads.unsent(tx, ce_name)
        if not waiting:
            return skipped("nothing is reserved")
        if not ce.enabled or ce.draining:
            return _cancel(tx, parts, waiting)
        ready = payloads.ready(tx, ce, set(waiting.values()))
        left_out = _left_out({**ready.broken, **barred}, waiting)
        sendable = sum(vo not in left_out for vo in waiting.values())
        if not sendable:
            return skipped(*left_out.values())
        driver = parts.driver(ce)
        hindrance = calling.hindrance(tx, parts, ce, parts.now())
        if hindrance:
            return hindrance
        claimed = _claim(tx, parts, ce, min(parts.batch, sendable), left_out)
        if not claimed:
            locks.release_lease(tx, calling.lease_name(ce_name), parts.holder)
            return skipped("its submissions for this minute are used up")
        lease_ends = parts.now() + parts.lease
    if parts.now() >= lease_ends:
        # This process was stopped for so long that a listing may have given them up already.
        return _too_late(claimed)
    try:
        receipts = _telling(driver.submit(_orders(claimed, ready.fitted)))
    except BackendError as error:
        return _record_failure(parts, ce, claimed, error)
    with parts.database.uow() as tx:
        moved = pilots.record(tx, _recorded(parts, ce, claimed, receipts), parts.now())
        calling.answered(tx, parts, ce_name)
    refused = sum(1 for receipt in receipts if receipt.refused)
    return Done(
        counts={
            "submitted": len(moved.moved) - refused,
            "refused": refused,
            "in doubt": len(claimed) - len(receipts),
        },
        lines=tuple(left_out.values()),
    )


def plan(parts: Parts, ce_name: str) -> Done:
    """Say what `dispatch` would do now; change nothing and call no CE."""
    with parts.database.uow() as tx:
        ce = ces.get(tx, ce_name)
        count = len(pilot_reads.unsent(tx, ce_name))
    what = "would send" if ce.enabled and not ce.draining else "would cancel"
    return Done(counts={what: min(count, parts.batch)})


def _too_late(claimed: Sequence[Reserved]) -> Done:
    """Send nothing; `reconcile` finds that none of these arrived."""
    line = "the lease ran out between the claim and the call; nothing was sent"
    return Done(outcome=Outcome.FAILED, counts={"in doubt": len(claimed)}, lines=(line,))


def _left_out(barred: Mapping[str, str], waiting: Mapping[int, str]) -> dict[str, str]:
    """Say of the VOs that have pilots here and cannot send them why; their pilots stay reserved."""
    concerned = set(waiting.values())
    return {vo: why for vo, why in sorted(barred.items()) if vo in concerned}


def _claim(
    tx: Transaction, parts: Parts, ce: CE, batch: int, left_out: Collection[str]
) -> list[Reserved]:
    limit = parts.options(ce).submissions_per_minute
    if limit is not None and not parts.by_hand:
        batch = locks.take_tokens(tx, f"submissions:{ce.name}", batch, limit, parts.now())
    if not batch:
        return []
    return pilots.claim(tx, ce.name, batch, parts.now(), not_of=left_out)


def _orders(claimed: Sequence[Reserved], fitted: Mapping[str, Fitted]) -> list[Order]:
    return [_order(pilot, fitted.get(pilot.vo)) for pilot in claimed]


def _order(pilot: Reserved, payload: Fitted | None) -> Order:
    script, arguments = payload.for_pilot(pilot.stamp) if payload else (None, ())
    return Order(stamp=pilot.stamp, vo=pilot.vo, script=script, arguments=arguments)


def _telling(receipts: Sequence[Receipt]) -> list[Receipt]:
    """Leave out what says neither yes nor no; it leaves its pilot in doubt."""
    return [one for one in receipts if one.handle is not None or one.refused is not None]


def _recorded(
    parts: Parts, ce: CE, claimed: Sequence[Reserved], receipts: Sequence[Receipt]
) -> list[pilots.Receipt]:
    ids = {pilot.stamp: pilot.pilot_id for pilot in claimed}
    options: Options = parts.options(ce)
    return [
        pilots.Receipt(
            pilot_id=ids[receipt.stamp],
            handle=receipt.handle,
            refused=receipt.refused,
            raw=receipt.raw,
            reason=receipt.reason,
            next_check_at=parts.now() + timedelta(seconds=options.check_soonest),
        )
        for receipt in receipts
    ]


def _record_failure(parts: Parts, ce: CE, claimed: Sequence[Reserved], error: BackendError) -> Done:
    """Record a call that failed as a whole. Only a refusal says what became of the pilots."""
    cause = _cause(error)
    with parts.database.uow() as tx:
        if cause is not None:
            receipts = [
                pilots.Receipt(pilot_id=pilot.pilot_id, refused=cause, reason=str(error))
                for pilot in claimed
            ]
            pilots.record(tx, receipts, parts.now())
        calling.failed(tx, parts, ce.name, error)
    what = "refused" if cause else "in doubt"
    return Done(outcome=Outcome.FAILED, counts={what: len(claimed)}, lines=(str(error),))


def _cause(error: BackendError) -> Cause | None:
    if isinstance(error, CredentialProblem):
        return Cause.CREDENTIAL
    if isinstance(error, Refused):
        return Cause(error.cause) if error.cause in set(Cause) else Cause.REFUSED
    return None


def _cancel(tx: Transaction, parts: Parts, waiting: Iterable[int]) -> Done:
    """Free the slots of a CE that takes no more; its pilots were never sent."""
    moves = [
        Move(
            pilot_id=pilot_id,
            was=Status.RESERVED,
            to=Status.CANCELLED,
            reason="the CE takes no more pilots",
        )
        for pilot_id in waiting
    ]
    moved = mover.move(tx, moves, parts.now())
    return Done(counts={"cancelled": len(moved.moved)})

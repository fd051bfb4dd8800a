"""dispatch: send the reserved pilots of a CE.

Claim (committed), call, record (committed). A crash or an error between the two commits leaves
the pilots submitting; `reconcile` finds out by their stamps what became of them.
"""

from collections.abc import Sequence
from datetime import timedelta

from worker.backends.contract import Options, Order, Receipt
from worker.db import ces, locks, mover, pilot_reads, pilots
from worker.db.pilots import Reserved
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.errors import BackendError, CredentialProblem, Refused
from worker.domain.pilot import Cause, Move, Status
from worker.domain.schedule import Outcome
from worker.services import calling
from worker.services.parts import Done, Parts, skipped


def dispatch(parts: Parts, ce_name: str) -> Done:
    """Send what is reserved for a CE, a batch at the most."""
    with parts.database.uow() as tx:
        ce = ces.get(tx, ce_name)
        waiting = pilot_reads.unsent(tx, ce_name)
        if not waiting:
            return skipped("nothing is reserved")
        if not ce.enabled or ce.draining:
            return _cancel(tx, parts, waiting)
        driver = parts.driver(ce)
        hindrance = calling.hindrance(tx, parts, ce, parts.now())
        if hindrance:
            return hindrance
        claimed = _claim(tx, parts, ce, min(parts.batch, len(waiting)))
        if not claimed:
            locks.release_lease(tx, calling.lease_name(ce_name), parts.holder)
            return skipped("its submissions for this minute are used up")
    try:
        receipts = _telling(driver.submit(_orders(ce, claimed)))
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
        }
    )


def plan(parts: Parts, ce_name: str) -> Done:
    """Say what `dispatch` would do now; change nothing and call no CE."""
    with parts.database.uow() as tx:
        ce = ces.get(tx, ce_name)
        count = len(pilot_reads.unsent(tx, ce_name))
    what = "would send" if ce.enabled and not ce.draining else "would cancel"
    return Done(counts={what: min(count, parts.batch)})


def _claim(tx: Transaction, parts: Parts, ce: CE, batch: int) -> list[Reserved]:
    limit = parts.options(ce).submissions_per_minute
    if limit is not None and not parts.by_hand:
        batch = locks.take_tokens(tx, f"submissions:{ce.name}", batch, limit, parts.now())
    return pilots.claim(tx, ce.name, batch, parts.now()) if batch else []


def _orders(ce: CE, claimed: Sequence[Reserved]) -> list[Order]:
    return [
        Order(
            stamp=pilot.stamp,
            vo=pilot.vo,
            environment={
                "PILOTAGE_STAMP": pilot.stamp,
                "PILOTAGE_VO": pilot.vo,
                "PILOTAGE_CE": ce.name,
            },
        )
        for pilot in claimed
    ]


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


def _cancel(tx: Transaction, parts: Parts, waiting: Sequence[int]) -> Done:
    """Free the slots of a CE that takes no more; its pilots were never sent."""
    moves = [
        Move(pilot_id=pilot_id, to=Status.CANCELLED, reason="the CE takes no more pilots")
        for pilot_id in waiting
    ]
    moved = mover.move(tx, moves, parts.now())
    return Done(counts={"cancelled": len(moved.moved)})

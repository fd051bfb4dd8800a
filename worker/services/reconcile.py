"""reconcile: list what a CE has by stamp, and settle every pilot in doubt.

Claim the right to call (committed), call, record (committed). A pilot whose stamp is listed is
taken for what it is, a lost one too. One whose stamp is not is given up only after two complete
listings that are young enough to show it. Stamps that nobody here knows are reported.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from worker.backends.contract import Listing, Observed
from worker.db import ces, mover, pilot_reads, pilots
from worker.db.pilots import Check
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.errors import BackendError
from worker.domain.pilot import Move, Pilot, Status
from worker.domain.schedule import Outcome
from worker.policy.polling import DOUBT_MISSES
from worker.services import calling
from worker.services.check import move_to
from worker.services.parts import Done, Parts


def reconcile(parts: Parts, ce_name: str) -> Done:
    """Compare what a CE has with what we remember."""
    with parts.database.uow() as tx:
        ce = ces.get(tx, ce_name)
        driver = parts.driver(ce)
        hindrance = calling.hindrance(tx, parts, ce, parts.now())
        if hindrance:
            return hindrance
    try:
        listing = driver.find()
    except BackendError as error:
        with parts.database.uow() as tx:
            calling.failed(tx, parts, ce_name, error)
        return Done(outcome=Outcome.FAILED, lines=(str(error),))
    with parts.database.uow() as tx:
        done = _settle(tx, parts, ce, listing)
        calling.answered(tx, parts, ce_name)
    return done


def plan(parts: Parts, ce_name: str) -> Done:
    """Say what `reconcile` would settle; change nothing and call no CE."""
    with parts.database.uow() as tx:
        ces.get(tx, ce_name)
        return Done(counts={"in doubt": len(pilot_reads.in_doubt(tx, ce_name))})


def _settle(tx: Transaction, parts: Parts, ce: CE, listing: Listing) -> Done:
    now = parts.now()
    listed = {job.stamp: job for job in listing.jobs}
    known = pilot_reads.by_stamps(tx, listed)
    found = _found(known, listed, ce.name, now, parts)
    misses, given_up = _missing(tx, parts, ce, listing, set(listed), now)
    moved = mover.move(tx, [*found, *given_up], now)
    pilots.checked(tx, misses, now)
    strangers = sorted(listed.keys() - known.keys())
    adopted = moved.moved & {move.pilot_id for move in found}
    return Done(
        counts={
            "listed": len(listed),
            "adopted": len(adopted),
            "given up": len(moved.moved) - len(adopted),
            "strangers": len(strangers),
        },
        lines=tuple(f"the CE has a job of a stamp that nobody knows: {s}" for s in strangers[:20]),
    )


def _found(
    known: Mapping[str, Pilot],
    listed: Mapping[str, Observed],
    ce: str,
    now: datetime,
    parts: Parts,
) -> list[Move]:
    """Take pilots in doubt, and lost ones, for what the CE says they are."""
    moves = []
    for stamp, pilot in known.items():
        job = listed[stamp]
        if pilot.ce != ce or pilot.status not in (Status.SUBMITTING, Status.LOST):
            continue
        if job.status is None:
            continue
        moves.append(move_to(pilot, job, now, now))
    return moves


def _missing(
    tx: Transaction,
    parts: Parts,
    ce: CE,
    listing: Listing,
    listed: set[str],
    now: datetime,
) -> tuple[list[Check], list[Move]]:
    """Count a miss for each pilot in doubt that a complete and young listing lacks."""
    if not listing.complete:
        return [], []
    delay = timedelta(seconds=parts.options(ce).visibility_delay)
    misses, given_up = [], []
    for pilot in pilot_reads.in_doubt(tx, ce.name):
        if pilot.stamp in listed or pilot.claimed_at is None:
            continue
        if listing.as_of <= pilot.claimed_at + delay:
            continue
        if pilot.misses + 1 >= DOUBT_MISSES:
            reason = f"{DOUBT_MISSES} complete listings of the CE lacked its stamp"
            given_up.append(
                Move(pilot_id=pilot.id, was=Status.SUBMITTING, to=Status.LOST, reason=reason)
            )
        else:
            misses.append(Check(pilot_id=pilot.id, next_check_at=None, missing=True))
    return misses, given_up

"""reconcile: list what a CE has by stamp, and settle every pilot in doubt.

Claim the right to call (committed), call, record (committed). A pilot whose stamp is listed is
taken for what it is, a lost one too. One whose stamp is not is given up only after two complete
listings that are young enough to show it. Jobs that ought not to be there are reported, and
cancelled where the operator wants it.
"""

from datetime import timedelta

from worker.backends.guard import Guard
from worker.db import ces, mover, pilot_reads, pilots
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.ce_answers import Listing
from worker.domain.errors import BackendError
from worker.domain.pilot import Check, Move, Status
from worker.domain.schedule import Outcome
from worker.policy.polling import DOUBT_MISSES
from worker.services import ce_calls
from worker.services.runtime import Runtime, TaskResult
from worker.services.tasks.check_pilots import move_to
from worker.services.tasks.comparison import Comparison, compare, covers

SHOWN = 20
"""Jobs that ought not to be there, of which one execution tells at the most."""


def reconcile(runtime: Runtime, ce_name: str) -> TaskResult:
    """Compare what a CE has with what we remember."""
    with runtime.database.uow() as tx:
        ce = ces.get(tx, ce_name)
        driver = runtime.driver(ce)
        hindrance = ce_calls.hindrance(tx, runtime, ce, runtime.now())
        if hindrance:
            return hindrance
    try:
        listing = driver.find()
        cancelled = _cancel_unwanted(runtime, ce, driver, listing) if ce.cancel_strangers else 0
    except BackendError as error:
        with runtime.database.uow() as tx:
            ce_calls.failed(tx, runtime, ce_name, error)
        return TaskResult(outcome=Outcome.FAILED, lines=(str(error),))
    with runtime.database.uow() as tx:
        done = _settle(tx, runtime, ce, listing, cancelled)
        ce_calls.answered(tx, runtime, ce_name)
    return done


def plan(runtime: Runtime, ce_name: str) -> TaskResult:
    """Say what `reconcile` would settle; change nothing and call no CE."""
    with runtime.database.uow() as tx:
        ces.get(tx, ce_name)
        return TaskResult(counts={"in doubt": len(pilot_reads.in_doubt(tx, ce_name))})


def _cancel_unwanted(runtime: Runtime, ce: CE, driver: Guard, listing: Listing) -> int:
    """Ask the CE to end the jobs that ought not to be there; tell how many it accepted."""
    with runtime.database.uow() as tx:
        unwanted = _compare(tx, ce, listing).unwanted()
    return sum(answer.accepted for answer in driver.cancel(unwanted))


def _settle(
    tx: Transaction, runtime: Runtime, ce: CE, listing: Listing, cancelled: int
) -> TaskResult:
    now = runtime.now()
    found = _compare(tx, ce, listing)
    adopted = [move_to(pilot, job, now, now) for pilot, job in found.returning if job.status]
    misses, given_up = _missing(tx, runtime, ce, listing, found.listed)
    moved = mover.move(tx, [*adopted, *given_up], now)
    pilots.checked(tx, misses, now)
    came_back = moved.moved & {move.pilot_id for move in adopted}
    return TaskResult(
        counts={
            "listed": len(found.listed),
            "adopted": len(came_back),
            "given up": len(moved.moved) - len(came_back),
            "strangers": len(found.strangers),
            "leftovers": len(found.leftovers),
            "doubles": len(found.doubles),
            **({"cancelled": cancelled} if ce.cancel_strangers else {}),
        },
        lines=_lines(found),
    )


def _compare(tx: Transaction, ce: CE, listing: Listing) -> Comparison:
    known = pilot_reads.by_stamps(tx, {job.stamp for job in listing.jobs})
    return compare(ce.name, listing, known)


def _lines(found: Comparison) -> tuple[str, ...]:
    lines = [
        *(f"the CE has a job of a stamp that nobody knows: {job.stamp}" for job in found.strangers),
        *(
            f"the CE still has the job of pilot {pilot.id}, which is {pilot.status} here"
            for pilot, _ in found.leftovers
        ),
        *(f"the CE has the stamp {job.stamp} twice" for job in found.doubles),
    ]
    return tuple(lines[:SHOWN])


def _missing(
    tx: Transaction, runtime: Runtime, ce: CE, listing: Listing, listed: frozenset[str]
) -> tuple[list[Check], list[Move]]:
    """Count a miss for each pilot in doubt that a complete and young listing lacks."""
    delay = timedelta(seconds=runtime.options(ce).visibility_delay)
    misses, given_up = [], []
    for pilot in pilot_reads.in_doubt(tx, ce.name):
        if pilot.stamp in listed or pilot.claimed_at is None or not covers(listing, pilot):
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

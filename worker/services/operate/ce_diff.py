"""diff: what a CE has and the database lacks, and the reverse; adopted or cancelled on request.

Asking is one call. A request takes the lease, acts, and records like the tasks that run by
themselves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from worker.backends.guard import Guard
from worker.db import ces, health, mover, pilot_reads, pilots, vos
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.ce_answers import Listing, Observed
from worker.domain.errors import BackendError, CalledElsewhere, ConfirmationNeeded
from worker.domain.pilot import Pilot, Status
from worker.services import ce_calls
from worker.services.runtime import Runtime
from worker.services.tasks.check_pilots import move_to
from worker.services.tasks.comparison import Comparison, compare, covers

ENDED_HERE = "ended in our database, still alive at the CE"
NEXT_CHECK = "the next check will record it"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One job or pilot about which the CE and the database do not agree."""

    stamp: str
    pilot_id: int | None
    here: Status | None
    there: str | None
    handle: str | None
    ce: str | None
    what: str


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What differs, and what was done about it. `expected` is what the next check will record."""

    complete: bool
    differences: list[Difference]
    expected: list[Difference]
    adopted: int = 0
    cancelled: int = 0


def diff(
    runtime: Runtime, ce_name: str, *, adopt_for: str | None = None, cancel: bool = False, yes: bool
) -> Compared:
    """Compare a CE with the database; adopt its unknown jobs for a VO, or cancel what is unwanted.

    Adoption comes first, so both together cancel only what could not be adopted.
    """
    with runtime.database.uow() as tx:
        ce = ces.get(tx, ce_name)
        if adopt_for is not None:
            vos.get(tx, adopt_for)
        driver = runtime.driver(ce)
        hindrance = ce_calls.hindrance(tx, runtime, ce, runtime.now())
    if hindrance:
        raise CalledElsewhere(f"CE {ce_name}")
    try:
        return _ask(runtime, ce, driver, adopt_for, cancel=cancel, yes=yes)
    except BackendError as error:
        with runtime.database.uow() as tx:
            ce_calls.failed(tx, runtime, ce_name, error)
        raise
    finally:
        ce_calls.let_go(runtime, ce_name)


def _ask(
    runtime: Runtime, ce: CE, driver: Guard, adopt_for: str | None, *, cancel: bool, yes: bool
) -> Compared:
    listing = driver.find()
    with runtime.database.uow() as tx:
        health.call_answered(tx, ce.name, runtime.now())
        found, differences = _differences(tx, runtime, ce, listing)
    _insist_on_yes(found, adopt_for, cancel=cancel, yes=yes)
    with runtime.database.uow() as tx:
        adopted = _adopt(tx, runtime, ce, found, adopt_for) if adopt_for is not None else set()
    unwanted = [job for job in found.unwanted() if job.stamp not in adopted] if cancel else []
    answers = driver.cancel(unwanted)
    return Compared(
        complete=listing.complete,
        differences=[one for one in differences if one.what != NEXT_CHECK],
        expected=[one for one in differences if one.what == NEXT_CHECK],
        adopted=len(adopted),
        cancelled=sum(answer.accepted for answer in answers),
    )


def _insist_on_yes(found: Comparison, adopt_for: str | None, *, cancel: bool, yes: bool) -> None:
    adopting = len(found.strangers) + len(found.returning) if adopt_for is not None else 0
    cancelling = len(found.unwanted()) if cancel else 0
    if adopting + cancelling and not yes:
        would = f"this would adopt {adopting} and cancel up to {cancelling} jobs"
        raise ConfirmationNeeded(would, "say --yes if you mean it")


def _adopt(
    tx: Transaction, runtime: Runtime, ce: CE, found: Comparison, vo: str | None
) -> set[str]:
    """Take in the jobs that nobody knows, and take pilots in doubt for what the CE says."""
    now = runtime.now()
    by_vo: dict[str, list[Observed]] = {}
    for job in found.strangers:
        by_vo.setdefault(job.vo or str(vo), []).append(job)
    stamps = [job.stamp for job in found.strangers]
    for owner, jobs in by_vo.items():
        pilots.take_in(tx, [job.stamp for job in jobs], owner, ce.name, now)
    taken = pilot_reads.by_stamps(tx, stamps)
    moves = [
        *(move_to(taken[job.stamp], job, now, now) for job in found.strangers),
        *(move_to(pilot, job, now, now) for pilot, job in found.returning if job.status),
    ]
    mover.move(tx, moves, now)
    return {*stamps, *(pilot.stamp for pilot, _ in found.returning)}


def _differences(
    tx: Transaction, runtime: Runtime, ce: CE, listing: Listing
) -> tuple[Comparison, list[Difference]]:
    known = pilot_reads.by_stamps(tx, {job.stamp for job in listing.jobs})
    found = compare(ce.name, listing, known)
    said = {job.stamp: job for job in listing.jobs}
    delay = timedelta(seconds=runtime.options(ce).visibility_delay)
    ours = [
        pilot
        for pilot in pilot_reads.at_ce(tx, ce.name)
        if pilot.stamp in said or not _is_too_new(pilot, listing, delay)
    ]
    return found, [
        *(_of_job(job, "nobody here knows its stamp") for job in found.strangers),
        *(_of_job(job, "the CE has its stamp twice") for job in found.doubles),
        *(_of_both(p, job, ENDED_HERE) for p, job in found.leftovers),
        *(_of_both(p, job, "not recorded here yet") for p, job in found.returning),
        *(_of_other_ce(p, job) for p, job in found.foreign),
        *_ours(ours, said, listing),
    ]


def _ours(
    ours: Sequence[Pilot], said: dict[str, Observed], listing: Listing
) -> Iterator[Difference]:
    """Find the pilots that the CE should have and has not, or has in another status."""
    for pilot in ours:
        job = said.get(pilot.stamp)
        if job is None and covers(listing, pilot):
            yield Difference(
                stamp=pilot.stamp,
                pilot_id=pilot.id,
                here=pilot.status,
                there=None,
                handle=pilot.handle,
                ce=pilot.ce,
                what="not in the CE's listing",
            )
        elif job is not None and _moved_on(pilot, job):
            yield _of_both(pilot, job, NEXT_CHECK)


def _is_too_new(pilot: Pilot, listing: Listing, delay: timedelta) -> bool:
    """Tell whether a pilot was sent so lately that the CE need not list it yet."""
    sent_at = pilot.submitted_at or pilot.claimed_at
    return sent_at is not None and listing.as_of <= sent_at + delay


def _moved_on(pilot: Pilot, job: Observed) -> bool:
    doubtful = pilot.status is Status.SUBMITTING
    return not doubtful and job.status not in (None, pilot.status)


def _of_job(job: Observed, what: str) -> Difference:
    return Difference(
        stamp=job.stamp,
        pilot_id=None,
        here=None,
        there=job.raw or job.status,
        handle=job.handle,
        ce=job.ce,
        what=what,
    )


def _of_other_ce(pilot: Pilot | None, job: Observed) -> Difference:
    """Show a job that only the other CE may adopt or end."""
    what = "of another CE, which has no living pilot for it"
    return _of_job(job, what) if pilot is None else _of_both(pilot, job, what)


def _of_both(pilot: Pilot, job: Observed, what: str) -> Difference:
    return Difference(
        stamp=pilot.stamp,
        pilot_id=pilot.id,
        here=pilot.status,
        there=job.raw or job.status,
        handle=job.handle,
        ce=pilot.ce,
        what=what,
    )

"""diff: compare the jobs of a CE with the pilots in the database; adopt or cancel on request.

Like the periodic tasks, it takes the turn of the CE, calls it, and records the answer.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from worker.db import ces, mover, pilot_reads, pilots, vos
from worker.db.changes import note
from worker.db.uow import Transaction
from worker.domain.ce_answers import Job, Listing, Observed
from worker.domain.errors import BackendError, CalledElsewhere, ConfirmationNeeded
from worker.domain.pilot import Pilot, Status
from worker.policy.comparison import Comparison, compare, covers
from worker.policy.judgement import move_to
from worker.policy.use import NO_RULES
from worker.services import ce_calls, vo_work
from worker.services.ce_calls import CECall
from worker.services.runtime import Runtime, TaskResult

ENDED_HERE = "ended in our database, still alive at the CE"
NEXT_CHECK = "the next check will record it"
OF_ANOTHER_CE = "of another CE, which has no living pilot for it"
"""Only that other CE may adopt or end the job."""


@dataclass(frozen=True, kw_only=True)
class JobDifference:
    """A job or pilot about which the CE and the database disagree."""

    stamp: str
    pilot_id: int | None
    here: Status | None
    there: str | None
    handle: str | None
    ce: str | None
    what: str


@dataclass(frozen=True, kw_only=True)
class CEDiff:
    """The differences, and what was done about them. The next check settles those in `expected`."""

    complete: bool
    differences: list[JobDifference]
    expected: list[JobDifference]
    adopted: int = 0
    cancelled: int = 0


def diff(
    runtime: Runtime, ce_name: str, *, adopt_for: str | None = None, cancel: bool = False, yes: bool
) -> CEDiff:
    """Compare a CE with the database; adopt its unknown jobs for a VO, or cancel what is unwanted.

    Adoption comes first, so both together cancel only what could not be adopted.
    """
    with runtime.database.uow() as tx:
        ce = ces.get(tx, ce_name)
        if adopt_for is not None:
            vos.get(tx, adopt_for)
        call = ce_calls.begin(tx, runtime, ce)
    if isinstance(call, TaskResult):
        raise CalledElsewhere(f"CE {ce_name}")
    with call:
        try:
            return _ask(call, adopt_for, cancel=cancel, yes=yes)
        except BackendError as error:
            with runtime.database.uow() as tx:
                call.failed(tx, error)
            raise


def _ask(call: CECall, adopt_for: str | None, *, cancel: bool, yes: bool) -> CEDiff:
    uow = call.runtime.database.uow
    listing = call.driver.find()
    with uow() as tx:
        call.note_answer(tx)
        comparison, differences = _differences(tx, call, listing)
    _insist_on_yes(comparison, adopt_for, cancel=cancel, yes=yes)
    adopted: set[str] = set()
    unwanted: list[Job] = []
    if adopt_for is not None or cancel:
        with uow() as tx:
            # Another execution that has got the turn may adopt these jobs, too.
            if not call.extend(tx):
                raise CalledElsewhere(f"CE {call.ce.name}")
            if adopt_for is not None:
                adopted = _adopt(tx, call, comparison, adopt_for)
            if cancel:
                unwanted = [job for job in comparison.unwanted() if job.stamp not in adopted]
            _note(tx, call, adopted, unwanted, adopt_for)
    answers = [] if call.is_over else call.driver.cancel(unwanted)
    return CEDiff(
        complete=listing.complete,
        differences=[difference for difference in differences if difference.what != NEXT_CHECK],
        expected=[difference for difference in differences if difference.what == NEXT_CHECK],
        adopted=len(adopted),
        cancelled=sum(answer.accepted for answer in answers),
    )


def _note(
    tx: Transaction,
    call: CECall,
    adopted: Collection[str],
    unwanted: Collection[Job],
    vo: str | None,
) -> None:
    if adopted or unwanted:
        after = {"adopted": len(adopted), "to_cancel": len(unwanted), "vo": vo}
        note(tx, "ce", call.ce.name, "diff", after=after)


def _insist_on_yes(
    comparison: Comparison, adopt_for: str | None, *, cancel: bool, yes: bool
) -> None:
    adopting = len(comparison.strangers) + len(comparison.returning) if adopt_for is not None else 0
    cancelling = len(comparison.unwanted()) if cancel else 0
    if adopting + cancelling and not yes:
        would = f"this would adopt {adopting} and cancel up to {cancelling} jobs"
        raise ConfirmationNeeded(would)


def _adopt(tx: Transaction, call: CECall, comparison: Comparison, vo: str) -> set[str]:
    """Make pilots of unknown jobs, and give pilots in doubt the status that the CE reports.

    Return the stamps of all these.
    """
    now, ce = call.runtime.now(), call.ce
    by_vo: dict[str, list[Observed]] = {}
    for job in comparison.strangers:
        by_vo.setdefault(job.vo or vo, []).append(job)
    stamps = [job.stamp for job in comparison.strangers]
    for owner, jobs in by_vo.items():
        pilots.take_in(tx, [job.stamp for job in jobs], owner, ce.name, now)
    taken = pilot_reads.by_stamps(tx, stamps)
    rules = vo_work.rules(tx, call.runtime.parameters)
    moves = [
        move_to(pilot, job, now, now, rules.get(pilot.vo, NO_RULES))
        for pilot, job in (
            *((taken[job.stamp], job) for job in comparison.strangers),
            *((pilot, job) for pilot, job in comparison.returning if job.status),
        )
    ]
    theirs = [*taken.values(), *(pilot for pilot, _ in comparison.returning)]
    mover.move(tx, vo_work.judged_by_reports(tx, moves, theirs, rules), now)
    return {*stamps, *(pilot.stamp for pilot, _ in comparison.returning)}


def _differences(
    tx: Transaction, call: CECall, listing: Listing
) -> tuple[Comparison, list[JobDifference]]:
    ce = call.ce
    by_stamp = pilot_reads.by_stamps(tx, {job.stamp for job in listing.jobs})
    comparison = compare(ce.name, listing, by_stamp)
    listed = {job.stamp: job for job in listing.jobs}
    delay = timedelta(seconds=call.options.visibility_delay)
    ours = [
        pilot
        for pilot in pilot_reads.may_be_at_ce(tx, ce.name)
        if pilot.stamp in listed or not _is_too_new(pilot, listing, delay)
    ]
    return comparison, [
        *(_of_job(job, "no pilot has its stamp") for job in comparison.strangers),
        *(_of_job(job, "a second job at the CE with its stamp") for job in comparison.doubles),
        *(_of_job(job, ENDED_HERE, p) for p, job in comparison.leftovers),
        *(_of_job(job, "not recorded in the database yet", p) for p, job in comparison.returning),
        *(_of_job(job, OF_ANOTHER_CE, p) for p, job in comparison.foreign),
        *_ours(ours, listed, listing),
    ]


def _ours(
    ours: Sequence[Pilot], listed: dict[str, Observed], listing: Listing
) -> Iterator[JobDifference]:
    """Yield the pilots that the CE should list and does not, or lists with another status."""
    for pilot in ours:
        job = listed.get(pilot.stamp)
        if job is None and covers(listing, pilot):
            yield JobDifference(
                stamp=pilot.stamp,
                pilot_id=pilot.id,
                here=pilot.status,
                there=None,
                handle=pilot.handle,
                ce=pilot.ce,
                what="not in the CE's listing",
            )
        elif job is not None and _moved_on(pilot, job):
            yield _of_job(job, NEXT_CHECK, pilot)


def _is_too_new(pilot: Pilot, listing: Listing, delay: timedelta) -> bool:
    """Return whether a pilot was sent so recently that a listing may not show it yet."""
    sent_at = pilot.submitted_at or pilot.claimed_at
    return sent_at is not None and listing.as_of <= sent_at + delay


def _moved_on(pilot: Pilot, job: Observed) -> bool:
    doubtful = pilot.status is Status.SUBMITTING
    return not doubtful and job.status not in (None, pilot.status)


def _of_job(job: Observed, what: str, pilot: Pilot | None = None) -> JobDifference:
    return JobDifference(
        stamp=job.stamp,
        pilot_id=None if pilot is None else pilot.id,
        here=None if pilot is None else pilot.status,
        there=job.raw or job.status,
        handle=job.handle,
        ce=job.ce if pilot is None else pilot.ce,
        what=what,
    )

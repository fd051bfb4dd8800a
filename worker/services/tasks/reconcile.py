"""reconcile: list the jobs of a CE by stamp, and settle every pilot in doubt.

Claim the right to call (committed), call, record (committed). A pilot in doubt or lost whose stamp
is listed gets the status that the CE reports. A pilot in doubt whose stamp is not listed is given
up only after two complete listings, both taken when it should have been visible. Unwanted jobs are
reported; after the record they are cancelled if the operator has chosen so for the CE and it is not
held. Then the driver may remove what pilots left behind at the CE. Both are done only while the
turn of this execution lasts: after it somebody else may have adopted these jobs.

After a restore, a CE may be resumed after the first complete listing without a stranger.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from worker.db import ces, credentials, health, pilot_reads
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.ce_answers import Job, Listing
from worker.domain.errors import BackendError
from worker.domain.lines import short_line
from worker.domain.schedule import Outcome
from worker.policy.comparison import Comparison, compare
from worker.policy.judgement import judge_missing, move_to
from worker.policy.use import NO_RULES
from worker.services import ce_calls, records, vo_work
from worker.services.ce_calls import CECall
from worker.services.records import Recording
from worker.services.runtime import Runtime, TaskResult

SHOWN = 20
"""How many unwanted jobs one execution names at most."""


def reconcile(runtime: Runtime, ce_name: str) -> TaskResult:
    """Compare the jobs of a CE with the pilots in the database."""
    with runtime.database.uow() as tx:
        ce = ces.get(tx, ce_name)
        ce_health = health.get(tx, ce_name)
        # An operator who holds a CE wants to look at its jobs first.
        cancels = ce.cancel_strangers and not ce_health.is_held(runtime.now())
        call = ce_calls.begin(tx, runtime, ce)
    if isinstance(call, TaskResult):
        return call
    with call:
        return _reconcile(call, cancels=cancels, restored=ce_health.unreconciled_since is not None)


def plan(runtime: Runtime, ce_name: str) -> TaskResult:
    """Return what `reconcile` would settle; change nothing and call no CE."""
    with runtime.database.uow() as tx:
        ces.get(tx, ce_name)
        return TaskResult(counts={"in doubt": len(pilot_reads.in_doubt(tx, ce_name))})


def _reconcile(call: CECall, *, cancels: bool, restored: bool) -> TaskResult:
    try:
        listing = call.driver.find()
    except BackendError as error:
        with call.runtime.database.uow() as tx:
            return call.failed(tx, error)
    is_tidied = listing.complete and call.driver.tidies

    def write(tx: Transaction, recording: Recording) -> tuple[list[Job], TaskResult]:
        comparison, result = _settle(tx, call, listing, recording)
        if restored:
            lines = _settle_restore(tx, call, listing, comparison)
            result = replace(result, lines=(*lines, *result.lines))
        # Like every call, a cancellation is about one batch; the next execution continues.
        unwanted = comparison.unwanted()[: call.runtime.batch] if cancels else []
        call.note_answer(tx)
        if not (unwanted or is_tidied):
            call.give_back(tx)
        elif not call.extend(tx):
            unwanted = []
        return unwanted, result

    unwanted, result = records.record(call.runtime, write)
    if cancels:
        result = _cancel(call, [] if call.is_over else unwanted, result)
    may_tidy = is_tidied and result.outcome is Outcome.OK and not call.is_over
    return _tidy(call, result) if may_tidy else result


def _cancel(call: CECall, unwanted: Sequence[Job], result: TaskResult) -> TaskResult:
    """Ask the CE to end jobs. The record is already committed, so a failure does not undo it."""
    try:
        cancelled = sum(answer.accepted for answer in call.driver.cancel(unwanted))
    except BackendError as error:
        with call.runtime.database.uow() as tx:
            return call.failed(tx, error, result.counts)
    return replace(result, counts={**result.counts, "cancelled": cancelled})


def _tidy(call: CECall, result: TaskResult) -> TaskResult:
    """Let the driver remove what is no longer needed at the CE. An error here is no failure."""
    try:
        call.driver.tidy()
    except BackendError as error:
        return replace(result, lines=(*result.lines, f"not tidied: {error}"))
    return result


def _settle(
    tx: Transaction, call: CECall, listing: Listing, recording: Recording
) -> tuple[Comparison, TaskResult]:
    now = call.runtime.now()
    comparison = _compare(tx, call.ce, listing)
    rules = vo_work.rules(tx, call.runtime.parameters) if comparison.returning else {}
    adopted = [
        move_to(pilot, job, now, now, rules.get(pilot.vo, NO_RULES))
        for pilot, job in comparison.returning
        if job.status
    ]
    missing = judge_missing(
        pilot_reads.in_doubt(tx, call.ce.name),
        listing,
        visibility_delay=timedelta(seconds=call.options.visibility_delay),
    )
    returning = [pilot for pilot, _ in comparison.returning]
    judged = vo_work.judged_by_reports(tx, adopted, returning, rules)
    moved = recording.move(tx, [*judged, *missing.moves], now)
    recording.checked(tx, missing.checks, now)
    came_back = moved.moved & {move.pilot_id for move in adopted}
    return comparison, TaskResult(
        counts={
            "listed": len(comparison.listed),
            "adopted": len(came_back),
            "given up": len(moved.moved) - len(came_back),
            "strangers": len(comparison.strangers),
            "leftovers": len(comparison.leftovers),
            "doubles": len(comparison.doubles),
        },
        lines=(*recording.lines(), *_lines(comparison)),
    )


def _settle_restore(
    tx: Transaction, call: CECall, listing: Listing, comparison: Comparison
) -> tuple[str, ...]:
    """Allow that a restored CE is resumed; or return a line that says why not yet."""
    own = {one.vo for one in credentials.get_all(tx, [call.ce.backend]) if one.vo is not None}
    hidden = set() if listing.vos is None else own - listing.vos
    if not listing.complete:
        why = "its listing was not complete"
    elif hidden:
        why = f"its listing did not include the jobs of VO {', '.join(sorted(hidden))}"
    elif comparison.strangers:
        name = call.ce.name
        why = f"adopt its strangers first with: pilotage ce diff {name} --adopt --vo VO --yes"
    else:
        health.reconciled(tx, call.ce.name, listing.as_of)
        return ()
    return (short_line(f"the CE cannot be resumed yet after the restore: {why}"),)


def _compare(tx: Transaction, ce: CE, listing: Listing) -> Comparison:
    by_stamp = pilot_reads.by_stamps(tx, {job.stamp for job in listing.jobs})
    return compare(ce.name, listing, by_stamp)


def _lines(comparison: Comparison) -> tuple[str, ...]:
    lines = [
        *(f"the CE has a job with an unknown stamp: {job.stamp}" for job in comparison.strangers),
        *(
            f"the CE still has the job of pilot {pilot.id}, which is {pilot.status} here"
            for pilot, _ in comparison.leftovers
        ),
        *(f"the CE has the stamp {job.stamp} twice" for job in comparison.doubles),
    ]
    return tuple(lines[:SHOWN])

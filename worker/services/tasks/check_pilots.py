"""check_pilots: query a CE once for all pilots whose check is due, whatever their VO.

Claim the right to call (committed), ask, record (committed). An error, or an answer that leaves a
pilot out, changes no status. Other calls to the CE follow the record: to request cancellations
again, and to fetch the output of failed pilots.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from worker.db import ces, payloads, pilot_reads, pilots
from worker.db.mover import Moved
from worker.db.uow import Transaction
from worker.domain.ce_answers import Job, Observed
from worker.domain.errors import BackendError
from worker.domain.pilot import FINAL, PilotToCheck, Status
from worker.policy.judgement import Judgement, judge, judge_failed_call
from worker.policy.timeouts import may_finish_until
from worker.policy.use import UseRules
from worker.services import ce_calls, records, vo_work
from worker.services.ce_calls import CECall
from worker.services.records import Recording
from worker.services.runtime import Runtime, TaskResult, skipped
from worker.services.tasks import failure_output


def check_pilots(runtime: Runtime, ce_name: str) -> TaskResult:
    """Query a CE for the pilots that are due, and move them."""
    with runtime.database.uow() as tx:
        ce = ces.get(tx, ce_name)
        due = pilot_reads.due(tx, ce_name, runtime.now(), runtime.batch)
        if not due:
            return skipped("no check is due")
        call = ce_calls.begin(tx, runtime, ce)
        if isinstance(call, TaskResult):
            return call
        rules = vo_work.rules(tx, runtime.parameters)
        are_to_end = any(pilot.cancel_requested_at is not None for pilot in due)
        graces = payloads.graces(tx) if are_to_end else {}
    with call:
        return _check(call, due, rules, graces)


def plan(runtime: Runtime, ce_name: str) -> TaskResult:
    """Return what `check_pilots` would do now; change nothing and call no CE."""
    with runtime.database.uow() as tx:
        ces.get(tx, ce_name)
        due = pilot_reads.due(tx, ce_name, runtime.now(), runtime.batch)
    return TaskResult(counts={"would check": len(due)})


def _check(
    call: CECall,
    due: Sequence[PilotToCheck],
    rules: Mapping[str, UseRules],
    graces: Mapping[str, timedelta],
) -> TaskResult:
    soonest = timedelta(seconds=call.options.check_soonest)
    try:
        answers = call.driver.poll([Job.of(pilot) for pilot in due])
    except BackendError as error:
        return _record_failure(call, due, error, soonest)
    judgement = judge(
        due,
        answers,
        call.runtime.now(),
        soonest=soonest,
        latest=timedelta(seconds=call.options.check_latest),
        rules=rules,
    )
    unwanted = _unwanted(due, answers, graces, call.runtime.now())
    result, failed = _record(call, due, answers, judgement, rules, is_last=not unwanted)
    if unwanted and not call.is_over:
        # The answer to a cancellation says nothing about a pilot's status, so it is ignored. The
        # next check asks again.
        with suppress(BackendError):
            call.driver.cancel(unwanted)
    failure_output.keep(call, [pilot for pilot in due if pilot.id in failed], answers)
    return result


def _record(
    call: CECall,
    due: Sequence[PilotToCheck],
    answers: Sequence[Observed],
    judgement: Judgement,
    rules: Mapping[str, UseRules],
    *,
    is_last: bool,
) -> tuple[TaskResult, frozenset[int]]:
    """Record an answer; return the result, and which pilots failed.

    The turn is given back with the record, unless the CE is called again after it.
    """
    may_fetch = failure_output.is_wanted(call, judgement.moves)
    must_extend = may_fetch or not is_last

    def write(tx: Transaction, recording: Recording) -> tuple[Judgement, Moved, tuple[str, ...]]:
        is_ours = call.extend(tx) if must_extend else call.give_back(tx)
        valid = judgement if is_ours else judgement.without_absences()
        call.note_part(tx, len(due) - len(answers), len(due))
        now = call.runtime.now()
        # A pilot's last report is read only after its CE has reported its end, so it is the final
        # one.
        moves = vo_work.judged_by_reports(tx, valid.moves, due, rules)
        moved = recording.move(tx, moves, now)
        recording.checked(tx, valid.checks, now)
        _note_left_out(tx, call, due, recording)
        return valid, moved, recording.lines()

    valid, moved, left_out = records.record(call.runtime, write)
    missing = len(due) - len(answers)
    failed = {move.pilot_id for move in valid.moves if move.to is Status.FAILED} & moved.moved
    return TaskResult(
        counts={
            "checked": len(due),
            "moved": len(moved.moved),
            "missing": sum(check.missing for check in valid.checks),
            "unanswered": missing,
        },
        lines=(
            *((ce_calls.unanswered(missing, len(due)),) if missing else ()),
            *left_out,
            *_words_without_meaning(answers),
        ),
    ), frozenset(failed)


def _note_left_out(
    tx: Transaction, call: CECall, due: Sequence[PilotToCheck], recording: Recording
) -> None:
    """For pilots whose answer cannot be stored, note a check without an answer."""
    left_out = [pilot for pilot in due if pilot.id in recording.left_out]
    if left_out:
        soonest, now = timedelta(seconds=call.options.check_soonest), call.runtime.now()
        pilots.checked(tx, judge_failed_call(left_out, now, soonest=soonest), now)


def _record_failure(
    call: CECall, due: Sequence[PilotToCheck], error: BackendError, soonest: timedelta
) -> TaskResult:
    now = call.runtime.now()
    checks = judge_failed_call(due, now, soonest=soonest)
    with call.runtime.database.uow() as tx:
        pilots.checked(tx, checks, now)
        return call.failed(tx, error, {"unanswered": len(due)})


def _unwanted(
    due: Sequence[PilotToCheck],
    answers: Sequence[Observed],
    graces: Mapping[str, timedelta],
    now: datetime,
) -> list[Job]:
    """Return the jobs that are, or may be, alive though their cancellation was requested."""
    by_stamp = {answer.stamp: answer for answer in answers}
    return [
        Job.of(pilot, may_finish_until(pilot, graces.get(pilot.vo), now))
        for pilot in due
        if pilot.cancel_requested_at is not None and _is_to_end(pilot, by_stamp.get(pilot.stamp))
    ]


def _is_to_end(pilot: PilotToCheck, answer: Observed | None) -> bool:
    """Return whether a pilot that was asked to end is still to be ended.

    A job that the answer leaves out, or of which it says nothing that has a meaning, may be alive,
    and the CE may still be able to end it. But it may also have begun: a pilot that is to end
    because it waits is ended only if the answer says that it waits.
    """
    if pilot.cancel_if_waiting:
        return answer is not None and answer.status is Status.SUBMITTED
    return answer is None or not (answer.absent or answer.status in FINAL)


def _words_without_meaning(answers: Sequence[Observed]) -> tuple[str, ...]:
    words = sorted({str(a.raw) for a in answers if a.status is None and not a.absent})
    return tuple(f"the CE used an unknown status word: {word}" for word in words)

"""Pilots: list, show, read their output, and cancel."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from worker.backends.guard import Guard
from worker.db import ces, outputs, payloads, pilot_reads, pilot_reports, pilots
from worker.db.changes import note
from worker.db.pilot_search import restriction
from worker.db.uow import Transaction
from worker.domain.access import Role
from worker.domain.ce_answers import Job, Output
from worker.domain.errors import BackendError, ConfirmationNeeded, InUse, Unavailable
from worker.domain.pages import FIRST, Page, PageRequest
from worker.domain.pilot import AT_CE, FINAL, Cause, Pilot, Status, Transition, Use
from worker.domain.pilot_filter import ALL_PILOTS, PilotFilter
from worker.domain.pilot_report import PilotReport
from worker.domain.secrets import without_secrets
from worker.domain.texts import abridged
from worker.domain.values import Seconds
from worker.policy.timeouts import may_finish_until
from worker.services import ce_calls
from worker.services.allowed import allowed_to, require_vo
from worker.services.operate.naming import pilots_named
from worker.services.places import require_places
from worker.services.runtime import Runtime, TaskResult

PAUSES = (1.0, 3.0)
"""Seconds to wait before each further attempt to fetch the output of a pilot."""
ASKED_FOR = "asked for"
"""The reason of a cancellation by an operator."""
LONGEST = 1 << 20
"""How many characters of output are shown at most."""


@dataclass(frozen=True, kw_only=True)
class ShownPilot:
    """A pilot, how old it is, and how long it waited and ran."""

    id: int
    stamp: str
    vo: str
    ce: str
    status: Status
    cause: Cause | None
    use: Use | None
    handle: str | None
    raw: str | None
    reason: str | None
    exit_code: int | None
    node: str | None
    attempts: int
    misses: int
    requeues: int
    reserved_at: datetime
    claimed_at: datetime | None
    submitted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    checked_at: datetime | None
    missing_since: datetime | None
    next_check_at: datetime | None
    cancel_requested_at: datetime | None
    cancel_reason: str | None
    updated_at: datetime
    age: Seconds
    """The time since its slot was reserved."""
    wait: Seconds | None
    """The time at its CE until it started or ended."""
    run_time: Seconds | None


@dataclass(frozen=True, kw_only=True)
class PilotDetails(ShownPilot):
    """A pilot with its history and its last pilot report."""

    report: PilotReport | None
    history: list[Transition]


@allowed_to(Role.READ)
def list_pilots(
    runtime: Runtime, chosen: PilotFilter = ALL_PILOTS, *, page: PageRequest = FIRST
) -> Page[ShownPilot]:
    """List the pilots that match a filter now.

    They can be sorted by `id` or `ended_at`; active pilots also by `age`, `wait`, `run_time`,
    `status`, `reserved_at`, `submitted_at` or `started_at`.
    """
    now = runtime.now()
    with runtime.database.uow() as tx:
        require_places(tx, chosen.ce, chosen.vo)
        listed = pilot_reads.find(tx, asked=page, now=now, **chosen.values())
    return Page([ShownPilot(**_values(pilot, now)) for pilot in listed.items], listed.next)


def restricted_to(sort: str | None) -> frozenset[Status]:
    """Return the statuses of the pilots for which a sort order is possible; empty if for all."""
    return restriction(sort, ())


@allowed_to(Role.READ)
def show_pilot(runtime: Runtime, which: str, *, ce: str | None = None) -> PilotDetails:
    """Show a pilot with its history.

    `which` is its number, its stamp or the beginning of it, or its id at the CE.
    """
    now = runtime.now()
    with runtime.database.uow() as tx:
        [pilot] = pilots_named(tx, [which], now, ce)
        history = pilot_reads.history(tx, pilot.id)
        report = pilot_reports.get(tx, pilot.id)
    return PilotDetails(**_values(pilot, now), report=report, history=history)


def _values(pilot: Pilot, now: datetime) -> dict[str, Any]:
    lengths = {"age": pilot.age(now), "wait": pilot.wait(now), "run_time": pilot.run_time(now)}
    return {**pilot._asdict(), **lengths}


@dataclass(frozen=True, kw_only=True)
class Written:
    """The output of a pilot, from its CE; or the end of the output, kept when the pilot failed."""

    text: str
    truncated: bool = False
    kept_at: datetime | None = None


@allowed_to(Role.READ)
def output(
    runtime: Runtime, which: str, *, ce: str | None = None, tail: int | None = None
) -> Written:
    """Fetch the output of a pilot, as far as its CE keeps it: all, or its last lines.

    If the CE cannot be reached, the call is repeated a few times. If the CE gives no output, the
    end of it that was kept when the pilot failed is returned, if there is one.
    """
    return read_output(runtime, which, ce=ce, tail=tail)


def read_output(
    runtime: Runtime,
    which: str,
    *,
    ce: str | None = None,
    tail: int | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Written:
    with runtime.database.uow() as tx:
        [pilot] = pilots_named(tx, [which], runtime.now(), ce)
        place = ces.get(tx, pilot.ce)
        kept = outputs.get(tx, pilot.id)
    if pilot.handle is None:
        raise InUse(f"pilot {pilot.id}", f"it is {pilot.status} and the CE has no output of it")
    try:
        answer = _fetch(runtime.driver(place), Job.of(pilot), pause)
    except BackendError:
        if kept is None:
            raise
        answer = Output(text="")
    if kept is not None and not answer.text:
        end = bounded(Output(text=without_secrets(kept.text), truncated=True), tail)
        return Written(text=end.text, truncated=end.truncated, kept_at=kept.kept_at)
    whole = bounded(answer, tail)
    return Written(text=whole.text, truncated=whole.truncated)


def _fetch(driver: Guard, job: Job, pause: Callable[[float], None]) -> Output:
    for wait in PAUSES:
        try:
            return driver.output(job)
        except Unavailable:
            pause(wait)
    return driver.output(job)


def bounded(whole: Output, tail: int | None) -> Output:
    """Shorten an output: to its last lines, or by removing the middle of a very long text."""
    text = whole.text
    if tail is not None:
        lines = text.splitlines(keepends=True)
        kept = "".join(lines[-tail:]) if tail else ""
        return Output(text=kept[-LONGEST:], truncated=whole.truncated or kept != text)
    if len(text) <= LONGEST:
        return whole
    half = LONGEST // 2
    cut = abridged(text[:half], len(text) - 2 * half, text[-half:], "characters")
    return Output(text=cut, truncated=True)


@allowed_to(Role.OPERATE, for_one_vo=True)
def cancel(
    runtime: Runtime, which: Sequence[str], *, yes: bool = True, ce: str | None = None
) -> TaskResult:
    """End pilots: unsent ones at once, the others by their CE, in one call for each CE.

    The request is stored before the CE is called. If the CE cannot be called now, each check of the
    pilot asks it again; a check also records the result.
    """
    with runtime.database.uow() as tx:
        by_id = {pilot.id: pilot for pilot in pilots_named(tx, which, runtime.now(), ce)}
        for vo in {pilot.vo for pilot in by_id.values()}:
            require_vo(runtime, vo)
        if not yes:
            lost = f"this would cancel pilot {', '.join(map(str, by_id))}"
            raise ConfirmationNeeded(lost)
        unsent = [pilot.id for pilot in by_id.values() if pilot.status is Status.RESERVED]
        cancelled = pilots.cancel_reserved(tx, unsent, ASKED_FOR, runtime.now())
        pilots.request_cancel(tx, dict.fromkeys(by_id, ASKED_FOR), runtime.now())
        _note_cancel(tx, which, ce, [p for p in by_id.values() if p.status not in FINAL])
    at_ces: dict[str, list[Pilot]] = {}
    for pilot in by_id.values():
        if pilot.handle is not None and pilot.status in AT_CE:
            at_ces.setdefault(pilot.ce, []).append(pilot)
    answers = {name: _ask(runtime, name, theirs) for name, theirs in at_ces.items()}
    lines = [f"{name}: {answer}" for name, answer in answers.items() if isinstance(answer, str)]
    return TaskResult(
        counts={
            "cancelled": cancelled,
            "asked": sum(answer for answer in answers.values() if isinstance(answer, int)),
            "over already": sum(pilot.status in FINAL for pilot in by_id.values()),
        },
        lines=tuple(lines),
    )


def _note_cancel(
    tx: Transaction, which: Sequence[str], ce: str | None, chosen: Sequence[Pilot]
) -> None:
    """Record the cancellation as one change: how many pilots, and how they were named."""
    if chosen:
        name = str(chosen[0].id) if len(chosen) == 1 else f"{len(chosen)} pilots"
        after = {"count": len(chosen), "named": which, "ce": ce}
        note(tx, "pilot", name, "cancel", after=after)


def _ask(runtime: Runtime, ce_name: str, theirs: Sequence[Pilot]) -> int | str:
    """Ask a CE to end pilots; return how many it accepted, or why it could not be asked."""
    numbers = [pilot.id for pilot in theirs]
    with runtime.database.uow() as tx:
        call = ce_calls.begin(tx, runtime, ces.get(tx, ce_name))
        if isinstance(call, TaskResult):
            pilots.check_soon(tx, numbers, runtime.now())
            return "; ".join(call.lines)
        graces, now = payloads.graces(tx), runtime.now()
    jobs = [Job.of(one, may_finish_until(one, graces.get(one.vo), now)) for one in theirs]
    with call:
        try:
            answers = call.driver.cancel(jobs)
        except BackendError as error:
            with runtime.database.uow() as tx:
                call.failed(tx, error)
            return str(error)
        with runtime.database.uow() as tx:
            pilots.check_soon(tx, numbers, runtime.now())
            call.answered(tx)
    return sum(answer.accepted for answer in answers)

"""`ce test`: a live check of a CE, from its options to the whole life of a pilot, in plain words.

Each step reports whether it succeeded, what was found, and what to do if it failed. Steps that
depend on a failed step are left out. Without a pilot, the stored state of the CE is not changed:
the test neither starts a back-off nor ends a pause. The pilot of a test is reserved, sent and
checked like any other: every limit holds, and the CE's answers count.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from worker.backends import credentials as files
from worker.backends.contract import Options
from worker.backends.guard import Guard
from worker.db import ces, credentials, health, pilot_reads, pilots, vos
from worker.db.changes import note
from worker.db.health import Health
from worker.domain.ce import CE
from worker.domain.ce_answers import Listing
from worker.domain.errors import (
    BackendError,
    CredentialProblem,
    DatabaseError,
    NotSetUp,
    PilotageError,
    Refused,
    Unavailable,
)
from worker.domain.lengths import in_two_units
from worker.domain.pilot import FINAL, Grant, Pilot, Status, Use
from worker.domain.sending import Sending
from worker.domain.why import why
from worker.services import ce_calls
from worker.services.closings import closed_without_policy
from worker.services.credentials import plain
from worker.services.operate import pilots as care
from worker.services.runtime import Runtime
from worker.services.tasks.check_pilots import check_pilots
from worker.services.tasks.dispatch import dispatch
from worker.services.tasks.reconcile import reconcile
from worker.services.turns import Turn

Answer = TypeVar("Answer")

LAST_LINES = 5
"""How many lines of a pilot's output are shown."""
TURN = 30.0
"""Seconds to wait while another execution calls the CE."""


@dataclass(frozen=True, kw_only=True)
class CETestStep:
    """One step of a check: its result, its finding, and advice. `ok` is `None` for progress."""

    name: str
    finding: str
    ok: bool | None = True
    do: str | None = None


@dataclass(frozen=True, kw_only=True)
class CETestRequest:
    """What to check."""

    vo: str | None = None
    pilot: bool = False
    patience: timedelta = timedelta(minutes=10)
    pause: Callable[[float], None] = time.sleep


def run_ce_test(runtime: Runtime, ce_name: str, request: CETestRequest) -> Iterator[CETestStep]:
    """Check a CE step by step; yield each step as soon as it is done."""
    with runtime.database.uow() as tx:
        ce, ce_health = ces.get(tx, ce_name), health.get(tx, ce_name)
        names = ces.allowed(tx, ce_name) or vos.names(tx)
        if request.vo is not None:
            vos.get(tx, request.vo)
    if request.vo is not None:
        names = [request.vo]
    yield _gate(ce, ce_health, runtime.now())
    try:
        options = runtime.options(ce)
        driver = runtime.driver(ce)
    except PilotageError as error:
        do = f"correct them: pilotage ce set {ce.name} --option KEY=VALUE"
        yield CETestStep(name="options", finding=str(error), ok=False, do=do)
        return
    yield CETestStep(name="options", finding=f"back-end {ce.backend}: they are valid")
    usable = []
    for step, vo in _credentials(runtime, ce, options, names):
        yield step
        usable += [vo] if step.ok else []
    if not usable:
        return
    reached = _hello(runtime, ce, driver, request)
    yield reached
    if not reached.ok:
        return
    yield _listing(runtime, ce, driver, request)
    if request.pilot:
        yield from _pilot(runtime, ce, usable[0], request)


def _gate(ce: CE, ce_health: Health, now: datetime) -> CETestStep:
    """Report the state of the CE. One in which it gets no pilots is no failure: the CE may work."""
    verb = None
    if not ce.enabled or ce.draining:
        state, verb = "disabled" if not ce.enabled else "draining", "enable"
    elif ce_health.is_held(now) or ce_health.sending is Sending.PAUSED:
        state, verb = f"{ce_health.sending} ({ce_health.sending_reason})", "resume"
    else:
        state = str(Sending.NORMAL)
    do = verb and f"to send pilots again: pilotage ce {verb} {ce.name}"
    return CETestStep(name="CE", finding=f"{ce.name} is {state}, capacity {ce.capacity}", do=do)


def _credentials(
    runtime: Runtime, ce: CE, options: Options, names: list[str]
) -> Iterator[tuple[CETestStep, str]]:
    kind = options.credential
    if kind is None:
        yield CETestStep(name="credential", finding="the CE needs none"), names[0]
        return
    with runtime.database.uow() as tx:
        stored = credentials.of_each_vo(tx, ce.backend, kind)
    answers = files.usable({vo: stored[vo] for vo in names}, ce.backend, kind, runtime.now())
    for vo, answer in answers.items():
        if isinstance(answer, Path):
            yield (
                CETestStep(
                    name="credential", finding=f"the {kind} of VO {vo} can be used: {answer}"
                ),
                vo,
            )
            continue
        do = f"renew it, or see: pilotage credential show {vo} {ce.backend}" if stored[vo] else None
        yield CETestStep(name="credential", finding=plain(answer), ok=False, do=do), vo


def _hello(runtime: Runtime, ce: CE, driver: Guard, request: CETestRequest) -> CETestStep:
    try:
        greeting = _alone(runtime, ce, driver.hello, request)
    except BackendError as error:
        return _failed("answer", error)
    return CETestStep(name="answer", finding=greeting)


def _listing(runtime: Runtime, ce: CE, driver: Guard, request: CETestRequest) -> CETestStep:
    try:
        listing = _alone(runtime, ce, driver.find, request)
    except BackendError as error:
        return _failed("listing", error)
    stamps = {job.stamp for job in listing.jobs}
    with runtime.database.uow() as tx:
        strangers = len(stamps - pilot_reads.by_stamps(tx, stamps).keys())
    finding = (
        f"{len(stamps)} jobs of this installation, {strangers} of them unknown to the database"
    )
    if not listing.complete:
        do = "no pilot is given up after such a listing; look at the CE if this lasts"
        return CETestStep(name="listing", finding=f"{finding}; it is not complete", ok=False, do=do)
    return CETestStep(name="listing", finding=f"{finding}{_covered(listing)}")


def _covered(listing: Listing) -> str:
    return "" if listing.vos is None else f"; of the VOs {', '.join(sorted(listing.vos)) or 'none'}"


def _alone(runtime: Runtime, ce: CE, call: Callable[[], Answer], request: CETestRequest) -> Answer:
    """Call a CE with its turn, so that no other execution calls it meanwhile."""
    name, waited = ce_calls.lease_name(ce.name), 0.0
    while True:
        with runtime.database.uow() as tx:
            turn = Turn.take(tx, runtime, name)
        if turn is not None:
            break
        if waited >= TURN:
            raise Unavailable(ce.name, "another execution is calling the CE; try again")
        request.pause(1)
        waited += 1
    with turn:
        return call()


def _failed(name: str, error: BackendError) -> CETestStep:
    return CETestStep(name=name, finding=str(error), ok=False, do=_advice(error))


def _advice(error: BackendError) -> str:
    if isinstance(error, CredentialProblem):
        return "see which credentials the CE accepts, and: pilotage credential list"
    if isinstance(error, NotSetUp):
        return error.advice
    if isinstance(error, Unavailable):
        return "check that its address is right, that it runs, and that this host can reach it"
    if isinstance(error, Refused):
        return "the CE refuses the call: see its reason, and the options of the CE"
    return "the answer of the CE is not understood: check its back-end and its version"


def _pilot(runtime: Runtime, ce: CE, vo: str, request: CETestRequest) -> Iterator[CETestStep]:
    """Follow one pilot from its reservation to its end."""
    with runtime.database.uow() as tx:
        made = pilots.reserve(tx, [Grant(vo=vo, ce=ce.name, count=1)], runtime.now())
        for pilot in made:
            note(tx, "ce", ce.name, "test", after={"pilot": pilot.pilot_id, "vo": vo})
        is_shut = vos.get(tx, vo).limit == 0
        closing = closed_without_policy(tx, vo, ce.name, runtime.now())
    if not made and closing is not None:
        yield CETestStep(name="pilot", finding=closing.sentence, ok=False)
        return
    if not made and is_shut:
        do = f"test for a VO that may have pilots: pilotage ce test {ce.name} --pilot --vo NAME"
        yield CETestStep(name="pilot", finding=f"the limit of VO {vo} is 0", ok=False, do=do)
        return
    if not made:
        finding = f"no slot of {ce.name} is free for VO {vo}"
        do = f"see why: pilotage plan --vo {vo}"
        yield CETestStep(name="pilot", finding=finding, ok=False, do=do)
        return
    pilot_id = made[0].pilot_id
    yield CETestStep(name="pilot", finding=f"{pilot_id} of VO {vo}: reserved", ok=None)
    try:
        yield from _follow(runtime, ce, pilot_id, request)
    except (BackendError, DatabaseError) as error:
        yield CETestStep(
            name="pilot", finding=f"{pilot_id}: {error}", ok=False, do=_again(pilot_id)
        )


def _follow(
    runtime: Runtime, ce: CE, pilot_id: int, request: CETestRequest
) -> Iterator[CETestStep]:
    give_up = runtime.now() + request.patience
    status = Status.RESERVED
    while True:
        hindered = _advance(runtime, ce, _get(runtime, pilot_id))
        pilot = _get(runtime, pilot_id)
        if pilot.status in FINAL:
            yield _end(runtime, pilot, request)
            return
        if pilot.status is not status:
            status = pilot.status
            yield CETestStep(name="pilot", finding=_in_words(pilot), ok=None)
        if pilot.status is Status.RESERVED and hindered:
            yield CETestStep(
                name="pilot", finding=f"{pilot_id}: {hindered}", ok=False, do=_again(pilot_id)
            )
            return
        if runtime.now() >= give_up:
            finding = f"{pilot_id} is still {pilot.status} after {in_two_units(request.patience)}"
            yield CETestStep(name="pilot", finding=finding, ok=False, do=_again(pilot_id))
            return
        request.pause(min(5.0, max(0.5, runtime.options(ce).check_soonest)))


def _advance(runtime: Runtime, ce: CE, pilot: Pilot) -> str | None:
    """Do for a pilot what its next task would do; return what prevented its submission."""
    if pilot.status is Status.RESERVED:
        done = dispatch(runtime, ce.name)
        return None if done.busy else "; ".join(done.lines) or None
    if pilot.status is Status.SUBMITTING:
        reconcile(runtime, ce.name)
        return None
    with runtime.database.uow() as tx:
        pilots.check_soon(tx, [pilot.id], runtime.now())
    check_pilots(runtime, ce.name)
    return None


def _end(runtime: Runtime, pilot: Pilot, request: CETestRequest) -> CETestStep:
    wrote = _wrote(runtime, pilot, request)
    finding = f"{_in_words(pilot)}; {wrote}"
    if pilot.status is Status.DONE:
        return CETestStep(name="pilot", finding=finding)
    return CETestStep(name="pilot", finding=finding, ok=False, do=_again(pilot.id))


def _wrote(runtime: Runtime, pilot: Pilot, request: CETestRequest) -> str:
    if pilot.handle is None:
        return "it wrote nothing, because it did not reach the CE"
    try:
        output = care.read_output(runtime, str(pilot.id), tail=LAST_LINES, pause=request.pause)
    except PilotageError as error:
        return f"its output cannot be read: {error}"
    lines = [line for line in output.text.splitlines() if line.strip()]
    return "\n".join(["the end of its output:", *lines]) if lines else "it wrote nothing"


def _in_words(pilot: Pilot) -> str:
    use = str(Use.EMPTY) if pilot.use is Use.EMPTY else None
    reasons = why(pilot.status, pilot.cause, pilot.raw, pilot.reason)
    words = ", ".join(filter(None, (use, *reasons)))
    return f"{pilot.id}: {pilot.status}{f' ({words})' if words else ''}"


def _again(pilot_id: int) -> str:
    return f"see its history: pilotage pilot show {pilot_id}"


def _get(runtime: Runtime, pilot_id: int) -> Pilot:
    with runtime.database.uow() as tx:
        return pilot_reads.get(tx, pilot_id)

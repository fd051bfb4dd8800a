"""Pilots, for those who look at them or end them."""

from collections.abc import Collection, Sequence
from typing import Any

from worker.backends.contract import Job
from worker.db import ces, pilots
from worker.db.database import Database
from worker.db.pages import Asked, Page
from worker.db.uow import Transaction
from worker.domain.errors import BackendError, ConfirmationNeeded, InUse
from worker.domain.pilot import Move, Pilot, Status, Transition
from worker.domain.schedule import Outcome
from worker.services.parts import Done, Parts


def list_pilots(
    database: Database,
    *,
    search: str | None = None,
    statuses: Collection[Status] = (),
    ce: str | None = None,
    vo: str | None = None,
    **asked: Any,
) -> Page[Pilot]:
    """List pilots: one page, asked for as `Asked` says."""
    with database.uow() as tx:
        return pilots.find(tx, search=search, statuses=statuses, ce=ce, vo=vo, asked=Asked(**asked))


def show_pilot(database: Database, which: str) -> tuple[Pilot, list[Transition]]:
    """Read a pilot, by its id or its stamp, with its history."""
    with database.uow() as tx:
        pilot = _get(tx, which)
        return pilot, pilots.history(tx, pilot.id)


def output(parts: Parts, which: str) -> str:
    """Fetch what a pilot wrote, as far as its CE keeps it."""
    with parts.database.uow() as tx:
        pilot = _get(tx, which)
        ce = ces.get(tx, pilot.ce)
    if pilot.handle is None:
        raise InUse(f"pilot {pilot.id}", f"it is {pilot.status} and the CE has no output of it")
    return parts.driver(ce).output(Job(stamp=pilot.stamp, handle=pilot.handle)).text


def cancel(parts: Parts, which: Sequence[str], *, yes: bool) -> Done:
    """End pilots: those not sent at once, those at a CE by asking it, a call for each CE.

    The wish is written down before the CE is asked; the next checks find out what came of it.
    """
    if not yes:
        raise ConfirmationNeeded(
            f"this would cancel {len(which)} pilots", "say --yes if you mean it"
        )
    now = parts.now()
    with parts.database.uow() as tx:
        found = [_get(tx, one) for one in which]
        unsent = [pilot.id for pilot in found if pilot.status is Status.RESERVED]
        moves = [Move(pilot_id=i, to=Status.CANCELLED, reason="asked for") for i in unsent]
        cancelled = pilots.move(tx, moves, now).moved
        pilots.request_cancel(tx, [pilot.id for pilot in found], now)
    at_ces: dict[str, list[Pilot]] = {}
    for pilot in found:
        if pilot.handle is not None and pilot.status in (Status.SUBMITTED, Status.RUNNING):
            at_ces.setdefault(pilot.ce, []).append(pilot)
    asked, lines = 0, []
    for ce, theirs in at_ces.items():
        try:
            asked += _ask(parts, ce, theirs)
        except BackendError as error:
            lines.append(f"{ce}: {error}")
    return Done(
        outcome=Outcome.FAILED if lines else Outcome.OK,
        counts={"cancelled": len(cancelled), "asked": asked},
        lines=tuple(lines),
    )


def _ask(parts: Parts, ce_name: str, theirs: Sequence[Pilot]) -> int:
    with parts.database.uow() as tx:
        ce = ces.get(tx, ce_name)
    jobs = [Job(stamp=pilot.stamp, handle=pilot.handle or "") for pilot in theirs]
    answers = parts.driver(ce).cancel(jobs)
    accepted = {answer.stamp for answer in answers if answer.accepted}
    with parts.database.uow() as tx:
        pilots.check_soon(tx, [p.id for p in theirs if p.stamp in accepted], parts.now())
    return len(accepted)


def _get(tx: Transaction, which: str) -> Pilot:
    if which.isdigit() and len(which) < 19:
        return pilots.get(tx, int(which))
    return pilots.get_by_stamp(tx, which)

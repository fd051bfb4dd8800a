"""Pilots for programs that use the API of DiracX: registration, reports, search and counts."""

from collections.abc import Mapping, Sequence
from typing import Any

from worker.db import dirac_pilots, dirac_search
from worker.db.changes import note
from worker.db.mover import move
from worker.db.uow import Transaction
from worker.domain import dirac
from worker.domain.access import Role
from worker.domain.dirac import Condition, PilotChange, Registration, Search, Section
from worker.domain.errors import IllegalMove, InUse, Invalid, UnknownPilot
from worker.domain.pilot import Move, Pilot, check_stamp
from worker.services.allowed import allowed_to, require_vo
from worker.services.closings import closed_without_policy
from worker.services.runtime import Runtime


@allowed_to(Role.OPERATE, for_one_vo=True)
def register(runtime: Runtime, new: Registration) -> int:
    """Register a pilot that another program sends; return its number.

    It holds a slot of its CE, so every limit holds as for a pilot that Pilotage sends. The name of
    its job at the CE must contain the stamp: after two complete listings without it, the pilot is
    Aborted. The given status and reference are only noted; both are taken from the CE.
    """
    require_vo(runtime, new.vo)
    check_stamp(new.stamp)
    with runtime.database.uow() as tx:
        why = closed_without_policy(tx, new.vo, new.ce, runtime.now())
        if why is not None:
            raise InUse(f"CE {new.ce}", f"it takes no pilots of VO {new.vo}: {why}")
        reason = f"registered by {tx.actor.who}"
        made = dirac_pilots.register(tx, new.stamp, new.vo, new.ce, reason, runtime.now())
        after = {
            "stamp": new.stamp,
            "vo": new.vo,
            "ce": new.ce,
            "status": str(new.status),
            "reference": new.reference,
            **new.more,
        }
        note(tx, "pilot", str(made), "register", after=after)
        return tx.answer(made)


@allowed_to(Role.OPERATE, for_one_vo=True)
def report(runtime: Runtime, changes: Mapping[str, PilotChange]) -> None:
    """Record what a program reports about pilots, by their stamps: of all of them, or of none.

    A reported status is accepted only if it frees no slot whose job may be alive. A reason stays
    until the CE reports something new about the pilot.
    """
    if len(changes) > dirac.MOST_CHANGED:
        raise Invalid("pilots", f"{len(changes)} are more than {dirac.MOST_CHANGED} at once")
    with runtime.database.uow() as tx:
        stored = dirac_pilots.lock(tx, changes)
        for stamp in changes:
            if stamp not in stored:
                raise UnknownPilot(stamp[:64])
        for vo in {pilot.vo for pilot in stored.values()}:
            require_vo(runtime, vo)
        pairs = [(stored[stamp], change) for stamp, change in changes.items()]
        _write(tx, runtime, pairs)


def _write(tx: Transaction, runtime: Runtime, pairs: Sequence[tuple[Pilot, PilotChange]]) -> None:
    moves: list[Move] = []
    reasons: dict[int, str] = {}
    for pilot, change in pairs:
        to_do = dirac.move_of(pilot, change, tx.actor.who)
        if to_do is not None:
            moves.append(to_do)
        elif change.reason is not None:
            reasons[pilot.id] = change.reason
        reason = change.reason if to_do is None else to_do.reason
        _note(tx, pilot, pilot.status if to_do is None else to_do.to, reason)
    refused = move(tx, moves, runtime.now()).refused
    if refused:
        raise IllegalMove(f"pilot {min(refused)}", "it has moved meanwhile")
    dirac_pilots.set_reasons(tx, reasons, runtime.now())


def _note(tx: Transaction, pilot: Pilot, status: str, reason: str | None) -> None:
    before = {"status": str(pilot.status), "reason": pilot.reason}
    after = {"status": str(status), "reason": pilot.reason if reason is None else reason}
    note(tx, "pilot", str(pilot.id), "report", before=before, after=after)


@allowed_to(Role.READ)
def search(runtime: Runtime, question: Search) -> Section:
    """Return a page of the pilots that match a search."""
    with runtime.database.uow() as tx:
        return dirac_search.search(tx, question)


@allowed_to(Role.READ)
def summary(
    runtime: Runtime, grouping: Sequence[str], conditions: Sequence[Condition]
) -> list[dict[str, Any]]:
    """Count the pilots that match a search, grouped by the values of some columns."""
    dirac.check_conditions(conditions)
    groups = dirac.check_grouping(grouping)
    with runtime.database.uow() as tx:
        return dirac_search.summary(tx, groups, conditions)

"""Pauses by hand and their end; maintenances, which are planned pauses."""

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from worker.db import ces, health, locks, maintenances, sending
from worker.db.maintenances import Maintenance
from worker.db.sending import SendingChange
from worker.db.uow import Transaction
from worker.domain.access import Role
from worker.domain.calls import sentence_of_calls
from worker.domain.errors import ConfirmationNeeded, Invalid
from worker.domain.pages import FIRST, Page, PageRequest
from worker.domain.sending import Sending
from worker.policy.learning import end_pause, evaluate
from worker.services.allowed import allowed_to
from worker.services.runtime import Runtime


@allowed_to(Role.OPERATE)
def pause(runtime: Runtime, ce: str, reason: str, until: datetime | None = None) -> None:
    """Send nothing to a CE, not even a probe, until somebody resumes it or a moment comes."""
    now = runtime.now()
    if not reason.strip():
        raise Invalid("reason", "give the reason, shown to others")
    if until is not None and until <= now:
        raise Invalid("until", f"{until:%Y-%m-%d %H:%M}Z is in the past")
    with runtime.database.uow() as tx:
        before, became = health.get(tx, ce), Sending.HELD
        if until is not None and before.unreconciled_since is not None:
            raise Invalid("until", _not_yet(ce, before.unreconciled_since))
        new = SendingChange(
            ce=ce,
            was=before.sending,
            became=became,
            reason=reason,
            by_hand=True,
            until=until,
            at=now,
        )
        sending.change(tx, new, reason, now)


@allowed_to(Role.OPERATE)
def resume(
    runtime: Runtime, ce: str, reason: str = "resumed by hand", *, force: bool = False
) -> None:
    """End a pause or a hold. Failures that would pause the CE again at once lose weight.

    After a restore a CE may have pilots that the database does not know. Such a CE can be resumed
    only after `reconcile` has looked for them, or with `force`.
    """
    now = runtime.now()
    with runtime.database.uow() as tx:
        # `learn` writes what it has read before: it would undo this, or this its lessons.
        locks.wait_for_lock(tx, "learn")
        before, configured = health.get(tx, ce), ces.get(tx, ce).success_rate
        if before.sending is Sending.NORMAL:
            raise Invalid(f"CE {ce}", "it is not paused")
        if before.unreconciled_since is not None:
            if not force:
                raise ConfirmationNeeded(_not_yet(ce, before.unreconciled_since), "or give --force")
            health.reconciled(tx, ce, now)
        parameters = runtime.parameters
        if (
            evaluate(before.learned, now=now, configured=configured, parameters=parameters).pause
            is not None
        ):
            learned = end_pause(
                before.learned, reason, now=now, configured=configured, parameters=parameters
            )
            health.save_learned(tx, ce, learned.state)
        new = SendingChange(
            ce=ce, was=before.sending, became=Sending.NORMAL, reason=reason, by_hand=True, at=now
        )
        sending.change(tx, new)


def _not_yet(ce: str, restored_at: datetime) -> str:
    return (
        f"the database was restored at {restored_at:%Y-%m-%d %H:%M}Z, and CE {ce} may have pilots "
        f"that are not in it: run 'pilotage task run reconcile --ce {ce} --explain', which says "
        "what is left to do, then resume the CE"
    )


def state(tx: Transaction, runtime: Runtime, ce: str) -> dict[str, Any]:
    """Return whether a CE is sent pilots, the state of its calls, and its learnt chances."""
    ce_health, configured = health.get(tx, ce), ces.get(tx, ce).success_rate
    now = runtime.now()
    evaluation = evaluate(
        ce_health.learned, now=now, configured=configured, parameters=runtime.parameters
    )
    chances = evaluation.chances
    return {
        "calls": sentence_of_calls(ce_health, now),
        "failed_calls": ce_health.failed_calls,
        "answered_at": ce_health.last_answered_at,
        "unanswered_since": ce_health.unanswered_since,
        "last_error": ce_health.last_error,
        "retry_at": ce_health.retry_at,
        "sending": ce_health.sending,
        "sending_reason": ce_health.sending_reason,
        "sending_since": ce_health.sending_since,
        "held_until": ce_health.held_until,
        "unreconciled_since": ce_health.unreconciled_since,
        "chances": {name: round(value, 2) for name, value in asdict(chances).items()},
    }


@allowed_to(Role.READ)
def history(runtime: Runtime, ce: str, *, page: PageRequest = FIRST) -> Page[SendingChange]:
    """List when a CE was paused, held or resumed, and why."""
    with runtime.database.uow() as tx:
        return sending.find(tx, ce, asked=page)


@allowed_to(Role.OPERATE)
def add_maintenance(
    runtime: Runtime, ce: str, reason: str, ends_at: datetime, begins_at: datetime | None = None
) -> Maintenance:
    """Add a maintenance, during which the CE is sent nothing. Without a begin it begins now."""
    begins_at = begins_at or runtime.now()
    new = Maintenance(ce=ce, begins_at=begins_at, ends_at=ends_at, reason=reason)
    with runtime.database.uow() as tx:
        return tx.answer(replace(new, id=maintenances.add(tx, new)))


@allowed_to(Role.READ)
def maintenances_of(runtime: Runtime, ce: str | None = None) -> list[Maintenance]:
    """List the maintenances that are not over, of one CE or of all."""
    with runtime.database.uow() as tx:
        return maintenances.find(tx, ce, runtime.now())


@allowed_to(Role.OPERATE)
def remove_maintenance(runtime: Runtime, ce: str, which: int, *, yes: bool = True) -> None:
    """Remove a maintenance; the CE is sent pilots again."""
    if not yes:
        would = f"this would remove maintenance {which} of CE {ce}"
        raise ConfirmationNeeded(would)
    with runtime.database.uow() as tx:
        maintenances.remove(tx, ce, which)

"""Calling a CE: claim, call, record. What dispatch, check and reconcile have in common.

The lease lets one execution at a time call a CE. It is taken with the claim and given back with
the record; after a crash it runs out by itself. Nothing correct leans on it.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from worker.db import health, locks
from worker.db.health import FailedCall
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.errors import BackendError, CredentialProblem, PilotageError, Refused
from worker.domain.lines import reason
from worker.policy.polling import after_failures
from worker.services.runtime import Runtime, TaskResult, busy, skipped

BACK_OFF = timedelta(seconds=15)
"""The delay after the first failed call in a row; it doubles."""


def hindrance(tx: Transaction, runtime: Runtime, ce: CE, now: datetime) -> TaskResult | None:
    """Take the right to call a CE once, or answer why not. By hand, only the lease counts."""
    if not locks.take_lease(tx, lease_name(ce.name), runtime.holder, now, runtime.lease):
        return busy(f"another execution is calling CE {ce.name}")
    if runtime.by_hand:
        return None
    retry_at = health.get(tx, ce.name).retry_at
    if retry_at is not None and now < retry_at:
        return _give_back(
            tx, runtime, ce, f"the last calls failed; next try at {retry_at:%H:%M:%S}"
        )
    limit = runtime.options(ce).calls_per_minute
    if limit is not None and not locks.take_tokens(tx, f"calls:{ce.name}", 1, limit, now):
        return _give_back(tx, runtime, ce, f"no more than {limit:g} calls a minute")
    return None


def answered(tx: Transaction, runtime: Runtime, ce: str) -> bool:
    """Note that a call was answered, and give the lease back; tell whether nobody else had it."""
    is_ours = locks.release_lease(tx, lease_name(ce), runtime.holder)
    health.call_answered(tx, ce, runtime.now())
    return is_ours


def answered_in_part(tx: Transaction, runtime: Runtime, ce: str, missing: int, asked: int) -> bool:
    """Note an answer about some of the pilots that were asked after, like a whole one.

    An answer about none of them leaves the failed calls of the CE as they are: it may be no fault
    of the CE, and it is no sign that the CE is well.
    """
    if missing < asked:
        is_ours = answered(tx, runtime, ce)
    else:
        is_ours = locks.release_lease(tx, lease_name(ce), runtime.holder)
    if missing:
        health.answer_incomplete(tx, ce, unanswered(missing, asked))
    return is_ours


def unanswered(missing: int, asked: int) -> str:
    """Say of how many pilots a CE told nothing."""
    return f"no answer about {missing} of {asked} pilots"


def failed(tx: Transaction, runtime: Runtime, ce: str, error: BackendError) -> None:
    """Note that a call failed, and give the lease back. A credential is no fault of the CE."""
    locks.release_lease(tx, lease_name(ce), runtime.holder)
    if isinstance(error, CredentialProblem):
        return
    now = runtime.now()
    failed_call = FailedCall(at=now, error=reason(error), answered=isinstance(error, Refused))
    health.call_failed(
        tx, ce, failed_call, lambda failures: after_failures(now, failures, soonest=BACK_OFF)
    )


def let_go(runtime: Runtime, ce: str) -> None:
    """Give the lease back after an error that nobody expected; if that fails, it runs out."""
    with suppress(PilotageError), runtime.database.uow() as tx:
        locks.release_lease(tx, lease_name(ce), runtime.holder)


def lease_name(ce: str) -> str:
    """Name the lease of a CE."""
    return f"ce:{ce}"


def _give_back(tx: Transaction, runtime: Runtime, ce: CE, why: str) -> TaskResult:
    locks.release_lease(tx, lease_name(ce.name), runtime.holder)
    return skipped(why)

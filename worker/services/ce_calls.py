"""Calls to a CE: claim, ask, record. Every task but `dispatch` calls a CE like this.

    with runtime.database.uow() as tx:
        call = ce_calls.begin(tx, runtime, ce)        # the claim, or why the CE is not called now
    if isinstance(call, TaskResult):
        return call
    with call:
        try:
            answers = call.driver.poll(jobs)          # no unit of work is open
        except BackendError as error:
            with runtime.database.uow() as tx:
                return call.failed(tx, error)
        with runtime.database.uow() as tx:            # the record, before anything else is done
            ...
            call.answered(tx)

`dispatch` uses `CECall.claim`, which claims its pilots in the same unit of work.

The claim takes the turn at the CE (`turns.py`), the record gives it back. Only a person who reads
the output of a pilot takes no turn: somebody waits for it, it changes nothing, and it is not
counted as a call.

The back-off after failed calls and the rate of calls are kept in the database, so that they hold
for every process.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta

from worker.db import call_tallies, health, locks, pilots
from worker.db.health import FailedCall
from worker.db.pilots import Reserved
from worker.db.uow import Transaction
from worker.domain.calls import is_backing_off
from worker.domain.ce import CE
from worker.domain.errors import BackendError, CredentialProblem, Refused
from worker.domain.lines import reason
from worker.domain.schedule import Outcome
from worker.policy.polling import after_failures
from worker.services.runtime import Runtime, TaskResult, busy, skipped
from worker.services.turns import Turn

BACK_OFF = timedelta(seconds=15)
"""The delay after the first failed call in a row; it doubles."""


class CECall(Turn):
    """The right to call one CE, and what a call needs: its driver and its options."""

    def __init__(self, runtime: Runtime, ce: CE) -> None:
        super().__init__(runtime, lease_name(ce.name))
        self.ce = ce
        self.driver = runtime.driver(ce)
        self.options = self.driver.options

    def start(self, tx: Transaction) -> TaskResult | None:
        """Take the turn and one call of the allowance; return why not, or `None`.

        By hand no rate counts.
        """
        if not self.begin(tx):
            return busy(f"another execution is calling CE {self.ce.name}")
        refusal = None if self.runtime.by_hand else self.use_call(tx)
        if refusal is None:
            return None
        self.give_back(tx)
        return skipped(refusal)

    def give_back(self, tx: Transaction) -> bool:
        """Give the lease back, and count the calls that were made."""
        calls = self.driver.calls
        if calls:
            call_tallies.add(tx, self.ce.name, calls, self.runtime.now())
            tx.after_commit(calls.clear)
        return super().give_back(tx)

    def use_call(self, tx: Transaction) -> str | None:
        """Use one call of the allowance; return why the CE is not to be called now, or `None`."""
        now, limit = self.runtime.now(), self.options.calls_per_minute
        calls, rate = health.get(tx, self.ce.name), f"calls:{self.ce.name}"
        if is_backing_off(calls, now):
            return f"the last calls failed; next try at {calls.retry_at:%H:%M:%S}Z"
        if limit is not None and not locks.use_allowance(tx, rate, 1, limit, now):
            return f"no more than {limit:g} calls a minute"
        return None

    def claim(
        self, tx: Transaction, most: int, *, only_of: Collection[str]
    ) -> list[Reserved] | TaskResult:
        """Take the turn (`start`) and claim up to `most` pilots of these VOs; or return why not."""
        refusal = self.start(tx)
        if refusal is not None:
            return refusal
        now, limit = self.runtime.now(), self.options.submissions_per_minute
        if limit is not None and not self.runtime.by_hand:
            most = locks.use_allowance(tx, f"submissions:{self.ce.name}", most, limit, now)
        claimed = pilots.claim(tx, self.ce.name, most, now, only_of=only_of) if most else []
        if claimed:
            return claimed
        self.give_back(tx)
        if most:
            return skipped("its reserved pilots were claimed or cancelled by others meanwhile")
        return skipped("its submissions for this minute are used up")

    def note_answer(self, tx: Transaction) -> None:
        """Note that the CE answered; the turn goes on."""
        health.call_answered(tx, self.ce.name, self.runtime.now())

    def note_part(self, tx: Transaction, missing: int, total: int) -> None:
        """Note an answer that leaves out some of the pilots in question; the turn goes on.

        An answer about none of them changes no count of failed calls: perhaps the CE is not at
        fault, but the answer does not show either that the CE works.
        """
        if missing < total:
            self.note_answer(tx)
        if missing:
            health.answer_incomplete(tx, self.ce.name, unanswered(missing, total))

    def answered(self, tx: Transaction) -> None:
        """Note that the CE answered, and give the turn back."""
        self.note_answer(tx)
        self.give_back(tx)

    def failed(
        self, tx: Transaction, error: BackendError, counts: Mapping[str, int] | None = None
    ) -> TaskResult:
        """Note that a call failed, and give the turn back. A credential is not the CE's fault."""
        self.give_back(tx)
        if not isinstance(error, CredentialProblem):
            now = self.runtime.now()
            health.call_failed(
                tx,
                self.ce.name,
                FailedCall(at=now, error=reason(error), answered=isinstance(error, Refused)),
                lambda failures: after_failures(now, failures, soonest=BACK_OFF),
            )
        return TaskResult(outcome=Outcome.FAILED, counts=counts or {}, lines=(str(error),))


def begin(tx: Transaction, runtime: Runtime, ce: CE) -> CECall | TaskResult:
    """Take the right to call a CE once, or return why not."""
    call = CECall(runtime, ce)
    return call.start(tx) or call


def unanswered(missing: int, total: int) -> str:
    """Write that a CE's answer leaves out `missing` of `total` pilots."""
    return f"no answer about {missing} of {total} pilots"


def lease_name(ce: str) -> str:
    """Return the name of a CE's lease."""
    return f"ce:{ce}"

"""Turns: the right of one execution to do work that no other execution may do at the same time.

Examples are a call to a CE and a question for the demand of a VO. A turn is a lease in the
database: it is taken with the claim and given back with the record. It is also given back at the
end of its `with` block, also after an error; after a crash it runs out by itself. Two rules depend
on it. If a process stood still until its lease ran out, it sends nothing, because after a listing
its pilots may have been given up; and a check counts no pilot as missing. `reconcile` may give
pilots up without the lease: it compares the moment of its listing with that of each claim.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from worker.db import locks
from worker.db.uow import Transaction
from worker.domain.errors import PilotageError
from worker.services.runtime import Runtime

_ENDINGS = (Exception, KeyboardInterrupt, SystemExit)
"""The exceptions after which the process continues, or ends because it was asked to."""


class Turn:
    """The right of one execution to do something alone, as long as its lease lasts."""

    def __init__(self, runtime: Runtime, name: str) -> None:
        self.runtime = runtime
        self.name = name
        self._ends: datetime | None = None

    @classmethod
    def take(
        cls, tx: Transaction, runtime: Runtime, name: str, length: timedelta | None = None
    ) -> Self | None:
        """Make a turn and take its lease, for this time or as long as a task may last.

        Return `None` if another execution has the lease.
        """
        turn = cls(runtime, name)
        return turn if turn.begin(tx, length) else None

    def begin(self, tx: Transaction, length: timedelta | None = None) -> bool:
        """Take the lease of a turn that was made before; return whether it was free."""
        now, length = self.runtime.now(), length or self.runtime.lease
        is_free = locks.take_lease(tx, self.name, self.runtime.holder, now, length)
        self._ends = now + length if is_free else None
        return is_free

    def extend(self, tx: Transaction) -> bool:
        """Extend the turn by as long as a task may last; return whether it was still ours."""
        now, length = self.runtime.now(), self.runtime.lease
        is_ours = locks.extend_lease(tx, self.name, self.runtime.holder, now, length)
        self._ends = now + length if is_ours else None
        return is_ours

    @property
    def is_over(self) -> bool:
        """Whether the lease has run out, because this process stood still."""
        return self._ends is None or self.runtime.now() >= self._ends

    def give_back(self, tx: Transaction) -> bool:
        """Give the lease back with the record; return whether it was still ours."""
        tx.after_commit(self._forget)
        return locks.release_lease(tx, self.name, self.runtime.holder)

    def _forget(self) -> None:
        self._ends = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the lease back if this was not done; if that fails, it runs out by itself."""
        was_killed = error is not None and not isinstance(error, _ENDINGS)
        if self._ends is None or was_killed:
            return
        with suppress(PilotageError), self.runtime.database.uow() as tx:
            self.give_back(tx)

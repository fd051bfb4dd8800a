"""Requests that are done once, however often they are sent: each has an idempotency key.

The first transaction of such a request begins by storing its key, and ends by storing the answer.
So the work and the answer are committed together, or neither is. If a process is killed at any
moment, a client that repeats the request gets the stored answer if the work was done; otherwise the
work is done now. Of two requests at the same moment, the second waits until the first has ended.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select, update

from worker.db.engine import POSTGRESQL
from worker.db.rows import insert_new
from worker.db.tables import LONGEST_KEY, answered_requests
from worker.db.uow import Transaction
from worker.domain.errors import Invalid, OtherRequest


class AnsweredBefore(Exception):
    """The request was done before, and `answer` is the answer of then. This is no error."""

    def __init__(self, answer: Any) -> None:
        super().__init__("this request was answered before")
        self.answer = answer


def _as_it_is(answer: Any) -> Any:
    return answer


@dataclass(kw_only=True, eq=False)
class Once:
    """One request that is done once: who sends it, its key, and the hash of what it asks for.

    `encode` turns an answer into values that JSON can hold. Only the first committed transaction of
    the request is done once; later transactions of the same request are not covered.
    """

    who: str
    key: str
    request_hash: str
    encode: Callable[[Any], Any] = _as_it_is
    is_stored: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if not 0 < len(self.key) <= LONGEST_KEY or not self.key.isprintable():
            raise Invalid("idempotency key", f"it is not 1 to {LONGEST_KEY} printable characters")

    def begin(self, tx: Transaction) -> None:
        """Store the key; raise `AnsweredBefore` if it is stored already."""
        while not self._add(tx):
            self._refuse(tx)  # returns only if the stored key was deleted just now
        tx.answers_to(self)
        tx.after_commit(self._note_stored)

    def store(self, tx: Transaction, answer: Any) -> None:
        """Store the answer."""
        of_this = answered_requests.c.who == self.who, answered_requests.c.key == self.key
        tx.execute(update(answered_requests).where(*of_this).values(answer=self.encode(answer)))

    def _add(self, tx: Transaction) -> bool:
        at = func.clock_timestamp() if tx.dialect == POSTGRESQL else datetime.now(UTC)
        values = {"who": self.who, "key": self.key, "request": self.request_hash, "at": at}
        return insert_new(tx, answered_requests, **values) is not None

    def _refuse(self, tx: Transaction) -> None:
        row = tx.execute(
            select(answered_requests.c.request, answered_requests.c.answer).where(
                answered_requests.c.who == self.who, answered_requests.c.key == self.key
            )
        ).one_or_none()
        if row is None:
            return
        if row.request != self.request_hash:
            raise OtherRequest(self.key)
        raise AnsweredBefore(row.answer)

    def _note_stored(self) -> None:
        self.is_stored = True

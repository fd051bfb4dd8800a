"""The unit of work: one visible `with`, one transaction.

    with uow() as tx:
        pilots.claim(tx, "ce01", limit=100, now=now)
        tx.after_commit(lambda: nudge("ce01"))

A clean exit commits, an exception rolls back. Nothing else commits. Units of work do not nest.
Before a CE is called, `is_open` shows whether one is still open.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from copy import copy
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, CursorResult, Engine, Executable, text

from worker.db.account import account
from worker.db.driver_errors import translated
from worker.domain.change import Actor, ObjectChange
from worker.domain.errors import NestedUnitOfWork

if TYPE_CHECKING:
    from worker.db.answered import Once

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)

_open: ContextVar[bool] = ContextVar("unit_of_work_open", default=False)


def is_open() -> bool:
    """Return whether a unit of work is open in this thread, or in this task of asyncio.

    It may be on any engine: a thread has one unit of work at a time, whatever the database.
    """
    return _open.get()


class Transaction:
    """An open transaction: it executes statements, and work just before and after the commit.

    `changes` are its changes of objects of an operator, by kind and name; `actor` makes them.
    """

    def __init__(self, connection: Connection, actor: Actor) -> None:
        self.connection = connection
        self.dialect = connection.dialect.name
        self.actor = actor
        self.changes: dict[tuple[str, str], ObjectChange] = {}
        self._once: Once | None = None
        self._before_commit: list[Callable[[], object]] = []
        self._after_commit: list[Callable[[], object]] = []

    def execute(
        self,
        statement: Executable,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> CursorResult[Any]:
        return self.connection.execute(statement, parameters)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Do something that may fail. If it does, only this is undone, and the unit of work can
        go on.
        """
        changes = dict(self.changes)
        try:
            with self.connection.begin_nested():
                yield
        except BaseException:
            self.changes = changes
            raise

    def answers_to(self, once: "Once") -> None:
        """Have the answer of this transaction stored as the answer of a request."""
        self._once = once

    def answer(self, value: Answer) -> Answer:
        """Return the value that a service is going to return.

        If the request is done once, the value is stored at the end of the transaction.
        """
        once, self._once = self._once, None
        if once is not None:
            self.before_commit(lambda: once.store(self, value))
        return value

    def ask_nothing(self) -> None:
        """Make one round trip to the database, by the shortest possible statement."""
        self.execute(text("SELECT 1")).one()

    @property
    def is_lost(self) -> bool:
        """Whether the connection is lost, so that the transaction cannot go on."""
        return self.connection.invalidated

    def before_commit(self, work: Callable[[], object]) -> None:
        """Register work for the end of this transaction. If it fails, the transaction fails."""
        self._before_commit.append(work)

    def run_before_commit(self) -> None:
        for work in self._before_commit:
            work()

    def after_commit(self, work: Callable[[], object]) -> None:
        """Register work that runs once the commit has succeeded, and never otherwise."""
        self._after_commit.append(work)

    def run_after_commit(self) -> None:
        """Do the registered work. If one piece fails, the commit stands and the others are done."""
        for work in self._after_commit:
            try:
                work()
            except Exception:
                log.exception("work after a commit failed; the commit stands")


class UnitOfWork:
    """Opens transactions on one engine for an actor, by default the account of this process."""

    def __init__(self, engine: Engine, actor: Actor | None = None) -> None:
        self.engine = engine
        self.actor = actor or Actor(who=account())
        self.once: Once | None = None

    def used_by(self, actor: Actor, *, once: "Once | None" = None) -> "UnitOfWork":
        """Return the same for another actor, whose name is stored with its changes.

        With `once`, it does the work of a request that is done once; so do units of work that are
        derived from it.
        """
        other = copy(self)
        other.actor = actor
        other.once = once or self.once
        return other

    @contextmanager
    def __call__(self) -> Iterator[Transaction]:
        """Open one transaction; commit at the end of the block, or roll back."""
        if is_open():
            raise NestedUnitOfWork
        token = _open.set(True)
        try:
            with translated(self.engine.url), self._begin() as connection:
                transaction = Transaction(connection, self.actor)
                if self.once is not None and not self.once.is_stored:
                    self.once.begin(transaction)
                yield transaction
                transaction.run_before_commit()
        finally:
            _open.reset(token)
        transaction.run_after_commit()

    def _begin(self) -> AbstractContextManager[Connection]:
        """Begin a transaction; the end of the block commits it or rolls it back.

        Tests replace this to run within an outer transaction.
        """
        return self.engine.begin()

"""The unit of work: one visible `with`, one transaction.

    with uow() as tx:
        pilots.claim(tx, "ce01", limit=100, now=now)
        tx.after_commit(lambda: nudge("ce01"))

A clean exit commits, an exception rolls back. Nobody else commits. Units of work do not nest,
and whoever is about to call a CE can ask whether one is open.
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
    """Return whether this thread of execution has a unit of work open."""
    return _open.get()


class Transaction:
    """What a unit of work gives: statements now, and work for just before and after the commit.

    `changes` are what it does to objects of an operator, by kind and name; `actor` is who does it.
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
        """Do something that may fail. It alone is undone then, and the unit of work goes on."""
        changes = dict(self.changes)
        try:
            with self.connection.begin_nested():
                yield
        except BaseException:
            self.changes = changes
            raise

    def answers_to(self, once: "Once") -> None:
        """Let the answer of this transaction be stored as that of a request."""
        self._once = once

    def answer(self, value: Answer) -> Answer:
        """Hand over what a service will return, and return it.

        It is stored at the end of the transaction if the request is one that is done once.
        """
        once, self._once = self._once, None
        if once is not None:
            self.before_commit(lambda: once.store(self, value))
        return value

    def ask_nothing(self) -> None:
        """Ask the shortest question there is, which takes a round trip to the database."""
        self.execute(text("SELECT 1")).one()

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone, so that nothing can go on."""
        return self.connection.invalidated

    def before_commit(self, work: Callable[[], object]) -> None:
        """Register work that is the last of this transaction, and fails with it."""
        self._before_commit.append(work)

    def run_before_commit(self) -> None:
        for work in self._before_commit:
            work()

    def after_commit(self, work: Callable[[], object]) -> None:
        """Register work that runs once the commit has succeeded, and never otherwise."""
        self._after_commit.append(work)

    def run_after_commit(self) -> None:
        """Do the registered work. The commit stands, so one that fails stops no other."""
        for work in self._after_commit:
            try:
                work()
            except Exception:
                log.exception("work after a commit failed; the commit stands")


class UnitOfWork:
    """Opens transactions on one engine, in the name of somebody: of this process, if of none."""

    def __init__(self, engine: Engine, actor: Actor | None = None) -> None:
        self.engine = engine
        self.actor = actor or Actor(who=account())
        self.once: Once | None = None

    def used_by(self, actor: Actor, *, once: "Once | None" = None) -> "UnitOfWork":
        """Return the same with the name of somebody else on what it changes.

        With `once`, it does the work of a request that is done once; so does what is made of it.
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
        """Begin; leaving the block commits or rolls back. Tests wrap it in an outer one."""
        return self.engine.begin()

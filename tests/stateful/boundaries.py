"""The boundaries that an execution passes: where it may be killed or kept waiting.

    before transaction 1 · before commit 1 · after commit 1 · before the call · after the call · …

What is not ours, a CE's own world, passes none.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from tests.crash.boundaries import Killed
from worker.backends.contract import Driver
from worker.db.uow import UnitOfWork

QUIET = (
    "before the call",
    "after the call",
    "before transaction 1",
    "after commit 1",
    "before transaction 2",
    "after commit 2",
)
"""Nothing of the database is held here, so an execution may wait here as long as it likes."""

PLACES = (*QUIET, "before commit 1", "before commit 2", "before transaction 3", "before commit 3")


class Script:
    """An execution that goes through; it dies at a place if it is told one."""

    def __init__(self, dies: str | None = None) -> None:
        self._dies = dies
        self._transactions = self._calls = 0
        self.is_dead = False

    def passes(self, place: str) -> None:
        """Come by a boundary: go on, or die."""
        # The dead do nothing any more, whatever their code says about its own end.
        if self.is_dead or place == self._dies:
            self.is_dead = True
            raise Killed(place)

    @contextmanager
    def transaction(self) -> Iterator[Callable[[], None]]:
        """Go through a transaction; what is handed out is told of its commit."""
        self._transactions += 1
        number = self._transactions
        self.passes(f"before transaction {number}")
        yield lambda: self.passes(f"before commit {number}")
        self.passes(f"after commit {number}")

    @contextmanager
    def call(self) -> Iterator[None]:
        """Go through a call to a CE."""
        self._calls += 1
        what = "the call" if self._calls == 1 else "another call"
        self.passes(f"before {what}")
        yield
        self.passes(f"after {what}")


class Stage:
    """Where the execution that runs now is told of its boundaries."""

    def __init__(self) -> None:
        self.script = Script()

    @contextmanager
    def played_by(self, script: Script) -> Iterator[None]:
        """Let another execution run, then go on with the one that ran before."""
        kept, self.script = self.script, script
        try:
            yield
        finally:
            self.script = kept


class StagedUnitOfWork(UnitOfWork):
    """A unit of work that passes boundaries, and is looked at after each commit."""

    def __init__(self, engine: Engine, stage: Stage, look: Callable[[], None]) -> None:
        super().__init__(engine)
        self._stage = stage
        self._look = look

    def _begin(self) -> AbstractContextManager[Connection]:
        return self._staged()

    @contextmanager
    def _staged(self) -> Iterator[Connection]:
        with self._stage.script.transaction() as about_to_commit:
            with self.engine.begin() as connection:
                yield connection
                about_to_commit()
            self._look()


class StagedDriver:
    """A driver that passes boundaries. Its CE has its own clock; when it was asked, ours tells."""

    def __init__(self, driver: Driver, stage: Stage, now: Callable[[], datetime]) -> None:
        self._driver = driver
        self._stage = stage
        self._now = now

    def __getattr__(self, call: str) -> Callable[..., Any]:
        method = getattr(self._driver, call)

        def made(*given: Any) -> Any:
            with self._stage.script.call():
                as_of = self._now()
                answer = method(*given)
                return replace(answer, as_of=as_of) if call == "find" else answer

        return made

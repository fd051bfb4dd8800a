"""The boundaries that an execution passes: where it may be killed or kept waiting.

    before transaction 1 · before commit 1 · after commit 1 · before the call · after the call · …

The CE's own world is not ours, and passes none.
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
"""Places where an execution holds no lock of the database, so it may wait for any time."""

PLACES = (*QUIET, "before commit 1", "before commit 2", "before transaction 3", "before commit 3")


class Script:
    """An execution that runs to its end, or dies at the given place."""

    def __init__(self, dies: str | None = None) -> None:
        self._dies = dies
        self._transactions = self._calls = 0
        self.is_dead = False

    def passes(self, place: str) -> None:
        """Pass a boundary: go on, or die."""
        # A dead execution does nothing more, whatever its code does at its end.
        if self.is_dead or place == self._dies:
            self.is_dead = True
            raise Killed(place)

    @contextmanager
    def transaction(self) -> Iterator[Callable[[], None]]:
        """Go through a transaction; yield a function to call right before its commit."""
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
    """Holds the script of the execution that runs now."""

    def __init__(self) -> None:
        self.script = Script()

    @contextmanager
    def played_by(self, script: Script) -> Iterator[None]:
        """Let another execution run, then go on with the one that ran before."""
        previous, self.script = self.script, script
        try:
            yield
        finally:
            self.script = previous


class StagedUnitOfWork(UnitOfWork):
    """A unit of work that passes boundaries; `look` is called after each commit."""

    def __init__(self, engine: Engine, stage: Stage, look: Callable[[], None]) -> None:
        super().__init__(engine)
        self._stage = stage
        self._look = look

    def _begin(self) -> AbstractContextManager[Connection]:
        return self._stage_transaction()

    @contextmanager
    def _stage_transaction(self) -> Iterator[Connection]:
        with self._stage.script.transaction() as about_to_commit:
            with self.engine.begin() as connection:
                yield connection
                about_to_commit()
            self._look()


class StagedDriver:
    """A driver that passes boundaries. Its CE has its own clock; the time of a call is ours."""

    def __init__(self, driver: Driver, stage: Stage, now: Callable[[], datetime]) -> None:
        self._driver = driver
        self._stage = stage
        self._now = now

    def __getattr__(self, call: str) -> Callable[..., Any]:
        method = getattr(self._driver, call)

        def wrapper(*arguments: Any) -> Any:
            with self._stage.script.call():
                as_of = self._now()
                answer = method(*arguments)
                return replace(answer, as_of=as_of) if call == "find" else answer

        return wrapper

"""The boundaries of a process: where it touches the database, a CE or the broker.

Nothing outside changes between two boundaries, so it is enough to stop a process at each of them.
Nobody lists them: a run without a disturbance finds them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

from worker.backends.contract import Driver

Disturbance = Callable[[], None]


class Killed(BaseException):
    """The process was killed. None of our code may catch this."""


class Boundaries:
    """Records the boundaries that a process crosses, and disturbs the process at one of them.

    A killed process crosses nothing more, whatever its `finally` clauses try.
    """

    def __init__(self) -> None:
        self.crossings: list[str] = []
        self.dead = False
        self.writing = False
        self._at = 0
        self._disturb: Disturbance = self.kill
        self._watching = False

    def cross(self, what: str) -> None:
        """Cross a boundary."""
        if not self._watching:
            return
        if self.dead:
            raise Killed(what)
        self.crossings.append(what)
        if len(self.crossings) == self._at:
            with self.unwatched():
                self._disturb()

    def kill(self) -> None:
        """Kill the process here."""
        self.dead = True
        raise Killed(self.crossings[-1])

    @contextmanager
    def watched(self, at: int = 0, disturb: Disturbance | None = None) -> Iterator[list[str]]:
        """Watch one process, and disturb it at its n-th crossing if it gets there."""
        self.crossings, self.dead, self._at = [], False, at
        self._disturb = disturb or self.kill
        self._watching = True
        try:
            yield self.crossings
        finally:
            self._watching = False

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Do not watch the block: it is a CE, an observer or another process."""
        was, self._watching = self._watching, False
        try:
            yield
        finally:
            # A process that was killed meanwhile stays watched, so that it crosses nothing.
            self._watching = was

    def on_engine(self, engine: Engine, on_commit: Callable[[], object]) -> None:
        """Make each statement and commit of an engine a boundary; call back after every commit."""
        commit = engine.dialect.do_commit

        def do_commit(connection: Any) -> None:
            self.cross("before the commit")
            commit(connection)
            self.writing = False
            on_commit()
            self.cross("after the commit")

        def before(connection: object, cursor: object, statement: str, *_: object) -> None:
            self.cross(f"before {_name_of(statement)}")

        def after(connection: object, cursor: Any, statement: str, *_: object) -> None:
            try:
                self.cross(f"after {_name_of(statement)}")
            except Killed:
                cursor.close()  # SQLite would keep a statement under way, and its lock
                raise

        def begin(connection: Connection) -> None:
            self.writing = True

        def rollback(connection: Connection) -> None:
            self.writing = False

        setattr(engine.dialect, "do_commit", do_commit)  # noqa: B010  # there is no event
        event.listen(engine, "before_cursor_execute", before)
        event.listen(engine, "after_cursor_execute", after)
        event.listen(engine, "begin", begin)
        event.listen(engine, "rollback", rollback)


class Edge:
    """A driver that runs something before and after each call."""

    def __init__(
        self,
        driver: Driver,
        before: Callable[[str], object] = lambda call: None,
        after: Callable[[str], object] = lambda call: None,
        within: Callable[[], Any] | None = None,
    ) -> None:
        self._driver = driver
        self._before = before
        self._after = after
        self._within = within

    def __getattr__(self, call: str) -> Any:
        method = getattr(self._driver, call)

        def wrapper(*arguments: Any) -> Any:
            self._before(call)
            try:
                return self._answer(method, arguments)
            finally:
                self._after(call)

        return wrapper

    def _answer(self, method: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if self._within is None:
            return method(*arguments)
        with self._within():
            return method(*arguments)


def _name_of(statement: str) -> str:
    """Name a statement by its verb and its first table."""
    words = statement.replace("(", " ").split()
    for before in ("INTO", "UPDATE", "FROM"):
        if before in words[:-1]:
            return f"{words[0]} {words[words.index(before) + 1]}"
    return words[0]

"""The boundaries of a process: where it touches the database, a CE or the broker.

Nothing outside changes between two of them, so to stop at each boundary is to stop everywhere that
can make a difference. Nobody lists them: they are found by running what is to be stopped.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

from worker.backends.contract import Driver

Disturbance = Callable[[], None]


class Killed(BaseException):
    """The process is no more. Nothing of ours may catch this."""


class Boundaries:
    """Counts what a process crosses, and does something to it at one crossing.

    A process that was killed crosses nothing any more, whatever its `finally` clauses try.
    """

    def __init__(self) -> None:
        self.crossed: list[str] = []
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
        self.crossed.append(what)
        if len(self.crossed) == self._at:
            with self.unwatched():
                self._disturb()

    def kill(self) -> None:
        """Be a process that is killed here."""
        self.dead = True
        raise Killed(self.crossed[-1])

    @contextmanager
    def watched(self, at: int = 0, disturb: Disturbance | None = None) -> Iterator[list[str]]:
        """Be one process; disturb it at its n-th crossing, if it comes so far."""
        self.crossed, self.dead, self._at = [], False, at
        self._disturb = disturb or self.kill
        self._watching = True
        try:
            yield self.crossed
        finally:
            self._watching = False

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Be somebody else: a CE, an observer, another process."""
        was, self._watching = self._watching, False
        try:
            yield
        finally:
            # A process that was killed in between stays watched, so that it crosses nothing.
            self._watching = was

    def on_engine(self, engine: Engine, committed: Callable[[], object]) -> None:
        """Make each statement and commit of an engine a boundary; tell of every commit."""
        commit = engine.dialect.do_commit

        def do_commit(connection: Any) -> None:
            self.cross("before the commit")
            commit(connection)
            self.writing = False
            committed()
            self.cross("after the commit")

        def before(connection: object, cursor: object, statement: str, *_: object) -> None:
            self.cross(f"before {_named(statement)}")

        def after(connection: object, cursor: Any, statement: str, *_: object) -> None:
            try:
                self.cross(f"after {_named(statement)}")
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
    """A driver at whose calls something is done before or after."""

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

        def made(*given: Any) -> Any:
            self._before(call)
            try:
                return self._answer(method, given)
            finally:
                self._after(call)

        return made

    def _answer(self, method: Callable[..., Any], given: tuple[Any, ...]) -> Any:
        if self._within is None:
            return method(*given)
        with self._within():
            return method(*given)


def _named(statement: str) -> str:
    """Name a statement by its verb and its first table."""
    words = statement.replace("(", " ").split()
    for before in ("INTO", "UPDATE", "FROM"):
        if before in words[:-1]:
            return f"{words[0]} {words[words.index(before) + 1]}"
    return words[0]

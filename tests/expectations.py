"""What a test expects of an error, and of the number of statements."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest
from sqlalchemy import Engine, event

from worker.domain.errors import PilotageError

E = TypeVar("E", bound=BaseException)

PASSWORD = "hush-hush"
"""The password that tests use; no message may show it."""


@contextmanager
def refused(
    kind: type[PilotageError], *parts: str, never: str = PASSWORD
) -> Iterator[pytest.ExceptionInfo[PilotageError]]:
    """Expect exactly this error, its message one line with these parts and without a password."""
    with pytest.raises(kind) as info:
        yield info
    message = str(info.value)
    assert info.type is kind
    assert "\n" not in message
    assert never not in message
    for part in parts:
        assert part in message


def broken_by(kind: type[E], match: str | None = None) -> pytest.RaisesExc[E]:
    """Expect that an error which is not one of ours ends the whole block."""
    return pytest.raises(kind, match=match)


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Collect the statements that an engine runs."""
    log: list[str] = []

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        log.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield log
    finally:
        event.remove(engine, "before_cursor_execute", note)

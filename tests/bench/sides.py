"""Shared by both sides: a fixed moment, and a counter of statements."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LATER = NOW + 2 * MINUTE


@dataclass
class Counter:
    """Counts the statements of a side, without BEGIN and COMMIT, which both need."""

    statements: int = 0

    def install(self, connection: psycopg.Connection[Any]) -> None:
        """Count on this connection from now on, including a ping of the pool."""
        counter = self

        class Counting(psycopg.Cursor[Any]):
            def execute(self, *args: Any, **kwargs: Any) -> Any:
                counter.statements += 1
                return super().execute(*args, **kwargs)

        connection.cursor_factory = Counting

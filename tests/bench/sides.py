"""What both sides have: a fixed moment, and a count of the statements that were sent."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LATER = NOW + 2 * MINUTE


@dataclass
class Counter:
    """How many statements a side sent; BEGIN and COMMIT, which both need, are not counted."""

    statements: int = 0

    def install(self, connection: psycopg.Connection[Any]) -> None:
        """Count on this connection from now on, a ping of the pool included."""
        counter = self

        class Counting(psycopg.Cursor[Any]):
            def execute(self, *args: Any, **kwargs: Any) -> Any:
                counter.statements += 1
                return super().execute(*args, **kwargs)

        connection.cursor_factory = Counting

"""What is compared: two sides that do the same operations with the same guarantees."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import psycopg

from worker.domain.pilot import Grant

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=2)


class Side(Protocol):
    """Every operation is one transaction with its commit, and tells how many rows it did."""

    name: str

    def reserve(self, grants: Sequence[Grant]) -> int: ...

    def claim(self, ce: str, limit: int) -> int: ...

    def record(self, ids: Sequence[int]) -> int: ...

    def move(self, ids: Sequence[int]) -> int: ...

    def checked(self, ids: Sequence[int]) -> int: ...

    def due(self, ce: str, limit: int) -> int: ...

    def free(self) -> int: ...


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

"""The floor: the least that the database must do, as raw psycopg statements.

A pilot is one row with its VO, its CE and a unique stamp. It has no history, no limits and no
locks: any number of rows is one statement and one commit. Nobody can be faster without giving up
integrity. What our data layer promises beyond it costs time; the ratio is its price.
"""

from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
from sqlalchemy import URL

from tests.bench.sides import NOW, Counter

INSERT: LiteralString = """
INSERT INTO floor (stamp, vo_id, ce_id, status, handle, updated_at)
SELECT t.stamp, t.vo, t.ce, 'submitted', 'job-' || t.stamp, %s
FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS t(stamp, vo, ce) RETURNING id"""
MOVE: LiteralString = """
UPDATE floor SET status = 'done', updated_at = %s WHERE id = ANY(%s) AND status = 'running'"""
STAGE: LiteralString = """
INSERT INTO floor (stamp, vo_id, ce_id, status)
SELECT md5(random()::text || n), %s, %s, 'running' FROM generate_series(1, %s) AS n RETURNING id"""
DUE: LiteralString = """
SELECT id, handle, ce_id, status FROM pilots
WHERE ce_id = %s AND next_check_at <= %s ORDER BY next_check_at, id LIMIT %s"""
SWEEP: LiteralString = """
UPDATE floor SET status = 'done', updated_at = %s WHERE ce_id = %s AND status = 'running'"""


class Floor:
    """The same work without the promises of Pilotage."""

    def __init__(self, url: URL, counter: Counter) -> None:
        self.connection: psycopg.Connection[Any] = psycopg.connect(
            url.set(drivername="postgresql").render_as_string(hide_password=False)
        )
        counter.install(self.connection)

    def stage(self, pair: tuple[int, int], count: int) -> list[int]:
        """Add this number of running pilots."""
        with self.connection.transaction():
            return [row[0] for row in self.connection.execute(STAGE, [*pair, count])]

    def clear_running(self, ce: int) -> None:
        """Leave a CE only the running pilots that are staged."""
        with self.connection.transaction():
            self.connection.execute(SWEEP, [NOW, ce])

    def insert(self, pairs: Sequence[tuple[int, int]]) -> int:
        stamps = [uuid4().hex for _ in pairs]
        vos, ces = [vo for vo, _ in pairs], [ce for _, ce in pairs]
        with self.connection.transaction():
            return len(self.connection.execute(INSERT, [NOW, stamps, vos, ces]).fetchall())

    def move(self, ids: Sequence[int]) -> int:
        with self.connection.transaction():
            return self.connection.execute(MOVE, [NOW, list(ids)]).rowcount

    def due(self, ce: int, limit: int) -> int:
        with self.connection.transaction():
            return len(self.connection.execute(DUE, [ce, NOW, limit]).fetchall())

    def cycle(self, ces: Sequence[int]) -> int:
        """Read the due pilots of each CE, and end as many there."""
        number = 0
        for ce in ces:
            with self.connection.transaction():
                self.connection.execute(DUE, [ce, NOW, 1000]).fetchall()
            with self.connection.transaction():
                number += self.connection.execute(SWEEP, [NOW, ce]).rowcount
        return number

"""A database to measure in: many CEs, 10,000 active pilots, and any number of final ones."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, LiteralString

import psycopg
from sqlalchemy import URL

from tests.bench.sides import NOW
from worker.db import chains, server
from worker.db.engine import make_engine
from worker.domain.pilot import Grant, Status

CES = 1_000
VOS = 4
ACTIVE = 10_000
CE = "ce-0001"
"""The CE whose pilots are claimed, recorded, moved and checked."""

# Every VO has a limit and every CE a waiting limit, so that reserving counts all it can count.
VOS_SQL: LiteralString = """
INSERT INTO vos (name, "limit") SELECT 'vo-' || n, 10000000 FROM generate_series(1, %s) AS n"""
CES_SQL: LiteralString = """
INSERT INTO ces (name, backend, capacity, waiting_limit, tags, options)
SELECT 'ce-' || lpad(n::text, 4, '0'), 'sim', 100000, 50000, '{}', '{}'
FROM generate_series(1, %s) AS n"""
FINAL_SQL: LiteralString = """
WITH made AS (
  INSERT INTO pilots (stamp, vo_id, ce_id, status, handle, raw, reserved_at, claimed_at,
    submitted_at, started_at, ended_at, checked_at, updated_at)
  SELECT md5('final' || n), v.low + n %% %(vos)s, c.low + n %% %(ces)s, 'done', 'old-' || n,
    'COMPLETED', t, t, t, t, t, t, t
  FROM generate_series(%(first)s::int, %(last)s) AS n, (SELECT min(id) AS low FROM ces) AS c,
    (SELECT max(id) - %(vos)s + 1 AS low FROM vos) AS v,
    LATERAL (SELECT %(now)s - n * interval '1 second' AS t) AS t
  RETURNING id, ended_at
) INSERT INTO transitions (pilot_id, was, became, at)
SELECT id, was, became, ended_at FROM made,
  (VALUES (NULL, 'reserved'), ('reserved', 'submitting'), ('submitting', 'submitted'),
    ('submitted', 'done')) AS step(was, became)"""
# A tenth is reserved, four tenths wait at their CE, half runs; none of them is due.
ACTIVE_SQL: LiteralString = """
INSERT INTO pilots (stamp, vo_id, ce_id, status, handle, submitted_at, next_check_at)
SELECT md5('active' || n), v.low + n %% %(vos)s, c.low + n %% %(ces)s, s.status,
  CASE WHEN s.status <> 'reserved' THEN 'active-' || n END,
  CASE WHEN s.status <> 'reserved' THEN %(now)s END,
  CASE WHEN s.status <> 'reserved' THEN %(now)s + interval '1 hour' END
FROM generate_series(1, %(count)s) AS n, (SELECT min(id) + 1 AS low FROM ces) AS c,
  (SELECT max(id) - %(vos)s + 1 AS low FROM vos) AS v,
  LATERAL (SELECT CASE WHEN n / %(ces)s %% 10 = 0 THEN 'reserved'
    WHEN n / %(ces)s %% 10 < 5 THEN 'submitted' ELSE 'running' END AS status) AS s"""
STAGE_SQL: LiteralString = """
INSERT INTO pilots (stamp, vo_id, ce_id, status, handle, next_check_at, reserved_at)
SELECT md5('staged' || n || random()), vos.id, ces.id, %(status)s,
  CASE WHEN %(held)s THEN 'staged-' || n END, CASE WHEN %(held)s THEN %(now)s END, %(now)s
FROM generate_series(1, %(count)s) AS n, vos, ces
WHERE vos.name = 'vo-1' AND ces.name = %(ce)s RETURNING id"""
BATCH = 100_000


class World:
    """One database of the benchmark, and the hand that prepares it between measurements."""

    def __init__(self, url: URL, finals: int) -> None:
        self.url = url
        self.finals = finals
        self.hand: psycopg.Connection[Any] = psycopg.connect(
            url.set(drivername="postgresql").render_as_string(hide_password=False),
            autocommit=True,
        )
        self._fill()
        self.last = self.hand.execute("SELECT max(id) FROM pilots").fetchall()[0][0]

    def _fill(self) -> None:
        engine = make_engine(self.url)
        chains.migrate(engine, chains.CORE_CHAIN)
        engine.dispose()
        for table in ("pilots", "transitions"):
            # It would come at random, in the middle of a measurement; `settle` does its work.
            self.hand.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)".encode())
        self.hand.execute(VOS_SQL, [VOS])
        self.hand.execute(CES_SQL, [CES])
        with suppress(psycopg.errors.InsufficientPrivilege):
            # The rows are sound; to look up their foreign keys takes most of the time.
            self.hand.execute("SET session_replication_role = replica")
        for first in range(1, self.finals + 1, BATCH):
            last = min(first + BATCH - 1, self.finals)
            self._with(FINAL_SQL, first=first, last=last)
        self.hand.execute("RESET session_replication_role")
        self._with(ACTIVE_SQL, count=ACTIVE)
        self.hand.execute("VACUUM ANALYZE")

    def _with(self, statement: LiteralString, **values: int) -> None:
        self.hand.execute(statement, {"vos": VOS, "ces": CES - 1, "now": NOW, **values})

    def grants(self, pilots: int) -> list[Grant]:
        """Spread so many pilots over 20 CEs and all VOs, or take one of each."""
        if pilots == 1:
            return [Grant(vo="vo-1", ce=CE, count=1)]
        pairs = [(vo, ce) for ce in range(1, 21) for vo in range(1, VOS + 1)]
        each, rest = divmod(pilots, len(pairs))
        return [
            Grant(vo=f"vo-{vo}", ce=f"ce-{ce:04}", count=each + (n < rest))
            for n, (vo, ce) in enumerate(pairs)
        ]

    def stage(self, status: Status, count: int) -> list[int]:
        """Put so many pilots of a status on the CE that is measured; those it has are due."""
        held = status in (Status.SUBMITTED, Status.RUNNING)
        made = self.hand.execute(
            STAGE_SQL,
            {"status": str(status), "held": held, "count": count, "ce": CE, "now": NOW},
        )
        return [row[0] for row in made]

    def enable(self, count: int) -> int:
        """Leave only so many CEs enabled."""
        self.hand.execute(
            "UPDATE ces SET enabled = (name <= 'ce-' || lpad(%s::text, 4, '0'))"
            " WHERE enabled <> (name <= 'ce-' || lpad(%s::text, 4, '0'))",
            [count, count],
        )
        return count

    def clear(self) -> None:
        """Take away the pilots that came since the world was made."""
        self.hand.execute("DELETE FROM pilots WHERE id > %s", [self.last])

    def settle(self) -> None:
        """Tidy up after many changes, so that no side pays for what came before."""
        self.enable(CES)
        self.hand.execute("VACUUM pilots, transitions, ces")


@contextmanager
def made(base: URL, finals: int) -> Iterator[World]:
    """Make a world in a database of its own beside the given one, and drop it at the end."""
    url = base.set(database=f"bench_{finals}_{base.database}")
    server.drop(url, force=True)
    server.create(url)
    world = World(url, finals)
    try:
        yield world
    finally:
        world.hand.close()
        server.drop(url, force=True)

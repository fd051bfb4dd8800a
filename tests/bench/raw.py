"""The other side: the same operations in the best SQL we can write by hand, over bare psycopg.

Same tables, constraints and indexes; the same locks in the same order; the same history; one
transaction with its commit; any number of rows as one statement. It differs where a careful
author would differ: one connection that is simply held (no pool, no ping), arrays instead of
JSON, the change of a status and its history as one statement (which SQLite has not), rows as
tuples with statuses as plain words, and no translation of errors. It also uses no pipeline, nor
a server-side function: both would be another design and not a faster driver.
"""

from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
from sqlalchemy import URL

from tests.bench.sides import LATER, NOW, Counter
from worker.db.engine import TIMEOUTS
from worker.domain.pilot import Grant

LOCK_VOS: LiteralString = """
SELECT id, name, "limit", enabled FROM vos WHERE name = ANY(%s) ORDER BY id FOR NO KEY UPDATE"""

LOCK_CES: LiteralString = """
SELECT id, name, capacity, waiting_limit, enabled, draining, open_to_all
FROM ces WHERE name = ANY(%s) ORDER BY id FOR NO KEY UPDATE"""

# A statement of its own: what it counts must be what stands after the locks were got.
COUNT: LiteralString = """
SELECT 'ce', ce_id, NULL::bigint, count(*), count(*) FILTER (WHERE status <> 'running')
FROM pilots WHERE ce_id = ANY(%(ces)s)
AND ended_at IS NULL GROUP BY ce_id
UNION ALL
SELECT 'vo', vo_id, NULL::bigint, count(*), 0 FROM pilots WHERE vo_id = ANY(%(vos)s)
AND ended_at IS NULL GROUP BY vo_id
UNION ALL
SELECT 'may', ce_id, vo_id, 0, 0 FROM ce_vos WHERE ce_id = ANY(%(closed)s)"""

RESERVE: LiteralString = """
WITH made AS (
  INSERT INTO pilots (stamp, vo_id, ce_id, status, reserved_at, updated_at)
  SELECT stamp, vo_id, ce_id, 'reserved', %(now)s, %(now)s
  FROM unnest(%(stamps)s::text[], %(vos)s::bigint[], %(ces)s::bigint[]) AS t(stamp, vo_id, ce_id)
  RETURNING id, stamp
) SELECT id, stamp FROM made"""

CLAIM: LiteralString = """
WITH picked AS (
  SELECT p.id, p.vo_id FROM pilots p
  WHERE p.ce_id = (SELECT id FROM ces WHERE name = %(ce)s) AND p.status = 'reserved'
    AND p.submitted_at IS NULL AND p.ended_at IS NULL
  ORDER BY p.id LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
) UPDATE pilots p SET status = 'submitting', cause = NULL, reason = NULL, attempts = 0,
  misses = 0, missing_since = NULL, claimed_at = %(now)s, updated_at = %(now)s
FROM picked, vos WHERE p.id = picked.id AND vos.id = picked.vo_id
RETURNING p.id, p.stamp, vos.name"""

MOVE: LiteralString = """
WITH legal AS (
  SELECT p.id, p.status AS was, new.* FROM pilots p JOIN unnest(
    %(ids)s::bigint[], %(tos)s::text[], %(causes)s::text[], %(handles)s::text[],
    %(raws)s::text[], %(reasons)s::text[], %(codes)s::int[], %(starts)s::timestamptz[],
    %(ends)s::timestamptz[], %(nexts)s::timestamptz[]
  ) AS new(pilot_id, became, cause, handle, raw, reason, exit_code, started_at, ended_at, next_at)
  ON p.id = new.pilot_id
  WHERE p.status || '>' || new.became IN (
    'reserved>submitting', 'reserved>cancelled',
    'submitting>submitted', 'submitting>running', 'submitting>done', 'submitting>failed',
    'submitting>lost',
    'submitted>running', 'submitted>done', 'submitted>failed', 'submitted>cancelled',
    'submitted>lost',
    'running>submitted', 'running>done', 'running>failed', 'running>cancelled', 'running>lost',
    'lost>submitted', 'lost>running', 'lost>done', 'lost>failed', 'lost>cancelled')
  ORDER BY p.id FOR NO KEY UPDATE OF p
), born AS (
  INSERT INTO transitions (pilot_id, was, became, cause, raw, reason, at)
  SELECT id, was, became, cause, raw, reason, %(now)s FROM legal
) UPDATE pilots p SET
  status = l.became, cause = l.cause, handle = coalesce(l.handle, p.handle),
  raw = coalesce(l.raw, p.raw), reason = l.reason,
  exit_code = coalesce(l.exit_code, p.exit_code), attempts = 0, misses = 0, missing_since = NULL,
  requeues = p.requeues + (l.was = 'running' AND l.became = 'submitted')::int,
  claimed_at = CASE WHEN l.became = 'submitting' THEN %(now)s ELSE p.claimed_at END,
  submitted_at = CASE WHEN l.became IN ('submitted', 'running', 'done') OR l.handle IS NOT NULL
    THEN coalesce(p.submitted_at, %(now)s) ELSE p.submitted_at END,
  started_at = CASE l.became WHEN 'running' THEN coalesce(l.started_at, p.started_at, %(now)s)
    WHEN 'submitted' THEN NULL ELSE coalesce(l.started_at, p.started_at) END,
  ended_at = CASE WHEN l.became IN ('done', 'failed', 'cancelled', 'lost')
    THEN coalesce(l.ended_at, %(now)s) END,
  next_check_at = CASE WHEN l.became IN ('submitted', 'running')
    THEN coalesce(l.next_at, %(now)s) END,
  updated_at = %(now)s
FROM legal l WHERE p.id = l.id RETURNING p.id"""

CHECKED: LiteralString = """
UPDATE pilots p SET next_check_at = new.next_at,
  attempts = CASE WHEN answered THEN 0 ELSE attempts + 1 END,
  misses = CASE WHEN missing THEN misses + 1 WHEN answered THEN 0 ELSE misses END,
  missing_since = CASE WHEN missing THEN coalesce(missing_since, %(now)s)
    WHEN answered THEN NULL ELSE missing_since END,
  checked_at = CASE WHEN answered THEN %(now)s ELSE checked_at END, updated_at = %(now)s
FROM unnest(%(ids)s::bigint[], %(nexts)s::timestamptz[], %(answered)s::bool[], %(missing)s::bool[])
  AS new(pilot_id, next_at, answered, missing)
WHERE p.id = new.pilot_id AND p.status IN ('submitted', 'running')"""

DUE: LiteralString = """
SELECT p.id, p.stamp, v.name, c.name, p.status, p.cause, p.handle, p.raw, p.reason, p.exit_code,
  p.attempts, p.misses, p.requeues, p.reserved_at, p.claimed_at, p.submitted_at, p.started_at,
  p.ended_at, p.checked_at, p.missing_since, p.next_check_at, p.updated_at
FROM pilots p JOIN vos v ON v.id = p.vo_id JOIN ces c ON c.id = p.ce_id
WHERE c.name = %(ce)s AND p.next_check_at <= %(now)s AND p.ended_at IS NULL
ORDER BY p.next_check_at, p.id LIMIT %(limit)s"""

FREE: LiteralString = """
SELECT name, capacity, success_rate, slots FROM (
  SELECT c.name, c.capacity, c.success_rate, least(
    c.capacity - coalesce(n.occupying, 0), c.waiting_limit - coalesce(n.waiting, 0)) AS slots
  FROM ces c LEFT JOIN (
    SELECT ce_id, count(*) AS occupying, count(*) FILTER (WHERE status <> 'running') AS waiting
    FROM pilots WHERE status IN ('reserved', 'submitting', 'submitted', 'running') GROUP BY ce_id
  ) AS n ON n.ce_id = c.id WHERE c.enabled AND NOT c.draining
) AS ces WHERE slots > 0 ORDER BY name"""


class Raw:
    """The operations by hand."""

    name = "raw"

    def __init__(self, url: URL, counter: Counter) -> None:
        settings = {"timezone": "UTC", "jit": "off", **TIMEOUTS}
        self.connection: psycopg.Connection[Any] = psycopg.connect(
            url.set(drivername="postgresql").render_as_string(hide_password=False),
            options=" ".join(f"-c {key}={value}" for key, value in settings.items()),
        )
        counter.install(self.connection)

    def reserve(self, grants: Sequence[Grant]) -> int:
        with self.connection.transaction():
            made = self._take(grants)
            stamps = [uuid4().hex for _ in made]
            found = self._all(
                RESERVE,
                {
                    "stamps": stamps,
                    "vos": [vo for vo, _ in made],
                    "ces": [ce for _, ce in made],
                    "now": NOW,
                },
            )
            return len(found)

    def _take(self, grants: Sequence[Grant]) -> list[tuple[int, int]]:
        """Lock, count, and choose a VO and a CE for each pilot that fits."""
        vos = {r[1]: r for r in self._all(LOCK_VOS, [[g.vo for g in grants]])}
        ces = {r[1]: r for r in self._all(LOCK_CES, [[g.ce for g in grants]])}
        counted = self._all(
            COUNT,
            {
                "ces": [ce[0] for ce in ces.values()],
                "vos": [vo[0] for vo in vos.values() if vo[2] is not None],
                "closed": [ce[0] for ce in ces.values() if not ce[6]],
            },
        )
        used = {(kind, key): (occupying, waiting) for kind, key, _, occupying, waiting in counted}
        may = {(ce, vo) for kind, ce, vo, _, _ in counted if kind == "may"}
        vo_room = {n: _vo_room(vo, used.get(("vo", vo[0]), (0, 0))) for n, vo in vos.items()}
        ce_room = {n: _ce_room(ce, used.get(("ce", ce[0]), (0, 0))) for n, ce in ces.items()}
        made: list[tuple[int, int]] = []
        for g in grants:
            key = (ces[g.ce][0], vos[g.vo][0])
            if ces[g.ce][6] or key in may:
                count = max(0, min(g.count, vo_room[g.vo], ce_room[g.ce]))
                vo_room[g.vo] -= count
                ce_room[g.ce] -= count
                made += [(key[1], key[0])] * count
        return made

    def claim(self, ce: str, limit: int) -> int:
        with self.connection.transaction():
            return len(self._all(CLAIM, {"ce": ce, "limit": limit, "now": NOW}))

    def record(self, ids: Sequence[int]) -> int:
        n = len(ids)
        return self._move(
            ids,
            tos=["submitted"] * n,
            handles=[f"job-{i}" for i in ids],
            raws=["PENDING"] * n,
            nexts=[LATER] * n,
        )

    def move(self, ids: Sequence[int]) -> int:
        n = len(ids)
        return self._move(ids, tos=["done"] * n, raws=["COMPLETED"] * n, codes=[0] * n)

    def _move(self, ids: Sequence[int], **given: list[Any]) -> int:
        names = ("causes", "handles", "raws", "reasons", "codes", "starts", "ends", "nexts")
        arrays = {name: given.get(name, [None] * len(ids)) for name in names}
        parameters = {"ids": list(ids), "tos": given["tos"], "now": NOW, **arrays}
        with self.connection.transaction():
            return len(self._all(MOVE, parameters))

    def checked(self, ids: Sequence[int]) -> int:
        n = len(ids)
        parameters = {
            "ids": list(ids),
            "nexts": [LATER] * n,
            "answered": [True] * n,
            "missing": [False] * n,
            "now": NOW,
        }
        with self.connection.transaction():
            return self.connection.execute(CHECKED, parameters).rowcount

    def due(self, ce: str, limit: int) -> int:
        with self.connection.transaction():
            return len(self._all(DUE, {"ce": ce, "now": NOW, "limit": limit}))

    def free(self) -> int:
        with self.connection.transaction():
            return len(self._all(FREE, None))

    def _all(self, statement: LiteralString, parameters: Any) -> list[Any]:
        return self.connection.execute(statement, parameters).fetchall()


def _vo_room(vo: Any, used: tuple[int, int]) -> int:
    _, _, limit, enabled = vo
    if not enabled:
        return 0
    return 2**31 if limit is None else limit - used[0]


def _ce_room(ce: Any, used: tuple[int, int]) -> int:
    _, _, capacity, waiting_limit, enabled, draining, _ = ce
    if not enabled or draining:
        return 0
    free = capacity - used[0]
    return int(free if waiting_limit is None else min(free, waiting_limit - used[1]))

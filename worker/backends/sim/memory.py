"""The simulated world in the database: its jobs, and the faults that are switched on.

The jobs at a CE outlive the pilots that Pilotage records, so these tables have no foreign keys to
the core's tables: a job whose pilot was never recorded must still exist. Every function handles a
set.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Executable,
    Float,
    Index,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from worker.backends.sim.life import JobLife
from worker.db import locks
from worker.db.rows import encode, rows
from worker.db.tables import NAMING
from worker.db.types import JSON_VALUE, KEY, UtcDateTime
from worker.db.uow import Transaction

metadata = MetaData(naming_convention=NAMING)

sim_jobs = Table(
    "sim_jobs",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("ce", String(128), nullable=False),
    Column("stamp", String(32), nullable=False),
    Column("vo", String(128), nullable=False),
    Column(
        "accepted_at",
        UtcDateTime(),
        nullable=False,
        server_default=func.current_timestamp(),
    ),
    Column("visible_at", UtcDateTime(), nullable=False),
    Column("starts_at", UtcDateTime()),
    Column("stopped_at", UtcDateTime()),
    Column("restarts_at", UtcDateTime()),
    Column("ends_at", UtcDateTime()),
    Column("fate", String(16), nullable=False),
    Column("exit_code", Integer),
    Column("forgotten_at", UtcDateTime()),
    Index("ix_sim_jobs_ce_ends_at", "ce", "ends_at"),
    sqlite_autoincrement=True,  # the handle of a forgotten job is never given to another
    comment="Every job that a simulated CE accepted, and its life as it was decided.",
)

sim_faults = Table(
    "sim_faults",
    metadata,
    Column("ce", String(128), primary_key=True),
    Column("fault", String(32), primary_key=True),
    Column("rate", Float, nullable=False, server_default=text("1")),
    Column("settings", JSON_VALUE, nullable=False),
    Column("since", UtcDateTime()),
    Column("until", UtcDateTime()),
    CheckConstraint("rate >= 0 AND rate <= 1", name="rate"),
    comment="What is wrong with a simulated CE, and for how long.",
)


_JOB = sim_jobs.c
_LIFE = tuple(one.name for one in fields(JobLife))


@dataclass(frozen=True, kw_only=True)
class SimJob:
    """A job at a simulated CE. A job that is not stored yet has no id and no CE."""

    stamp: str
    vo: str
    accepted_at: datetime
    visible_at: datetime
    life: JobLife
    forgotten_at: datetime | None = None
    id: int = 0
    ce: str = ""

    def is_shown(self, now: datetime) -> bool:
        """Return whether the CE knows the job and shows it already."""
        return self.visible_at <= now and (self.forgotten_at is None or now < self.forgotten_at)


def queue_up(tx: Transaction, ce: str) -> None:
    """Wait until no other call lists or submits jobs of this CE.

    So a listing has every job that was accepted before it was requested, and a quota is never
    exceeded. On SQLite a unit of work is the only writer anyway.
    """
    locks.wait_for_lock(tx, f"sim:{ce}")


def add(tx: Transaction, ce: str, jobs: Sequence[SimJob], now: datetime) -> dict[str, int]:
    """Add jobs; return the id of each by its stamp."""
    if not jobs:
        return {}
    names = ("stamp", "vo", "visible_at", "forgotten_at", *_LIFE)
    data = (
        (job.stamp, job.vo, job.visible_at, job.forgotten_at, *_lived(job.life)) for job in jobs
    )
    result = tx.execute(_add(tx.dialect), {**encode(names, data), "ce": ce, "now": now})
    return {row.stamp: row.id for row in result}


def count_live(tx: Transaction, ce: str, now: datetime) -> int:
    """Count the jobs of a CE that have not ended."""
    query = select(func.count()).where(_JOB.ce == ce, _not_ended_by(now))
    return int(tx.execute(query).scalar_one())


def by_ids(tx: Transaction, ces: Collection[str], ids: Iterable[int]) -> dict[int, SimJob]:
    """Read jobs by their ids, if they are of these CEs."""
    result = tx.execute(_by_ids(tx.dialect), encode(("id",), ([i] for i in ids))).mappings()
    # The CE is not in the query: SQLite would read all jobs of the CE once for each id.
    return {row["id"]: _job(row) for row in result if row["ce"] in ces}


def not_ended_by(tx: Transaction, ces: Collection[str], moment: datetime) -> list[SimJob]:
    """Return the jobs that had not ended by this time, in the order of their submission."""
    query = select(sim_jobs).where(_JOB.ce.in_(ces), _not_ended_by(moment)).order_by(_JOB.id)
    return [_job(row) for row in tx.execute(query).mappings()]


def change(tx: Transaction, jobs: Sequence[SimJob]) -> None:
    """Store the changed lives of jobs."""
    if not jobs:
        return
    names = ("id", "forgotten_at", *_LIFE)
    data = ((job.id, job.forgotten_at, *_lived(job.life)) for job in jobs)
    tx.execute(_change(tx.dialect), encode(names, data))


def clear(tx: Transaction, ce: str, before: datetime, limit: int = 10_000) -> None:
    """Delete jobs that ended before this time, at most `limit` of them."""
    old = (
        select(_JOB.id)
        .where(_JOB.ce == ce, _JOB.ends_at < before)
        .order_by(_JOB.ends_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    tx.execute(delete(sim_jobs).where(_JOB.id.in_(old)))


def _lived(life: JobLife) -> list[Any]:
    return [getattr(life, name) for name in _LIFE]


def _job(row: Any) -> SimJob:
    own = {one.name: row[one.name] for one in fields(SimJob) if one.name != "life"}
    return SimJob(life=JobLife(**{name: row[name] for name in _LIFE}), **own)


def _not_ended_by(moment: datetime) -> Any:
    return or_(_JOB.ends_at.is_(None), _JOB.ends_at > moment)


_LIFE_TYPES: dict[str, Any] = {
    **dict.fromkeys(("starts_at", "stopped_at", "restarts_at", "ends_at"), UtcDateTime),
    "fate": Text,
    "exit_code": Integer,
}


@cache
def _add(dialect: str) -> Executable:
    new = rows(
        dialect,
        stamp=Text,
        vo=Text,
        visible_at=UtcDateTime,
        forgotten_at=UtcDateTime,
        **_LIFE_TYPES,
    )
    return (
        insert(sim_jobs)
        .from_select(
            [*new.c.keys(), "ce", "accepted_at"],
            select(new, bindparam("ce", type_=String), bindparam("now", type_=UtcDateTime())),
        )
        .returning(_JOB.id, _JOB.stamp)
    )


@cache
def _by_ids(dialect: str) -> Select[Any]:
    ids_given = rows(dialect, id=Integer)
    return select(sim_jobs).join_from(sim_jobs, ids_given, _JOB.id == ids_given.c.id)


@cache
def _change(dialect: str) -> Executable:
    new = rows(dialect, id=Integer, forgotten_at=UtcDateTime, **_LIFE_TYPES)
    values = {name: new.c[name] for name in ("forgotten_at", *_LIFE)}
    return update(sim_jobs).where(_JOB.id == new.c.id).values(values)

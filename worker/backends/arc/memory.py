"""What is stored about ARC CEs. Every function handles a set.

`arc_jobs` saves requests: the stamp of a job is requested once, when the CE lists a job that is not
in the table. No row of it is needed to know what became of a pilot: a row that could not be written
is requested again. `arc_identities` has the identity under which pilots were sent: to another
identity the CE shows none of them, which must not be taken for their absence. A row outlives its
CE.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    Executable,
    Index,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    select,
)

from worker.db.rows import encode, insert_rows, put, rows
from worker.db.tables import NAMING
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction

metadata = MetaData(naming_convention=NAMING)

arc_identities = Table(
    "arc_identities",
    metadata,
    Column("ce", String(128), primary_key=True),
    Column("vo", String(128), primary_key=True),
    Column("owner", Text, primary_key=True),
    Column("used_at", UtcDateTime(), nullable=False),
    Column("delegation", String(128)),
    Column("delegated_until", UtcDateTime()),
    comment="Under whose name the pilots of a VO were sent to a CE, and the proxy it holds of it.",
)

arc_jobs = Table(
    "arc_jobs",
    metadata,
    Column("ce", String(128), primary_key=True),
    Column("job", String(128), primary_key=True),
    Column("stamp", String(32)),
    Column("owner", Text, nullable=False),
    Column("running_at", UtcDateTime()),
    Column("started_at", UtcDateTime()),
    Column("ended_at", UtcDateTime()),
    Index("ix_arc_jobs_ce_ended_at", "ce", "ended_at"),
    comment="What was learnt of the jobs at a CE; one without a stamp is not ours.",
)


CLEANED = 1000
"""The most jobs that are cleaned in one call."""

_JOB = arc_jobs.c
_WHO = arc_identities.c


class JobRecord(NamedTuple):
    """The record of a job: its stamp, its owner, and when the CE first reported its states."""

    job: str
    stamp: str | None
    owner: str
    running_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


_RECORD = [_JOB[name] for name in JobRecord._fields]


@dataclass(frozen=True, kw_only=True)
class OwnerRecord:
    """An identity under which a VO's pilots were sent, its last use, and its proxy at the CE."""

    owner: str
    used_at: datetime
    delegation: str | None = None
    delegated_until: datetime | None = None


def learn(tx: Transaction, ce: str, jobs: Iterable[JobRecord]) -> None:
    """Store records of jobs; times that are already stored stay unchanged."""
    data = list(jobs)
    if data:
        tx.execute(_learn(tx.dialect), {**encode(JobRecord._fields, data), "ce": ce})


def records(tx: Transaction, ce: str, jobs: Sequence[str]) -> dict[str, JobRecord]:
    """Return the records of these jobs."""
    stored = tx.execute(_records(tx.dialect), {**encode(("job",), ([j] for j in jobs)), "ce": ce})
    return {row[0]: JobRecord._make(row) for row in stored}


def of_owner(tx: Transaction, ce: str, owner: str) -> dict[str, JobRecord]:
    """Return the records of all jobs of an identity."""
    stored = tx.execute(select(*_RECORD).where(_JOB.ce == ce, _JOB.owner == owner))
    return {row[0]: JobRecord._make(row) for row in stored}


def kept_long_enough(tx: Transaction, ce: str, owner: str, before: datetime) -> list[str]:
    """Return jobs of ours whose end was first reported before this time, the oldest first."""
    query = (
        select(_JOB.job)
        .where(_JOB.ce == ce, _JOB.owner == owner, _JOB.ended_at < before, _JOB.stamp.is_not(None))
        .order_by(_JOB.ended_at)
        .limit(CLEANED)
    )
    return list(tx.execute(query).scalars())


def forget(tx: Transaction, ce: str, jobs: Sequence[str]) -> None:
    """Delete the records of jobs that the CE does not have any longer."""
    if jobs:
        tx.execute(_forget(tx.dialect), {**encode(("job",), ([j] for j in jobs)), "ce": ce})


def identities(tx: Transaction, ce: str, vo: str) -> list[OwnerRecord]:
    """Return the identities under which a VO's pilots were sent, the latest first."""
    query = select(_WHO.owner, _WHO.used_at, _WHO.delegation, _WHO.delegated_until)
    stored = tx.execute(query.where(_WHO.ce == ce, _WHO.vo == vo).order_by(_WHO.used_at.desc()))
    return [OwnerRecord(**row) for row in stored.mappings()]


def used(tx: Transaction, ce: str, vo: str, identity: OwnerRecord) -> None:
    """Store the identity under which a VO's pilots are sent."""
    values = {
        "used_at": identity.used_at,
        "delegation": identity.delegation,
        "delegated_until": identity.delegated_until,
    }
    put(tx, arc_identities, {"ce": ce, "vo": vo, "owner": identity.owner}, values)


_MOMENTS = ("running_at", "started_at", "ended_at")
_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("job", "stamp", "owner"), Text),
    **dict.fromkeys(_MOMENTS, UtcDateTime),
}


@cache
def _learn(dialect: str) -> Executable:
    insertion = insert_rows(dialect, arc_jobs, _COLUMNS, ce=Text)
    # The times that were stored first stay: a job has one beginning and one end.
    later = {name: func.coalesce(_JOB[name], insertion.excluded[name]) for name in _MOMENTS}
    changed: Executable = insertion.on_conflict_do_update(index_elements=["ce", "job"], set_=later)
    return changed


@cache
def _records(dialect: str) -> Executable:
    # `IN` instead of a join: SQLite would compare a join row by row with all jobs of the CE.
    jobs_asked = select(rows(dialect, job=Text).c.job)
    return select(*_RECORD).where(_JOB.ce == bindparam("ce", type_=Text), _JOB.job.in_(jobs_asked))


@cache
def _forget(dialect: str) -> Executable:
    jobs_gone = rows(dialect, job=Text)
    gone = select(jobs_gone.c.job)
    return delete(arc_jobs).where(_JOB.ce == bindparam("ce", type_=Text), _JOB.job.in_(gone))

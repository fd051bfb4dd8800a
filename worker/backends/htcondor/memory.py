"""The mark in the history of each CE: the record at which reading backwards may stop.

A schedd's history has no index: each query reads it backwards from the newest record. The mark is
where the reading stops. It is never newer than the last but one listing, and a query that does not
find all jobs is repeated without the mark; so a lost or wrong mark costs only time.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, MetaData, String, Table, select, update

from worker.db.rows import insert_new
from worker.db.tables import NAMING
from worker.db.types import UtcDateTime
from worker.db.uow import UnitOfWork

metadata = MetaData(naming_convention=NAMING)

htcondor_marks = Table(
    "htcondor_marks",
    metadata,
    Column("ce", String(128), primary_key=True),
    Column("job", String(64)),
    Column("next_job", String(64), nullable=False),
    Column("next_at", UtcDateTime(), nullable=False),
    comment="The record at which reading a CE's history backwards may stop, and the next such.",
)


class Marks:
    """The mark of one CE, and the record that becomes the next mark.

    A job that left the queue before the mark was in every listing for at least `span`. So if a
    pilot is polled more often than once in `span`, its record is newer than the mark when its end
    is first looked up.
    """

    def __init__(self, ce: str, uow: UnitOfWork, span: timedelta) -> None:
        self._ce = ce
        self._uow = uow
        self._span = span

    def read(self) -> str | None:
        """Return the id of the job whose record is the mark; `None` if there is no mark."""
        job: str | None = self._value(htcondor_marks.c.job)
        return job

    def is_due(self, now: datetime) -> bool:
        """Return whether the mark may be moved now."""
        next_at = self._value(htcondor_marks.c.next_at)
        return next_at is None or now - next_at >= self._span

    def move(self, newest: str, now: datetime) -> None:
        """Make the next mark the mark, and `newest`, read before a listing, the next mark."""
        values = {"next_job": newest, "next_at": now}
        change = update(htcondor_marks).where(
            htcondor_marks.c.ce == self._ce, htcondor_marks.c.next_at <= now - self._span
        )
        with self._uow() as tx:
            insert_new(tx, htcondor_marks, ce=self._ce, **values)
            tx.execute(change.values(job=htcondor_marks.c.next_job, **values))

    def _value(self, column: Column[Any]) -> Any:
        with self._uow() as tx:
            query = select(column).where(htcondor_marks.c.ce == self._ce)
            return tx.execute(query).scalar_one_or_none()

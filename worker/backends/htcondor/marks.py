"""The mark at which reading a CE's history backwards may stop."""

from datetime import datetime, timedelta

from sqlalchemy import select, update

from worker.backends.htcondor.tables import htcondor_marks as marks
from worker.db.rows import insert_new
from worker.db.uow import UnitOfWork


class Marks:
    """Of one CE.

    What left the queue before the mark has been in every listing of at least `span`. A pilot that
    is asked after more often than that has left the queue behind the mark.
    """

    def __init__(self, ce: str, uow: UnitOfWork, span: timedelta) -> None:
        self._ce = ce
        self._uow = uow
        self._span = span

    def read(self) -> str | None:
        """Name the job whose record is the mark."""
        with self._uow() as tx:
            found = tx.execute(select(marks.c.job).where(marks.c.ce == self._ce))
            job: str | None = found.scalar_one_or_none()
            return job

    def is_due(self, now: datetime) -> bool:
        """Tell whether the mark may move on."""
        with self._uow() as tx:
            found = tx.execute(select(marks.c.next_at).where(marks.c.ce == self._ce))
            next_at: datetime | None = found.scalar_one_or_none()
        return next_at is None or now - next_at >= self._span

    def move(self, newest: str, now: datetime) -> None:
        """Let the next mark be the mark, and the newest record, of before a listing, the next."""
        values = {"next_job": newest, "next_at": now}
        mine = update(marks).where(marks.c.ce == self._ce, marks.c.next_at <= now - self._span)
        with self._uow() as tx:
            insert_new(tx, marks, ce=self._ce, **values)
            tx.execute(mine.values(job=marks.c.next_job, **values))

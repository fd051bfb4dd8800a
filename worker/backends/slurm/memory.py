"""What is stored about each CE: when its jobs were listed, and which cancellations we asked for.

Slurm keeps no record of an element of an array that is cancelled before it has started: it is in
no list and in no history. Only our own record of the cancellation distinguishes it from a job that
was lost.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any

from sqlalchemy import (
    Column,
    Executable,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    select,
    update,
)

from worker.backends.contract import Means
from worker.db.rows import encode, insert_new, insert_rows, rows
from worker.db.tables import NAMING
from worker.db.types import UtcDateTime

metadata = MetaData(naming_convention=NAMING)

slurm_clusters = Table(
    "slurm_clusters",
    metadata,
    Column("ce", String(128), primary_key=True),
    Column("history_from", UtcDateTime()),
    Column("history_next", UtcDateTime()),
    Column("history_uses", Integer, nullable=False, server_default="0"),
    Column("listed_at", UtcDateTime()),
    Column("tidied_at", UtcDateTime()),
    comment="When each cluster was listed and tidied, and how far back its history is listed.",
)

slurm_cancellations = Table(
    "slurm_cancellations",
    metadata,
    Column("ce", String(128), primary_key=True),
    Column("stamp", String(32), primary_key=True),
    Column("asked_at", UtcDateTime(), nullable=False),
    comment="The pilots that a cluster was asked to cancel; of some it keeps no record itself.",
)


FIRST_LOOK = timedelta(days=7)
"""How far back the first listing of the history goes."""
OVERLAP = timedelta(hours=1)
"""How far a listing of the history reaches back beyond the stored time, because accounting may lag
behind the controller."""
USES = 5
"""How many listings of the history begin at the same time before a later time is used: so a listing
that was made and never recorded loses nothing."""
NOTHING_YET = SimpleNamespace(
    history_from=None, history_next=None, history_uses=0, listed_at=None, tidied_at=None
)
"""The values for a CE that was never listed."""
TIDY_EVERY = timedelta(hours=1)
KEEP_CANCELLATIONS = timedelta(days=30)


class Memory:
    """What is stored about one CE."""

    def __init__(self, ce: str, means: Means) -> None:
        self._ce = ce
        self._uow = means.uow
        self._now = means.now

    def history_from(self) -> datetime:
        """Return the time from which the history must be listed now."""
        begin = self._row().history_from
        return begin - OVERLAP if begin is not None else self._now() - FIRST_LOOK

    def listed_at(self) -> datetime | None:
        """Return the time of the last complete listing."""
        moment: datetime | None = self._row().listed_at
        return moment

    def listed(self, as_of: datetime) -> None:
        """Record a complete listing."""
        row = self._row()
        uses = row.history_uses + 1
        values: dict[str, Any] = {"listed_at": as_of, "history_uses": uses}
        if row.history_next is None:
            values["history_next"] = as_of
        elif uses >= USES:
            values |= {"history_from": row.history_next, "history_next": as_of, "history_uses": 0}
        self._set(**values)

    def is_tidy(self) -> bool:
        """Return whether the last cleaning up was less than `TIDY_EVERY` ago."""
        tidied_at = self._row().tidied_at
        return tidied_at is not None and self._now() - tidied_at < TIDY_EVERY

    def tidied(self) -> None:
        """Delete old cancellations, and record the time of the cleaning up."""
        old = self._now() - KEEP_CANCELLATIONS
        with self._uow() as tx:
            query = delete(slurm_cancellations).where(slurm_cancellations.c.ce == self._ce)
            tx.execute(query.where(slurm_cancellations.c.asked_at < old))
        self._set(tidied_at=self._now())

    def cancelling(self, stamps: Iterable[str]) -> None:
        """Record that these pilots are about to be cancelled; an earlier record stays unchanged."""
        data = encode(("stamp",), [(stamp,) for stamp in sorted(set(stamps))])
        with self._uow() as tx:
            common = {"ce": self._ce, "asked_at": self._now()}
            tx.execute(_insert_cancellations(tx.dialect), {**data, **common})

    def cancelled(self, stamps: Iterable[str]) -> set[str]:
        """Return which of these pilots the cluster was asked to cancel."""
        data = encode(("stamp",), [(stamp,) for stamp in stamps])
        with self._uow() as tx:
            stamps_asked = rows(tx.dialect, stamp=Text)
            query = select(slurm_cancellations.c.stamp).where(
                slurm_cancellations.c.ce == self._ce,
                slurm_cancellations.c.stamp == stamps_asked.c.stamp,
            )
            return set(tx.execute(query, data).scalars())

    def _row(self) -> Any:
        with self._uow() as tx:
            query = select(slurm_clusters).where(slurm_clusters.c.ce == self._ce)
            return tx.execute(query).one_or_none() or NOTHING_YET

    def _set(self, **values: Any) -> None:
        change = update(slurm_clusters).where(slurm_clusters.c.ce == self._ce)
        with self._uow() as tx:
            insert_new(tx, slurm_clusters, ce=self._ce)
            tx.execute(change.values(**values))


@cache
def _insert_cancellations(dialect: str) -> Executable:
    new = insert_rows(
        dialect, slurm_cancellations, {"stamp": Text}, ce=String, asked_at=UtcDateTime
    )
    made: Executable = new.on_conflict_do_nothing()
    return made

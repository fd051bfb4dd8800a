"""Counts of pilots and of calls, by triggers and tasks. They are kept longer than the pilots."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from worker.db.tables.common import id_key, metadata
from worker.db.tables.pilots import pilots
from worker.db.tables.places import ces, vos
from worker.db.tally_triggers import follows
from worker.db.types import JSON_VALUE, KEY, UtcDateTime, words
from worker.domain.call_tally import CallKind, CallOutcome
from worker.domain.pilot import Status
from worker.domain.tally import Grain, TotalCounts


def _counted_moves(*, primary_key: bool = False) -> tuple[Column[Any], ...]:
    """Make the columns of a move and of its counts. No status and no cause are stored as ''.

    For a good end, the column `cause` holds its use.
    """
    move = ("was", "became", "cause")
    return (
        *(Column(n, String(16), nullable=False, primary_key=primary_key) for n in move),
        Column("pilots", Integer, nullable=False),
        Column("starts", Integer, nullable=False),
        Column("seconds_to_start", Float, nullable=False),
        Column("seconds_run", Float, nullable=False),
    )


def _totals(place: str, table: Table) -> tuple[Column[Any], ...]:
    """Make the columns of totals of moves. Microseconds are whole numbers, so sums are exact."""
    return (
        Column(f"{place}_id", ForeignKey(table.c.id, ondelete="CASCADE"), primary_key=True),
        *(Column(n, String(16), primary_key=True) for n in ("was", "became", "cause")),
        *(Column(n, BigInteger, nullable=False) for n in TotalCounts._fields),
    )


new_tallies = Table(
    "new_tallies",
    metadata,
    id_key(),
    Column("at", UtcDateTime(), nullable=False),
    Column("ce_id", KEY, nullable=False),
    Column("vo_id", KEY, nullable=False),
    *_counted_moves(),
    Index("ix_new_tallies_ce_id", "ce_id"),
    comment="What has moved since the tallies were folded; triggers on pilots write it.",
)
# When all tables are emptied, pilots come first: their deletion writes new tallies.
pilots.add_is_dependent_on(new_tallies)
follows(pilots)

pilot_counts = Table(
    "pilot_counts",
    metadata,
    Column("ce_id", ForeignKey(ces.c.id, ondelete="CASCADE"), primary_key=True),
    Column("vo_id", ForeignKey(vos.c.id, ondelete="CASCADE"), primary_key=True),
    Column("status", words(Status, "status"), primary_key=True),
    Column("pilots", Integer, nullable=False),
    comment="How many pilots there are, without what new_tallies says.",
)

tallies = Table(
    "tallies",
    metadata,
    Column("grain", words(Grain, "grain"), primary_key=True),
    Column("begins_at", UtcDateTime(), primary_key=True),
    Column("ce_id", ForeignKey(ces.c.id, ondelete="CASCADE"), primary_key=True),
    Column("vo_id", ForeignKey(vos.c.id, ondelete="CASCADE"), primary_key=True),
    *_counted_moves(primary_key=True),
    comment="What has moved in each minute, hour or day; it outlives the pilots.",
)

call_tallies = Table(
    "call_tallies",
    metadata,
    Column("grain", words(Grain, "grain"), primary_key=True),
    Column("begins_at", UtcDateTime(), primary_key=True),
    Column("ce_id", ForeignKey(ces.c.id, ondelete="CASCADE"), primary_key=True),
    Column("kind", words(CallKind, "kind"), primary_key=True),
    Column("outcome", words(CallOutcome, "outcome"), primary_key=True),
    Column("within", Integer, primary_key=True, autoincrement=False),
    Column("calls", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Index("ix_call_tallies_ce_id", "ce_id", "begins_at"),
    comment="How the calls to each CE went and how long they took; it outlives the pilots.",
)

ce_totals = Table(
    "ce_totals",
    metadata,
    *_totals("ce", ces),
    comment="What has ever moved at each CE, without what new_tallies says; it never goes down.",
)

vo_totals = Table(
    "vo_totals",
    metadata,
    *_totals("vo", vos),
    comment="What has ever moved of each VO, without what new_tallies says; it never goes down.",
)

# No foreign key to the CE, so that the sums of a back-end stay when one of its CEs is removed.
call_totals = Table(
    "call_totals",
    metadata,
    Column("ce_id", KEY, primary_key=True, autoincrement=False),
    Column("backend", String(128), primary_key=True),
    Column("kind", words(CallKind, "kind"), primary_key=True),
    Column("outcome", words(CallOutcome, "outcome"), primary_key=True),
    Column("within", Integer, primary_key=True, autoincrement=False),
    Column("calls", BigInteger, nullable=False),
    Column("microseconds", BigInteger, nullable=False),
    comment="All calls that were ever made to each CE; it never goes down.",
)

vo_cohorts = Table(
    "vo_cohorts",
    metadata,
    Column("vo_id", ForeignKey(vos.c.id, ondelete="CASCADE"), primary_key=True),
    Column("ce_id", ForeignKey(ces.c.id, ondelete="CASCADE"), primary_key=True),
    Column("minute", UtcDateTime(), primary_key=True),
    Column("useful", Integer, nullable=False),
    Column("short", Integer, nullable=False),
    Column("empty", Integer, nullable=False),
    Column("served", Integer, nullable=False),
    Index("ix_vo_cohorts_minute", "minute"),
    Index("ix_vo_cohorts_ce_id", "ce_id"),
    comment="What the pilots were for that began at a CE in one minute of the last hour.",
)

vo_work = Table(
    "vo_work",
    metadata,
    Column("vo_id", ForeignKey(vos.c.id, ondelete="CASCADE"), primary_key=True),
    Column("lives", JSON_VALUE, nullable=False),
    Column("without_work_since", UtcDateTime()),
    Column("without_work_reason", Text),
    CheckConstraint(
        "(without_work_since IS NULL) = (without_work_reason IS NULL)", name="without_work"
    ),
    comment="How long the pilots of a VO usually live, and whether they find work.",
)

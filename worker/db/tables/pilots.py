"""Pilots, their history, what they said and wrote, and the conditions of their indexes."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    func,
    literal_column,
    text,
)

from worker.db.tables.common import id_key, metadata, quoted, updated_at
from worker.db.tables.places import ces, vos
from worker.db.types import UtcDateTime, plain_text, words
from worker.db.updated_at import keeps_updated_at
from worker.domain.pilot import (
    FINAL,
    OCCUPYING,
    OF_NO_USE,
    STAMP_LENGTH,
    WAITING,
    Cause,
    Status,
    Use,
)
from worker.domain.pilot_report import LONGEST_REASON, PilotState

NOT_ACCEPTED = frozenset({Status.RESERVED, Status.SUBMITTING})
"""What a pilot is before its CE has said anything: nothing is learnt from it."""

RARE = frozenset({Status.CANCELLED, Status.LOST})
"""How so few pilots end that they are looked for in a long history of others."""

pilots = Table(
    "pilots",
    metadata,
    id_key(),
    Column("stamp", plain_text(STAMP_LENGTH), nullable=False, unique=True),
    Column("vo_id", ForeignKey(vos.c.id, ondelete="RESTRICT"), nullable=False),
    Column("ce_id", ForeignKey(ces.c.id, ondelete="RESTRICT"), nullable=False),
    Column("status", words(Status, "status"), nullable=False),
    Column("cause", words(Cause, "cause")),
    Column("use", words(Use, "use")),
    Column("handle", plain_text()),
    Column("raw", Text),
    Column("reason", Text),
    Column("exit_code", Integer),
    Column("node", Text),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("misses", Integer, nullable=False, server_default=text("0")),
    Column("requeues", Integer, nullable=False, server_default=text("0")),
    Column(
        "reserved_at",
        UtcDateTime(),
        nullable=False,
        server_default=func.current_timestamp(),
    ),
    Column("claimed_at", UtcDateTime()),
    Column("submitted_at", UtcDateTime()),
    Column("started_at", UtcDateTime()),
    Column("ended_at", UtcDateTime()),
    Column("checked_at", UtcDateTime()),
    Column("missing_since", UtcDateTime()),
    Column("next_check_at", UtcDateTime()),
    Column("cancel_requested_at", UtcDateTime()),
    Column("cancel_reason", Text),
    updated_at(),
    CheckConstraint(f"length(stamp) = {STAMP_LENGTH} AND lower(stamp) = stamp", name="stamp"),
    CheckConstraint("(status = 'failed') = (cause IS NOT NULL)", name="cause_of_failure"),
    CheckConstraint("use IS NULL OR status = 'done'", name="use_of_good_end"),
    CheckConstraint(f"(status IN ({quoted(FINAL)})) = (ended_at IS NOT NULL)", name="ended"),
    CheckConstraint("attempts >= 0 AND misses >= 0 AND requeues >= 0", name="counts"),
    sqlite_autoincrement=True,  # the id of a pruned pilot is never given to another
    # A pilot about doubles in size during its life: with room beside it, its changes stay there.
    postgresql_with={"fillfactor": 50},
    comment="One row, one job on one CE for one VO.",
)
keeps_updated_at(pilots)
# A move that changes no column of any index and no word of a condition writes no index at all. So
# the conditions ask whether a pilot has ended, not which status it has: a claim changes neither.
_ACTIVE = "ended_at IS NULL"
_WAITS = f"started_at IS NULL AND {_ACTIVE}"
_HAS_CAUSE = "cause IS NOT NULL"
_OF_NO_USE = "use IN ('short', 'empty')"
_HANDLE_NOW = f"handle IS NOT NULL AND {_ACTIVE}"
_HANDLE_BEFORE = "handle IS NOT NULL AND ended_at IS NOT NULL"
# These two hold active pilots alone, however long the history: those of a CE by when they are due,
# and those that have not begun. Of these the ones come last that the CE has not accepted yet, the
# oldest first, as they are claimed.
Index(
    "ix_pilots_occupying",
    pilots.c.ce_id,
    pilots.c.next_check_at,
    postgresql_where=text(_ACTIVE),
    sqlite_where=text(_ACTIVE),
)
Index(
    "ix_pilots_waiting",
    pilots.c.ce_id,
    pilots.c.submitted_at,
    pilots.c.id,
    postgresql_where=text(_WAITS),
    sqlite_where=text(_WAITS),
)
# Few are of no use, and they are looked for in a long history of those that are.
Index(
    "ix_pilots_of_no_use",
    pilots.c.use,
    pilots.c.id,
    postgresql_where=text(_OF_NO_USE),
    sqlite_where=text(_OF_NO_USE),
)
# Written for failures alone: the cause of others stays as it is.
Index(
    "ix_pilots_cause_id",
    pilots.c.cause,
    pilots.c.id,
    postgresql_where=text(_HAS_CAUSE),
    sqlite_where=text(_HAS_CAUSE),
)
Index(
    "ix_pilots_ended_at",
    pilots.c.ended_at,
    postgresql_where=pilots.c.ended_at.is_not(None),
    sqlite_where=pilots.c.ended_at.is_not(None),
)
# Two pilots that a CE has never share its id, so no job is taken for another. It may be given
# again in time: some CEs begin to count anew. A pilot is looked for by what a batch system says:
# its id there, in these two indexes, and the node.
Index(
    "uq_pilots_handle_ce_id",
    pilots.c.handle,
    pilots.c.ce_id,
    unique=True,
    postgresql_where=text(_HANDLE_NOW),
    sqlite_where=text(_HANDLE_NOW),
)
Index(
    "ix_pilots_handle",
    pilots.c.handle,
    postgresql_where=text(_HANDLE_BEFORE),
    sqlite_where=text(_HANDLE_BEFORE),
)
Index(
    "ix_pilots_node_id",
    pilots.c.node,
    pilots.c.id,
    postgresql_where=pilots.c.node.is_not(None),
    sqlite_where=pilots.c.node.is_not(None),
)
Index("ix_pilots_ce_id_id", pilots.c.ce_id, pilots.c.id)
Index("ix_pilots_vo_id_id", pilots.c.vo_id, pilots.c.id)

# Written by pilots, and of them alone: nothing but the key is in an index, and no pilot is changed.
pilot_reports = Table(
    "pilot_reports",
    metadata,
    Column("pilot_id", ForeignKey(pilots.c.id, ondelete="CASCADE"), primary_key=True),
    Column("state", words(PilotState, "state")),
    Column("payloads", Integer),
    Column("reason", String(LONGEST_REASON)),
    Column("at", UtcDateTime(), nullable=False),
    Column("idle_since", UtcDateTime()),
    CheckConstraint("payloads >= 0", name="payloads"),
    CheckConstraint("idle_since IS NULL OR state = 'idle'", name="idle"),
    postgresql_with={"fillfactor": 50},
    comment="What each pilot said of itself last.",
)

_UNLEARNED = (
    f"learned_at IS NULL AND learn_after IS NULL AND became NOT IN ({quoted(NOT_ACCEPTED)})"
)
_BECAME_RARE = f"became IN ({quoted(RARE)})"
_POSTPONED = "learned_at IS NULL AND learn_after IS NOT NULL"

transitions = Table(
    "transitions",
    metadata,
    id_key(),
    Column("pilot_id", ForeignKey(pilots.c.id, ondelete="CASCADE"), nullable=False),
    Column("was", words(Status, "was")),
    Column("became", words(Status, "became"), nullable=False),
    Column("cause", words(Cause, "cause")),
    Column("raw", Text),
    Column("reason", Text),
    Column("at", UtcDateTime(), nullable=False, server_default=func.current_timestamp()),
    Column("learned_at", UtcDateTime()),
    Column("learn_after", UtcDateTime()),
    Index("ix_transitions_pilot_id_id", "pilot_id", "id"),
    # What learn has yet to fold: as few rows as there are new outcomes, however long the history;
    # those that could not be judged yet stand apart, by when they are looked at again.
    Index(
        "ix_transitions_unlearned",
        "id",
        postgresql_where=text(_UNLEARNED),
        sqlite_where=text(_UNLEARNED),
    ),
    Index(
        "ix_transitions_learn_after",
        "learn_after",
        postgresql_where=text(_POSTPONED),
        sqlite_where=text(_POSTPONED),
    ),
    Index(
        "ix_transitions_ends",
        "at",
        postgresql_where=text(f"became IN ({quoted(FINAL)})"),
        sqlite_where=text(f"became IN ({quoted(FINAL)})"),
    ),
    # An index of pilots by their status would be written by each of their moves.
    Index(
        "ix_transitions_rare",
        "became",
        "pilot_id",
        postgresql_where=text(_BECAME_RARE),
        sqlite_where=text(_BECAME_RARE),
    ),
    sqlite_autoincrement=True,  # whoever follows the history goes on from an id
    comment="The history of each pilot; its birth and its claim stand in the pilot itself.",
)

outputs = Table(
    "outputs",
    metadata,
    Column("pilot_id", ForeignKey(pilots.c.id, ondelete="CASCADE"), primary_key=True),
    Column("text", Text, nullable=False),
    Column("kept_at", UtcDateTime(), nullable=False, server_default=func.current_timestamp()),
    comment="The end of what some failed pilots wrote, kept as long as the pilots are.",
)


def has_status(
    statuses: Iterable[Status], column: ColumnElement[Any] = pilots.c.status
) -> ColumnElement[bool]:
    """Match statuses, as words in the statement, beside the conditions of their indexes.

    A database uses an index with a condition only for a statement that repeats it.
    """
    members = frozenset(statuses)
    condition = _in(column, members)
    if column is not pilots.c.status:
        return condition
    if members <= FINAL:
        return condition & pilots.c.ended_at.is_not(None)
    if members <= OCCUPYING:
        condition &= pilots.c.ended_at.is_(None)
    if members <= WAITING:
        condition &= pilots.c.started_at.is_(None)
    return condition & pilots.c.submitted_at.is_(None) if members <= NOT_ACCEPTED else condition


def waits_at_ce() -> ColumnElement[bool]:
    """Match submitted pilots by what the index of those that have not begun says of them alone."""
    begun, ended = pilots.c.started_at, pilots.c.ended_at
    return pilots.c.submitted_at.is_not(None) & begun.is_(None) & ended.is_(None)


def became_rare(status: Status) -> ColumnElement[bool]:
    """Match the steps of the history to a rare status, likewise."""
    return _in(transitions.c.became, RARE) & _in(transitions.c.became, frozenset({status}))


def has_use(uses: Iterable[Use]) -> ColumnElement[bool]:
    """Match what pilots did that ended well, as words in the statement, likewise."""
    members = frozenset(uses)
    condition = _one_of_uses(members)
    return condition & _one_of_uses(OF_NO_USE) if members < OF_NO_USE else condition


def _one_of_uses(uses: frozenset[Use]) -> ColumnElement[bool]:
    return pilots.c.use.in_([literal_column(f"'{use}'") for use in Use if use in uses])


def _in(column: ColumnElement[Any], statuses: frozenset[Status]) -> ColumnElement[bool]:
    return column.in_([literal_column(f"'{status}'") for status in Status if status in statuses])

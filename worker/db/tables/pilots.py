"""Pilots, their history, reports and outputs, and the conditions that match their indexes."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    Boolean,
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
"""The statuses before the CE has answered: nothing is learnt from moves to them."""

RARE = frozenset({Status.CANCELLED, Status.LOST})
"""Final statuses of so few pilots that an index is needed to find these in a long history."""

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
    # True for an end that was asked for because the pilot waits, NULL for all others.
    Column("cancel_if_waiting", Boolean),
    updated_at(),
    CheckConstraint(f"length(stamp) = {STAMP_LENGTH} AND lower(stamp) = stamp", name="stamp"),
    CheckConstraint("(status = 'failed') = (cause IS NOT NULL)", name="cause_of_failure"),
    CheckConstraint("use IS NULL OR status = 'done'", name="use_of_good_end"),
    CheckConstraint(f"(status IN ({quoted(FINAL)})) = (ended_at IS NOT NULL)", name="ended"),
    CheckConstraint("attempts >= 0 AND misses >= 0 AND requeues >= 0", name="counts"),
    sqlite_autoincrement=True,  # the id of a deleted pilot is never used again
    # The row of a pilot about doubles in size during its life: with free room on its page, updated
    # versions stay on the same page.
    postgresql_with={"fillfactor": 50},
    comment="One row, one job on one CE for one VO.",
)
keeps_updated_at(pilots)
# An update that changes no column of an index or of an index's condition writes no index. So the
# conditions use `ended_at` and `started_at` and not the status: a claim, for example, changes
# neither of them.
_ACTIVE = "ended_at IS NULL"
_WAITS = f"started_at IS NULL AND {_ACTIVE}"
_HAS_CAUSE = "cause IS NOT NULL"
_OF_NO_USE = "use IN ('short', 'empty')"
_HANDLE_NOW = f"handle IS NOT NULL AND {_ACTIVE}"
_HANDLE_BEFORE = "handle IS NOT NULL AND ended_at IS NOT NULL"
# These two indexes hold only active pilots, however long the history is: the pilots of a CE by when
# their check is due, and those that have not begun. In the second, pilots that the CE has not
# accepted yet come last, the oldest first, which is the order in which they are claimed.
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
# Few pilots are of no use, and they must be found in a long history of useful ones.
Index(
    "ix_pilots_of_no_use",
    pilots.c.use,
    pilots.c.id,
    postgresql_where=text(_OF_NO_USE),
    sqlite_where=text(_OF_NO_USE),
)
# This index is written for failures only: other pilots have no cause.
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
# Two active pilots of a CE never have the same handle, so no job is taken for another. A handle may
# be used again later: some CEs begin to count anew. People search for a pilot by what the batch
# system shows: its handle, in these two indexes, and its node.
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

# Only pilot reports write this table: only its key is indexed, and no row of `pilots` is changed.
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
    # The transitions that `learn` has yet to fold: only as many rows as there are new outcomes,
    # however long the history is. Postponed transitions are in the second index, by the moment when
    # they are judged again.
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
    # On transitions, since an index of pilots by status would be written by each of their moves.
    Index(
        "ix_transitions_rare",
        "became",
        "pilot_id",
        postgresql_where=text(_BECAME_RARE),
        sqlite_where=text(_BECAME_RARE),
    ),
    sqlite_autoincrement=True,  # a reader of the feed goes on from an id, so none is used again
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
    """Match statuses, as words in the statement, and repeat the conditions of partial indexes.

    A database uses a partial index only for a statement that repeats the index's condition.
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


def may_go_on() -> ColumnElement[bool]:
    """Match pilots whose end was not asked for, or only if they wait: these may still run."""
    return pilots.c.cancel_requested_at.is_(None) | pilots.c.cancel_if_waiting.is_not(None)


def waits_at_ce() -> ColumnElement[bool]:
    """Match submitted pilots only by the columns of the index of pilots that have not begun."""
    begun, ended = pilots.c.started_at, pilots.c.ended_at
    return pilots.c.submitted_at.is_not(None) & begun.is_(None) & ended.is_(None)


def became_rare(status: Status) -> ColumnElement[bool]:
    """Match the transitions to a rare status, and repeat the condition of their index."""
    return _in(transitions.c.became, RARE) & _in(transitions.c.became, frozenset({status}))


def has_use(uses: Iterable[Use]) -> ColumnElement[bool]:
    """Match uses, as words in the statement, and repeat the condition of their index."""
    members = frozenset(uses)
    condition = _one_of_uses(members)
    return condition & _one_of_uses(OF_NO_USE) if members < OF_NO_USE else condition


def _one_of_uses(uses: frozenset[Use]) -> ColumnElement[bool]:
    return pilots.c.use.in_([literal_column(f"'{use}'") for use in Use if use in uses])


def _in(column: ColumnElement[Any], statuses: frozenset[Status]) -> ColumnElement[bool]:
    return column.in_([literal_column(f"'{status}'") for status in Status if status in statuses])

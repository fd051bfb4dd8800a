"""The tables of the core chain: what Pilotage remembers.

    vos ──< ce_vos >── ces ──── ce_health
     │                  ├──< sending_changes
     ├──< schedules     ├──< maintenances
     ├─── vo_demands    │
     ├─── vo_work       │
     ├──< vo_cohorts >──┤
     ├──< credentials   │
     ├──< tokens        │
     ├──< decisions     ├──< ce_list_places >── ce_lists ──< decision_bases ──< decisions
     ├──< pilot_counts >┤
     ├──< tallies >─────┤
     ├──< vo_totals     ├──< ce_totals
     ├──< call_tallies  │
     └──< pilots >──────┘
             ├──< transitions        leases, new_tallies, call_totals, reports,
             ├─── outputs           changes, answered_requests
             └─── pilot_reports        webhook_events, standstills

A VO or CE that has pilots cannot be removed (RESTRICT): history must not vanish by accident.
What merely describes a row goes with it (CASCADE). No table here points at a back-end's table.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    func,
    literal_column,
    text,
)

from worker.db.append_only import is_append_only
from worker.db.tally_triggers import follows
from worker.db.types import JSON_VALUE, KEY, Length, Strings, UtcDateTime, plain_text, words
from worker.db.updated_at import keeps_updated_at
from worker.domain.access import Role
from worker.domain.call_tally import CallKind, CallOutcome
from worker.domain.change import LEAST_DAYS, Door
from worker.domain.credential import CredentialKind
from worker.domain.pilot import FINAL, OCCUPYING, OF_NO_USE, STAMP_LENGTH, Cause, Status, Use
from worker.domain.pilot_report import LONGEST_REASON, PilotState
from worker.domain.schedule import Outcome
from worker.domain.sending import Sending
from worker.domain.tally import Grain, TotalCounts
from worker.domain.timeouts import NAMES as TIMEOUTS
from worker.domain.token import TokenKind
from worker.domain.vo import DEFAULT_VO
from worker.domain.webhook import WebhookEventKind

LONGEST_KEY = 255
"""Characters of an idempotency key."""

NAMING = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}
"""Every constraint has a name, so that a migration can drop it and a message can tell it."""

metadata = MetaData(naming_convention=NAMING)


def _key() -> Column[int]:
    return Column("id", KEY, primary_key=True)


NOT_ACCEPTED = frozenset({Status.RESERVED, Status.SUBMITTING})
"""What a pilot is before its CE has said anything: nothing is learnt from it."""


def _created_at() -> Column[object]:
    return Column(
        "created_at",
        UtcDateTime(),
        nullable=False,
        server_default=func.current_timestamp(),
    )


def _updated_at() -> Column[object]:
    return Column(
        "updated_at",
        UtcDateTime(),
        nullable=False,
        server_default=func.current_timestamp(),
    )


def _counted_moves(*, primary_key: bool = False) -> tuple[Column[Any], ...]:
    """Make the columns of a move and of what is counted of it. No status and no cause are ''.

    In the place of the cause of a failure, a good end has its use.
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
    """Make the columns of what has ever moved. Microseconds are whole: their sum is exact."""
    return (
        Column(f"{place}_id", ForeignKey(table.c.id, ondelete="CASCADE"), primary_key=True),
        *(Column(n, String(16), primary_key=True) for n in ("was", "became", "cause")),
        *(Column(n, BigInteger, nullable=False) for n in TotalCounts._fields),
    )


def _timeouts() -> tuple[Column[Any] | CheckConstraint, ...]:
    """Make the columns of the time-outs of a CE or VO. NULL is off."""
    return (
        *(Column(name, Length()) for name in TIMEOUTS),
        *(CheckConstraint(f"{name} > 0", name=name) for name in TIMEOUTS),
    )


def _quoted(members: frozenset[Status]) -> str:
    return ", ".join(f"'{status}'" for status in Status if status in members)


vos = Table(
    "vos",
    metadata,
    _key(),
    Column("name", String(128), nullable=False, unique=True),
    Column("share", Float, nullable=False, server_default=text("1")),
    Column("limit", Integer),
    Column("demand", Integer),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("draining", Boolean, nullable=False, server_default=text("false")),
    Column("budget", Integer),
    Column("cancel_surplus", Boolean, nullable=False, server_default=text("false")),
    *_timeouts(),
    Column("idle_at_most", Length()),
    Column("demand_min", Integer),
    Column("demand_max", Integer),
    Column("scale_down_delay", Length()),
    Column("source", JSON_VALUE),
    Column("payload", JSON_VALUE),
    _created_at(),
    _updated_at(),
    CheckConstraint("share >= 0", name="share"),
    CheckConstraint('"limit" >= 0', name="limit"),
    CheckConstraint("demand >= 0", name="demand"),
    CheckConstraint("budget >= 0", name="budget"),
    CheckConstraint("idle_at_most > 0", name="idle_at_most"),
    CheckConstraint("demand_min >= 0", name="demand_min"),
    CheckConstraint("demand_max >= 0", name="demand_max"),
    CheckConstraint("scale_down_delay > 0", name="scale_down_delay"),
    comment="Owners of pilots. A limit or demand of NULL is unlimited.",
)
keeps_updated_at(vos)
event.listen(
    vos,
    "after_create",
    DDL(f"INSERT INTO vos (name) VALUES ('{DEFAULT_VO}')"),  # type: ignore[no-untyped-call]
)

ces = Table(
    "ces",
    metadata,
    _key(),
    Column("name", String(128), nullable=False, unique=True),
    Column("backend", String(128), nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("waiting_limit", Integer),
    Column("success_rate", Float, nullable=False, server_default=text("1")),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("draining", Boolean, nullable=False, server_default=text("false")),
    Column("drain_by", UtcDateTime()),
    Column("end_running", Boolean, nullable=False, server_default=text("false")),
    *_timeouts(),
    Column("cancel_strangers", Boolean, nullable=False, server_default=text("false")),
    Column("open_to_all", Boolean, nullable=False, server_default=text("true")),
    Column("tags", Strings(), nullable=False),
    Column("options", JSON_VALUE, nullable=False),
    _created_at(),
    _updated_at(),
    CheckConstraint("capacity >= 0", name="capacity"),
    CheckConstraint("waiting_limit >= 0", name="waiting_limit"),
    CheckConstraint("success_rate >= 0 AND success_rate <= 1", name="success_rate"),
    comment="Places that run pilots. success_rate is the configured one.",
)
keeps_updated_at(ces)

ce_vos = Table(
    "ce_vos",
    metadata,
    Column("ce_id", ForeignKey(ces.c.id, ondelete="CASCADE"), primary_key=True),
    Column("vo_id", ForeignKey(vos.c.id, ondelete="CASCADE"), primary_key=True),
    Index("ix_ce_vos_vo_id", "vo_id"),
    comment="Which VOs may use a CE that is not open to all.",
)

pilots = Table(
    "pilots",
    metadata,
    _key(),
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
    _updated_at(),
    CheckConstraint(f"length(stamp) = {STAMP_LENGTH} AND lower(stamp) = stamp", name="stamp"),
    CheckConstraint("(status = 'failed') = (cause IS NOT NULL)", name="cause_of_failure"),
    CheckConstraint("use IS NULL OR status = 'done'", name="use_of_good_end"),
    CheckConstraint(f"(status IN ({_quoted(FINAL)})) = (ended_at IS NOT NULL)", name="ended"),
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
_NOT_ACCEPTED = f"submitted_at IS NULL AND {_ACTIVE}"
_HAS_CAUSE = "cause IS NOT NULL"
_OF_NO_USE = "use IN ('short', 'empty')"
_HANDLE_NOW = f"handle IS NOT NULL AND {_ACTIVE}"
_HANDLE_BEFORE = "handle IS NOT NULL AND ended_at IS NOT NULL"
# These two hold active pilots alone, however long the history: those of a CE by when they are due,
# and those that a CE has not accepted yet, of which the oldest are claimed first.
Index(
    "ix_pilots_occupying",
    pilots.c.ce_id,
    pilots.c.next_check_at,
    postgresql_where=text(_ACTIVE),
    sqlite_where=text(_ACTIVE),
)
Index(
    "ix_pilots_not_accepted",
    pilots.c.ce_id,
    pilots.c.id,
    postgresql_where=text(_NOT_ACCEPTED),
    sqlite_where=text(_NOT_ACCEPTED),
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
    f"learned_at IS NULL AND learn_after IS NULL AND became NOT IN ({_quoted(NOT_ACCEPTED)})"
)
_POSTPONED = "learned_at IS NULL AND learn_after IS NOT NULL"

transitions = Table(
    "transitions",
    metadata,
    _key(),
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
        postgresql_where=text(f"became IN ({_quoted(FINAL)})"),
        sqlite_where=text(f"became IN ({_quoted(FINAL)})"),
    ),
    sqlite_autoincrement=True,  # whoever follows the history goes on from an id
    comment="The history of each pilot; its birth and its claim stand in the pilot itself.",
)

new_tallies = Table(
    "new_tallies",
    metadata,
    _key(),
    Column("at", UtcDateTime(), nullable=False),
    Column("ce_id", KEY, nullable=False),
    Column("vo_id", KEY, nullable=False),
    *_counted_moves(),
    Index("ix_new_tallies_ce_id", "ce_id"),
    comment="What has moved since the tallies were folded; triggers on pilots write it.",
)
# Whoever empties both begins with the pilots, and so leaves no tally of it.
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

# It points at no CE, so that the sums of a back-end stay when one of its CEs is removed.
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

outputs = Table(
    "outputs",
    metadata,
    Column("pilot_id", ForeignKey(pilots.c.id, ondelete="CASCADE"), primary_key=True),
    Column("text", Text, nullable=False),
    Column("kept_at", UtcDateTime(), nullable=False, server_default=func.current_timestamp()),
    comment="The end of what some failed pilots wrote, kept as long as the pilots are.",
)

ce_lists = Table(
    "ce_lists",
    metadata,
    _key(),
    Column("digest", LargeBinary, nullable=False),
    Column("places", Integer, nullable=False),
    comment="The CEs of a cycle, in their order. Most cycles have the same.",
)

ce_list_places = Table(
    "ce_list_places",
    metadata,
    Column("list_id", ForeignKey(ce_lists.c.id, ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("ce_id", ForeignKey(ces.c.id, ondelete="CASCADE"), nullable=False),
    Index("ix_ce_list_places_ce_id", "ce_id", "list_id"),
    comment="The place of a CE in a list. It goes with the CE, and what was decided about it.",
)

decision_bases = Table(
    "decision_bases",
    metadata,
    _key(),
    Column("list_id", ForeignKey(ce_lists.c.id, ondelete="CASCADE"), nullable=False),
    Column("at", UtcDateTime(), nullable=False),
    Column("cells", LargeBinary, nullable=False),
    Index("ix_decision_bases_list_id_at", "list_id", "at"),
    Index("ix_decision_bases_at", "at"),
    comment="The decisions of one cycle as a whole; those of the cycles just after are changes"
    " to it.",
)

decisions = Table(
    "decisions",
    metadata,
    _key(),
    Column("vo_id", ForeignKey(vos.c.id, ondelete="CASCADE"), nullable=False),
    Column("list_id", KEY, nullable=False),  # that of its base, for the index
    Column("base_id", ForeignKey(decision_bases.c.id, ondelete="CASCADE"), nullable=False),
    Column("at", UtcDateTime(), nullable=False),
    Column("until", UtcDateTime(), nullable=False),
    Column("ticks", Integer, nullable=False),
    Column("gaps", Text, nullable=False, server_default=text("''")),
    Column("granted", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("cells", LargeBinary, nullable=False),
    CheckConstraint("granted >= 0", name="granted"),
    CheckConstraint("ticks >= 1 AND at <= until", name="ticks"),
    Index("ix_decisions_vo_id_list_id_at", "vo_id", "list_id", "at"),
    Index("ix_decisions_base_id", "base_id"),
    Index("ix_decisions_until_id", "until", "id"),
    comment="Why each CE got so many pilots for a VO in one cycle, or none. Cycles that decided"
    " the same one after the other are one row; gaps are the microseconds between them.",
)

ce_health = Table(
    "ce_health",
    metadata,
    Column("ce_id", ForeignKey(ces.c.id, ondelete="CASCADE"), primary_key=True),
    Column("learned", JSON_VALUE, nullable=False),
    Column("learned_at", UtcDateTime(), nullable=False, server_default=func.current_timestamp()),
    Column(
        "sending",
        words(Sending, "sending"),
        nullable=False,
        server_default=str(Sending.NORMAL),
    ),
    Column("sending_reason", Text),
    Column("sending_since", UtcDateTime()),
    Column("held_until", UtcDateTime()),
    Column("unreconciled_since", UtcDateTime()),
    Column("failed_calls", Integer, nullable=False, server_default=text("0")),
    Column("retry_at", UtcDateTime()),
    Column("last_answered_at", UtcDateTime()),
    Column("unanswered_since", UtcDateTime()),
    Column("last_error", Text),
    Column("queue_drained", Integer, nullable=False, server_default=text("0")),
    Column("oldest_waiting_since", UtcDateTime()),
    _updated_at(),
    CheckConstraint("failed_calls >= 0", name="failed_calls"),
    CheckConstraint("queue_drained >= 0", name="queue_drained"),
    CheckConstraint("(sending = 'normal') = (sending_reason IS NULL)", name="sending_reason"),
    comment="What was learnt of a CE, whether it is paused, and whether it answers.",
)
keeps_updated_at(ce_health, key="ce_id")

sending_changes = Table(
    "sending_changes",
    metadata,
    _key(),
    Column("ce_id", ForeignKey(ces.c.id, ondelete="CASCADE"), nullable=False),
    Column("was", words(Sending, "was"), nullable=False),
    Column("became", words(Sending, "became"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("by_hand", Boolean, nullable=False, server_default=text("false")),
    Column("until", UtcDateTime()),
    Column("at", UtcDateTime(), nullable=False, server_default=func.current_timestamp()),
    Index("ix_sending_changes_ce_id_id", "ce_id", "id"),
    Index("ix_sending_changes_at", "at"),
    comment="Every pause of a CE and every end of one, with its reason.",
)

maintenances = Table(
    "maintenances",
    metadata,
    _key(),
    Column("ce_id", ForeignKey(ces.c.id, ondelete="CASCADE"), nullable=False),
    Column("begins_at", UtcDateTime(), nullable=False),
    Column("ends_at", UtcDateTime(), nullable=False),
    Column("reason", Text, nullable=False),
    CheckConstraint("begins_at < ends_at", name="order"),
    Index("ix_maintenances_ce_id_ends_at", "ce_id", "ends_at"),
    comment="When a CE is known to be away.",
)

vo_demands = Table(
    "vo_demands",
    metadata,
    Column("vo_id", ForeignKey(vos.c.id, ondelete="CASCADE"), primary_key=True),
    Column("demand", Integer),
    Column("asked_at", UtcDateTime()),
    Column("answered_at", UtcDateTime()),
    Column("problem", Text),
    Column("surplus_since", UtcDateTime()),
    Column("held", Integer),
    Column("lower", Integer),
    Column("lower_since", UtcDateTime()),
    CheckConstraint("demand >= 0", name="demand"),
    CheckConstraint("held >= 0", name="held"),
    CheckConstraint("lower >= 0", name="lower"),
    CheckConstraint("(lower IS NULL) = (lower_since IS NULL)", name="lower_since"),
    comment="What the source of a VO's demand answered last, and what went wrong since.",
)

credentials = Table(
    "credentials",
    metadata,
    _key(),
    Column("vo_id", ForeignKey(vos.c.id, ondelete="CASCADE")),
    Column("backend", String(128), nullable=False),
    Column("kind", words(CredentialKind, "kind"), nullable=False),
    Column("path", Text, nullable=False),
    Column("renew", Strings()),
    Column("issued_at", UtcDateTime()),
    Column("expires_at", UtcDateTime()),
    Column("checked_at", UtcDateTime()),
    Column("problem", Text),
    Column("renewed_at", UtcDateTime()),
    Column("retry_at", UtcDateTime()),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    _created_at(),
    _updated_at(),
    CheckConstraint("failures >= 0", name="failures"),
    comment="Where the credential of a VO for a kind of CE lies; without a VO it is for all.",
)
keeps_updated_at(credentials)
Index(
    "uq_credentials_backend_kind",
    credentials.c.backend,
    credentials.c.kind,
    unique=True,
    postgresql_where=credentials.c.vo_id.is_(None),
    sqlite_where=credentials.c.vo_id.is_(None),
)
Index(
    "uq_credentials_vo_id_backend_kind",
    credentials.c.vo_id,
    credentials.c.backend,
    credentials.c.kind,
    unique=True,
    postgresql_where=credentials.c.vo_id.is_not(None),
    sqlite_where=credentials.c.vo_id.is_not(None),
)

schedules = Table(
    "schedules",
    metadata,
    _key(),
    Column("task", String(128), nullable=False),
    Column("vo_id", ForeignKey(vos.c.id, ondelete="CASCADE")),
    Column("every", Float),
    Column("cron", String(128)),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("next_at", UtcDateTime()),
    Column("last_at", UtcDateTime()),
    Column("pending", Integer, nullable=False, server_default=text("0")),
    Column("pending_since", UtcDateTime()),
    Column("done_at", UtcDateTime()),
    Column("last_outcome", words(Outcome, "last_outcome")),
    Column("last_seconds", Float),
    Column("outcome_at", UtcDateTime()),
    Column("failed_at", UtcDateTime()),
    Column("failed_for", Text),
    Column("failure", Text),
    _created_at(),
    _updated_at(),
    CheckConstraint("(every IS NULL) <> (cron IS NULL)", name="every_or_cron"),
    CheckConstraint("every > 0", name="every"),
    comment="When each periodic task fires, and how it went; a row with a VO stands before the one "
    "without. last_at is the last firing, done_at the last execution by a worker, pending the "
    "number of firings since then.",
)
keeps_updated_at(schedules)
Index(
    "uq_schedules_task",
    schedules.c.task,
    unique=True,
    postgresql_where=schedules.c.vo_id.is_(None),
    sqlite_where=schedules.c.vo_id.is_(None),
)
Index(
    "uq_schedules_task_vo_id",
    schedules.c.task,
    schedules.c.vo_id,
    unique=True,
    postgresql_where=schedules.c.vo_id.is_not(None),
    sqlite_where=schedules.c.vo_id.is_not(None),
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
    return condition & pilots.c.submitted_at.is_(None) if members <= NOT_ACCEPTED else condition


def has_use(uses: Iterable[Use]) -> ColumnElement[bool]:
    """Match what pilots did that ended well, as words in the statement, likewise."""
    members = frozenset(uses)
    condition = _one_of_uses(members)
    return condition & _one_of_uses(OF_NO_USE) if members < OF_NO_USE else condition


def _one_of_uses(uses: frozenset[Use]) -> ColumnElement[bool]:
    return pilots.c.use.in_([literal_column(f"'{use}'") for use in Use if use in uses])


def _in(column: ColumnElement[Any], statuses: frozenset[Status]) -> ColumnElement[bool]:
    return column.in_([literal_column(f"'{status}'") for status in Status if status in statuses])


leases = Table(
    "leases",
    metadata,
    Column("name", String(192), primary_key=True),
    Column("holder", Text),
    Column("until", UtcDateTime()),
    Column("tokens", Float),
    Column("filled_at", UtcDateTime()),
    comment="Who may call a CE just now, and how many calls a rate limit still allows.",
)

reports = Table(
    "reports",
    metadata,
    _key(),
    Column("at", UtcDateTime(), nullable=False, server_default=func.current_timestamp()),
    Column("summary", JSON_VALUE, nullable=False),
    Index("ix_reports_at", "at"),
    comment="The summaries that the task report stored.",
)

webhook_events = Table(
    "webhook_events",
    metadata,
    _key(),
    Column("event_id", String(32), nullable=False),
    Column("kind", words(WebhookEventKind, "kind", length=32), nullable=False),
    Column("at", UtcDateTime(), nullable=False),
    Column("details", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_at", UtcDateTime()),
    UniqueConstraint("event_id"),
    CheckConstraint("attempts >= 0", name="attempts"),
    comment="Events that the receiver of the webhook has not taken yet.",
)

standstills = Table(
    "standstills",
    metadata,
    Column("queue", String(128), primary_key=True),
    Column("since", UtcDateTime(), nullable=False),
    comment="The queues of which an event said that no worker does their tasks.",
)

changes = Table(
    "changes",
    metadata,
    _key(),
    Column("at", UtcDateTime(), nullable=False, server_default=func.current_timestamp()),
    Column("who", plain_text(), nullable=False),
    Column("what", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", plain_text(), nullable=False),
    Column("before", JSON_VALUE),
    Column("after", JSON_VALUE),
    Column("door", words(Door, "door"), nullable=False),
    Index("ix_changes_at_id", "at", "id"),
    Index("ix_changes_name_at_id", "name", "at", "id"),
    comment="Who changed what an operator owns, and how. Append-only; it points at no other row.",
)
is_append_only(changes, LEAST_DAYS)

tokens = Table(
    "tokens",
    metadata,
    _key(),
    Column("name", plain_text(), nullable=False),
    Column("kind", words(TokenKind, "kind"), nullable=False),
    Column("secret_hash", plain_text(64), nullable=False, unique=True),
    Column("role", words(Role, "role"), nullable=False),
    Column("vo_id", ForeignKey(vos.c.id, ondelete="CASCADE")),
    Column("made_at", UtcDateTime(), nullable=False),
    Column("made_by", Text, nullable=False),
    Column("expires_at", UtcDateTime(), nullable=False),
    Column("revoked_at", UtcDateTime()),
    Column("used_at", UtcDateTime()),
    CheckConstraint("vo_id IS NULL OR role = 'operate'", name="vo"),
    comment="Who may come in at the API, and what they may do; the hash of a secret, never itself.",
)
_FOR_PROGRAM = "kind = 'token'"
# A link and a session have the name of a person, who may have several.
Index(
    "uq_tokens_name",
    tokens.c.name,
    unique=True,
    postgresql_where=text(_FOR_PROGRAM),
    sqlite_where=text(_FOR_PROGRAM),
)

answered_requests = Table(
    "answered_requests",
    metadata,
    Column("who", plain_text(), primary_key=True),
    Column("key", plain_text(LONGEST_KEY), primary_key=True),
    Column("request", String(64), nullable=False),
    # Not JSONB: the same answer is given again, in the same order of its names.
    Column("answer", JSON(none_as_null=True)),
    Column("at", UtcDateTime(), nullable=False),
    Index("ix_answered_requests_at", "at"),
    comment="What was answered to each request with an idempotency key; it is done once.",
)

"""VOs, CEs, and what is known of each."""

from sqlalchemy import (
    DDL,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    event,
    func,
    text,
)

from worker.db.tables.common import created_at, id_key, metadata, timeouts, updated_at
from worker.db.types import JSON_VALUE, Length, Strings, UtcDateTime, words
from worker.db.updated_at import keeps_updated_at
from worker.domain.credential import CredentialKind
from worker.domain.sending import Sending
from worker.domain.vo import DEFAULT_VO

vos = Table(
    "vos",
    metadata,
    id_key(),
    Column("name", String(128), nullable=False, unique=True),
    Column("share", Float, nullable=False, server_default=text("1")),
    Column("limit", Integer),
    Column("demand", Integer),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("draining", Boolean, nullable=False, server_default=text("false")),
    Column("budget", Integer),
    Column("cancel_surplus", Boolean, nullable=False, server_default=text("false")),
    *timeouts(),
    Column("idle_at_most", Length()),
    Column("demand_min", Integer),
    Column("demand_max", Integer),
    Column("scale_down_delay", Length()),
    Column("source", JSON_VALUE),
    Column("payload", JSON_VALUE),
    created_at(),
    updated_at(),
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
    id_key(),
    Column("name", String(128), nullable=False, unique=True),
    Column("backend", String(128), nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("waiting_limit", Integer),
    Column("success_rate", Float, nullable=False, server_default=text("1")),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("draining", Boolean, nullable=False, server_default=text("false")),
    Column("drain_by", UtcDateTime()),
    Column("end_running", Boolean, nullable=False, server_default=text("false")),
    *timeouts(),
    Column("cancel_strangers", Boolean, nullable=False, server_default=text("false")),
    Column("open_to_all", Boolean, nullable=False, server_default=text("true")),
    Column("tags", Strings(), nullable=False),
    Column("options", JSON_VALUE, nullable=False),
    created_at(),
    updated_at(),
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
    updated_at(),
    CheckConstraint("failed_calls >= 0", name="failed_calls"),
    CheckConstraint("queue_drained >= 0", name="queue_drained"),
    CheckConstraint("(sending = 'normal') = (sending_reason IS NULL)", name="sending_reason"),
    comment="What was learnt of a CE, whether it is paused, and whether it answers.",
)
keeps_updated_at(ce_health, key="ce_id")

sending_changes = Table(
    "sending_changes",
    metadata,
    id_key(),
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
    id_key(),
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

trials = Table(
    "trials",
    metadata,
    Column("vo_id", ForeignKey(vos.c.id, ondelete="CASCADE"), primary_key=True),
    Column("ce_id", ForeignKey(ces.c.id, ondelete="CASCADE"), primary_key=True),
    Column("most", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("retry_at", UtcDateTime(), nullable=False),
    Column("refused_at", UtcDateTime(), nullable=False),
    Column("reason", Text, nullable=False),
    CheckConstraint("most > 0", name="most"),
    CheckConstraint("failures >= 0", name="failures"),
    Index("ix_trials_ce_id", "ce_id"),
    comment="The CEs that refused pilots of a VO, and how they are tried again.",
)

credentials = Table(
    "credentials",
    metadata,
    id_key(),
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
    created_at(),
    updated_at(),
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

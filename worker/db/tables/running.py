"""Tables of the running tasks: schedules, leases, reports, and events that wait to be sent."""

from sqlalchemy import (
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
    UniqueConstraint,
    func,
    text,
)

from worker.db.tables.common import created_at, id_key, metadata, updated_at
from worker.db.tables.places import vos
from worker.db.types import JSON_VALUE, UtcDateTime, words
from worker.db.updated_at import keeps_updated_at
from worker.domain.schedule import Outcome
from worker.domain.webhook import WebhookEventKind

schedules = Table(
    "schedules",
    metadata,
    id_key(),
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
    created_at(),
    updated_at(),
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
    id_key(),
    Column("at", UtcDateTime(), nullable=False, server_default=func.current_timestamp()),
    Column("summary", JSON_VALUE, nullable=False),
    Index("ix_reports_at", "at"),
    comment="The summaries that the task report stored.",
)

webhook_events = Table(
    "webhook_events",
    metadata,
    id_key(),
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

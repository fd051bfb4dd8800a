"""Tokens of the API, changes by people and programs, and answered requests."""

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
    func,
    text,
)

from worker.db.append_only import is_append_only
from worker.db.tables.common import id_key, metadata
from worker.db.tables.places import vos
from worker.db.types import JSON_VALUE, UtcDateTime, plain_text, words
from worker.domain.access import Role
from worker.domain.change import LEAST_DAYS, Door
from worker.domain.token import TokenKind

LONGEST_KEY = 255
"""The longest idempotency key, in characters."""

changes = Table(
    "changes",
    metadata,
    id_key(),
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
    id_key(),
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
    # Not JSONB, which would change the order of names: exactly the same answer is given again.
    Column("answer", JSON(none_as_null=True)),
    Column("at", UtcDateTime(), nullable=False),
    Index("ix_answered_requests_at", "at"),
    comment="What was answered to each request with an idempotency key; it is done once.",
)

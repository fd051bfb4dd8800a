"""Calls to CEs are counted."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KINDS = ("submit", "poll", "find", "cancel", "output", "tidy")
OUTCOMES = ("answered", "refused", "unavailable", "unreadable", "credential")


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "call_tallies",
        sa.Column("grain", _words("grain", ("minute", "hour", "day")), nullable=False),
        sa.Column("begins_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ce_id", KEY, nullable=False),
        sa.Column("kind", _words("kind", KINDS), nullable=False),
        sa.Column("outcome", _words("outcome", OUTCOMES), nullable=False),
        sa.Column("within", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["ce_id"], ["ces.id"], name=op.f("fk_call_tallies_ce_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            *("grain", "begins_at", "ce_id", "kind", "outcome", "within"),
            name=op.f("pk_call_tallies"),
        ),
        comment="How the calls to each CE went and how long they took; it outlives the pilots.",
    )
    op.create_index("ix_call_tallies_ce_id", "call_tallies", ["ce_id", "begins_at"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("call_tallies")


def _words(name: str, members: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*members, name=name, native_enum=False, create_constraint=True, length=16)

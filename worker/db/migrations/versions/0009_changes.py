"""Every change of what an operator owns is written down."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from worker.db import append_only

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

DAYS = 90
"""No row is deleted sooner."""


def upgrade() -> None:
    """Make the change."""
    plain = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    value = sa.JSON(none_as_null=True).with_variant(
        postgresql.JSONB(none_as_null=True), "postgresql"
    )
    door = sa.Enum(
        *("command", "task", "worker"),
        name="door",
        native_enum=False,
        create_constraint=True,
        length=16,
    )
    op.create_table(
        "changes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=False,
        ),
        sa.Column("who", plain, nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", plain, nullable=False),
        sa.Column("before", value),
        sa.Column("after", value),
        sa.Column("door", door, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
        comment="Who changed what an operator owns, and how. Append-only; it points at no other row.",
    )
    op.create_index("ix_changes_at_id", "changes", ["at", "id"])
    op.create_index("ix_changes_name_at_id", "changes", ["name", "at", "id"])
    append_only.install(op.get_bind(), "changes", DAYS)


def downgrade() -> None:
    """Take it back."""
    op.drop_table("changes")
    append_only.drop_function(op.get_bind())

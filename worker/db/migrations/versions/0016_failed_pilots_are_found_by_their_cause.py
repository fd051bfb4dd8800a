"""Failed pilots are found by their cause, however long the history."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

CAUSE = sa.text("cause IS NOT NULL")


def upgrade() -> None:
    """Make the change."""
    op.create_index(
        "ix_pilots_cause_id",
        "pilots",
        ["cause", "id"],
        postgresql_where=CAUSE,
        sqlite_where=CAUSE,
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_pilots_cause_id", "pilots")

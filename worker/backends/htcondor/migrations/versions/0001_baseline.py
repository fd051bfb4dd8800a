"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "htcondor_marks",
        sa.Column("ce", sa.String(length=128), nullable=False),
        sa.Column("job", sa.String(length=64), nullable=True),
        sa.Column("next_job", sa.String(length=64), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("ce", name=op.f("pk_htcondor_marks")),
        comment="The record at which reading a CE's history backwards may stop, and the next such.",
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("htcondor_marks")

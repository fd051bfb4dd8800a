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
        "local_processes",
        sa.Column("pilot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("boot_id", sa.String(length=36), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_ticks", sa.BigInteger(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pilot_id"],
            ["pilots.id"],
            name=op.f("fk_local_processes_pilot_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("pilot_id", name=op.f("pk_local_processes")),
        comment="pid, start time and boot id tell a process from a later one of the same pid.",
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("local_processes")

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
        "slurm_clusters",
        sa.Column("ce", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("array_size", sa.Integer(), nullable=False),
        sa.Column("forget_after", sa.Integer(), nullable=False),
        sa.Column("accounting", sa.Boolean(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("history_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("history_next", sa.DateTime(timezone=True), nullable=True),
        sa.Column("history_uses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tidied_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("ce", name=op.f("pk_slurm_clusters")),
        comment="What each cluster said of itself, and how far back its history is still listed.",
    )
    op.create_table(
        "slurm_cancellations",
        sa.Column("ce", sa.String(length=128), nullable=False),
        sa.Column("stamp", sa.String(length=32), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("ce", "stamp", name=op.f("pk_slurm_cancellations")),
        comment="The pilots that a cluster was asked to cancel; of some it keeps no record itself.",
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("slurm_cancellations")
    op.drop_table("slurm_clusters")

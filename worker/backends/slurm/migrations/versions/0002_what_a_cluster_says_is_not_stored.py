"""What a cluster says of itself is not stored."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_OLD = "What each cluster said of itself, and how far back its history is still listed."
_NEW = "When each cluster was listed and tidied, and how far back its history is listed."


def upgrade() -> None:
    """Make the change."""
    with op.batch_alter_table("slurm_clusters") as table:
        for name in ("name", "version", "array_size", "forget_after", "accounting", "asked_at"):
            table.drop_column(name)
    op.create_table_comment("slurm_clusters", _NEW, existing_comment=_OLD)


def downgrade() -> None:
    """Take it back. Nothing is known of a cluster then, and it is asked anew."""
    op.create_table_comment("slurm_clusters", _OLD, existing_comment=_NEW)
    op.execute("DELETE FROM slurm_clusters")
    with op.batch_alter_table("slurm_clusters") as table:
        table.add_column(sa.Column("name", sa.String(length=255), nullable=False))
        table.add_column(sa.Column("version", sa.String(length=64), nullable=False))
        table.add_column(sa.Column("array_size", sa.Integer(), nullable=False))
        table.add_column(sa.Column("forget_after", sa.Integer(), nullable=False))
        table.add_column(sa.Column("accounting", sa.Boolean(), nullable=False))
        table.add_column(sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False))

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
        "local_hosts",
        sa.Column("ce", sa.String(length=128), nullable=False),
        sa.Column("folder_id", sa.String(length=32), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column(
            "claimed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("ce", name=op.f("pk_local_hosts")),
        comment="Where the processes of a CE are. Asked elsewhere, nobody knows anything of them.",
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("local_hosts")

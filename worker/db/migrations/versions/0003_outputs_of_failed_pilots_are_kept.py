"""Outputs of failed pilots are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "outputs",
        sa.Column("pilot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column(
            "kept_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["pilot_id"], ["pilots.id"], name=op.f("fk_outputs_pilot_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pilot_id", name=op.f("pk_outputs")),
        comment="The end of what some failed pilots wrote, kept as long as the pilots are.",
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("outputs")

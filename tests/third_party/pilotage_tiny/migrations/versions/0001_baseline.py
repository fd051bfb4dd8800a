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
        "tiny_letters",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("weight", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("weight > 0", name=op.f("ck_tiny_letters_weight")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tiny_letters")),
    )
    op.create_table(
        "tiny_stamps",
        sa.Column(
            "pilot_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("letter", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["letter"], ["tiny_letters.name"], name=op.f("fk_tiny_stamps_letter")
        ),
        sa.ForeignKeyConstraint(
            ["pilot_id"], ["pilots.id"], name=op.f("fk_tiny_stamps_pilot_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pilot_id", name=op.f("pk_tiny_stamps")),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("tiny_stamps")
    op.drop_table("tiny_letters")

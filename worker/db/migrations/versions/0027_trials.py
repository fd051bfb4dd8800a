"""A CE that refused pilots of a VO for a quota or a credential is tried again with few of them."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "trials",
        sa.Column("vo_id", KEY, nullable=False),
        sa.Column("ce_id", KEY, nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("retry_at", MOMENT, nullable=False),
        sa.Column("refused_at", MOMENT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("most > 0", name=op.f("ck_trials_most")),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_trials_failures")),
        sa.ForeignKeyConstraint(
            ["vo_id"], ["vos.id"], name=op.f("fk_trials_vo_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["ce_id"], ["ces.id"], name=op.f("fk_trials_ce_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("vo_id", "ce_id", name=op.f("pk_trials")),
        comment="The CEs that refused pilots of a VO, and how they are tried again.",
    )
    op.create_index("ix_trials_ce_id", "trials", ["ce_id"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("trials")

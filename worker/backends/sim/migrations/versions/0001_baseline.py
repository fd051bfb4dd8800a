"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "sim_faults",
        sa.Column("ce", sa.String(length=128), nullable=False),
        sa.Column("fault", sa.String(length=32), nullable=False),
        sa.Column("rate", sa.Float(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "settings", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("rate >= 0 AND rate <= 1", name=op.f("ck_sim_faults_rate")),
        sa.PrimaryKeyConstraint("ce", "fault", name=op.f("pk_sim_faults")),
        comment="What is wrong with a simulated CE, and for how long.",
    )
    op.create_table(
        "sim_jobs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ce", sa.String(length=128), nullable=False),
        sa.Column("stamp", sa.String(length=32), nullable=False),
        sa.Column("vo", sa.String(length=128), nullable=False),
        sa.Column(
            "accepted_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=False,
        ),
        sa.Column("visible_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("restarts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fate", sa.String(length=16), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("forgotten_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sim_jobs")),
        comment="Every job that a simulated CE accepted, and its life as it was decided.",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sim_jobs_ce_ends_at", "sim_jobs", ["ce", "ends_at"], unique=False)


def downgrade() -> None:
    """Take it back."""
    op.drop_table("sim_jobs")
    op.drop_table("sim_faults")

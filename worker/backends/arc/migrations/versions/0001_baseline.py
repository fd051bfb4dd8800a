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
        "arc_identities",
        sa.Column("ce", sa.String(length=128), nullable=False),
        sa.Column("vo", sa.String(length=128), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delegation", sa.String(length=128), nullable=True),
        sa.Column("delegated_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("ce", "vo", "owner", name=op.f("pk_arc_identities")),
        comment="Under whose name the pilots of a VO were sent to a CE, and the proxy it holds of it.",
    )
    op.create_table(
        "arc_jobs",
        sa.Column("ce", sa.String(length=128), nullable=False),
        sa.Column("job", sa.String(length=128), nullable=False),
        sa.Column("stamp", sa.String(length=32), nullable=True),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("running_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("ce", "job", name=op.f("pk_arc_jobs")),
        comment="What was learnt of the jobs at a CE; one without a stamp is not ours.",
    )
    with op.batch_alter_table("arc_jobs", schema=None) as batch_op:
        batch_op.create_index("ix_arc_jobs_ce_ended_at", ["ce", "ended_at"], unique=False)


def downgrade() -> None:
    """Take it back."""
    with op.batch_alter_table("arc_jobs", schema=None) as batch_op:
        batch_op.drop_index("ix_arc_jobs_ce_ended_at")

    op.drop_table("arc_jobs")
    op.drop_table("arc_identities")

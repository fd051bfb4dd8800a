"""Whether a CE answers, and whether a worker does what fires."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

HEALTH = (
    ("last_answered_at", sa.DateTime(timezone=True)),
    ("unanswered_since", sa.DateTime(timezone=True)),
    ("last_error", sa.Text()),
)
SCHEDULES = (
    ("pending_since", sa.DateTime(timezone=True)),
    ("done_at", sa.DateTime(timezone=True)),
    ("outcome_at", sa.DateTime(timezone=True)),
    ("failed_at", sa.DateTime(timezone=True)),
    ("failed_for", sa.Text()),
    ("failure", sa.Text()),
)
COMMENTS = {
    "ce_health": (
        "What was learnt of a CE, and whether it is paused.",
        "What was learnt of a CE, whether it is paused, and whether it answers.",
    ),
    "schedules": (
        "When each periodic task fires; a row with a VO stands before the one without.",
        (
            "When each periodic task fires, and how it went; a row with a VO stands before the one "
            "without. last_at is the last firing, done_at the last execution by a worker, pending the "
            "number of firings since then."
        ),
    ),
}


def upgrade() -> None:
    """Make the change."""
    if op.get_bind().dialect.supports_comments:
        for table, (was, comment) in COMMENTS.items():
            op.create_table_comment(table, comment, existing_comment=was)
    for name, kind in HEALTH:
        op.add_column("ce_health", sa.Column(name, kind, nullable=True))
    op.add_column(
        "schedules",
        sa.Column("pending", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    for name, kind in SCHEDULES:
        op.add_column("schedules", sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    """Take it back."""
    if op.get_bind().dialect.supports_comments:
        for table, (comment, was) in COMMENTS.items():
            op.create_table_comment(table, comment, existing_comment=was)
    for name, _ in SCHEDULES:
        op.drop_column("schedules", name)
    op.drop_column("schedules", "pending")
    for name, _ in HEALTH:
        op.drop_column("ce_health", name)

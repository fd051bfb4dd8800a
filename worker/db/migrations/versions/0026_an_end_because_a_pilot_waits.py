"""An end that was asked for because a pilot waits is stored as one."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change. What was asked for before applies to pilots that run, too."""
    op.add_column("pilots", sa.Column("cancel_if_waiting", sa.Boolean(), nullable=True))


def downgrade() -> None:
    """Take it back. Ends that were asked for because a pilot waits apply to pilots that run."""
    op.drop_column("pilots", "cancel_if_waiting")

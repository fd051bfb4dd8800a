"""How many pilots of a minute were of use whatever they said of it."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change. The rows are of the last hour."""
    op.add_column("vo_cohorts", sa.Column("served", sa.Integer(), nullable=True))
    op.execute("UPDATE vo_cohorts SET served = useful")
    with op.batch_alter_table("vo_cohorts") as changed:
        changed.alter_column("served", existing_type=sa.Integer(), nullable=False)


def downgrade() -> None:
    """Take it back."""
    with op.batch_alter_table("vo_cohorts") as changed:
        changed.drop_column("served")

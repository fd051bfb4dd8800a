"""CEs and VOs have time-outs, a drain may end pilots that run, and a cancellation has a reason."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TIMEOUTS = ("wait_at_most", "run_at_most", "silent_at_most")


def upgrade() -> None:
    """Make the change."""
    for table in ("ces", "vos"):
        with op.batch_alter_table(table) as changed:
            for name in TIMEOUTS:
                changed.add_column(sa.Column(name, sa.Integer(), nullable=True))
                changed.create_check_constraint(op.f(f"ck_{table}_{name}"), f"{name} > 0")
    op.add_column(
        "ces",
        sa.Column("end_running", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column("pilots", sa.Column("cancel_reason", sa.Text(), nullable=True))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("pilots", "cancel_reason")
    op.drop_column("ces", "end_running")
    for table in ("ces", "vos"):
        with op.batch_alter_table(table) as changed:
            for name in TIMEOUTS:
                changed.drop_constraint(op.f(f"ck_{table}_{name}"), type_="check")
                changed.drop_column(name)

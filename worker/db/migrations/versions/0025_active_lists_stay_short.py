"""The queue of a CE and the lost pilots are found without reading all active or final ones.

- One index holds the pilots of a CE that have not begun, in the order in which they were accepted:
  the oldest is the first. Those that were not accepted yet come last, to be claimed, so the index
  that held them alone is dropped.
- Another holds the pilots that were ever lost or cancelled, by their history. An index of pilots by
  their status would be written by each of their moves.

What waits has not begun. Whatever says otherwise was written by hand, and is set right before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

NOT_ACCEPTED = sa.text("submitted_at IS NULL AND ended_at IS NULL")
WAITING = sa.text("started_at IS NULL AND ended_at IS NULL")
RARE = sa.text("became IN ('cancelled', 'lost')")


def upgrade() -> None:
    """Make the change."""
    op.execute(
        "UPDATE pilots SET started_at = NULL WHERE ended_at IS NULL AND started_at IS NOT NULL"
        " AND status IN ('reserved', 'submitting', 'submitted')"
    )
    _create("ix_pilots_waiting", "pilots", ["ce_id", "submitted_at", "id"], WAITING)
    _create("ix_transitions_rare", "transitions", ["became", "pilot_id"], RARE)
    op.drop_index("ix_pilots_not_accepted", table_name="pilots")


def downgrade() -> None:
    """Take it back."""
    _create("ix_pilots_not_accepted", "pilots", ["ce_id", "id"], NOT_ACCEPTED)
    op.drop_index("ix_transitions_rare", table_name="transitions")
    op.drop_index("ix_pilots_waiting", table_name="pilots")


def _create(name: str, table: str, columns: list[str], condition: sa.TextClause) -> None:
    op.create_index(name, table, columns, postgresql_where=condition, sqlite_where=condition)

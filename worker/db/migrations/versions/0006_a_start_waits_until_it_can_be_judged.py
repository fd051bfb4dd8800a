"""A start that cannot be judged yet waits apart from what is new."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UNLEARNED = "learned_at IS NULL AND became NOT IN ('reserved', 'submitting')"
NEW = "learned_at IS NULL AND learn_after IS NULL AND became NOT IN ('reserved', 'submitting')"
POSTPONED = "learned_at IS NULL AND learn_after IS NOT NULL"


def upgrade() -> None:
    """Make the change."""
    op.add_column(
        "transitions", sa.Column("learn_after", sa.DateTime(timezone=True), nullable=True)
    )
    _index("ix_transitions_learn_after", "learn_after", POSTPONED)
    op.drop_index("ix_transitions_unlearned", table_name="transitions")
    _index("ix_transitions_unlearned", "id", NEW)


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_transitions_unlearned", table_name="transitions")
    op.drop_index("ix_transitions_learn_after", table_name="transitions")
    op.drop_column("transitions", "learn_after")
    _index("ix_transitions_unlearned", "id", UNLEARNED)


def _index(name: str, column: str, where: str) -> None:
    condition = sa.text(where)
    op.create_index(
        name, "transitions", [column], postgresql_where=condition, sqlite_where=condition
    )

"""Where pilots run, and how they are found by their CE's id."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

HANDLE = sa.text("handle IS NOT NULL")
NODE = sa.text("node IS NOT NULL")
OCCUPYING = sa.text(
    "handle IS NOT NULL AND status IN ('reserved', 'submitting', 'submitted', 'running')"
)


def upgrade() -> None:
    """Make the change."""
    _collate("C")
    op.add_column("pilots", sa.Column("node", sa.Text(), nullable=True))
    op.create_index(
        "ix_pilots_handle", "pilots", ["handle"], postgresql_where=HANDLE, sqlite_where=HANDLE
    )
    op.create_index(
        "ix_pilots_node_id", "pilots", ["node", "id"], postgresql_where=NODE, sqlite_where=NODE
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_pilots_node_id", "pilots")
    op.drop_index("ix_pilots_handle", "pilots")
    op.drop_column("pilots", "node")
    _collate("default")


def _collate(name: str) -> None:
    """Set how stamps and handles are compared. The table is not written anew, but its indexes."""
    if op.get_bind().dialect.name != "postgresql":
        return
    # PostgreSQL would write the predicate of this one in other words.
    op.drop_index("uq_pilots_ce_id_handle", "pilots")
    op.execute(
        f'ALTER TABLE pilots ALTER COLUMN stamp TYPE varchar(32) COLLATE "{name}",'
        f' ALTER COLUMN handle TYPE text COLLATE "{name}"'
    )
    op.create_index(
        "uq_pilots_ce_id_handle",
        "pilots",
        ["ce_id", "handle"],
        unique=True,
        postgresql_where=OCCUPYING,
    )

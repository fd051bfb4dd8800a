"""On SQLite the id of a pruned transition is not used again.

Whoever follows the feed of transitions goes on from an id. SQLite gave the ids of the newest rows
again when these were deleted, and PostgreSQL never did.
"""

from alembic import op

revision = "0018"
down_revision = "0016"
branch_labels = None
depends_on = None

ONCE = ("id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT", "")
AGAIN = ("id INTEGER NOT NULL", "\n\tCONSTRAINT pk_transitions PRIMARY KEY (id), ")


def upgrade() -> None:
    """Make the change."""
    _remake(AGAIN, ONCE)


def downgrade() -> None:
    """Take it back."""
    _remake(ONCE, AGAIN)


def _remake(old: tuple[str, str], new: tuple[str, str]) -> None:
    """Copy the table into one with another key; SQLite cannot change that of a table."""
    if op.get_bind().dialect.name != "sqlite":
        return
    table, *indexes = _statements()
    _, mark, rest = table.partition("(")
    (old_id, old_key), (new_id, new_key) = old, new
    rest = rest.replace(old_id, new_id, 1).replace(old_key, "", 1)
    rest = rest.replace("\n\tCONSTRAINT fk_", f"{new_key}\n\tCONSTRAINT fk_", 1)
    op.execute("ALTER TABLE transitions RENAME TO old_transitions")
    op.get_bind().exec_driver_sql(f"CREATE TABLE transitions {mark}{rest}")
    names = ", ".join(
        row.name for row in op.get_bind().exec_driver_sql("PRAGMA table_info(old_transitions)")
    )
    op.execute(f"INSERT INTO transitions ({names}) SELECT {names} FROM old_transitions ORDER BY id")
    op.execute("DROP TABLE old_transitions")
    for index in indexes:
        op.get_bind().exec_driver_sql(index)


def _statements() -> list[str]:
    """Return what made the table, and then what made its indexes."""
    query = (
        "SELECT sql FROM sqlite_master WHERE tbl_name = 'transitions' AND sql IS NOT NULL "
        "AND type IN ('table', 'index') ORDER BY type DESC"
    )
    return list(op.get_bind().exec_driver_sql(query).scalars())

"""What a person changes by a form came by the console, and not by the API.

The rows of before stay as they were written: their door is "api". On PostgreSQL the check reads the
rows of `changes` once, as in 0017.
"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

DOORS = ("command", "task", "worker", "api")


def upgrade() -> None:
    """Make the change."""
    _let_changes_come_by((*DOORS, "console"))


def downgrade() -> None:
    """Take it back. A change that came by the console counts as one by the API."""
    _write_console_as_api()
    _let_changes_come_by(DOORS)


def _let_changes_come_by(doors: tuple[str, ...]) -> None:
    # SQLite makes the table anew. Its triggers go with the old one, and are installed again at the
    # end of each migration.
    words = ", ".join(f"'{door}'" for door in doors)
    with op.batch_alter_table("changes") as changed:
        changed.drop_constraint(op.f("ck_changes_door"), type_="check")
        changed.create_check_constraint(op.f("ck_changes_door"), f"door IN ({words})")


def _write_console_as_api() -> None:
    """Change rows that nobody may change, before their trigger is there again."""
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    if on_postgresql:
        op.execute("ALTER TABLE changes DISABLE TRIGGER keep_changes")
    else:
        op.execute("DROP TRIGGER IF EXISTS keep_changes")
    op.execute("UPDATE changes SET door = 'api' WHERE door = 'console'")
    if on_postgresql:
        op.execute("ALTER TABLE changes ENABLE TRIGGER keep_changes")

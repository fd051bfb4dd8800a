"""Triggers that set `updated_at` on every update, whoever makes it.

If a statement sets `updated_at` itself, its value stays, so bulk moves have no additional cost.
"""

from collections.abc import Iterable

from sqlalchemy import DDL, Connection, Table, event, inspect

FUNCTION = """
CREATE OR REPLACE FUNCTION pilotage_touch() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN NEW.updated_at = clock_timestamp(); RETURN NEW; END$$
"""
_POSTGRESQL = """
CREATE TRIGGER touch_{table} BEFORE UPDATE ON {table} FOR EACH ROW
WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at) EXECUTE FUNCTION pilotage_touch()
"""
_SQLITE = """
CREATE TRIGGER touch_{table} AFTER UPDATE ON {table} FOR EACH ROW
WHEN NEW.updated_at IS OLD.updated_at
BEGIN UPDATE {table} SET updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now')
WHERE {key} = NEW.{key}; END
"""


def statements(dialect: str, table: str, key: str = "id") -> list[str]:
    """Return the statements that make the trigger of one table."""
    if dialect == "postgresql":
        return [FUNCTION, _POSTGRESQL.format(table=table)]
    return [_SQLITE.format(table=table, key=key)]


def install(connection: Connection, *tables: str, key: str = "id") -> None:
    """Install the triggers of these tables; for migrations."""
    for table in tables:
        for statement in statements(connection.dialect.name, table, key):
            connection.exec_driver_sql(statement)


def reinstall_missing(connection: Connection, tables: Iterable[Table]) -> None:
    """Install the triggers again: SQLite loses them when it changes a table by making a new one."""
    inspector = inspect(connection)
    for table in tables:
        if "updated_at" not in table.c or not inspector.has_table(table.name):
            continue
        query = "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name = ?"
        if connection.exec_driver_sql(query, (f"touch_{table.name}",)).first() is None:
            install(connection, table.name, key=next(iter(table.primary_key.columns)).name)


def drop_shared_function(connection: Connection) -> None:
    """Drop the function that all triggers call; the triggers were dropped with their tables."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("DROP FUNCTION pilotage_touch()")


def keeps_updated_at(table: Table, key: str = "id") -> None:
    """Let `metadata.create_all` install the triggers of a table."""
    for dialect in ("postgresql", "sqlite"):
        for statement in statements(dialect, table.name, key):
            # DDL() interprets %, so a % in strftime's pattern is doubled.
            ddl = DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]
            ddl = ddl.execute_if(dialect=dialect)
            event.listen(table, "after_create", ddl)

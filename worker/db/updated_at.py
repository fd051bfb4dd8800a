"""Triggers that set `updated_at` on every update, whoever makes it.

A statement that sets `updated_at` itself keeps its value, so bulk moves pay nothing.
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
    """List the statements that make one table keep its `updated_at`."""
    if dialect == "postgresql":
        return [FUNCTION, _POSTGRESQL.format(table=table)]
    return [_SQLITE.format(table=table, key=key)]


def install(connection: Connection, *tables: str, key: str = "id") -> None:
    """Make these tables keep their `updated_at`; for migrations."""
    for table in tables:
        for statement in statements(connection.dialect.name, table, key):
            connection.exec_driver_sql(statement)


def reinstall_missing(connection: Connection, tables: Iterable[Table]) -> None:
    """Install the triggers that SQLite loses when it changes a table by making a new one."""
    inspector = inspect(connection)
    for table in tables:
        if "updated_at" not in table.c or not inspector.has_table(table.name):
            continue
        query = "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name = ?"
        if connection.exec_driver_sql(query, (f"touch_{table.name}",)).first() is None:
            install(connection, table.name, key=next(iter(table.primary_key.columns)).name)


def drop_shared_function(connection: Connection) -> None:
    """Drop the function that all triggers call; the triggers went with their tables."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("DROP FUNCTION pilotage_touch()")


def keeps_updated_at(table: Table, key: str = "id") -> None:
    """Let `metadata.create_all` install the triggers of a table."""
    for dialect in ("postgresql", "sqlite"):
        for statement in statements(dialect, table.name, key):
            # DDL() formats with %, which strftime's pattern must survive.
            ddl = DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]
            ddl = ddl.execute_if(dialect=dialect)
            event.listen(table, "after_create", ddl)

"""Triggers that make a table append-only, for every role.

A row can never be changed, and a row that is younger than a number of days cannot be deleted.
Retention may delete older rows with the ordinary privileges of a worker.
"""

from sqlalchemy import DDL, Connection, Table, event, inspect

_FUNCTION = """
CREATE OR REPLACE FUNCTION pilotage_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only'; END$$
"""
_POSTGRESQL = (
    """
CREATE TRIGGER keep_{table} BEFORE UPDATE ON {table} FOR EACH ROW
EXECUTE FUNCTION pilotage_refuse()
""",
    """
CREATE TRIGGER keep_young_{table} BEFORE DELETE ON {table} FOR EACH ROW
WHEN (OLD.at > clock_timestamp() - interval '{days} days') EXECUTE FUNCTION pilotage_refuse()
""",
)
_SQLITE = (
    """
CREATE TRIGGER keep_{table} BEFORE UPDATE ON {table} FOR EACH ROW
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
""",
    """
CREATE TRIGGER keep_young_{table} BEFORE DELETE ON {table} FOR EACH ROW
WHEN OLD.at > strftime('%Y-%m-%d %H:%M:%f', 'now', '-{days} days')
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
""",
)


def _statements(dialect: str, table: str, days: int) -> list[str]:
    on_postgresql = dialect == "postgresql"
    triggers = _POSTGRESQL if on_postgresql else _SQLITE
    made = [trigger.format(table=table, days=days) for trigger in triggers]
    return [_FUNCTION, *made] if on_postgresql else made


def install(connection: Connection, table: str, days: int) -> None:
    """Make a table append-only; for migrations."""
    for statement in _statements(connection.dialect.name, table, days):
        connection.exec_driver_sql(statement)


def reinstall_missing(connection: Connection, table: str, days: int) -> None:
    """Install the triggers again: SQLite loses them when it changes a table by making a new one."""
    query = "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name = ?"
    is_there = inspect(connection).has_table(table)
    if is_there and connection.exec_driver_sql(query, (f"keep_{table}",)).first() is None:
        install(connection, table, days)


def drop_function(connection: Connection) -> None:
    """Drop the function that the triggers call; the triggers were dropped with their table."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("DROP FUNCTION pilotage_refuse()")


def is_append_only(table: Table, days: int) -> None:
    """Let `metadata.create_all` install the triggers of a table."""
    for dialect in ("postgresql", "sqlite"):
        for statement in _statements(dialect, table.name, days):
            # DDL() interprets %, so a % in a statement is doubled.
            ddl = DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]
            event.listen(table, "after_create", ddl.execute_if(dialect=dialect))

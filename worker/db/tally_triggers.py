"""Triggers that write a tally with every change of a pilot's status, whoever makes the change.

The changes of one statement are one row for each CE, VO and move. Nothing is read or locked for
these rows, and a rollback removes them together with the change. So counts are exact with any
number of concurrent writers. SQLite has no triggers for whole statements: there each pilot makes a
row of its own.

The seconds of a tally are the difference between those of the pilot's new row and its old row.
"""

from collections.abc import Callable

from sqlalchemy import DDL, Connection, Table, event, inspect

from worker.db.engine import POSTGRESQL, SQLITE

_INTO = """INSERT INTO new_tallies
(at, ce_id, vo_id, was, became, cause, pilots, starts, seconds_to_start, seconds_run)"""

# PostgreSQL plans a function for the number of rows in its first call. If that were one row, it
# would use a nested loop, and compare each old pilot with each new one in all later calls.
_FUNCTION = """
CREATE OR REPLACE FUNCTION pilotage_tally() RETURNS trigger LANGUAGE plpgsql
SET enable_nestloop = off AS
$$BEGIN
  IF TG_OP = 'INSERT' THEN
    {into}
    SELECT max(updated_at), ce_id, vo_id, '', status, {new_end}, count(*),
           count(started_at), coalesce(sum({to_start}), 0), coalesce(sum({run}), 0)
      FROM new_pilots AS n GROUP BY ce_id, vo_id, status, {new_end};
  ELSIF TG_OP = 'DELETE' THEN
    {into}
    SELECT now(), ce_id, vo_id, status, '', '', count(*), 0, 0, 0
      FROM old_pilots GROUP BY ce_id, vo_id, status;
  ELSE
    {into}
    SELECT max(n.updated_at), n.ce_id, n.vo_id, o.status, n.status, {new_end},
           count(*), count(n.started_at) - count(o.started_at),
           coalesce(sum({to_start}), 0) - coalesce(sum({old_to_start}), 0),
           coalesce(sum({run}), 0) - coalesce(sum({old_run}), 0)
      FROM new_pilots AS n JOIN old_pilots AS o ON o.id = n.id AND o.status <> n.status
     GROUP BY n.ce_id, n.vo_id, o.status, n.status, {new_end}
    UNION ALL
    SELECT max(n.updated_at), n.ce_id, n.vo_id, n.status, n.status, coalesce(change.cause, ''),
           sum(change.pilots), 0, 0, 0
      FROM new_pilots AS n JOIN old_pilots AS o
        ON o.id = n.id AND o.status = n.status AND o.cause <> n.cause,
           LATERAL (VALUES (o.cause, -1), (n.cause, 1)) AS change(cause, pilots)
     GROUP BY n.ce_id, n.vo_id, n.status, change.cause;
  END IF;
  RETURN NULL;
END$$
"""
_POSTGRESQL = {
    "insert": "AFTER INSERT ON pilots REFERENCING NEW TABLE AS new_pilots",
    "update": "AFTER UPDATE ON pilots REFERENCING OLD TABLE AS old_pilots NEW TABLE AS new_pilots",
    "delete": "AFTER DELETE ON pilots REFERENCING OLD TABLE AS old_pilots",
}

_SQLITE = {
    "insert": """AFTER INSERT ON pilots FOR EACH ROW BEGIN {into}
VALUES (NEW.updated_at, NEW.ce_id, NEW.vo_id, '', NEW.status, {new_end}, 1,
NEW.started_at IS NOT NULL, coalesce({to_start}, 0), coalesce({run}, 0)); END""",
    "update": """AFTER UPDATE OF status ON pilots FOR EACH ROW WHEN OLD.status <> NEW.status
BEGIN {into} VALUES (NEW.updated_at, NEW.ce_id, NEW.vo_id, OLD.status, NEW.status,
{new_end}, 1, (NEW.started_at IS NOT NULL) - (OLD.started_at IS NOT NULL),
coalesce({to_start}, 0) - coalesce({old_to_start}, 0), coalesce({run}, 0) - coalesce({old_run}, 0));
END""",
    "refine": """AFTER UPDATE OF cause ON pilots FOR EACH ROW
WHEN OLD.status = NEW.status AND OLD.cause <> NEW.cause
BEGIN {into} VALUES (NEW.updated_at, NEW.ce_id, NEW.vo_id, NEW.status, NEW.status, OLD.cause,
-1, 0, 0, 0), (NEW.updated_at, NEW.ce_id, NEW.vo_id, NEW.status, NEW.status, NEW.cause,
1, 0, 0, 0); END""",
    "delete": """AFTER DELETE ON pilots FOR EACH ROW BEGIN {into}
VALUES (strftime('%Y-%m-%d %H:%M:%f', 'now'), OLD.ce_id, OLD.vo_id, OLD.status, '', '', 1,
0, 0, 0); END""",
}


def statements(dialect: str, *, with_use: bool = True) -> list[str]:
    """Return the statements that make the triggers.

    Without `with_use`, they are for the table of pilots before it had the column `use`.
    """
    if dialect == POSTGRESQL:
        function = _FUNCTION.format(
            into=_INTO,
            new_end=_end_of("n", with_use=with_use),
            **_seconds(_between_on_postgresql, "n", "o"),
        )
        triggers = [
            f"CREATE TRIGGER tally_{name} {when} FOR EACH STATEMENT EXECUTE FUNCTION"
            " pilotage_tally()"
            for name, when in _POSTGRESQL.items()
        ]
        # They also fire in a session with the role of a replica, as used for loading data in bulk.
        always = [f"ALTER TABLE pilots ENABLE ALWAYS TRIGGER tally_{name}" for name in _POSTGRESQL]
        return [function, *triggers, *always]
    seconds = _seconds(_between_on_sqlite, "NEW", "OLD")
    end = _end_of("NEW", with_use=with_use)
    return [
        f"CREATE TRIGGER tally_{name}_pilots {body.format(into=_INTO, new_end=end, **seconds)}"
        for name, body in _SQLITE.items()
    ]


def install(connection: Connection, *, with_use: bool = True) -> None:
    """Install the triggers; for migrations."""
    for statement in statements(connection.dialect.name, with_use=with_use):
        connection.exec_driver_sql(statement)


def reinstall_missing(connection: Connection) -> None:
    """Install the triggers again: SQLite loses them when it changes a table by making a new one."""
    inspector = inspect(connection)
    if not {"pilots", "new_tallies"} <= set(inspector.get_table_names()):
        return
    query = "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name = ?"
    if connection.exec_driver_sql(query, ("tally_update_pilots",)).first() is None:
        columns = {column["name"] for column in inspector.get_columns("pilots")}
        install(connection, with_use="use" in columns)


def remove(connection: Connection) -> None:
    """Remove the triggers; for migrations."""
    if connection.dialect.name == POSTGRESQL:
        for name in _POSTGRESQL:
            connection.exec_driver_sql(f"DROP TRIGGER tally_{name} ON pilots")
        connection.exec_driver_sql("DROP FUNCTION pilotage_tally()")
    else:
        for name in _SQLITE:
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS tally_{name}_pilots")


def follows(pilots: Table) -> None:
    """Let `metadata.create_all` install the triggers."""
    for dialect in (POSTGRESQL, SQLITE):
        for statement in statements(dialect):
            # DDL() interprets %, so a % in strftime's pattern is doubled.
            ddl = DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]
            event.listen(pilots, "after_create", ddl.execute_if(dialect=dialect))


def _end_of(row: str, *, with_use: bool) -> str:
    """Return the SQL for how a pilot ended: the cause of a failure, or the use of a good end."""
    return f"coalesce({row}.cause, {row}.use, '')" if with_use else f"coalesce({row}.cause, '')"


def _seconds(between: Callable[[str, str], str], new: str, old: str) -> dict[str, str]:
    spans = {"to_start": ("submitted_at", "started_at"), "run": ("started_at", "ended_at")}
    return {
        f"{prefix}{name}": between(f"{row}.{begin}", f"{row}.{end}")
        for prefix, row in (("", new), ("old_", old))
        for name, (begin, end) in spans.items()
    }


def _between_on_postgresql(begin: str, end: str) -> str:
    return f"greatest(extract(epoch FROM {end} - {begin}), 0)"


def _between_on_sqlite(begin: str, end: str) -> str:
    return f"max((julianday({end}) - julianday({begin})) * 86400.0, 0)"

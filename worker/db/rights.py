"""The privileges of the three roles on PostgreSQL: which role may do what with which table.

The owner migrates and may do everything. A worker changes rows, a reader only reads them. The kind
of a table follows from its name: most have rows that change, some only grow, and some store the
revision of a chain.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from sqlalchemy import Connection, text

WORKER = "worker"
READER = "reader"

APPEND_ONLY = frozenset({"changes"})
"""Tables whose rows cannot be changed; a trigger prevents the deletion of young rows."""

VERSION = "alembic_version_"
"""The beginning of the names of the tables that store the revision of a chain."""


class TableKind(StrEnum):
    """What happens to the rows of a table."""

    CHANGES = "changes"
    GROWS = "grows"
    VERSION = "version"


RULES: Mapping[str, Mapping[TableKind, tuple[str, ...]]] = {
    WORKER: {
        TableKind.CHANGES: ("SELECT", "INSERT", "UPDATE", "DELETE"),
        TableKind.GROWS: ("SELECT", "INSERT", "DELETE"),
        TableKind.VERSION: ("SELECT",),
    },
    READER: dict.fromkeys(TableKind, ("SELECT",)),
}
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
"""The privileges that the rules are about."""


def kind_of(table: str) -> TableKind:
    """Return what happens to the rows of a table."""
    if table.startswith(VERSION):
        return TableKind.VERSION
    return TableKind.GROWS if table in APPEND_ONLY else TableKind.CHANGES


def by_kind(tables: Iterable[str]) -> dict[TableKind, list[str]]:
    """Sort tables by their kind; a kind without tables is left out."""
    sorted_tables: dict[TableKind, list[str]] = {}
    for table in tables:
        sorted_tables.setdefault(kind_of(table), []).append(table)
    return sorted_tables


def quoted(name: str) -> str:
    """Quote a name for a statement without parameters, in which a percent sign is not special."""
    return '"{}"'.format(name.replace('"', '""'))


def narrow(connection: Connection) -> None:
    """Revoke privileges that a new table grants by default and that its kind does not allow."""
    for table, grantee, privilege in connection.execute(text(_GRANTED)).all():
        kind = kind_of(table)
        if kind is not TableKind.CHANGES and privilege not in RULES[WORKER][kind]:
            whom = "PUBLIC" if grantee is None else quoted(grantee)
            connection.exec_driver_sql(
                f"REVOKE {privilege} ON TABLE {quoted(table)} FROM {whom}",
                execution_options={"no_parameters": True},
            )


_GRANTED = """
SELECT t.relname, r.rolname, a.privilege_type
  FROM pg_class t
  JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = current_schema()
 CROSS JOIN LATERAL aclexplode(t.relacl) a
  LEFT JOIN pg_roles r ON r.oid = a.grantee
 WHERE t.relkind = 'r' AND a.grantee <> t.relowner
"""

"""The three roles of a database on PostgreSQL: statements that make them, and missing rights.

Each role can log in; a statement never holds a password. The statements may be repeated.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from worker.db.chains import Chain
from worker.db.rights import (
    APPEND_ONLY,
    PRIVILEGES,
    READER,
    RULES,
    WORKER,
    TableKind,
    by_kind,
    kind_of,
    quoted,
)
from worker.domain.errors import Invalid

LONGEST = 63
"""The longest name on PostgreSQL, in bytes; a longer one would be cut."""


@dataclass(frozen=True, kw_only=True)
class Roles:
    """The names of the roles."""

    owner: str
    worker: str
    reader: str

    def __post_init__(self) -> None:
        for name in (self.owner, self.worker, self.reader):
            if not name.isprintable() or len(name.encode()) > LONGEST:
                raise Invalid("role", f"{name!r} is not printable, or longer than {LONGEST} bytes")
            if name.startswith("pg_"):
                raise Invalid("role", f"{name!r}: PostgreSQL reserves names that begin with pg_")

    @property
    def by_rule(self) -> dict[str, str]:
        """The name of each role that has rules."""
        return {WORKER: self.worker, READER: self.reader}


def name_roles(prefix: str, owner: str | None = None) -> Roles:
    """Name the roles of a database after a prefix; another name may be given for the owner."""
    return Roles(
        owner=owner or f"{prefix}_owner", worker=f"{prefix}_{WORKER}", reader=f"{prefix}_{READER}"
    )


def statements(connection: Connection, roles: Roles, chains: Sequence[Chain]) -> list[str]:
    """Return the statements that make the roles and grant each its rights."""
    owner, worker, reader = map(quoted, (roles.owner, roles.worker, roles.reader))
    row = connection.execute(text(_PLACE)).one()
    database, schema = quoted(row.database), quoted(row.schema)
    tables = _present(connection, chains)
    return [
        *(
            f"CREATE ROLE {quoted(name)} LOGIN"
            for name in (roles.owner, roles.worker, roles.reader)
            if not _exists(connection, name)
        ),
        *([] if row.is_superuser or _is_member(connection, roles.owner) else [_JOIN.format(owner)]),
        f"ALTER DATABASE {database} OWNER TO {owner}",
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {database} TO {worker}, {reader}",
        f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC",
        f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {owner}",
        *_ownership(connection, roles.owner, tables),
        f"GRANT USAGE ON SCHEMA {schema} TO {worker}, {reader}",
        *_grants(roles, tables, schema),
        *_default_grants(roles, schema),
    ]


def apply(connection: Connection, lines: Sequence[str]) -> None:
    """Run statements without parameters, so that a percent sign in them is not special."""
    for line in lines:
        connection.exec_driver_sql(line, execution_options={"no_parameters": True})


def missing_rights(connection: Connection, roles: Roles, chains: Sequence[Chain]) -> list[str]:
    """List the rights that the worker and the reader lack, and those that they should not have."""
    there = {rule: name for rule, name in roles.by_rule.items() if _exists(connection, name)}
    tables = _present(connection, chains)
    differences: list[str] = []
    for rule, name in there.items():
        differences += _differing(connection, rule, name, tables)
        differences += _without_defaults(connection, name, tables)
    return differences


def is_there(connection: Connection, roles: Roles) -> bool:
    """Return whether the worker and the reader exist."""
    return all(_exists(connection, name) for name in roles.by_rule.values())


def may_make_schemas(connection: Connection) -> bool:
    """Return whether the connected role may make a schema in this database."""
    query = "SELECT has_database_privilege(current_database(), 'CREATE')"
    return bool(connection.scalar(text(query)))


def missing_tables(connection: Connection, chains: Sequence[Chain]) -> list[str]:
    """List the tables of the models that the database does not have."""
    expected = [table for chain in chains for table in chain.tables]
    present = set(_present(connection, chains))
    return [table for table in expected if table not in present]


def _ownership(connection: Connection, owner: str, tables: Sequence[str]) -> Iterator[str]:
    """Yield the statements that give tables and functions of other roles to the owner."""
    rows = connection.execute(text(_OF_OTHERS), {"owner": owner, "tables": list(tables)})
    for kind, name in rows:
        arguments = "()" if kind == "FUNCTION" else ""
        yield f"ALTER {kind} {quoted(name)}{arguments} OWNER TO {quoted(owner)}"


def _grants(roles: Roles, tables: Sequence[str], schema: str) -> Iterator[str]:
    if not tables:
        return
    everything = ", ".join(map(quoted, tables))
    for rule, name in roles.by_rule.items():
        yield f"REVOKE ALL ON TABLE {everything} FROM {quoted(name)}"
        for kind, some in by_kind(tables).items():
            rights = ", ".join(RULES[rule][kind])
            yield f"GRANT {rights} ON TABLE {', '.join(map(quoted, some))} TO {quoted(name)}"
    yield f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {quoted(roles.worker)}"


def _default_grants(roles: Roles, schema: str) -> Iterator[str]:
    """Yield the statements that grant rights on tables that a later migration makes."""
    begin = f"ALTER DEFAULT PRIVILEGES FOR ROLE {quoted(roles.owner)} IN SCHEMA {schema} GRANT"
    for rule, name in roles.by_rule.items():
        rights = ", ".join(RULES[rule][TableKind.CHANGES])
        yield f"{begin} {rights} ON TABLES TO {quoted(name)}"
    yield f"{begin} USAGE ON SEQUENCES TO {quoted(roles.worker)}"


def _differing(
    connection: Connection, rule: str, name: str, tables: Sequence[str]
) -> Iterator[str]:
    parameters = {"role": name, "tables": list(tables), "privileges": list(PRIVILEGES)}
    for row in connection.execute(text(_PLACES_CLOSED), {"role": name}):
        yield f"role {name}: no right to {row.right}"
    rights = connection.execute(text(_TABLE_RIGHTS), parameters).all()
    for table in tables:
        allowed = RULES[rule][kind_of(table)]
        has = {row.privilege for row in rights if row.table == table and row.allowed}
        if lacks := [one for one in allowed if one not in has]:
            yield f"role {name}: no right to {', '.join(lacks)} on table {table}"
        if more := [one for one in PRIVILEGES if one in has and one not in allowed]:
            yield f"role {name}: may {', '.join(more)} on table {table}, and should not"
    if rule == WORKER:
        for row in connection.execute(text(_SEQUENCES), parameters):
            yield f"role {name}: no right to use the sequence {row.name}"


def _without_defaults(connection: Connection, name: str, tables: Sequence[str]) -> Iterator[str]:
    parameters = {"role": name, "tables": list(tables)}
    for owner in connection.execute(text(_NO_DEFAULTS), parameters).scalars():
        yield f"role {name}: no rights by default on the tables that {owner} will make"


def _present(connection: Connection, chains: Sequence[Chain]) -> list[str]:
    """List the tables of Pilotage that exist, the version tables last."""
    ours = [table for chain in chains for table in chain.tables]
    versions = [chain.version_table for chain in chains]
    names = list(dict.fromkeys([*ours, *sorted(APPEND_ONLY), *versions]))
    present = set(connection.execute(text(_TABLES), {"tables": names}).scalars())
    return [name for name in names if name in present]


def _exists(connection: Connection, role: str) -> bool:
    query = text("SELECT 1 FROM pg_roles WHERE rolname = :role")
    return connection.execute(query, {"role": role}).first() is not None


def _is_member(connection: Connection, role: str) -> bool:
    query = text("SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = :role")
    return bool(connection.scalar(query, {"role": role}))


_JOIN = "GRANT {} TO CURRENT_USER"
"""A user that is not a superuser can give an object only to a role of which it is a member."""

_PLACE = """
SELECT current_database() AS database, current_schema() AS schema,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_superuser
"""
_OUR_TABLES = """
  FROM pg_class t
  JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = current_schema()
 WHERE t.relkind = 'r' AND t.relname = ANY(:tables)
"""
_TABLES = f"SELECT t.relname {_OUR_TABLES}"
_OF_OTHERS = f"""
SELECT 'TABLE' AS kind, t.relname AS name {_OUR_TABLES}
   AND pg_get_userbyid(t.relowner) <> :owner
UNION ALL
SELECT 'FUNCTION', p.proname
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = current_schema()
 WHERE starts_with(p.proname, 'pilotage_') AND pg_get_userbyid(p.proowner) <> :owner
 ORDER BY 1 DESC, 2
"""
_PLACES_CLOSED = """
SELECT 'connect to the database' AS right
 WHERE NOT has_database_privilege(:role, current_database(), 'CONNECT')
UNION ALL
SELECT 'use the schema ' || current_schema()
 WHERE NOT has_schema_privilege(:role, current_schema(), 'USAGE')
"""
_TABLE_RIGHTS = f"""
SELECT t.relname AS table, p.privilege, has_table_privilege(:role, t.oid, p.privilege) AS allowed
  FROM (SELECT t.oid, t.relname {_OUR_TABLES}) t,
       unnest(CAST(:privileges AS text[])) AS p (privilege)
"""
_SEQUENCES = """
SELECT s.relname AS name
  FROM pg_class s
  JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass
   AND d.deptype IN ('a', 'i')
  JOIN pg_class t ON t.oid = d.refobjid AND t.relname = ANY(:tables)
  JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = current_schema()
 WHERE NOT CASE s.relkind WHEN 'S' THEN has_sequence_privilege(:role, s.oid, 'USAGE') ELSE true END
 ORDER BY 1
"""
_NO_DEFAULTS = f"""
SELECT DISTINCT pg_get_userbyid(o.relowner) FROM (SELECT t.relowner {_OUR_TABLES}) o
 WHERE NOT EXISTS (
   SELECT 1 FROM pg_default_acl d
     JOIN pg_namespace n ON n.oid = d.defaclnamespace AND n.nspname = current_schema(),
     LATERAL aclexplode(d.defaclacl) a
     JOIN pg_roles r ON r.oid = a.grantee AND r.rolname = :role
    WHERE d.defaclrole = o.relowner AND d.defaclobjtype = 'r' AND a.privilege_type = 'SELECT')
"""

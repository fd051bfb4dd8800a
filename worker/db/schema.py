"""Comparison of a database with the models: whether it has exactly the tables that they describe.

The models are built a second time in an empty place: a scratch schema that is rolled back, or an
SQLite database in memory. Then the two catalogs are compared as texts that the database itself
writes. So nothing is interpreted here: each column, default, CHECK, predicate of a partial index
and trigger is equal, or it differs.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, bindparam, create_engine, inspect, text

from worker.db.chains import Chain
from worker.db.driver_errors import translated
from worker.db.engine import POSTGRESQL

SCRATCH = "pilotage_verify"

Catalog = dict[str, str]
"""Each part of a schema by its name, as the database defines it."""


@dataclass(frozen=True)
class SchemaDifference:
    """One part of the schema that differs from the models."""

    part: str
    problem: str

    @property
    def table(self) -> str:
        """The table that the part belongs to."""
        return self.part.split(" ", 1)[1].split(".")[0]

    def __str__(self) -> str:
        return f"{self.part}: {self.problem}"


def differences(engine: Engine, chains: Sequence[Chain]) -> list[SchemaDifference]:
    """Compare a database with the models of these chains; nothing is changed."""
    tables = [table for chain in chains for table in chain.tables]
    if engine.dialect.name != POSTGRESQL:
        models = create_engine("sqlite://")
        with translated(engine.url), engine.connect() as real, models.connect() as scratch:
            _create(scratch, chains)
            differing = _compare(_sqlite(scratch, tables), _sqlite(real, tables))
        models.dispose()
        return differing
    with translated(engine.url), engine.connect() as connection:
        schema = str(connection.execute(text("SELECT current_schema()")).scalar_one())
        actual = _postgresql(connection, schema, tables)
        connection.execute(text(f"CREATE SCHEMA {SCRATCH}"))
        connection.execute(text(f"SET LOCAL search_path TO {SCRATCH}"))
        _create(connection, chains)
        expected = _postgresql(connection, SCRATCH, tables)
        connection.rollback()
    return _compare(expected, actual)


def _create(connection: Connection, chains: Iterable[Chain]) -> None:
    for chain in chains:
        chain.metadata.create_all(connection, checkfirst=False)


def _compare(expected: Catalog, actual: Catalog) -> list[SchemaDifference]:
    missing = [
        SchemaDifference(part, "missing") for part in sorted(expected.keys() - actual.keys())
    ]
    extra = [
        SchemaDifference(part, "not in the models")
        for part in sorted(actual.keys() - expected.keys())
    ]
    changed = [
        SchemaDifference(part, f"is {actual[part]!r}, the models say {expected[part]!r}")
        for part in sorted(expected.keys() & actual.keys())
        if actual[part] != expected[part]
    ]
    # If a table is missing, its columns and indexes are not listed as well.
    gone = {d.table for d in missing if d.part == f"table {d.table}"}
    reported = [d for d in missing if d.table not in gone or d.part == f"table {d.table}"]
    return reported + extra + changed


_POSTGRESQL_PARTS = """
SELECT 'table ' || t.relname AS part, 'table' AS definition
  FROM pg_class t
  JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname = :schema AND t.relkind = 'r'
   AND t.relname IN :tables
UNION ALL
SELECT 'column ' || t.relname || '.' || a.attname,
       format_type(a.atttypid, a.atttypmod)
       || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
       || CASE a.attidentity WHEN '' THEN '' ELSE ' identity ' || CAST(a.attidentity AS text) END
       || coalesce(' collate ' || l.collname, '')
       || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
  FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
  LEFT JOIN pg_collation l ON l.oid = a.attcollation AND l.collname <> 'default'
  LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
 WHERE n.nspname = :schema AND t.relname IN :tables
   AND t.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'constraint ' || t.relname || '.' || c.conname, pg_get_constraintdef(c.oid)
  FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
 WHERE n.nspname = :schema AND t.relname IN :tables
   AND c.contype <> 'n'
UNION ALL
SELECT 'index ' || t.relname || '.' || i.relname,
       pg_get_indexdef(i.oid) || CASE WHEN x.indisvalid THEN '' ELSE ' INVALID' END
  FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
 WHERE n.nspname = :schema AND t.relname IN :tables
UNION ALL
SELECT 'trigger ' || t.relname || '.' || g.tgname,
       pg_get_triggerdef(g.oid) || ' ' || pg_get_functiondef(g.tgfoid)
       || CASE g.tgenabled WHEN 'D' THEN ' DISABLED' ELSE '' END
  FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
 WHERE n.nspname = :schema AND t.relname IN :tables
   AND NOT g.tgisinternal
"""
# Since PostgreSQL 18 not-null constraints have rows of their own; they are left out, since the
# columns already say "not null".


def _postgresql(connection: Connection, schema: str, tables: Sequence[str]) -> Catalog:
    query = text(_POSTGRESQL_PARTS).bindparams(bindparam("tables", expanding=True))
    parts = connection.execute(query, {"schema": schema, "tables": list(tables)})
    return {row.part: _one_form(row.definition.replace(f"{schema}.", "")) for row in parts}


def _one_form(definition: str) -> str:
    """Write a list of words always in the same form.

    A restored database casts each word of a list, a new database casts the whole list: the server
    reads the expression that `pg_dump` writes as a different one.
    """
    plain_words = _CAST_WORD.sub(r"\1", definition)
    return _CAST_LIST.sub(r"\1", plain_words)


_CAST_WORD = re.compile(r"\(('(?:[^']|'')*'::character varying)\)::text")
_CAST_LIST = re.compile(r"\((ARRAY\[[^]]*\])\)::text\[\]")


def _sqlite(connection: Connection, tables: Sequence[str]) -> Catalog:
    present = set(inspect(connection).get_table_names())
    catalog: Catalog = {}
    for table in tables:
        if table in present:
            catalog[f"table {table}"] = "table"
            catalog.update(_sqlite_columns(connection, table))
            catalog.update(_sqlite_constraints(connection, table))
            catalog.update(_sqlite_statements(connection, table))
    return catalog


def _sqlite_columns(connection: Connection, table: str) -> Catalog:
    catalog: Catalog = {}
    for row in connection.exec_driver_sql(f'PRAGMA table_xinfo("{table}")'):
        null = " not null" if row.notnull else ""
        default = f" default {row.dflt_value}" if row.dflt_value is not None else ""
        key = f" key {row.pk}" if row.pk else ""
        catalog[f"column {table}.{row.name}"] = f"{row.type}{null}{default}{key}"
    return catalog


def _sqlite_constraints(connection: Connection, table: str) -> Catalog:
    inspector = inspect(connection)
    catalog = {
        f"constraint {table}.{check['name']}": _plain(check["sqltext"])
        for check in inspector.get_check_constraints(table)
    }
    for unique in inspector.get_unique_constraints(table):
        columns = ", ".join(str(name) for name in unique["column_names"])
        catalog[f"constraint {table}.{unique['name']}"] = f"unique ({columns})"
    for link in connection.exec_driver_sql(f'PRAGMA foreign_key_list("{table}")').mappings():
        part = f"constraint {table}.fk_{table}_{link['from']}"
        catalog[part] = f"{link['table']}.{link['to']} on delete {link['on_delete']}"
    return catalog


def _sqlite_statements(connection: Connection, table: str) -> Catalog:
    made = "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL"
    catalog: Catalog = {}
    for row in connection.exec_driver_sql(made, (table,)):
        if row.type in ("index", "trigger"):
            catalog[f"{row.type} {table}.{row.name}"] = _plain(row.sql)
        elif "AUTOINCREMENT" in row.sql:
            catalog[f"constraint {table}.autoincrement"] = "autoincrement"
    return catalog


def _plain(sql: str) -> str:
    """Remove quotes and spacing: these differ if SQLite made the table anew."""
    return re.sub(r"\s+", " ", sql.replace('"', "")).strip()

"""`pilotage db roles`: an owner, a worker and a reader, each tried against a real PostgreSQL."""

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import ProgrammingError

from tests.cli.command import Cli, address, complaint, sql
from tests.cli.conftest import furnish
from worker.db import rights, roles
from worker.db.database import Database
from worker.db.rights import RULES, WORKER, TableKind, kind_of, quoted
from worker.db.roles import Roles, name_roles
from worker.domain.errors import Invalid
from worker.domain.schedule import Scope
from worker.services.tasks import catalogue

pytestmark = pytest.mark.slow

PREFIX = "a \"role\" of 100% 'ours'"
"""It has every character that must be quoted for PostgreSQL."""
PASSWORD = "role-of-a-test"


class Site:
    """A database with roles, and the role as which the command line connects."""

    def __init__(self, database: Database, roles: Roles, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database, self.roles, self._monkeypatch = database, roles, monkeypatch

    def connect_as(self, role: str | None) -> URL:
        url = self.database.url
        if role is not None:
            url = url.set(username=role, password=PASSWORD)
        self._monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(url))
        return url


@pytest.fixture
def prefix(postgresql_server: object, request: pytest.FixtureRequest) -> str:
    """Roles belong to the whole server, so each test process has its own prefix."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "")
    return f"{PREFIX} {worker}".strip()


@pytest.fixture
def empty(
    cli: Cli, postgresql_blank: Database, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """A database without tables; its roles are removed after the test."""
    site = Site(postgresql_blank, name_roles(prefix), monkeypatch)
    site.connect_as(None)
    yield site
    postgresql_blank.engine.dispose()
    with postgresql_blank.engine.begin() as connection:
        for role in (site.roles.owner, site.roles.worker, site.roles.reader):
            query = "SELECT 1 FROM pg_roles WHERE rolname = :role"
            if connection.execute(text(query), {"role": role}).first():
                _run(connection, f"REASSIGN OWNED BY {quoted(role)} TO CURRENT_USER")
                _run(connection, f"DROP OWNED BY {quoted(role)}")
                _run(connection, f"DROP ROLE {quoted(role)}")


def _run(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def make(cli: Cli, site: Site, prefix: str) -> None:
    """Make the roles and set the password of each."""
    cli.ok("db", "roles", "--prefix", prefix, "--yes")
    with site.database.engine.begin() as connection:
        for role in (site.roles.owner, site.roles.worker, site.roles.reader):
            _run(connection, f"ALTER ROLE {quoted(role)} PASSWORD '{PASSWORD}'")
    site.database.engine.dispose()


@pytest.fixture
def site(cli: Cli, empty: Site, prefix: str) -> Site:
    """A database with roles and a small site; its owner has migrated it."""
    make(cli, empty, prefix)
    empty.connect_as(empty.roles.owner)
    cli.ok("db", "migrate")
    with empty.database.uow() as tx:
        furnish(tx)
    empty.database.engine.dispose()
    return empty


def test_without_a_yes_the_statements_are_printed_and_nothing_is_made(
    cli: Cli, empty: Site, prefix: str
) -> None:
    lines = cli.ok("db", "roles", "--prefix", prefix).lines
    data = cli.json("db", "roles", "--prefix", prefix)

    assert (lines[0], lines[-1]) == ("BEGIN;", "COMMIT;")
    assert lines[1:-1] == [f"{line};" for line in data["statements"]]
    assert data["roles"]["worker"] == f"{prefix}_worker"
    assert data["done"] is False
    with empty.database.engine.connect() as connection:
        count = connection.execute(
            text("SELECT count(*) FROM pg_roles WHERE rolname = :name"),
            {"name": empty.roles.worker},
        ).scalar_one()
    assert count == 0


FUNCTION_OWNERS = """
SELECT DISTINCT pg_get_userbyid(proowner) FROM pg_proc WHERE starts_with(proname, 'pilotage_')
"""


def test_what_is_printed_makes_the_roles_when_somebody_runs_it(
    cli: Cli, empty: Site, prefix: str
) -> None:
    cli.ok("db", "migrate")
    script = cli.ok("db", "roles", "--prefix", prefix).out
    driver = empty.database.engine.raw_connection()
    driver.driver_connection.execute(script)  # type: ignore[union-attr]
    driver.close()

    assert cli.json("db", "verify", "--prefix", prefix)["differences"] == []
    with empty.database.engine.connect() as connection:
        owners = connection.execute(text(FUNCTION_OWNERS)).scalars().all()
    assert owners == [f"{prefix}_owner"]
    cli.ok("db", "roles", "--prefix", prefix, "--yes")
    again = cli.json("db", "roles", "--prefix", prefix)["statements"]
    assert not [line for line in again if line.startswith(("CREATE", "ALTER TABLE"))]


def test_the_names_begin_with_that_of_the_database_unless_told(cli: Cli, empty: Site) -> None:
    name = empty.database.url.database

    assert cli.json("db", "roles")["roles"] == {
        "owner": f"{name}_owner",
        "worker": f"{name}_worker",
        "reader": f"{name}_reader",
    }
    assert cli.json("db", "roles", "--owner", "postgres")["roles"]["owner"] == "postgres"


@pytest.mark.parametrize("prefix", ["pg_site", "a\nb", "x" * 60])
def test_a_name_that_postgresql_would_not_keep_is_refused(prefix: str) -> None:
    with pytest.raises(Invalid):
        name_roles(prefix)


def test_a_reader_looks_at_everything(cli: Cli, site: Site) -> None:
    site.connect_as(site.roles.reader)

    for words in (
        ("status",), ("explain", "lyon"), ("plan",), ("metrics",), ("failures",), ("report",),
        ("ce", "list"), ("ce", "show", "lyon"), ("ce", "pauses", "lyon"),
        ("vo", "list"), ("vo", "show", "lhcb"), ("vo", "payload", "lhcb"),
        ("pilot", "list"), ("pilot", "show", "1"), ("credential", "list"), ("task", "list"),
        ("backend", "list"), ("db", "status"), ("export",),
        ("task", "run", "submit_pilots", "--vo", "lhcb", "--dry-run"),
    ):  # fmt: skip
        answer = cli(*words)
        assert answer.code == 0, (words, answer.err)


@pytest.mark.finding("M8")
def test_a_reader_changes_nothing(cli: Cli, site: Site) -> None:
    site.connect_as(site.roles.reader)

    for words in (
        ("vo", "add", "atlas"),
        ("ce", "disable", "lyon"),
        ("task", "run", "learn"),
        ("db", "clean", "--yes", "--force"),
    ):
        assert "permission denied" in complaint(cli(*words))


@pytest.mark.finding("M8")
def test_a_worker_runs_every_task_and_changes_the_inventory(cli: Cli, site: Site) -> None:
    site.connect_as(site.roles.worker)

    for task in catalogue.tasks().values():
        if task.name == "ask_demand":
            cli.ok(
                "vo", "set", "lhcb", "--source", "kind=command", "--source", 'command=["echo","3"]'
            )
        subject = {
            Scope.GLOBAL: (),
            Scope.CE: ("--ce", "lyon"),
            Scope.VO: ("--vo", "lhcb"),
        }[task.scope]
        answer = cli("task", "run", task.name, *subject)
        assert answer.code == 0, (task.name, answer.err)
    cli.ok("ce", "add", "paris", "--backend", "sim", "--capacity", "3")
    cli.ok("pilot", "cancel", "1", "--yes")
    cli.ok("db", "clean", "--yes", "--force")


def refusals(url: URL, tries: Sequence[str]) -> list[str]:
    """Try each statement as a role; return those that the database refuses."""
    database, statements = Database(url), []
    for statement in tries:
        try:
            sql(database, statement)
        except ProgrammingError as error:
            statements += [statement] if isinstance(error.orig, InsufficientPrivilege) else []
    database.close()
    return statements


@pytest.mark.finding("M8")
def test_a_worker_changes_no_table(site: Site) -> None:
    tries = [
        "DROP TABLE reports",
        "ALTER TABLE reports ADD COLUMN mine integer",
        "CREATE TABLE mine (id integer)",
        "CREATE TEMPORARY TABLE mine (id integer)",
        "TRUNCATE leases",
        "UPDATE alembic_version_core SET version_num = 'x'",
    ]

    assert refusals(site.connect_as(site.roles.worker), tries) == tries


def test_what_a_later_migration_makes_is_covered(
    cli: Cli, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (rights, roles):
        monkeypatch.setattr(module, "APPEND_ONLY", frozenset({"ledger"}))
    owner = Database(site.connect_as(site.roles.owner))
    for table in ("ledger", "later"):
        sql(owner, f"CREATE TABLE {table} (id integer GENERATED BY DEFAULT AS IDENTITY, word text)")
    owner.close()
    cli.ok("db", "migrate")
    tries = [
        line.format(table)
        for table in ("later", "ledger")
        for line in (
            "INSERT INTO {} (word) VALUES ('a')",
            "SELECT * FROM {}",
            "UPDATE {} SET word = 'b'",
            "DELETE FROM {}",
        )
    ]

    by_worker = refusals(site.connect_as(site.roles.worker), tries)
    by_reader = refusals(site.connect_as(site.roles.reader), tries)

    # Retention deletes old rows; a trigger of such a table protects young ones.
    assert by_worker == [line for line in tries if line.startswith("UPDATE ledger")]
    assert by_reader == [line for line in tries if not line.startswith("SELECT")]


@pytest.mark.parametrize("rule", ["worker", "reader"])
def test_verify_as_another_than_the_owner_says_what_it_cannot_verify(
    cli: Cli, site: Site, prefix: str, rule: str
) -> None:
    site.connect_as(site.roles.by_rule[rule])

    answer = cli("db", "verify", "--prefix", prefix)

    assert answer.code == 0
    assert answer.out.endswith(" agrees with the models\n")
    assert "columns of each table" in answer.err
    assert "verify as the owner" in answer.err
    data = json.loads(cli("db", "verify", "--prefix", prefix, "--json").out)
    assert len(data["not_verified"]) == 4
    assert data["differences"] == []


def test_verify_as_another_than_the_owner_still_misses_a_table(cli: Cli, site: Site) -> None:
    sql(site.database, "DROP TABLE reports")
    site.connect_as(site.roles.worker)

    answer = cli("db", "verify")

    assert answer.code == 1
    assert answer.out == "table reports: missing\n"


def test_verify_names_each_right_that_is_missing_or_too_much(
    cli: Cli, site: Site, prefix: str
) -> None:
    worker, reader, owner = map(quoted, (site.roles.worker, site.roles.reader, site.roles.owner))
    assert cli.json("db", "verify", "--prefix", prefix)["differences"] == []
    database = quoted(str(site.database.url.database))
    revoke = f"REVOKE ALL ON TABLES FROM {reader}"
    with site.database.engine.begin() as connection:
        for line in (
            f"REVOKE UPDATE, DELETE ON pilots FROM {worker}",
            f"REVOKE USAGE ON SEQUENCE pilots_id_seq FROM {worker}",
            f"GRANT UPDATE ON ces TO {reader}",
            f"REVOKE CONNECT ON DATABASE {database} FROM {reader}",
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public {revoke}",
        ):
            _run(connection, line)
    site.database.engine.dispose()

    answer = cli("db", "verify", "--prefix", prefix)

    name = site.roles.worker, site.roles.reader
    assert answer.lines == [
        f"role {name[0]}: no right to UPDATE, DELETE on table pilots",
        f"role {name[0]}: no right to use the sequence pilots_id_seq",
        f"role {name[1]}: no right to connect to the database",
        f"role {name[1]}: may UPDATE on table ces, and should not",
        f"role {name[1]}: no rights by default on the tables that {site.roles.owner} will make",
    ]
    assert "5 differences" in complaint(answer)
    site.connect_as(None)
    cli.ok("db", "roles", "--prefix", prefix, "--yes")
    assert cli.json("db", "verify", "--prefix", prefix)["differences"] == []


@pytest.mark.skipif(not shutil.which("pg_dump"), reason="needs the program pg_dump")
def test_after_a_restore_the_roles_have_their_rights(
    cli: Cli, site: Site, prefix: str, tmp_path: Path
) -> None:
    site.connect_as(None)
    file = str(tmp_path / "file")
    cli.ok("db", "backup", file)

    data = cli.json("db", "restore", file, "--prefix", prefix, "--yes", "--force")

    assert data["has_roles"] is True
    assert cli.json("db", "verify", "--prefix", prefix)["differences"] == []
    for role in (site.roles.worker, site.roles.reader):
        site.connect_as(role)
        cli.ok("pilot", "list")


def test_who_may_make_no_roles_is_told_what_to_do(cli: Cli, site: Site) -> None:
    site.connect_as(site.roles.owner)

    assert "ask a superuser to run them" in cli.refused("db", "roles", "--prefix", "b", "--yes")
    assert cli.ok("db", "roles", "--prefix", "b").lines[1] == 'CREATE ROLE "b_owner" LOGIN;'


def test_who_may_make_roles_needs_not_be_a_superuser(cli: Cli, empty: Site, prefix: str) -> None:
    """An owner with CREATEROLE and CREATEDB hands the database over to the new roles."""
    maker = f"{prefix}_reader"  # a name that the fixture removes
    with empty.database.engine.begin() as connection:
        _run(connection, f"CREATE ROLE {quoted(maker)} LOGIN CREATEROLE CREATEDB")
        _run(connection, f"ALTER ROLE {quoted(maker)} PASSWORD '{PASSWORD}'")
        _run(
            connection,
            f"ALTER DATABASE {quoted(str(empty.database.url.database))} OWNER TO {quoted(maker)}",
        )
        _run(connection, f"ALTER SCHEMA public OWNER TO {quoted(maker)}")
    empty.database.engine.dispose()
    empty.connect_as(maker)
    cli.ok("db", "migrate")

    cli.ok("db", "roles", "--prefix", prefix, "--yes")

    cli.ok("db", "migrate")
    cli.ok("ce", "list")


def test_on_sqlite_there_are_no_roles(
    cli: Cli, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(sqlite_database.url))

    for words in (("db", "roles"), ("db", "roles", "--yes", "--json")):
        assert "SQLite has no roles" in cli.refused(*words)


def test_every_rule_says_something_of_every_kind_of_table() -> None:
    assert all(set(rules) == set(TableKind) for rules in RULES.values())
    assert RULES[WORKER][kind_of("changes")] == ("SELECT", "INSERT", "DELETE")

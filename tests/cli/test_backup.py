"""`pilotage db backup` and `db restore`: a restore brings all rows back, or changes nothing."""

import os
import shutil
import sqlite3
import stat
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from tests.cli.command import Cli, address, complaint, contents, sql
from tests.cli.conftest import furnish
from tests.factories import NOW, a_ce, a_pilot
from worker.db import pilots as pilot_writes
from worker.db import server
from worker.db.database import Database
from worker.db.restored import IDS_LEFT_OUT
from worker.db.tables import pilots
from worker.domain.errors import DatabaseBusy
from worker.domain.pilot import Grant
from worker.domain.vo import DEFAULT_VO

pytestmark = pytest.mark.slow

DUMPERS = pytest.mark.skipif(
    not (shutil.which("pg_dump") and shutil.which("pg_restore")),
    reason="needs the programs pg_dump and pg_restore",
)


@pytest.fixture
def backup(cli: Cli, fresh: Database, tmp_path: Path) -> Path:
    """A database with a small site, and a backup of it."""
    if fresh.url.get_backend_name() == "postgresql" and not shutil.which("pg_dump"):
        pytest.skip("needs the programs pg_dump and pg_restore")
    with fresh.uow() as tx:
        furnish(tx)
    fresh.close()
    file = tmp_path / "site.backup"
    cli.ok("db", "backup", str(file))
    return file


def test_a_backup_is_one_file_that_only_its_owner_reads(
    cli: Cli, backup: Path, tmp_path: Path
) -> None:
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if backup.name in path.name] == [backup.name]
    data = cli.json("db", "backup", str(tmp_path / "other"))
    assert data["bytes"] == (tmp_path / "other").stat().st_size


def test_a_backup_replaces_no_file(cli: Cli, backup: Path, tmp_path: Path) -> None:
    before = backup.read_bytes()

    assert "it exists" in cli.refused("db", "backup", str(backup))
    assert "no such file or directory" in cli.refused("db", "backup", str(tmp_path / "no" / "file"))
    assert backup.read_bytes() == before


def test_what_was_there_comes_back(cli: Cli, fresh: Database, backup: Path) -> None:
    before = contents(fresh)
    cli.ok("vo", "add", "atlas")
    with fresh.uow() as tx:
        ce = a_ce().named("paris").create(tx)
        a_pilot().running().on(ce).create(tx)
    fresh.close()

    data = cli.json("db", "restore", str(backup), "--yes", "--force")

    assert (data["pilots"], data["active"], data["in_doubt"]) == (3, 2, 1)
    assert data["held"] == ["lyon", "rome"]
    after = contents(fresh)
    differences = {name for name in before if before[name] != after.get(name)}
    assert differences <= {
        *("pilots", "transitions", "new_tallies", "ce_health", "sending_changes"),
        *("leases", "changes", "webhook_events"),
    }
    cli.ok("db", "verify")
    assert {ce["name"] for ce in cli.json("ce", "list")["items"]} == {"lyon", "rome"}


def test_the_server_has_counted_what_came_back(cli: Cli, fresh: Database, backup: Path) -> None:
    if fresh.url.get_backend_name() == "sqlite":
        return  # a file contains its own statistics
    cli.ok("db", "restore", str(backup), "--yes", "--force")
    with fresh.uow() as tx:
        query = "SELECT last_analyze FROM pg_stat_user_tables WHERE relname = 'pilots'"
        assert tx.execute(text(query)).scalar_one() is not None


def test_what_was_reserved_is_in_doubt_and_nothing_is_sent(
    cli: Cli, fresh: Database, backup: Path
) -> None:
    cli.ok("db", "restore", str(backup), "--yes", "--force")

    statuses = {one["id"]: one["status"] for one in cli.json("pilot", "list")["items"]}
    assert statuses == {1: "submitting", 2: "running", 3: "done"}
    assert "restored from a backup" in cli.ok("ce", "show", "lyon").out
    cli.ok("task", "run", "submit_pilots", "--vo", DEFAULT_VO)
    cli.ok("task", "run", "dispatch", "--ce", "lyon")
    assert len(cli.json("pilot", "list")["items"]) == 3
    assert "held by hand" in cli.ok("explain", "lyon").out


def test_no_number_and_no_stamp_is_given_a_second_time(
    cli: Cli, fresh: Database, backup: Path
) -> None:
    def reserve() -> list[pilot_writes.Reserved]:
        with fresh.uow() as tx:
            return pilot_writes.reserve(tx, [Grant(vo=DEFAULT_VO, ce="lyon", count=2)], NOW)

    before = reserve()
    fresh.close()
    cli.ok("db", "restore", str(backup), "--yes", "--force")
    after = reserve()

    assert len(before) == len(after) == 2
    assert min(pilot.pilot_id for pilot in after) > IDS_LEFT_OUT
    assert not {pilot.stamp for pilot in after} & {pilot.stamp for pilot in before}


def test_nothing_is_replaced_without_a_yes_nor_active_pilots_without_force(
    cli: Cli, fresh: Database, backup: Path
) -> None:
    before = contents(fresh)

    assert "--yes" in cli.refused("db", "restore", str(backup))
    assert "active pilots: 2" in cli.refused("db", "restore", str(backup), "--yes")
    assert contents(fresh) == before


def test_a_database_that_is_gone_is_made_again(cli: Cli, fresh: Database, backup: Path) -> None:
    before = contents(fresh)
    fresh.close()
    cli.ok("db", "drop", "--yes", "--force")

    lines = cli.ok("db", "restore", str(backup)).lines

    assert lines[0] == f"{fresh} restored: 3 pilots, 2 active ones"
    assert lines[-1].strip() == "pilotage ce resume CE"
    assert contents(fresh)["ces"] == before["ces"]
    cli.ok("db", "verify")


def test_a_backup_that_is_cut_short_changes_nothing(
    cli: Cli, fresh: Database, backup: Path
) -> None:
    before = contents(fresh)
    backup.write_bytes(backup.read_bytes()[: backup.stat().st_size // 2])

    cli.refused("db", "restore", str(backup), "--yes", "--force")

    fresh.close()
    assert contents(fresh) == before
    remains = list(backup.parent.glob("**/.*"))
    assert remains == []
    if fresh.url.get_backend_name() == "postgresql":
        assert not server.exists(fresh.url.set(database=f"restoring_{fresh.url.database}"))


def test_what_is_no_backup_or_one_of_another_kind_is_refused(
    cli: Cli, fresh: Database, tmp_path: Path
) -> None:
    text, dump = tmp_path / "text", tmp_path / "dump"
    text.write_text("CREATE TABLE vos", encoding="utf-8")
    sqlite = fresh.url.get_backend_name() == "sqlite"
    dump.write_bytes(b"PGDMP and more" if sqlite else b"SQLite format 3\0 and more")

    assert "not a backup" in cli.refused("db", "restore", str(text), "--yes")
    assert "pilotage export" in cli.refused("db", "restore", str(dump), "--yes")
    assert "no such file" in cli.refused("db", "restore", str(tmp_path / "none"), "--yes")


def test_a_backup_of_somebody_else_is_refused(
    cli: Cli, sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(sqlite_database.url))
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE songs (name text)")
    connection.close()

    assert "no tables of Pilotage" in cli.refused("db", "restore", str(other), "--yes")


def test_an_older_backup_is_migrated_and_a_newer_one_refused(
    cli: Cli, fresh: Database, backup: Path, tmp_path: Path
) -> None:
    sql(fresh, "DROP TABLE sim_jobs", "DROP TABLE sim_faults", "DELETE FROM alembic_version_sim")
    older, newer = tmp_path / "older", tmp_path / "newer"
    cli.ok("db", "backup", str(older))
    sql(fresh, "UPDATE alembic_version_core SET version_num = '9999'")
    cli.ok("db", "backup", str(newer))
    cli.ok("db", "drop", "--yes", "--force")

    assert "upgrade pilotage" in cli.refused("db", "restore", str(newer))
    data = cli.json("db", "restore", str(older))

    assert [chain["chain"] for chain in data["chains"]] == ["sim"]
    cli.ok("db", "verify")


@DUMPERS
def test_a_password_stands_on_no_command_line(
    cli: Cli,
    postgresql_fresh: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(postgresql_fresh.url))
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("pg_dump", "pg_restore"):
        spy = programs / name
        spy.write_text(
            f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/words\nenv | grep -c ^PILOTAGE_DATABASE'
            f' >> {tmp_path}/words\nexec {shutil.which(name)} "$@"\n',
            encoding="utf-8",
        )
        spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    cli.ok("db", "backup", str(tmp_path / "file"))
    cli.ok("db", "restore", str(tmp_path / "file"), "--yes", "--force")

    words = (tmp_path / "words").read_text(encoding="utf-8")
    assert words.count("dbname") >= 2
    assert str(postgresql_fresh.url.password) not in words
    assert [line for line in words.splitlines() if line.isdigit()] == ["0", "0"]


def test_a_program_that_is_missing_is_named(
    cli: Cli, postgresql_fresh: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(postgresql_fresh.url))
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "install the client programs" in cli.refused("db", "backup", str(tmp_path / "file"))
    assert not (tmp_path / "file").exists()
    assert list(tmp_path.glob(".file*")) == []


@DUMPERS
def test_a_server_that_refuses_gives_one_clear_line(
    cli: Cli, postgresql_fresh: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(postgresql_fresh.url))
    file = tmp_path / "file"
    cli.ok("db", "backup", str(file))
    with postgresql_fresh.engine.connect() as connection:
        connection.execute(select(pilots.c.id))  # another user is connected
        answer = cli("db", "restore", str(file), "--yes")

    assert "being accessed by other users" in complaint(answer)
    assert "busy" in complaint(answer)
    postgresql_fresh.close()
    cli.ok("db", "restore", str(file), "--yes")


@DUMPERS
def test_a_restore_that_cannot_take_the_place_leaves_the_old_database(
    cli: Cli, postgresql_fresh: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(postgresql_fresh.url))
    file = tmp_path / "file"
    cli.ok("db", "backup", str(file))
    cli.ok("vo", "add", "atlas")
    before = contents(postgresql_fresh)
    postgresql_fresh.close()
    replace, sessions = server.replace, ExitStack()

    def replace_while_others_look(url: URL, other: URL, *, force: bool = False) -> str | None:
        """Replace the database while a session is on the new one."""
        session = create_engine(other, poolclass=NullPool).connect()
        sessions.enter_context(session).execute(text("SELECT 1"))
        return replace(url, other, force=force)

    monkeypatch.setattr(server, "replace", replace_while_others_look)
    with sessions:
        answer = cli("db", "restore", str(file), "--yes", "--force")
        assert f'"{restoring(postgresql_fresh)}" is being accessed' in complaint(answer)
        assert contents(postgresql_fresh) == before
    postgresql_fresh.close()
    monkeypatch.undo()

    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(postgresql_fresh.url))
    cli.ok("db", "restore", str(file), "--yes", "--force")
    assert databases(postgresql_fresh) == [postgresql_fresh.url.database]


@DUMPERS
def test_with_force_whoever_is_connected_is_sent_away(
    cli: Cli, postgresql_fresh: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(postgresql_fresh.url))
    file = tmp_path / "file"
    cli.ok("db", "backup", str(file))
    with suppress(DBAPIError), postgresql_fresh.engine.connect() as connection:
        connection.execute(select(pilots.c.id))
        cli.ok("db", "restore", str(file), "--yes", "--force")
    postgresql_fresh.close()
    assert databases(postgresql_fresh) == [postgresql_fresh.url.database]


@DUMPERS
def test_an_old_database_that_cannot_be_removed_is_named_and_goes_with_the_next_restore(
    cli: Cli, postgresql_fresh: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(postgresql_fresh.url))
    file = tmp_path / "file"
    cli.ok("db", "backup", str(file))
    postgresql_fresh.close()
    replaced = f"replaced_{postgresql_fresh.url.database}"
    drop = server.drop

    def drop_unless_it_is_there(url: URL, *, force: bool = False) -> bool:
        if url.database == replaced and server.exists(url):
            raise DatabaseBusy(replaced, "somebody looks at it")
        return drop(url, force=force)

    with monkeypatch.context() as patch:
        patch.setattr(server, "drop", drop_unless_it_is_there)
        answer = cli("db", "restore", str(file), "--yes", "--force")
    assert answer.code == 0
    assert f"the database of before is {replaced}: it could not be removed" in answer.err
    assert databases(postgresql_fresh) == [postgresql_fresh.url.database, replaced]
    cli.ok("db", "verify")

    data = cli.json("db", "restore", str(file), "--yes", "--force")
    assert data["left"] is None
    assert databases(postgresql_fresh) == [postgresql_fresh.url.database]


def restoring(database: Database) -> str:
    """Return the name of the database into which a backup is read."""
    return f"restoring_{database.url.database}"


def databases(database: Database) -> list[str]:
    """List the databases of the server whose names contain that of this one."""
    query = "SELECT datname FROM pg_database WHERE datname LIKE '%' || :name ORDER BY datname"
    with database.engine.connect() as connection:
        rows = connection.execute(text(query), {"name": database.url.database}).scalars().all()
    database.close()
    return sorted(rows, key=lambda name: (len(name), name))

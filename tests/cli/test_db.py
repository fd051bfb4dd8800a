"""`pilotage db`: every word, on both databases, plain and as JSON."""

import sqlite3
from pathlib import Path
from typing import Any

from tests.cli.command import Cli, complaint, contents, forget, sql
from tests.cli.conftest import furnish
from tests.migrations.chains import CHAINS
from worker.db.database import Database
from worker.domain.vo import DEFAULT_VO

NAMES = [chain.name for chain in CHAINS]
WITHOUT_SIM = (
    "DROP TABLE sim_jobs",
    "DROP TABLE sim_faults",
    "DELETE FROM alembic_version_sim",
)
"""These statements remove the back-end sim, as if its tables had never been made."""

DESTRUCTIVE = ("drop", "reset", "clean")


def statuses(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["chain"]: row["status"] for row in rows}


def test_setup_makes_and_migrates_and_repeats_harmlessly(cli: Cli, bare: Database) -> None:
    cli.ok("db", "drop", "--yes")

    first = cli.json("db", "setup")
    again = cli.json("db", "setup")

    assert set(first) == {"database", "deed", "rows", "chains"}
    assert (first["deed"], again["deed"]) == ("created", "was there")
    assert statuses(first["chains"]) == dict.fromkeys(NAMES, "created")
    assert statuses(again["chains"]) == dict.fromkeys(NAMES, "unchanged")
    assert all(
        set(row) == {"chain", "status", "was", "revision", "error"} for row in first["chains"]
    )


def test_without_a_word_it_is_setup(cli: Cli, bare: Database) -> None:
    assert statuses(cli.json("db")["chains"]) == dict.fromkeys(NAMES, "created")
    plain = cli.ok("db").lines
    assert plain[0] == f"{bare} is up to date: nothing to do"
    assert plain[1].endswith("was there")
    assert plain[2].split() == ["chain", "status", "was", "revision"]
    assert [line.split()[:2] for line in plain[3:]] == [[name, "unchanged"] for name in NAMES]


def test_without_a_word_it_says_first_what_it_will_do(cli: Cli, bare: Database) -> None:
    cli.ok("db", "drop", "--yes")

    assert cli.ok("db").lines[:2] == [f"will make {bare} and its tables", f"{bare} created"]
    sql(bare, *WITHOUT_SIM)
    migrating = cli.ok("db").lines[0]
    assert migrating.startswith(f"will migrate {bare}: sim from nothing to ")


def test_without_a_word_a_database_with_pilots_is_not_migrated(cli: Cli, fresh: Database) -> None:
    with fresh.uow() as tx:
        furnish(tx)
    cli.ok("db")
    sql(fresh, *WITHOUT_SIM)
    before = contents(fresh)

    for words in (("db",), ("db", "--json")):
        message = cli.refused(*words)
        assert "which holds pilots: sim from nothing to " in message
        assert "'pilotage db migrate'" in message
    assert contents(fresh) == before
    assert statuses(cli.json("db", "setup")["chains"])["sim"] == "created"


def test_json_before_the_word_is_refused_rather_than_ignored(cli: Cli, bare: Database) -> None:
    assert "after 'status'" in cli.refused("db", "--json", "status")


def test_create_makes_an_empty_database_once(cli: Cli, bare: Database) -> None:
    cli.ok("db", "drop", "--yes")

    assert cli.ok("db", "create").out.endswith(" created\n")
    assert cli.ok("db", "create").out.endswith(" was there\n")
    assert cli.json("db", "create") == {
        "database": str(bare),
        "deed": "was there",
        "rows": None,
    }
    assert contents(bare) == {}


def test_migrate_tells_what_became_of_each_chain(cli: Cli, bare: Database) -> None:
    assert statuses(cli.json("db", "migrate")) == dict.fromkeys(NAMES, "created")
    assert statuses(cli.json("db", "migrate")) == dict.fromkeys(NAMES, "unchanged")


def test_status_shows_the_revision_and_rows_of_each_chain(cli: Cli, fresh: Database) -> None:
    data = cli.json("db", "status")

    assert set(data) == {"database", "chains"}
    assert [chain["chain"] for chain in data["chains"]] == NAMES
    for chain in data["chains"]:
        assert set(chain) == {"chain", "place", "revision", "newest", "rows"}
        assert (chain["place"], chain["revision"]) == ("current", chain["newest"])
    assert data["chains"][0]["rows"]["vos"] == 1
    assert data["chains"][0]["rows"]["pilots"] == 0


def test_status_of_a_database_without_tables_is_no_error(cli: Cli, bare: Database) -> None:
    plain = cli.ok("db", "status").lines

    assert plain[0] == str(bare)
    assert {line.split()[1] for line in plain[2:]} == {"absent"}
    assert {line.split()[-1] for line in plain[2:]} == {"missing"}


def test_what_destroys_says_what_would_be_lost_and_changes_nothing(
    cli: Cli, site: Database
) -> None:
    before = contents(site)

    for word in DESTRUCTIVE:
        message = cli.refused("db", word)
        assert message.startswith("Nothing was done")
        assert str(site) in message
        assert "pilots (3)" in message
        assert "ces (2)" in message
        assert "--yes" in message

    assert contents(site) == before


def test_what_destroys_spares_active_pilots(cli: Cli, site: Database) -> None:
    before = contents(site)

    for word in DESTRUCTIVE:
        message = cli.refused("db", word, "--yes")
        assert "active pilots: 2" in message
        assert "--force" in message
        assert "--yes" in cli.refused("db", word, "--force")

    assert contents(site) == before


def test_with_force_active_pilots_are_lost_track_of(cli: Cli, fresh: Database) -> None:
    for word in DESTRUCTIVE:
        with fresh.uow() as tx:
            furnish(tx)
        fresh.engine.dispose()
        cli.ok("db", word, "--yes", "--force")
        assert len(cli.json("db", "setup")["chains"]) == len(NAMES)
        assert cli.json("db", "status")["chains"][0]["rows"]["pilots"] == 0


def test_drop_removes_the_database_and_repeats_harmlessly(cli: Cli, fresh: Database) -> None:
    assert cli.json("db", "drop", "--yes")["deed"] == "removed"
    assert cli.json("db", "drop", "--yes")["deed"] == "was not there"
    assert cli.ok("db", "drop").out.endswith(" was not there\n")


def test_reset_leaves_a_database_as_new(cli: Cli, fresh: Database) -> None:
    cli.ok("vo", "add", "lhcb")

    data = cli.json("db", "reset", "--yes")

    assert data["deed"] == "created"
    assert statuses(data["chains"]) == dict.fromkeys(NAMES, "created")
    assert [vo["name"] for vo in cli.json("vo", "list")["items"]] == [DEFAULT_VO]


def test_clean_empties_all_tables_and_leaves_the_default_vo_and_the_changes(
    cli: Cli, world: Database
) -> None:
    cli.ok("vo", "add", "lhcb")
    cli.ok("ce", "add", "lyon", "--backend", "sim", "--capacity", "3", "--vo", "lhcb")

    assert "changes" not in cli.refused("db", "clean")
    data = cli.json("db", "clean", "--yes")

    assert data["deed"] == "emptied"
    assert data["rows"] == 5
    tables = {name: rows for name, rows in contents(world).items() if rows}
    assert {name for name in tables if not name.startswith("alembic")} == {"vos", "changes"}
    assert cli.json("vo", "show", DEFAULT_VO)["enabled"]
    assert cli.ok("db", "clean", "--yes").out.endswith(" emptied, 1 row\n")


def test_a_newer_database_gives_one_clear_line(cli: Cli, fresh: Database) -> None:
    sql(fresh, "UPDATE alembic_version_core SET version_num = '9999'")

    for words in (("ce", "list"), ("db", "migrate"), ("db", "setup"), ("task", "list")):
        answer = cli(*words)
        assert "newer than this program" in complaint(answer)
        assert "core is at 9999" in answer.err
    assert cli.json("db", "status")["chains"][0]["place"] == "ahead"


def test_half_applied_chains_give_one_clear_line_until_migrated(cli: Cli, fresh: Database) -> None:
    sql(fresh, *WITHOUT_SIM)

    message = cli.refused("ce", "list")
    assert "pilotage db migrate" in message
    assert "sim is at nothing" in message

    assert statuses(cli.json("db", "migrate")) == {
        **dict.fromkeys(NAMES, "unchanged"),
        "sim": "created",
    }
    cli.ok("ce", "list")


def test_back_ends_are_not_migrated_before_the_core(cli: Cli, bare: Database) -> None:
    assert "no tables yet" in cli.refused("backend", "migrate", "sim")
    assert contents(bare) == {}


def test_tables_that_no_migration_made_give_one_clear_line(cli: Cli, bare: Database) -> None:
    sql(bare, "CREATE TABLE pilots (id INTEGER)")

    for words in (("db", "setup"), ("db", "migrate"), ("ce", "list")):
        assert "no migration made" in cli.refused(*words)
    assert "stamped" in cli.refused("db", "migrate", "--stamp")
    assert contents(bare) == {"pilots": []}


def test_tables_of_create_all_are_taken_on_by_a_stamp(cli: Cli, bare: Database) -> None:
    for chain in CHAINS:
        chain.metadata.create_all(bare.engine)
    bare.engine.dispose()

    assert "--stamp" in cli.refused("db", "migrate")
    assert statuses(cli.json("db", "migrate", "--stamp")) == dict.fromkeys(NAMES, "stamped")
    cli.ok("db", "verify")
    cli.ok("ce", "list")


def test_without_a_database_each_look_gives_one_clear_line(cli: Cli, bare: Database) -> None:
    cli.ok("db", "drop", "--yes")

    for words in (("status",), ("ce", "list"), ("pilot", "list"), ("plan",), ("task", "list")):
        cli.refused(*words)


def test_nothing_configured_means_a_file_in_the_state_folder(cli: Cli, tmp_path: Path) -> None:
    cli.ok("db")
    cli.ok("ce", "list")

    with sqlite3.connect(tmp_path / "home" / "pilotage.sqlite") as connection:
        assert connection.execute("SELECT name FROM vos").fetchall() == [(DEFAULT_VO,)]
    connection.close()
    forget()

"""`pilotage backend`: what is installed, and bringing its tables up to date."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, Text

from tests.cli.command import Cli, complaint
from tests.migrations.chains import copy_migrations, copy_with_models
from worker import wiring
from worker.backends import registry
from worker.backends.contract import Backend
from worker.db.chains import Chain
from worker.db.database import Database

BROKEN = '''"""A second revision that does not work."""

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    raise RuntimeError("it cannot\\nbe done")
'''


def install(monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[Chain], Chain]) -> None:
    """Replace a back-end by a changed copy."""
    originals = registry.discover()
    copy = replace(originals[name], chain=change(originals[name].chain))
    backends: dict[str, Backend] = {**originals, name: copy}
    monkeypatch.setattr(wiring, "backends", lambda: backends)


def test_list_shows_what_is_installed_and_where_it_stands(cli: Cli, world: Database) -> None:
    rows = {row["name"]: row for row in cli.json("backend", "list")}

    assert {"local", "sim"} <= set(rows)
    for row in rows.values():
        assert set(row) == {"name", "about", "place", "revision", "newest", "tables"}
        assert (row["place"], row["revision"]) == ("current", row["newest"])
    assert rows["sim"]["tables"] == ["sim_jobs", "sim_faults"]
    assert cli.ok("backend", "list").lines[0].split() == [
        *("name", "place", "revision", "newest", "tables", "about"),
    ]


def test_migrate_brings_one_back_end_up_to_date(cli: Cli, fresh: Database) -> None:
    (row,) = cli.json("backend", "migrate", "sim")

    assert row == {
        "chain": "sim",
        "status": "unchanged",
        "was": "0001",
        "revision": "0001",
        "error": None,
    }


def test_a_mistyped_back_end_is_answered_with_the_nearest(cli: Cli, world: Database) -> None:
    assert cli.refused("backend", "migrate", "smi").endswith("smi: did you mean 'sim'?")
    names = ", ".join(registry.discover())
    assert f"known: {names}" in cli.refused("backend", "migrate", "pbs")


def test_upgrade_all_tells_a_status_for_each_and_repeats_harmlessly(
    cli: Cli, fresh: Database
) -> None:
    for _ in range(2):
        rows = cli.json("backend", "upgrade-all")
        assert [(row["chain"], row["status"]) for row in rows] == [
            (name, "unchanged") for name in registry.discover()
        ]


def test_one_back_end_that_fails_stops_no_other(
    cli: Cli, fresh: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(chain: Chain) -> Chain:
        copy = copy_migrations(chain, tmp_path / "chain")
        (copy.folder / "versions" / "0002_broken.py").write_text(BROKEN, encoding="utf-8")
        return copy

    install(monkeypatch, "local", spoil)

    answer = cli("backend", "upgrade-all", "--json")

    assert complaint(answer) == "Not every back-end could be migrated: local"
    results = {row["chain"]: (row["status"], row["error"]) for row in json.loads(answer.out)}
    others = dict.fromkeys(registry.discover(), ("unchanged", None))
    assert results == {**others, "local": ("failed", "RuntimeError: it cannot be done")}
    plain = cli("backend", "upgrade-all")
    assert plain.code == 1
    assert plain.lines[0].split()[-1] == "error"
    assert [line.split()[1] for line in plain.lines[1:]] == [
        status for status, _ in results.values()
    ]


@pytest.mark.postgresql
def test_revision_writes_the_next_migration_from_the_models(
    cli: Cli,
    postgresql_fresh: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "PILOTAGE_DATABASE_URL", postgresql_fresh.url.render_as_string(hide_password=False)
    )

    def add_colour(metadata: MetaData) -> None:
        metadata.tables["sim_faults"].append_column(Column("colour", Text))

    install(
        monkeypatch, "sim", lambda chain: copy_with_models(chain, tmp_path / "chain", add_colour)
    )

    text = cli.ok("backend", "revision", "sim", "add a colour").out

    path = tmp_path / "chain" / "versions" / "0002_add_a_colour.py"
    assert text.endswith(f"wrote {path}\n")
    assert "'colour'" in path.read_text(encoding="utf-8")
    assert cli.json("backend", "migrate", "sim")[0]["status"] == "migrated"
    assert cli.ok("backend", "revision", "sim", "again").out == (
        "the migrations of sim already agree with the models\n"
    )

"""Every command that changes something is recorded by name; one that only reads is not.

Each command of the tree is in one of the lists here, so that a new one cannot be forgotten.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Cli, contents
from tests.cli.conftest import furnish
from tests.cli.test_tree import LEAVES
from tests.factories import a_schedule, a_vo
from tests.records import a_change, a_credential, a_maintenance
from tests.secrets import a_token
from worker.db import (
    ces,
    changes,
    health,
    maintenances,
    payloads,
    pilot_reads,
    sending,
    tokens,
    vos,
)
from worker.db.account import account
from worker.db.changes import RecordedChange
from worker.db.database import Database
from worker.db.sending import SendingChange
from worker.domain.access import Role
from worker.domain.change import Door
from worker.domain.credential import CredentialKind
from worker.domain.sending import Sending
from worker.domain.token import Token

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
NIGHTLY = Token(
    name="nightly",
    role=Role.READ,
    made_at=EPOCH,
    made_by="me@here",
    expires_at=EPOCH.replace(year=2100),
)
Words = tuple[str, ...]

SITE = """
[vo.lhcb]
limit = 7

[vo.lhcb.payload]
script_text = "true"

[vo.atlas]
share = 3

[ce.lyon]
backend = "sim"
capacity = 9
vos = ["lhcb"]
tags = ["eu"]

[schedules.learn]
every = 30
"""

CHANGING: Mapping[Words, tuple[Words, Sequence[str]]] = {
    ("ce", "add"): (("bari", "--backend", "sim", "--capacity", "1", "--vo", "lhcb"), ["ce bari"]),
    ("ce", "set"): (("lyon", "--capacity", "6", "--vo", "lhcb"), ["ce lyon"]),
    ("ce", "enable"): (("rome",), ["ce rome"]),
    ("ce", "disable"): (("lyon",), ["ce lyon"]),
    ("ce", "drain"): (("lyon", "--by", "2h"), ["ce lyon"]),
    ("ce", "pause"): (("lyon", "--reason", "disks"), ["ce lyon"]),
    ("ce", "resume"): (("rome",), ["ce rome"]),
    ("ce", "remove"): (("rome", "--yes"), ["ce rome"]),
    ("ce", "maintenance", "add"): (("lyon", "--end", "2h", "--reason", "disks"), ["ce lyon"]),
    ("ce", "maintenance", "remove"): (("rome", "{maintenance}", "--yes"), ["ce rome"]),
    ("ce", "test"): (("lyon", "--pilot", "--vo", "lhcb", "--patience", "1"), ["ce lyon"]),
    ("pilot", "submit"): (("lyon", "--vo", "lhcb"), ["ce lyon"]),
    ("vo", "add"): (("atlas", "--limit", "3"), ["vo atlas"]),
    ("vo", "set"): (("lhcb", "--limit", "3"), ["vo lhcb"]),
    ("vo", "enable"): (("cms",), ["vo cms"]),
    ("vo", "disable"): (("lhcb",), ["vo lhcb"]),
    ("vo", "drain"): (("lhcb",), ["vo lhcb"]),
    ("vo", "remove"): (("cms", "--yes"), ["vo cms"]),
    ("vo", "payload"): (("cms", "--clear"), ["vo cms"]),
    ("vo", "ask"): (("cms",), ["task ask_demand"]),
    ("credential", "add"): (("lhcb", "arc", "--token", "{token}"), ["vo lhcb"]),
    ("credential", "set"): (("all", "arc", "--path", "{token}"), ["vo all"]),
    ("credential", "remove"): (("all", "arc", "--yes"), ["vo all"]),
    ("credential", "renew"): (("all", "arc"), ["vo all"]),
    ("token", "create"): (("ci", "--role", "operate", "--vo", "lhcb"), ["token ci"]),
    ("token", "revoke"): (("nightly", "--yes"), ["token nightly"]),
    ("apply",): (("{site}",), ["vo lhcb", "vo atlas", "ce lyon", "task learn"]),
    ("pilot", "cancel"): (("{reserved}", "{running}", "--yes"), ["pilot 2 pilots"]),
    ("task", "run"): (("learn",), ["task learn"]),
    ("task", "schedule"): (("learn", "--every", "30"), ["task learn"]),
    ("task", "enable"): (("reconcile",), ["task reconcile"]),
    ("task", "disable"): (("learn",), ["task learn"]),
    ("db", "clean"): (("--yes", "--force"), ["database all"]),
}
"""The arguments of each command, and the objects for which it writes a row."""

BY_TASK = {("task", "run"), ("vo", "ask")}
"""Commands that run a task by hand; the row names the task."""

ELSEWHERE = {
    *(("db", word) for word in ("setup", "create", "drop", "reset", "migrate")),
    *(("db", word) for word in ("roles", "restore", "recount")),
    *(("backend", word) for word in ("migrate", "upgrade-all")),
    ("ce", "diff"),
    ("up",),
    ("web",),
}
"""Commands that make or remove whole databases, or need more; other tests are about them."""

LOOKING = {
    *(("ce", word) for word in ("list", "show", "pauses")),
    ("ce", "maintenance", "list"),
    *(("vo", word) for word in ("list", "show", "capacity")),
    *(("credential", word) for word in ("list", "show")),
    *(("pilot", word) for word in ("list", "show", "output")),
    *(("db", word) for word in ("status", "verify", "backup")),
    *((word,) for word in ("status", "top", "explain", "failures", "report", "audit", "metrics")),
    ("bench",),
    ("ce", "calls"),
    *((word,) for word in ("plan", "simulate", "export")),
    *(("token", word) for word in ("list", "link")),
    ("task", "list"),
    ("webhook", "test"),
    *(("backend", word) for word in ("list", "revision")),
    *(("fleet", word) for word in ("list", "init")),
}

REFUSED: Sequence[Words] = [
    ("ce", "add", "lyon", "--backend", "sim", "--capacity", "1"),
    ("ce", "add", "new", "--backend", "sim", "--capacity", "-1"),
    ("ce", "set", "lyon", "--capacity", "7", "--option", "nonsense=1"),
    ("ce", "set", "lyon", "--capacity", "7", "--vo", "nobody"),
    ("ce", "remove", "rome"),
    ("ce", "remove", "lyon", "--yes"),
    ("ce", "resume", "lyon"),
    ("ce", "pause", "lyon", "--reason", " "),
    ("ce", "maintenance", "remove", "rome", "{maintenance}"),
    ("vo", "add", "lhcb"),
    ("vo", "remove", "cms"),
    ("credential", "remove", "all", "arc"),
    ("pilot", "cancel", "{running}"),
    ("pilot", "cancel", "{running}", "4711", "--yes"),
    ("task", "schedule", "learn", "--cron", "nonsense"),
    ("task", "run", "dispatch", "--ce", "nowhere"),
    ("token", "create", "nightly", "--role", "read"),
    ("token", "create", "new", "--role", "admin", "--vo", "lhcb"),
    ("token", "revoke", "nightly"),
    ("db", "clean"),
    ("db", "clean", "--yes"),
]


@pytest.fixture
def full_site(world: Database, tmp_path: Path) -> Database:
    """A site with something for each command to change, and without any recorded change."""
    token = a_token(tmp_path / "token", exp=4_000_000_000)
    (tmp_path / "site.toml").write_text(SITE, encoding="utf-8")
    renewal = ("cp", str(a_token(tmp_path / "new", exp=4_100_000_000)), str(tmp_path / "old"))
    with world.uow() as tx:
        furnish(tx)
        a_vo().named("cms").disabled().create(tx)
        vos.change(tx, "cms", source={"kind": "command", "command": ["echo", "5"]})
        payloads.put(tx, "cms", {"script": "true"})
        rome = ces.get(tx, "rome")
        a_maintenance().of(rome).create(tx)
        hold = SendingChange(
            ce="rome", was=Sending.NORMAL, became=Sending.HELD, reason="why", by_hand=True, at=EPOCH
        )
        sending.change(tx, hold, "why", EPOCH)
        a_token(tmp_path / "old", exp=4_000_000_000)
        old = a_credential().of_kind(CredentialKind.TOKEN).at_path(str(tmp_path / "old"))
        old.renewed_by(*renewal).create(tx)
        tokens.add(tx, NIGHTLY, "hash")
        a_schedule().of("learn").create(tx)
        a_schedule().of("ask_demand").create(tx)
        a_schedule().of("reconcile").disabled().create(tx)
        tx.changes.clear()
    assert token.is_file()
    return world


def places(database: Database, folder: Path) -> Mapping[str, str]:
    """Return the value of each word in braces."""
    with database.uow() as tx:
        [maintenance] = maintenances.find(tx, "rome", EPOCH)
        numbers = {f"{{{one.status}}}": str(one.id) for one in pilot_reads.find(tx).items}
    files = {"{token}": str(folder / "token"), "{site}": str(folder / "site.toml")}
    return {**numbers, **files, "{maintenance}": str(maintenance.id)}


def change_rows(database: Database) -> list[RecordedChange]:
    with database.uow() as tx:
        items = changes.find(tx, EPOCH).items
    database.engine.dispose()
    return items


def test_every_command_is_in_one_of_the_lists() -> None:
    assert CHANGING.keys() | ELSEWHERE | LOOKING == LEAVES.keys()
    assert len(CHANGING) + len(ELSEWHERE) + len(LOOKING) == len(LEAVES)  # none is in two lists


@pytest.mark.finding("M7")
@pytest.mark.parametrize("path", CHANGING, ids=" ".join)
def test_a_command_that_changes_something_leaves_a_row_for_each_object(
    cli: Cli, full_site: Database, tmp_path: Path, path: Words
) -> None:
    words, objects = CHANGING[path]
    own = places(full_site, tmp_path)
    cli(*path, *(own.get(word, word) for word in words))
    rows = change_rows(full_site)

    assert sorted(f"{one.kind} {one.name}" for one in rows) == sorted(objects)
    for one in rows:
        assert one.who == account()
        assert one.before != one.after
        if path not in BY_TASK:
            assert (one.what, one.door) == (" ".join(path), Door.COMMAND)


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_what_is_refused_leaves_none(
    cli: Cli, full_site: Database, tmp_path: Path, words: Words
) -> None:
    own, before = places(full_site, tmp_path), contents(full_site)
    assert cli(*(own.get(word, word) for word in words)).code != 0

    assert contents(full_site) == before


def test_a_dry_run_leaves_none(cli: Cli, full_site: Database, tmp_path: Path) -> None:
    cli.ok("apply", str(tmp_path / "site.toml"), "--dry-run")
    for task in ("learn", "prune", "sweep", "renew_credentials"):
        cli.ok("task", "run", task, "--dry-run")

    assert change_rows(full_site) == []


def test_what_a_file_changes_is_a_row_for_each_object(
    cli: Cli, full_site: Database, tmp_path: Path
) -> None:
    cli.ok("apply", str(tmp_path / "site.toml"))
    rows = {f"{one.kind} {one.name}": one for one in change_rows(full_site)}

    lhcb, atlas, lyon = rows["vo lhcb"], rows["vo atlas"], rows["ce lyon"]
    assert lhcb.before == {"share": 2.0, "limit": None, "payload": None}
    assert lhcb.after is not None
    assert "true" not in str(lhcb.after)
    assert str(lhcb.after["payload"]).startswith("a script of 4 characters")
    assert (atlas.before, atlas.after) == (None, {"name": "atlas", "share": 3.0, "enabled": True})
    assert lyon.after is not None
    assert (lyon.after["capacity"], lyon.after["only_for"]) == (9, "lhcb")
    cli.ok("apply", str(tmp_path / "site.toml"))
    assert len(change_rows(full_site)) == len(rows)


def test_a_database_that_is_emptied_keeps_what_was_changed(cli: Cli, full_site: Database) -> None:
    cli.ok("vo", "set", "lhcb", "--limit", "3")
    before = change_rows(full_site)
    cli.ok("db", "clean", "--yes", "--force")

    *rest, clean = change_rows(full_site)
    assert rest == before
    assert (clean.what, clean.after is not None) == ("db clean", True)
    filled_tables = {table for table, rows in contents(full_site).items() if rows}
    assert {name for name in filled_tables if "alembic" not in name} == {"vos", "changes"}


def test_a_migration_is_a_row_for_each_chain(cli: Cli, bare: Database) -> None:
    cli.ok("db", "migrate")
    rows = change_rows(bare)
    cli.ok("db", "setup")

    assert {one.what for one in rows} == {"db migrate"}
    assert [one.name for one in rows] == [chain.name for chain in bare.chains]
    assert rows[0].before == {"revision": None}
    assert change_rows(bare) == rows


def test_it_is_shown_by_pages_the_latest_first(cli: Cli, full_site: Database) -> None:
    for number in (3, 4, 5):
        cli.ok("vo", "set", "lhcb", "--limit", str(number))
    cli.ok("ce", "disable", "lyon")
    with full_site.uow() as tx:
        a_change().by("alice@desk").of("ce", "old").at(EPOCH).create(tx)

    def limits(*words: str) -> list[Any]:
        return [(one["after"] or {}).get("limit") for one in cli.json("audit", *words)["items"]]

    assert limits() == [None, 5, 4, 3]
    assert limits("--of", "lhcb") == [5, 4, 3]
    assert limits("--by", "alice") == []
    assert limits("--by", "alice", "--since", "1999-01-01") == [None]
    assert limits("--by", account()) == limits("--by", account().partition("@")[0]) == limits()
    first = cli.json("audit", "--rows", "2")
    assert limits("--rows", "1", "--after", first["next"]) == [4]
    assert set(first["items"][0]) == {
        *("at", "who", "what", "kind", "name", "before", "after", "door"),
    }
    head, latest, *_ = cli.ok("audit").lines
    assert head.split() == ["at", "who", "what", "of", "change", "door"]
    assert latest.endswith("ce disable  ce lyon  enabled yes → no  command")
    assert cli.ok("audit", "--of", "nothing").out.startswith("nothing was changed since 20")


def test_a_secret_is_nowhere(cli: Cli, full_site: Database) -> None:
    secret = "S3cr3tS3cr3tS3cr3t"
    cli.ok("ce", "pause", "lyon", "--reason", f"the password={secret} is wrong")
    source = ("kind=command", f'command=["ask", "--token", "{secret}", "password={secret}"]')
    cli.ok("vo", "set", "lhcb", "--source", source[0], "--source", source[1])
    cli.ok("credential", "set", "all", "arc", "--renew", f"renew --password {secret}")

    assert len(change_rows(full_site)) == 3
    assert secret not in cli.ok("audit").out + cli.ok("audit", "--json").out
    assert secret not in str(contents(full_site)["changes"])


def test_health_is_what_the_change_says(cli: Cli, full_site: Database) -> None:
    cli.ok("ce", "pause", "lyon", "--reason", "disks", "--until", "2h")
    [one] = change_rows(full_site)

    assert one.before == {"sending": "normal", "reason": None, "until": None}
    assert one.after is not None
    assert (one.after["sending"], one.after["reason"]) == ("held", "disks")
    with full_site.uow() as tx:
        assert health.get(tx, "lyon").sending == one.after["sending"]


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        (("ce", "set", "lyon", "--waiting-limit", "3"), {"waiting_limit": 3}),
        (("vo", "set", "lhcb", "--limit", "3"), {"limit": 3}),
        (("vo", "drain", "lhcb"), {"draining": True}),
    ],
)
def test_the_reason_of_a_change_is_kept_and_repeated(
    cli: Cli, full_site: Database, words: tuple[str, ...], changed: dict[str, Any]
) -> None:
    assert cli.ok(*words, "--reason", "new disks").out.rstrip().endswith(": new disks")

    [one] = change_rows(full_site)
    assert one.after == {**changed, "reason": "new disks"}
    assert "more than 200 characters" in cli.refused(*words, "--reason", "x" * 201)


@pytest.mark.parametrize("name", [("ce", "set", "lyon"), ("vo", "set", "lhcb")])
def test_a_reason_alone_is_no_change(cli: Cli, full_site: Database, name: tuple[str, ...]) -> None:
    assert "Name a value to change" in cli.refused(*name, "--reason", "new disks")
    assert change_rows(full_site) == []

"""Settings that cannot be used, and databases that cannot be reached: one clear line."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from tests.cli.command import Cli, address, contents
from tests.databases import Postgresql
from tests.expectations import PASSWORD
from worker.db.database import Database

LOOK = (("db", "status"), ("db", "verify"), ("ce", "list"), ("status",), ("task", "list"))
CHANGE = (
    ("db", "setup"),
    ("db", "create"),
    ("db", "migrate"),
    ("db", "drop", "--yes", "--force"),
    ("db", "clean", "--yes"),
    ("backend", "migrate", "sim"),
    ("vo", "add", "lhcb"),
    ("task", "run", "report"),
)
EVERY = (*LOOK, *CHANGE)

MALFORMED = {
    "no URL at all": ("nonsense", "malformed"),
    "a URL without a scheme": (f"://me:{PASSWORD}@host/db", "malformed"),
    "a port in words": (f"postgresql://me:{PASSWORD}@host:port/db", "malformed"),
    "an unsupported dialect": (f"mysql://me:{PASSWORD}@host/db", "'mysql'"),
    "no database in it": (f"postgresql://me:{PASSWORD}@host", "names no database"),
}


def use(monkeypatch: pytest.MonkeyPatch, url: str | URL) -> None:
    text = url if isinstance(url, str) else address(url)
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", text)


@pytest.mark.parametrize("what", MALFORMED)
def test_a_url_that_cannot_be_used(cli: Cli, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    url, part = MALFORMED[what]
    use(monkeypatch, url)

    for words in EVERY:
        assert part in cli.refused(*words)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{PASSWORD}@127.0.0.1:1/pilotage_test",
        f"postgresql://127.0.0.1:1/pilotage_test?user=me&password={PASSWORD}",
    ],
    ids=["password in its place", "password as an option"],
)
def test_a_server_that_does_not_listen(cli: Cli, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    use(monkeypatch, url)

    for words in EVERY:
        message = cli.refused(*words)
        assert "cannot be reached" in message
        assert "127.0.0.1:1/pilotage_test" in message


def test_a_wrong_password(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, postgresql_server: Postgresql
) -> None:
    use(monkeypatch, _wrong_url(postgresql_server.url()))

    for words in EVERY:
        assert "cannot be reached" in cli.refused(*words)


def test_a_role_that_does_not_exist(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, postgresql_server: Postgresql
) -> None:
    use(monkeypatch, postgresql_server.url().set(username="nobody_here", password=PASSWORD))

    for words in EVERY:
        assert "cannot be reached" in cli.refused(*words)


def test_a_database_that_does_not_exist(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, postgresql_server: Postgresql
) -> None:
    url = postgresql_server.url("nowhere")
    use(monkeypatch, url)

    for words in (*LOOK, ("db", "migrate"), ("db", "clean", "--yes"), ("vo", "add", "lhcb")):
        assert str(url.database) in cli.refused(*words)


def test_a_file_that_is_not_a_database(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "letter.sqlite"
    file.write_text("Dear Sir or Madam, " * 100, encoding="utf-8")
    use(monkeypatch, f"sqlite:///{file}")

    for words in (w for w in EVERY if w != ("db", "create")):
        assert "not a database" in cli.refused(*words)
    assert file.read_text(encoding="utf-8").startswith("Dear")


@pytest.mark.parametrize(
    ("place", "part"),
    [("", "it is a folder"), ("missing/db", "its folder does not exist")],
    ids=["a folder", "a file in a missing folder"],
)
def test_a_place_where_no_file_can_be(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str, part: str
) -> None:
    use(monkeypatch, f"sqlite:///{tmp_path / place}")

    for words in EVERY:
        assert part in cli.refused(*words)
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_database_that_may_only_be_read(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, sqlite_database: Database
) -> None:
    before = contents(sqlite_database)
    use(monkeypatch, f"sqlite:///file:{sqlite_database.url.database}?mode=ro&uri=true")

    for words in (
        ("vo", "add", "lhcb"),
        ("ce", "add", "lyon", "--capacity", "1"),
        ("db", "clean", "--yes"),
        ("task", "run", "report"),
        ("task", "disable", "report"),
    ):
        assert "readonly" in cli.refused(*words)
    assert contents(sqlite_database) == before


@pytest.mark.parametrize("home", ["/proc/pilotage", __file__], ids=["a place", "a file"])
def test_a_state_folder_that_cannot_be_made(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    monkeypatch.setenv("PILOTAGE_HOME", home)

    for words in EVERY:
        message = cli.refused(*words)
        assert home in message
        assert "PILOTAGE_HOME" in message


FILES = {
    "no TOML": ("budget = [", "it is not TOML"),
    "an unknown key": ("bugdet = 3", "did you mean 'budget'?"),
    "a number in words": ('budget = "many"', "budget"),
    "a negative number": ("batch = -1", "batch"),
    "an unknown key of a schedule": (
        "[schedules.report]\nevry = 3",
        "schedules.report: unknown key 'evry': did you mean 'every'?",
    ),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_of_settings_that_cannot_be_used(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
) -> None:
    text, part = FILES[what]
    file = tmp_path / "pilotage.toml"
    file.write_text(text, encoding="utf-8")
    monkeypatch.setenv("PILOTAGE_CONFIG", str(file))

    assert part in cli.refused("ce", "list")
    assert part in cli.refused("db", "setup")


def test_a_file_of_settings_that_is_missing(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTAGE_CONFIG", "/nowhere/pilotage.toml")

    assert "/nowhere/pilotage.toml" in cli.refused("ce", "list")


def test_a_mistyped_variable_is_answered_with_the_nearest(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTAGE_DATABSE_URL", f"postgresql://me:{PASSWORD}@host/db")

    assert cli.refused("ce", "list").endswith("did you mean 'PILOTAGE_DATABASE_URL'?")


def test_help_and_version_need_no_settings(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", "nonsense")
    monkeypatch.setenv("PILOTAGE_BUGDET", "3")

    assert cli.ok("--version").out.startswith("pilotage, version ")
    assert "Usage:" in cli.ok("ce", "add", "--help").out


def test_an_empty_file_becomes_a_database(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "empty.sqlite"
    file.touch()
    use(monkeypatch, f"sqlite:///{file}")

    cli.ok("db", "setup")
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT count(*) FROM vos").fetchone() == (1,)
    connection.close()


def _wrong_url(url: URL) -> URL:
    """Return a URL with a wrong password, or with an unknown role if the server asks for none."""
    other = url.set(password=PASSWORD)
    engine = create_engine(other.set(database="postgres"), poolclass=NullPool)
    try:
        with engine.connect():
            return other.set(username="nobody_here")
    except OperationalError:
        return other

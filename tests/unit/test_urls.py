"""Database URLs: an error is one line, and a password is never shown."""

from pathlib import Path

import pytest

from tests.expectations import PASSWORD, refused
from worker.db.database import Database
from worker.db.engine import make_engine, parse_url, shown
from worker.domain.errors import ConfigurationError, DatabaseUnavailable


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        PASSWORD,
        f"postgresql:/me:{PASSWORD}@host/db",
        f"me:{PASSWORD}@host/db",
        f"postgresql://me:{PASSWORD}@host:port/db",
        f"postgresql://me:{PASSWORD}@[::1/db",
        f"://me:{PASSWORD}@host/db",
    ],
)
def test_a_malformed_url_is_refused_without_being_shown(text: str) -> None:
    with refused(ConfigurationError, "malformed", "postgresql://USER:PASSWORD@HOST:PORT/NAME"):
        parse_url(text)


@pytest.mark.parametrize("dialect", ["mysql", "postgres", "oracle+oracledb", "sqlite3"])
def test_an_unknown_dialect_is_named(dialect: str) -> None:
    with refused(ConfigurationError, repr(dialect.partition("+")[0]), "postgresql or sqlite"):
        parse_url(f"{dialect}://me:{PASSWORD}@host/db")


@pytest.mark.parametrize("end", ["", "/", ":5432", ":5432/"])
def test_a_server_without_a_database_is_refused(end: str) -> None:
    with refused(ConfigurationError, "names no database"):
        parse_url(f"postgresql://me:{PASSWORD}@host{end}")


def test_a_password_with_an_unescaped_at_sign_does_not_leak_into_the_host() -> None:
    with refused(ConfigurationError, "malformed"):
        parse_url(f"postgresql://me:secret@{PASSWORD}@host/db")


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("postgresql://me@host/db", "postgresql+psycopg"),
        ("postgresql+psycopg2://me@host/db", "postgresql+psycopg"),
        ("sqlite:////tmp/db", "sqlite+pysqlite"),
        ("sqlite+aiosqlite:////tmp/db", "sqlite+pysqlite"),
    ],
)
def test_the_driver_is_ours_to_choose(text: str, driver: str) -> None:
    assert parse_url(text).drivername == driver


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"postgresql://me:{PASSWORD}@host:5/db", "postgresql://me:***@host:5/db"),
        (f"postgresql://me@host/db?password={PASSWORD}", "postgresql://me@host/db"),
        (f"postgresql+psycopg://me:{PASSWORD}@/db?host=/run", "postgresql://me:***@/db"),
        ("sqlite:////srv/pilotage.sqlite", "sqlite:////srv/pilotage.sqlite"),
    ],
)
def test_a_url_is_shown_without_password_and_options(text: str, words: str) -> None:
    assert shown(parse_url(text)) == words


def test_a_password_of_odd_characters_reaches_the_driver_as_it_is() -> None:
    assert parse_url("postgresql://me:p%40s%2Fs%25@host/db").password == "p@s/s%"


def test_a_file_in_a_folder_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with refused(DatabaseUnavailable, "absent", "its folder does not exist"):
        make_engine(parse_url(f"sqlite:///{tmp_path}/absent/db.sqlite"))
    with refused(DatabaseUnavailable, str(tmp_path), "it is a folder"):
        make_engine(parse_url(f"sqlite:///{tmp_path}"))


@pytest.mark.parametrize(
    ("text", "hosts", "attributes"),
    [
        ("postgresql://u:p@a:1,b:2/n", "a:1,b:2", "read-write"),
        ("postgresql://u:p@a,b/n?sslmode=verify-full", "a,b", "read-write"),
        ("postgresql://u:p@a,b:2/n?target_session_attrs=any", "a,b:2", "any"),
        ("postgresql://u:p@/n?host=a:1&host=b:2", "a:1,b:2", "read-write"),
        ("postgresql://u:p@[::1]:1,[::2]:2/n", "[::1]:1,[::2]:2", "read-write"),
    ],
)
def test_a_url_may_name_several_hosts(text: str, hosts: str, attributes: str) -> None:
    database = Database(parse_url(text))
    _, options = database.engine.dialect.create_connect_args(database.engine.url)

    assert str(database) == f"postgresql://u:***@{hosts}/n"
    assert len(options["host"].split(",")) == 2
    assert options["target_session_attrs"] == attributes
    assert {"u", "p", "n"} <= set(options.values())


def test_a_url_of_one_host_asks_for_nothing_more() -> None:
    database = Database(parse_url("postgresql://u:p@a:1/n"))

    assert not database.engine.url.query
    assert str(database) == "postgresql://u:***@a:1/n"


@pytest.mark.parametrize("hosts", ["a:1,b:x", "a:1,", ",b", "a:1:2,b"])
def test_a_list_of_hosts_that_is_none_is_refused_and_not_shown(hosts: str) -> None:
    with refused(ConfigurationError, "the database URL is malformed"):
        parse_url(f"postgresql://u:{PASSWORD}@{hosts}/n")

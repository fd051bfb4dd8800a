"""L8: the secrets of a demand source are shown nowhere, and no token is sent unencrypted."""

import json
from pathlib import Path

import pytest

from tests.cli.command import Cli
from tests.expectations import refused
from worker.db import vos
from worker.db.database import Database
from worker.demand import registry
from worker.domain.errors import DemandUnknown
from worker.domain.secrets import hidden_url

SECRETS = ("s3cr3t", "0123456789abcdef0123")
URL = f"https://tasks.example.org/{{vo}}?token={SECRETS[0]}&state=waiting&k={SECRETS[1]}&vo={{vo}}"
SHOWN = "https://tasks.example.org/{vo}?token=***&state=waiting&k=***&vo={vo}"
ADD = ("vo", "add", "lhcb", "--source", "kind=http", "--source", f"url={URL}")


@pytest.fixture
def with_source(cli: Cli, world: Database) -> Database:
    answer = cli.ok(*ADD)
    assert_hidden(answer.out)
    return world


def assert_hidden(text: str) -> None:
    for secret in SECRETS:
        assert secret not in text


def stored_url(database: Database) -> str:
    with database.uow() as tx:
        source = vos.get(tx, "lhcb").source
    assert source is not None
    return str(source["url"])


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (URL, SHOWN),
        ("http://h/x?a=1&b", "http://h/x?a=1&b"),
        ("http://h/x", "http://h/x"),
        ("http://h/x?api_key=1", "http://h/x?api_key=***"),
        ("http://h/x?0123456789abcdef0123", "http://h/x?***"),
    ],
)
def test_of_an_address_the_secrets_alone_are_hidden(url: str, text: str) -> None:
    assert hidden_url(url) == text


@pytest.mark.finding("L8")
def test_what_is_stored_is_whole_and_what_is_shown_is_not(cli: Cli, with_source: Database) -> None:
    assert stored_url(with_source) == URL
    for words in (
        ("vo", "show", "lhcb"), ("vo", "show", "lhcb", "--json"),
        ("vo", "list"), ("vo", "list", "--json"),
        ("vo", "set", "lhcb", "--share", "2"), ("vo", "set", "lhcb", "--share", "3", "--json"),
        ("export",), ("plan",), ("status",),
        ("task", "run", "ask_demand", "--vo", "lhcb", "--dry-run"),
    ):  # fmt: skip
        answer = cli.ok(*words)
        assert_hidden(answer.out)
    assert cli.json("vo", "show", "lhcb")["source"]["url"] == SHOWN
    assert stored_url(with_source) == URL


def test_an_error_shows_no_secret(
    cli: Cli, with_source: Database, caplog: pytest.LogCaptureFixture
) -> None:
    there = f"http://127.0.0.1:1/?token={SECRETS[0]}"
    cli.ok("vo", "set", "lhcb", "--source", "kind=http", "--source", f"url={there}")

    answer = cli("vo", "ask", "lhcb")

    assert answer.code == 1
    assert_hidden(answer.out + answer.err + caplog.text)
    assert_hidden(cli("explain", "lyon").err + cli.ok("task", "list").out)


def test_a_difference_shows_no_secret_and_an_export_changes_nothing(
    cli: Cli, with_source: Database, tmp_path: Path
) -> None:
    file = tmp_path / "site.toml"
    file.write_text(cli.ok("export").out, encoding="utf-8")

    assert "has all that the file says" in cli.ok("apply", str(file)).out
    assert stored_url(with_source) == URL
    file.write_text(file.read_text().replace("waiting", "ready"), encoding="utf-8")
    assert "write what *** stands for" in cli.refused("apply", str(file))
    whole = file.read_text().replace(SHOWN.replace("waiting", "ready"), URL.replace("g&k", "g1&k"))
    file.write_text(whole, encoding="utf-8")
    answer = cli.ok("apply", str(file))
    assert "source" in answer.out
    assert_hidden(answer.out)
    assert stored_url(with_source) == URL.replace("g&k", "g1&k")


def test_what_was_hidden_is_taken_for_what_is_stored(cli: Cli, with_source: Database) -> None:
    cli.ok("vo", "set", "lhcb", "--source", "kind=http", "--source", f"url={SHOWN}")

    assert stored_url(with_source) == URL
    again = (*ADD[:2], "atlas", *ADD[3:-1], f"url={SHOWN}")
    assert "write what *** stands for" in cli.refused(*again)


@pytest.mark.finding("L8")
@pytest.mark.parametrize("host", ["tasks.example.org", "192.0.2.1", "localhost.example.org"])
def test_a_token_over_http_is_refused(cli: Cli, world: Database, tmp_path: Path, host: str) -> None:
    words = ("--source", "kind=http", "--source", f"url=http://{host}/", "--source")
    token = f"token_file={tmp_path / 'token'}"

    assert "use https" in cli.refused("vo", "add", "lhcb", *words, token)
    cli.ok("vo", "add", "lhcb", *words, token, "--source", "plain_token=true")
    source = json.loads(cli.ok("vo", "show", "lhcb", "--json").out)["source"]
    del source["plain_token"]
    with refused(DemandUnknown, "use https"):
        registry.ask("lhcb", source)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:80"])
def test_a_token_stays_on_this_host(cli: Cli, world: Database, tmp_path: Path, host: str) -> None:
    token = f"token_file={tmp_path / 'token'}"
    words = ("--source", "kind=http", "--source", f"url=http://{host}/", "--source", token)

    cli.ok("vo", "add", "lhcb", *words)

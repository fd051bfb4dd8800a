"""`pilotage token`: a secret is shown once, and a link is one line."""

import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.command import Cli, contents
from worker import wiring
from worker.db.account import account
from worker.db.database import Database
from worker.domain.access import Access, Role
from worker.domain.errors import NotSignedIn
from worker.domain.token import TokenKind, is_secret
from worker.services.operate import tokens

CREATE = ("token", "create", "nightly", "--role", "operate", "--vo", "lhcb")


def test_a_token_is_made_listed_and_revoked(cli: Cli, site: Database) -> None:
    head, once, secret = cli.ok(*CREATE).lines
    until = datetime.now(UTC) + timedelta(days=90)

    assert head.startswith("token nightly made: it may operate for VO lhcb, until ")
    assert f"{until:%Y-%m}" in head
    assert "shown once" in once
    assert is_secret(secret)
    token = tokens.identify(wiring.current_runtime(), secret)
    assert (token.name, token.access) == ("nightly", Access(role=Role.OPERATE, vo="lhcb"))
    [row] = cli.json("token", "list")["items"]
    assert (row["name"], row["vo"], row["made_by"]) == ("nightly", "lhcb", account())
    assert row["used_at"] is not None
    assert "--yes" in cli.refused("token", "revoke", "nightly")
    for _ in range(2):
        assert "nightly is revoked since" in cli.ok("token", "revoke", "nightly", "--yes").out
    with pytest.raises(NotSignedIn):
        tokens.identify(wiring.current_runtime(), secret)
    assert cli.ok("token", "list").out == "no tokens found\n"
    assert len(cli.json("token", "list", "--all")["items"]) == 1
    assert secret not in str(contents(site))


@pytest.mark.usefixtures("site")
def test_json_has_the_secret(cli: Cli) -> None:
    token = cli.json("token", "create", "ci", "--role", "read", "--for", "12h")

    assert is_secret(token["secret"])
    assert (token["name"], token["role"], token["vo"]) == ("ci", "read", None)
    assert "id" not in token
    life = datetime.fromisoformat(token["expires_at"]) - datetime.fromisoformat(token["made_at"])
    assert life == timedelta(hours=12)


@pytest.mark.parametrize("more", [(), ("--json",)])
@pytest.mark.usefixtures("site")
def test_a_secret_in_a_file_is_for_its_owner_alone_and_not_shown(
    cli: Cli, tmp_path: Path, more: tuple[str, ...]
) -> None:
    path = tmp_path / "secret"
    text = cli.ok(*CREATE, "--to", str(path), *more).out

    secret = path.read_text(encoding="utf-8").rstrip("\n")
    assert is_secret(secret)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secret not in text
    assert tokens.identify(wiring.current_runtime(), secret).name == "nightly"


def test_a_file_that_is_there_is_left_alone_and_no_token_is_made(
    cli: Cli, site: Database, tmp_path: Path
) -> None:
    path = tmp_path / "secret"
    path.write_text("mine", encoding="utf-8")
    assert "this file exists already" in cli.refused(*CREATE, "--to", str(path))
    assert path.read_text(encoding="utf-8") == "mine"
    assert contents(site)["tokens"] == []


@pytest.mark.usefixtures("site")
def test_a_token_that_is_refused_leaves_no_file(cli: Cli, tmp_path: Path) -> None:
    cli.ok(*CREATE)
    assert "name is taken" in cli.refused(*CREATE, "--to", str(tmp_path / "secret"))
    assert not (tmp_path / "secret").exists()


@pytest.mark.usefixtures("site")
def test_a_link_is_one_line_and_signs_in_whoever_made_it(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    [line] = cli.ok("token", "link").lines
    match = re.fullmatch(r"http://127\.0\.0\.1:8017/sign-in#(\S+)", line)
    assert match is not None
    session = tokens.use_link(wiring.current_runtime(), match[1]).token
    assert (session.name, session.kind, session.role) == (account(), TokenKind.SESSION, Role.ADMIN)

    monkeypatch.setenv("PILOTAGE_WEB_URL", "https://pilots.example.org/")
    line = cli.ok("token", "link", "--role", "operate", "--vo", "lhcb").out
    url, _, secret = line.rstrip("\n").partition("#")
    assert url == "https://pilots.example.org/sign-in"
    session = tokens.use_link(wiring.current_runtime(), secret).token
    assert session.access == Access(role=Role.OPERATE, vo="lhcb")

"""A command on the database and the same command by a server: the answers are the same."""

import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Answer, Cli, address, contents, forget, refusal
from tests.cli.test_tree import LEAVES
from tests.http_servers import proxy_of_the_environment, served
from tests.secrets import write
from tests.web.apps import app_on
from tests.web.requests import fill
from tests.web.site import SLASHED, Site
from tests.web.threads import listening
from worker import wiring
from worker.cli import options, remote

LOOKING = [
    "audit",
    "ce calls lyon",
    "ce list",
    "ce list --tag eu --sort capacity --descending",
    "ce list --rows 1",
    "ce maintenance list",
    "ce maintenance list rome",
    "ce pauses rome",
    "ce show lyon",
    f"ce show {SLASHED}",
    "ce show nowhere",
    "ce show lyom",
    "credential list",
    "credential show all arc",
    "credential show lhcb arc",
    "explain lyon",
    "explain lyon --vo lhcb",
    "explain nowhere",
    "failures",
    "failures --by cause,vo --ce lyon",
    "metrics",
    "pilot list",
    "pilot list --status running --status done --vo lhcb",
    "pilot list --ce nowhere",
    "pilot list --older-than 1h",
    "pilot list --sort nonsense",
    "pilot output {sent}",
    "pilot output {sent} --tail 0",
    "pilot output {reserved}",
    "pilot show {running}",
    "pilot show 4711",
    "plan",
    "plan --demand lhcb=5",
    "report",
    "report --by ce,vo --since 30d",
    "report --by day --csv --vo lhcb",
    "status",
    "task list",
    "vo list",
    "vo capacity lhcb",
    "vo show lhcb",
    "vo show nobody",
    "vo payload lhcb",
    "vo payload cms",
]
CHANGING = [
    "ce add new --backend sim --capacity 3 --vo lhcb --tag a --option queue_time=5",
    "ce add lyon --backend sim --capacity 3",
    "ce add new --backend nonsense --capacity 3",
    "ce disable lyon",
    "ce drain lyon --by 2h",
    "ce enable rome",
    "ce maintenance add lyon --end 2h --reason disks",
    "ce maintenance remove rome {maintenance} --yes",
    "ce maintenance remove rome {maintenance}",
    "ce pause lyon --reason disks --until 2h",
    "ce remove bari --yes",
    "ce remove bari",
    "ce remove lyon --yes",
    "ce resume rome",
    "ce resume lyon",
    "ce set lyon --capacity 6 --vo lhcb --reason disks",
    f"ce set {SLASHED} --waiting-limit 6",
    "ce set lyon --capacity -1",
    "credential add lhcb arc --token {file}",
    "credential remove all arc --yes",
    "credential remove all arc",
    "credential set all arc --path {file}",
    "pilot cancel {reserved} {sent} --yes",
    "pilot cancel {reserved}",
    "pilot cancel --ce lyon --status reserved --yes",
    "pilot cancel --ce lyon --status reserved",
    "pilot cancel 4711 --yes",
    "pilot submit lyon --count 3",
    "pilot submit rome",
    "task disable learn",
    "task enable learn",
    "task schedule learn --every 30",
    "task schedule learn --cron nonsense",
    "token revoke read --yes",
    "vo add new --limit 3",
    "vo add lhcb",
    "vo disable lhcb",
    "vo drain lhcb",
    "vo enable atlas",
    "vo payload lhcb --clear",
    "vo payload cms --set {payload}",
    "vo remove atlas --yes",
    "vo remove atlas",
    "vo remove lhcb --yes",
    "vo set lhcb --limit 3",
    "vo set lhcb --limit 3 --reason disks",
    "vo set lhcb --share -1",
]
ON_HOST = {
    "apply {inventory}": "apply",
    "backend list": "backend list",
    "backend migrate sim": "backend migrate",
    "backend revision sim note": "backend revision",
    "backend upgrade-all": "backend upgrade-all",
    "bench": "bench",
    "ce diff lyon": "ce diff",
    "ce test lyon": "ce test",
    "credential renew all arc": "credential renew",
    "export": "export",
    "task run learn": "task run",
    "vo ask lhcb": "vo ask",
    "webhook test": "webhook test",
    **{
        f"db {words}": f"db {words.split()[0]}"
        for words in (
            *("setup", "create", "drop --yes", "reset --yes", "migrate", "clean --yes"),
            *("verify", "status", "backup {folder}/b", "restore {payload} --yes", "recount"),
            "roles",
        )
    },
    "token link": "token link",
}
"""Command lines that need the database, and their commands."""

ELSEWHERE = {
    "up",
    "top",
    "web",
    "simulate",
    "fleet init",
    "fleet list",
    "token create",
    "token list",
}
"""Commands that do not end, need nothing, or show a secret or the last use of a token."""


def command_of(line: str) -> str:
    """Return the command that a line calls."""
    words = line.split()
    return next(
        name for n in (3, 2, 1) if (name := " ".join(words[:n])) and tuple(words[:n]) in LEAVES
    )


class Afar:
    """Calls each command on the database, and then by a server of the same database."""

    def __init__(self, cli: Cli, site: Site, url: str, folder: Path) -> None:
        self.cli, self.site, self.url, self.folder = cli, site, url, folder
        self.token = write(folder / "api-token", site.secrets["admin"] + "\n")

    def words(self, line: str) -> list[str]:
        own = line.replace("{file}", str(self.folder / "credential"))
        own = own.replace("{payload}", str(self.folder / "payload.toml"))
        own = own.replace("{folder}", str(self.folder))
        own = own.replace("{inventory}", str(self.folder / "inventory.toml"))
        return str(fill(own, self.site)).split()

    def here(self, line: str, *more: str) -> Answer:
        return self.cli(*self.words(line), *more)

    def there(self, line: str, *more: str) -> Answer:
        to_server = ("--server", self.url, "--token-file", str(self.token))
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("PILOTAGE_DATABASE_URL")
            for name in ("SERVER", "TOKEN", "TOKEN_FILE"):
                patch.setenv(f"PILOTAGE_{name}", "")
                patch.delenv(f"PILOTAGE_{name}")
            return self.cli(*to_server, *self.words(line), *more)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    monkeypatch.delenv("COLUMNS", raising=False)
    yield Cli(capsys)
    forget()


@pytest.fixture
def afar(
    sqlite_site: Site, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Afar]:
    """An installation whose clock stands still, for both ways."""
    world = sqlite_site.world
    monkeypatch.setenv("PILOTAGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(world.database.url))
    monkeypatch.setattr(wiring, "now", world.now)
    monkeypatch.setattr(options, "now", world.now)
    (tmp_path / "payload.toml").write_text('script_text = "true"\n')
    (tmp_path / "inventory.toml").write_text("[vo.lhcb]\nlimit = 7\n")
    with listening(app_on(world.runtime(by_hand=True))) as url:
        yield Afar(cli, sqlite_site, url, tmp_path)


def test_each_command_is_in_one_of_the_lists() -> None:
    by_server = {command_of(line) for line in (*LOOKING, *CHANGING)}
    on_host = set(ON_HOST.values())

    assert by_server | on_host | ELSEWHERE == {" ".join(path) for path in LEAVES}
    assert not by_server & on_host


@pytest.mark.parametrize("line", LOOKING)
def test_what_one_sees_is_the_same(afar: Afar, line: str) -> None:
    json = ("--json",) if "--json" in {o for p in LEAVES[tuple(command_of(line).split())].params
                                       for o in p.opts} else ()  # fmt: skip
    for more in [(), json]:
        here, there = afar.here(line, *more), afar.there(line, *more)

        assert there == here
        assert here.code == 0 or refusal(here)


@pytest.mark.parametrize("line", CHANGING)
def test_what_is_done_is_the_same(afar: Afar, line: str) -> None:
    database = afar.site.world.database
    file = Path(str(database.url.database))
    database.engine.dispose()
    shutil.copy(file, file.with_suffix(".before"))
    here = afar.here(line)
    done_here = comparable(database)
    database.engine.dispose()
    for leftover in file.parent.glob(f"{file.name}-*"):
        leftover.unlink()
    shutil.copy(file.with_suffix(".before"), file)
    there = afar.there(line)

    assert plain(there) == plain(here)
    assert comparable(database) == done_here


MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?")


def plain(answer: Answer) -> Answer:
    """Return an answer without what --yes would do: only the database can say that."""
    head, would, _ = answer.err.partition("Nothing was done: this would ")
    return replace(answer, err=head + would) if would else answer


def comparable(database: Any) -> dict[str, list[str]]:
    """Return what is stored, without what differs each time: the person, and random values."""
    tables = contents(database)
    for name in (
        "changes",
        "tokens",
        "pilots",
        "leases",
        "transitions",
        "call_tallies",
        "call_totals",
        "webhook_events",
    ):
        tables[name] = [str(len(tables.get(name, [])))]
    return {name: [MOMENT.sub("a moment", row) for row in rows] for name, rows in tables.items()}


@pytest.mark.parametrize("line", ON_HOST)
def test_what_needs_the_database_says_so(afar: Afar, line: str) -> None:
    before = contents(afar.site.world.database)
    answer = afar.there(line)

    assert refusal(answer).startswith("This can only be done on the host of Pilotage: ")
    assert answer.code == 1
    assert contents(afar.site.world.database) == before


def test_a_role_is_refused_in_one_line(afar: Afar) -> None:
    write(afar.token, afar.site.secrets["read"])
    for line in ("ce disable lyon", "pilot cancel {reserved} --yes", "vo set lhcb --share 3"):
        answer = afar.there(line)

        assert refusal(answer).startswith("This role does not allow it: read (token)")
        assert answer.code == 1


@pytest.mark.parametrize("token", ["", "pilotage_wrong", "zürich", "two\nlines", "expired"])
def test_a_wrong_token_is_one_line(afar: Afar, token: str) -> None:
    secret = afar.site.secrets.get(token, token)
    write(afar.token, secret)
    answer = afar.there("status")

    line = refusal(answer)
    assert answer.code == 1
    assert not secret or secret not in line


def test_no_token_is_one_line(afar: Afar) -> None:
    answer = afar.cli("--server", afar.url, "status")

    assert "--token-file" in refusal(answer)
    assert answer.code == 1


def test_a_server_that_is_away_is_one_line(afar: Afar) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        afar.url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        answer = afar.there("status")

    assert refusal(answer).startswith(f"The server cannot be reached: {afar.url}")
    assert answer.code == 1


def test_a_token_for_this_host_goes_by_no_proxy_of_the_environment(
    afar: Afar, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy_of_the_environment(monkeypatch) as by_proxy:
        answer = afar.there("ce list")

    assert by_proxy == []
    assert answer == afar.here("ce list")


@pytest.mark.parametrize("url", ["http://pilotage.example.org", "http://10.0.0.1:8017"])
def test_a_token_goes_to_no_other_host_in_clear(afar: Afar, url: str) -> None:
    afar.url = url
    line = refusal(afar.there("status"))

    assert line.startswith("The settings cannot be used: PILOTAGE_SERVER: ")
    assert "https://" in line
    assert "this host" in line


@pytest.mark.parametrize("host", ["a..b", "x" * 70, ".a", "x" * 70 + ".example.org"])
def test_a_server_whose_name_cannot_be_one_is_one_line(afar: Afar, host: str) -> None:
    afar.url = f"https://{host}"
    answer = afar.there("status")

    why = f"The server cannot be reached: {afar.url}: no host has such a name"
    assert (answer.code, refusal(answer)) == (1, why)


@contextmanager
def impostor(status: int, body: bytes, kind: str = "application/json") -> Iterator[str]:
    """Serve the same answer to every request."""

    class Same(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with served(HTTPServer(("127.0.0.1", 0), Same)) as address:
        yield address


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>Welcome</html>"),
        (200, b""),
        (200, b"null"),
        (200, b"[1, 2]"),
        (200, b'{"ces": 5}'),
        (200, b"\xff\xfe\x00"),
        (200, b"[" * 100_000),
        (204, b""),
        (302, b""),
        (404, b"not here"),
        (404, b'{"detail": "Not Found"}'),
        (404, b'{"type": "about:blank", "title": "Not Found", "detail": "Not Found"}'),
        (418, b'{"type": 7, "detail": []}'),
        (422, b"[]"),
        (422, b'{"type": "/api/problems/__class__", "detail": "x", "details": 5}'),
        (422, b'{"type": "/api/problems/of-the-future", "detail": "a new kind"}'),
        (500, b'{"type": "/api/problems/invalid", "detail": "x", "details": ["\\u001b[31m\\n"]}'),
        (502, b"Bad Gateway"),
    ],
)
@pytest.mark.parametrize("line", ["status", "ce list"])
def test_a_server_of_garbage_is_one_line(afar: Afar, status: int, body: bytes, line: str) -> None:
    with impostor(status, body) as afar.url:
        answer = afar.there(line)

    assert "\x1b" not in refusal(answer)
    assert answer.code == 1
    assert afar.site.secrets["admin"] not in answer.err


def test_an_answer_that_is_too_long_is_not_read_to_its_end(
    afar: Afar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "LONGEST_ANSWER", 1000)
    with impostor(200, b'"' + b"x" * 2000 + b'"') as afar.url:
        answer = afar.there("status")

    assert "longer than 1000 bytes" in refusal(answer)
    assert answer.code == 1

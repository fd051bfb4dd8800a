"""Pilots that report about themselves: real ones on a local CE, with a real server."""

import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.acceptance.processes import ROOT
from tests.backends.local_world import World as LocalWorld
from tests.factories import a_ce, a_pilot
from tests.patience import until
from tests.services.world import World
from tests.web.server import serving
from worker.db import mover
from worker.db import payloads as stored
from worker.db.database import Database
from worker.domain.access import Role
from worker.domain.ce import CE
from worker.domain.pilot import FINAL, Move, Pilot, Status, Use
from worker.domain.pilot_report import PilotReport, PilotState
from worker.domain.pilot_secret import PilotKeys
from worker.domain.vo import DEFAULT_VO
from worker.services.operate import pilots, tokens
from worker.services.runtime import Runtime
from worker.services.tasks import check_pilots, dispatch

pytestmark = pytest.mark.processes

KEY, OLD = "a key of the tests, long enough".replace(" ", "-") + "0" * 8, "an-older-key" * 4
KEYS = PilotKeys((KEY,))
EXAMPLE = re.compile(r"<!-- tested: (\w+) -->\n\n```\w+\n(.*?)```", re.DOTALL)
WITH = {"shell": "#!/bin/sh\n", "python": f"#!{sys.executable}\n"}
SLEEPS = """#!/bin/sh
say() {
  printf 'header = "Authorization: Bearer %s"\\n' "$(cat "$PILOTAGE_SECRET_FILE")" |
    curl --config - --silent --request PATCH --header "Content-Type: application/json" \\
      --data "$1" "$PILOTAGE_URL/api/pilots/me"
}
say '{"state": "idle", "payloads": 0}'
while [ ! -e "@{go}" ]; do sleep 0.1; done
say '{"state": "ending", "reason": "no more work"}'
"""


@dataclass
class Server:
    """A server, and the pilots that may report to it."""

    world: World
    url: str
    folder: Path

    @property
    def runtime(self) -> Runtime:
        return self.world.runtime(
            now=lambda: datetime.now(UTC), by_hand=True, pilot_keys=KEYS, web_url=self.url
        )

    def send(self, secret: str, path: str = "/api/pilots/me", **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {secret}"}
        return httpx.patch(f"{self.url}{path}", headers=headers, json=body, timeout=60)

    def report(self, pilot: Pilot) -> PilotReport | None:
        return pilots.show_pilot(self.runtime, str(pilot.id)).report

    def token(self, role: Role = Role.ADMIN) -> str:
        return tokens.create(self.runtime, uuid4().hex, role).secret

    def make_running(self, number: int = 1) -> list[Pilot]:
        ce = self.world.ce(a_ce().with_capacity(50))
        return self.world.make(a_pilot().on(ce).running(), number)


@contextmanager
def serving_pilots(database: Database, folder: Path) -> Iterator[Server]:
    """Run a server on a database, with a key for the secrets of pilots."""
    world = World(database, folder / "home")
    key_file = folder / "pilot_key"
    key_file.write_text(f"{KEY}\n")
    with serving(database, world.home, PILOTAGE_PILOT_KEY_FILE=str(key_file)) as process:
        yield Server(world, process.url, folder)


@pytest.fixture
def server(database: Database, tmp_path: Path) -> Iterator[Server]:
    with serving_pilots(database, tmp_path) as server:
        yield server


@pytest.fixture
def sqlite_server(sqlite_database: Database, tmp_path: Path) -> Iterator[Server]:
    with serving_pilots(sqlite_database, tmp_path) as server:
        yield server


def test_a_pilot_says_what_it_does(server: Server) -> None:
    [one] = server.make_running()
    answer = server.send(KEYS.secret_of(one.stamp), state="busy", payloads=2)

    assert (answer.status_code, answer.json()) == (200, {"stop": False})
    report = server.report(one)
    assert report is not None
    assert (report.state, report.payloads) == (PilotState.BUSY, 2)

    pilots.cancel(server.runtime, [str(one.id)])
    assert server.send(KEYS.secret_of(one.stamp), state="busy").json() == {"stop": True}


def test_who_holds_its_secret_may_know_whose_a_pilot_is_and_no_more(server: Server) -> None:
    [one] = server.make_running()

    def answer_to(secret: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {secret}"}
        return httpx.get(f"{server.url}/api/pilots/me", headers=headers, timeout=60)

    secret = KEYS.secret_of(one.stamp)
    assert answer_to(secret).json() == {"vo": "default", "stop": False}
    assert server.report(one) is None
    pilots.cancel(server.runtime, [str(one.id)])
    assert answer_to(secret).json() == {"vo": "default", "stop": True}
    server.world.change(
        lambda tx: mover.move(tx, [Move(pilot_id=one.id, to=Status.DONE)], datetime.now(UTC))
    )
    assert answer_to(secret).status_code == 401
    assert answer_to(server.token()).status_code == 403


def test_a_wrong_an_old_or_a_foreign_secret_changes_nothing(server: Server) -> None:
    one, other = server.make_running(2)
    good = KEYS.secret_of(one.stamp)
    wrong = {
        "of an old key": PilotKeys((OLD,)).secret_of(one.stamp),
        "of nobody": KEYS.secret_of("0" * 32),
        "of another stamp": good.replace(one.stamp, other.stamp),
        "cut": good[:-1],
        "a token": server.token(),
        "a word": "hello",
    }
    statuses = {
        name: server.send(secret, state="busy").status_code for name, secret in wrong.items()
    }

    assert statuses == {**dict.fromkeys(wrong, 401), "a token": 403}
    assert [server.report(pilot) for pilot in (one, other)] == [None, None]
    assert httpx.patch(f"{server.url}/api/pilots/me", json={"state": "busy"}).status_code == 401


def test_a_secret_is_void_when_its_pilot_has_ended(server: Server) -> None:
    [one] = server.make_running()
    secret = KEYS.secret_of(one.stamp)
    assert server.send(secret, state="busy").status_code == 200
    before = server.report(one)
    server.world.change(
        lambda tx: mover.move(tx, [Move(pilot_id=one.id, to=Status.DONE)], datetime.now(UTC))
    )
    answer = server.send(secret, state="idle")

    assert answer.status_code == 401
    assert "has ended" in answer.json()["detail"]
    assert server.report(one) == before


OTHERS = (
    ("DELETE", "/api/pilots/me"),
    ("GET", "/api/pilots"),
    ("GET", "/api/status"),
    ("GET", "/metrics"),
    ("POST", "/api/pilots/cancel"),
    ("PATCH", "/api/vos/default"),
)


def test_it_opens_no_other_request(sqlite_server: Server) -> None:
    for (method, path), pilot in zip(OTHERS, sqlite_server.make_running(len(OTHERS)), strict=True):
        headers = {"Authorization": f"Bearer {KEYS.secret_of(pilot.stamp)}"}
        answer = httpx.request(method, f"{sqlite_server.url}{path}", headers=headers)
        assert answer.status_code == 403
        assert "nothing else" in answer.json()["detail"]


REFUSED: tuple[dict[str, Any], ...] = (
    {"status": "done"},
    {"state": "asleep"},
    {"payloads": -1},
    {"payloads": 10**12},
    {"payloads": True},
    {"payloads": "1"},
    {"reason": "x" * 201},
    {"reason": 3},
)


def test_whatever_else_it_says_is_refused(sqlite_server: Server) -> None:
    for body, pilot in zip(REFUSED, sqlite_server.make_running(len(REFUSED)), strict=True):
        assert sqlite_server.send(KEYS.secret_of(pilot.stamp), **body).status_code == 422
        assert sqlite_server.report(pilot) is None


def test_a_pilot_that_says_too_much_slows_down_itself_alone(server: Server) -> None:
    loud, quiet = server.make_running(2)
    statuses = [
        server.send(KEYS.secret_of(loud.stamp), state="busy").status_code for _ in range(60)
    ]
    guesses = [
        server.send(KEYS.secret_of(quiet.stamp)[:-4] + "AAAA", state="busy").status_code
        for _ in range(30)
    ]

    assert set(statuses) == {200, 429}
    assert statuses[:5] == [200] * 5
    assert statuses.count(429) > 30
    assert guesses[0] == 401
    assert guesses[-1] == 429
    # The two have the same address, as behind one gateway of a site.
    assert server.send(KEYS.secret_of(quiet.stamp), state="idle").status_code == 200
    token = {"Authorization": f"Bearer {server.token()}"}
    assert httpx.get(f"{server.url}/api/status", headers=token).status_code == 200


def examples() -> dict[str, str]:
    text = (ROOT / "docs/how-to/pilot-reports.md").read_text()
    return dict(EXAMPLE.findall(text))


@dataclass
class LocalPilots:
    """A local CE whose pilots report to the server; the tasks of workers are run by hand."""

    server: Server
    ce: CE

    def send(self, script: str, **payload: Any) -> Pilot:
        world = self.server.world
        values = {"script": script, "reports": True, "useful_after": 3600, **payload}
        world.change(lambda tx: stored.put(tx, DEFAULT_VO, values))
        [number] = world.reserve(self.ce, 1)
        result = dispatch.dispatch(self.server.runtime, self.ce.name)
        assert (result.counts["submitted"], result.lines) == (1, ())
        return world.pilot(number)

    def until_ended(self, pilot: Pilot) -> Pilot:
        def end() -> Pilot | None:
            check_pilots.check_pilots(self.server.runtime, self.ce.name)
            now = self.server.world.pilot(pilot.id)
            return now if now.status in FINAL else None

        return until(end, "the end of the pilot", pause=0.2)


@pytest.fixture
def local(server: Server) -> Iterator[LocalPilots]:
    builder = a_ce().named("host").on_backend("local").with_capacity(5)
    with server.world.database.uow() as tx:
        ce = builder.with_options(check_soonest=0.01, check_latest=0.02).create(tx)
    yield LocalPilots(server, ce)
    LocalWorld(server.world.home, server.world.database.uow, ce.name).end()


@pytest.mark.parametrize("language", ["shell", "python"])
def test_the_examples_of_the_documentation_work(local: LocalPilots, language: str) -> None:
    pilot = local.until_ended(local.send(WITH[language] + examples()[language]))

    output = pilots.output(local.server.runtime, str(pilot.id)).text
    assert (pilot.status, pilot.use) == (Status.DONE, Use.USEFUL), output
    report = local.server.report(pilot)
    assert report is not None
    assert (report.state, report.payloads, report.reason) == (PilotState.ENDING, 1, "done")


def test_a_real_pilot_says_idle_and_was_empty_and_nobody_sees_its_secret(
    local: LocalPilots,
) -> None:
    server, go = local.server, local.server.folder / "go"
    pilot = local.send(SLEEPS.replace("@{go}", str(go)))
    report = until(lambda: server.report(pilot), "the first report", pause=0.05)
    assert (report.state, report.payloads, report.idle_since) == (PilotState.IDLE, 0, report.at)

    [path] = (server.world.home / "local").rglob(".pilotage-secret")
    secret = path.read_text().strip()
    assert KEYS.stamp_of(secret) == pilot.stamp
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert places_with(secret) == []
    assert kept_with(secret, server.world.home) == [path]

    go.touch()
    pilot_at_end = local.until_ended(pilot)
    assert (pilot_at_end.status, pilot_at_end.use) == (Status.DONE, Use.EMPTY)
    last = server.report(pilot)
    assert last is not None
    assert (last.state, last.reason) == (PilotState.ENDING, "no more work")
    assert server.send(secret, state="busy").status_code in (401, 429)
    assert server.report(pilot) == last


def places_with(secret: str) -> list[str]:
    """Return the places where the lists of processes show a secret."""
    places = []
    for process in Path("/proc").iterdir():
        for name in ("cmdline", "environ") if process.name.isdigit() else ():
            try:
                if secret.encode()[-43:] in (process / name).read_bytes():
                    places.append(f"{process.name}/{name}")
            except OSError:
                continue  # it has ended, or is another user's
    return places


def kept_with(secret: str, folder: Path) -> list[Path]:
    """Return the files below a folder that hold a secret."""
    files = [Path(top, name) for top, _, names in os.walk(folder) for name in names]
    return [path for path in files if path.is_file() and secret.encode() in path.read_bytes()]

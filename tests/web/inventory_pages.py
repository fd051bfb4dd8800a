"""The pages of the inventory in process, and people who look at them and send their forms."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from starlette.testclient import TestClient

from tests.factories import a_ce, a_vo
from tests.services.world import World
from tests.web.apps import app_on
from tests.web.signed_in import HOME
from worker.db.database import Database
from worker.domain.access import Role
from worker.services.observe import audit
from worker.services.observe.audit import RecordedChange
from worker.services.operate import ce_inventory, tokens, vo_inventory
from worker.services.operate.ce_inventory import ShownCE
from worker.services.operate.vo_inventory import ShownVO
from worker.web.callers import COOKIE

_VERSION = re.compile(r'name="version" value="([0-9a-f]+)"')


@dataclass(frozen=True)
class Shown:
    """A page, as the server answered it."""

    status: int
    html: str
    url: str

    @property
    def text(self) -> str:
        """The words of the page, without its tags."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.html)).split())

    @property
    def version(self) -> str:
        match = _VERSION.search(self.html)
        assert match, "the page has no form with a version"
        return match[1]

    def forms(self) -> set[str]:
        """Return what the forms of the page do."""
        return set(re.findall(r'name="do" value="([a-z-]+)"', self.html))


@dataclass(frozen=True)
class Person:
    """Somebody who has signed in."""

    client: TestClient
    secret: str

    def get(self, path: str, **headers: str) -> Shown:
        return self._send("GET", path, headers=headers)

    def json(self, path: str) -> object:
        headers = {"Cookie": f"{COOKIE}={self.secret}", "Accept": "application/json"}
        return self.client.get(path, headers=headers).json()

    def post(self, path: str, origin: str | None = HOME, /, **values: str) -> Shown:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if origin is not None:
            headers["Origin"] = origin
        names = {name.replace("do_", "do"): value for name, value in values.items()}
        return self._send("POST", path, headers=headers, content=urlencode(names))

    def _send(
        self, method: str, path: str, *, headers: Mapping[str, str], content: str | None = None
    ) -> Shown:
        own = {"Cookie": f"{COOKIE}={self.secret}", "Accept": "text/html"}
        answer = self.client.request(method, path, headers={**own, **headers}, content=content)
        if answer.status_code == 303:  # a client that is no browser leaves its cookie out
            return self._send("GET", answer.headers["location"], headers={})
        return Shown(answer.status_code, answer.text, str(answer.url))


@dataclass(frozen=True)
class Console:
    """The console, and the world behind it."""

    world: World
    client: TestClient

    def person(self, role: Role, vo: str | None = None, who: str = "alice") -> Person:
        runtime = self.world.runtime()
        return Person(self.client, tokens.begin_session(runtime, who, role, vo).secret)

    def admin(self, who: str = "alice") -> Person:
        return self.person(Role.ADMIN, who=who)

    def ce(self, name: str) -> ShownCE:
        return ce_inventory.show_ce(self.world.runtime(), name)

    def vo(self, name: str) -> ShownVO:
        return vo_inventory.show_vo(self.world.runtime(), name)

    def changes(self, of: str) -> list[RecordedChange]:
        since = self.ce("lyon").sending_since or self.world.now()
        return audit.recorded(self.world.runtime(), since.replace(year=2000), of=of).items


@pytest.fixture
def console(sqlite_database: Database, tmp_path: Path) -> Iterator[Console]:
    """The app on a world with two CEs and two VOs."""
    world = World(sqlite_database, tmp_path / "home")
    world.ce(a_ce().named("lyon").with_capacity(10))
    world.ce(a_ce().named("a/b").with_capacity(5))
    world.vo(a_vo().named("lhcb"))
    world.vo(a_vo().named("atlas"))
    app = app_on(world.runtime())
    with TestClient(
        app, base_url=HOME, raise_server_exceptions=False, follow_redirects=False
    ) as client:
        yield Console(world, client)


def ce_page(name: str) -> str:
    return f"/ces/{quote(name, safe='')}"


def vo_page(name: str) -> str:
    return f"/vos/{quote(name, safe='')}"

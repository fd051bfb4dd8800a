"""The pages of pilots in the process of the test, as people of several roles see them."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.services.world import World
from tests.web.signed_in import HOME, signed_in
from worker.db.database import Database
from worker.domain.access import Role
from worker.services.runtime import Runtime


@dataclass
class Answer:
    """The answer to a browser."""

    status: int
    text: str
    location: str
    json: Callable[[], Any]

    @property
    def headline(self) -> str:
        return self.inner("h1")

    def inner(self, tag: str) -> str:
        """Return the text of the first element with this name."""
        match = re.search(rf"<{tag}\b[^>]*>(.*?)</{tag}>", self.text, re.S)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", match[1])).split()) if match else ""

    @property
    def rows(self) -> list[int]:
        """Return the numbers of the listed pilots."""
        return [
            int(one)
            for one in re.findall(r'role="rowheader"[^>]*><a href="[^"]*/(\d+)"', self.text)
        ]

    def field(self, name: str) -> str:
        """Return the value of the first field with this name."""
        match = re.search(rf'name="{name}" value="([^"]*)"', self.text)
        assert match, name
        return unescape(match[1])

    def links(self) -> list[str]:
        return [unescape(one) for one in re.findall(r'href="([^"]*)"', self.text)]

    def tags(self) -> list[str]:
        """Return the names of all elements, as a browser reads them."""
        parser = _Tags()
        parser.feed(self.text)
        return parser.names


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.names.append(tag)


class Browser:
    """The browser of a person who has signed in."""

    def __init__(self, client: TestClient) -> None:
        self._client = client

    def get(self, path: str, accept: str = "text/html", **query: Any) -> Answer:
        response = self._client.get(path, params=query or None, headers={"Accept": accept})
        return self._answer(response)

    def post(self, path: str, origin: str | None = HOME, **fields: Any) -> Answer:
        headers = {"Accept": "text/html", **({"Origin": origin} if origin else {})}
        return self._answer(self._client.post(path, data=fields, headers=headers))

    def _answer(self, response: Any) -> Answer:
        location = response.headers.get("location", "")
        return Answer(response.status_code, response.text, location, response.json)


class Console:
    """A world and its pages."""

    def __init__(self, world: World) -> None:
        self.world = world

    @contextmanager
    def seen_by(
        self, role: Role = Role.OPERATE, vo: str | None = None, runtime: Runtime | None = None
    ) -> Iterator[Browser]:
        runtime = runtime or self.world.runtime()
        who = f"{role}-{vo}"
        with signed_in(runtime, role, vo, who=who, follow_redirects=False) as client:
            yield Browser(client)


@pytest.fixture
def console(database: Database, tmp_path: Path) -> Console:
    return Console(World(database, tmp_path / "home"))


@pytest.fixture
def browser(console: Console) -> Iterator[Browser]:
    with console.seen_by() as browser:
        yield browser

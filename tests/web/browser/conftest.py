"""A site with a server, and people who use its pages in real browsers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import pytest
from playwright.sync_api import Browser

from tests.databases import Sqlite
from tests.factories import a_ce
from tests.services.world import World
from tests.session import PLAN
from tests.testbeds import chromium
from tests.testbeds.packages import NotToBeHad
from tests.web.browser.people import Complaints, Meet, meet
from tests.web.browser.prepared import Prepared, prepare
from tests.web.server import Server, serving
from worker.domain.ce import CE


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """The browser of a module; it is closed with it, so no other test runs in its event loop."""
    try:
        with chromium.running() as chromium_browser:
            yield chromium_browser
    except NotToBeHad as problem:
        say = pytest.fail if request.config.stash[PLAN].required else pytest.skip
        say(f"needs the service Chromium: {problem}")


@pytest.fixture(scope="module")
def prepared(
    sqlite_template: Sqlite, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prepared]:
    """The site of a module, with something of every kind."""
    folder = tmp_path_factory.mktemp("site")
    with sqlite_template.file(folder / "site.sqlite") as database:
        world = World(database, folder / "home")
        world.clock = datetime.now(UTC)
        yield prepare(world, folder / "files")


@pytest.fixture(scope="module")
def server(prepared: Prepared) -> Iterator[Server]:
    """The server of the site."""
    with serving(prepared.world.database, prepared.world.home) as server:
        yield server


@pytest.fixture
def person(browser: Browser, prepared: Prepared, server: Server) -> Iterator[Meet]:
    """People who look at the site; at the end no browser may have complained."""
    complaints = Complaints(server.url)
    yield partial(meet, browser, prepared.world, server.url, complaints)
    for context in browser.contexts:
        context.close()
    assert complaints.all == []


@pytest.fixture
def place(prepared: Prepared) -> CE:
    """A CE of this test's own."""
    return prepared.world.ce(a_ce())

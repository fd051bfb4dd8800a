"""The pages follow real workers, and control them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import pytest
from playwright.sync_api import Browser
from sqlalchemy import text

from tests.acceptance.processes import PILOTAGE, Processes, settings_of
from tests.acceptance.site import configuration
from tests.cli.command import address
from tests.databases import emptied
from tests.factories import a_ce, a_vo
from tests.patience import until
from tests.services.world import World
from tests.web.browser.people import Complaints, Meet, Person, meet
from tests.web.server import Server
from worker.db.database import Database
from worker.domain.ce import CE
from worker.services.tasks import dispatch

pytestmark = pytest.mark.slow

LIFE = {"queue_time": 3.0, "run_time": 6.0, "check_soonest": 1.0, "check_latest": 2.0}
LONG = {
    "spread": "fixed",
    "queue_time": 100_000.0,
    "run_time": 100_000.0,
    "check_soonest": 5.0,
    "check_latest": 600.0,
}
SELDOM = {"reconcile": 300, "learn": 300, "report": 300, "prune": 300}
"""The interval of tasks that would only disturb many pilots."""

MANY = 10_000
STOPPED = range(3000, 10_000, 1000)
"""Whole batches: those that were done before the server noticed that the client had gone."""
LARGE = "(SELECT id FROM ces WHERE name = 'large')"


@dataclass
class Living:
    """A site with workers: `pilotage up` on a database of its own."""

    world: World
    server: Server
    processes: Processes

    def link(self) -> str:
        """Make a link to sign in, as an operator does on the host."""
        process = self.processes.run([*PILOTAGE, "token", "link"], self.settings())
        assert process.returncode == 0, process.stderr
        return next(word for word in process.stdout.split() if "/sign-in#" in word)

    def settings(self) -> dict[str, str]:
        return settings_of(
            {
                "home": str(self.world.home),
                "database_url": address(self.world.database.url),
                "config": str(configuration(self.processes.folder, **SELDOM)),
                "web_port": str(self.server.port),
            }
        )


@pytest.fixture(scope="module")
def living(postgresql_main: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    """The site of a module, with workers that run all the time."""
    folder = tmp_path_factory.mktemp("living")
    world = World(postgresql_main, folder / "home")
    world.clock = datetime.now(UTC)
    world.home.mkdir()
    living = Living(world, Server(postgresql_main, world.home), Processes(folder))
    _furnish(world)
    postgresql_main.engine.dispose()
    living.processes.start("up", [*PILOTAGE, "up"], living.settings())
    try:
        until(living.server.answers, "the server", progress=living.processes.progress)
        yield living
    finally:
        living.processes.end()
        living.server.close()
        emptied(postgresql_main)


def _furnish(world: World) -> None:
    with world.database.uow() as tx:
        a_ce().named("quick").with_capacity(3).with_options(**LIFE).create(tx)
        bulk = a_vo().named("bulk").demanding(0).create(tx)
        large = a_ce().named("large").with_capacity(MANY).only_for(bulk).with_options(**LONG)
        ce = large.create(tx)
    _send_many(world, ce)


def _send_many(world: World, ce: CE) -> None:
    world.reserve(ce, MANY, "bulk")
    runtime = world.runtime(by_hand=True)
    while dispatch.dispatch(runtime, ce.name).counts:
        pass


@pytest.fixture
def person(browser: Browser, living: Living) -> Iterator[Meet]:
    """Whoever looks at the site; at the end no browser may have complained."""
    complaints = Complaints(living.server.url)
    yield partial(meet, browser, living.world, living.server.url, complaints)
    for context in browser.contexts:
        context.close()
    assert complaints.all == []


@pytest.fixture
def operator(person: Meet, living: Living) -> Person:
    """A person who has signed in by the link of a command."""
    operator: Person = person(None)
    operator.page.goto(living.link())
    operator.until_text(".who", "admin")
    return operator


def test_a_pilot_is_followed_from_the_list_to_its_end(operator: Person) -> None:
    operator.page.click("nav >> text=Pilots")
    operator.page.fill("#f-ce", "quick")
    operator.press("Enter")
    operator.page.wait_for_url("**ce=quick**")
    operator.page.click("#rows tbody th a >> nth=0")
    operator.page.mouse.move(2, 2)  # an element under the pointer is not renewed
    operator.page.evaluate("() => { window.isFirstLoad = true }")
    operator.until_text("#history", "done")  # a slow worker does not see it run

    assert operator.page.evaluate("() => window.isFirstLoad")


def test_a_ce_is_held_and_nothing_is_sent_until_it_is_resumed(operator: Person) -> None:
    watcher = operator.page.context.new_page()
    watcher.goto(f"{operator.home}/")
    operator.go("/ces/quick")
    operator.page.click("summary:has-text('Hold')")
    operator.page.fill("#hold-reason", "a new queue")
    operator.page.click("button:has-text('Hold')")
    operator.until_text("h1", "quick is held", "a new queue")
    watcher.wait_for_selector("#stopped li:has-text('a new queue')")
    operator.go("/explain?ce=quick&vo=default")
    operator.until_text("h1", "held by hand since ", ": 'a new queue'")
    operator.go("/ces/quick")
    operator.page.click("summary:has-text('Resume')")
    operator.page.fill("#resume-reason", "it works")
    operator.page.click("button:has-text('Resume')")
    watcher.wait_for_selector("#stopped:not(:has(li:has-text('quick')))", state="attached")
    operator.go("/audit?of=quick")
    operator.until_text("#changes tbody tr:nth-of-type(1)", "resume", "it works", "(person)")
    operator.until_text("#changes tbody tr:nth-of-type(2)", "a new queue", "(person)")


def test_ten_thousand_pilots_are_cancelled_by_a_filter_and_it_can_be_stopped(
    operator: Person, living: Living
) -> None:
    database = living.world.database
    operator.go("/pilots?ce=large")
    operator.page.click("text=Cancel all 10,000 that match …")
    assert operator.headline == "Cancel 10,000 pilots at large?"
    confirm(operator, "1000")
    operator.until_text("[role=alert]", "Type the number 10000 to go on. Nothing was cancelled.")
    with block_pilot(database, after=3500):
        confirm(operator, "10000")
        operator.until_text("h1", "Cancelling 10,000 pilots at large.")
        operator.until_text(".progress li:nth-of-type(3)", "3,000 of 10,000")
        with operator.page.expect_request("**/pilots?ce=large"):
            operator.page.click("text=Stop, and keep those that are left", no_wait_after=True)
    operator.page.wait_for_url("**/pilots?ce=large")

    def has_stopped() -> bool:
        before = count_asked_to_end(database)
        operator.go("/pilots/cancel?ce=large")
        return count_asked_to_end(database) == before

    until(has_stopped, "the end of the batch that was held up")
    number = operator.page.input_value("input[name=shown]")

    assert count_asked_to_end(database) in STOPPED
    confirm(operator, number)
    operator.until_text(".message", "All is done. The end of")
    operator.page.click("text=Back to the pilots")
    operator.page.mouse.move(2, 2)
    operator.page.evaluate("() => { window.isFirstLoad = true }")
    operator.until_text("#batch", "None of those that match is active.")
    assert operator.page.evaluate("() => window.isFirstLoad")
    operator.go("/pilots?ce=large&status=cancelled")
    assert operator.page.locator("tbody th").count() == 25


def confirm(operator: Person, number: str) -> None:
    """Type a number into the open question, and confirm."""
    operator.page.fill("#typed", number)
    operator.page.click("button.danger", no_wait_after=True)


@contextmanager
def block_pilot(database: Database, *, after: int) -> Iterator[None]:
    """Lock the pilot at this place in the order in which they are cancelled."""
    one = text(f"SELECT id FROM pilots WHERE ce_id = {LARGE} ORDER BY id OFFSET {after} LIMIT 1")
    with database.engine.begin() as connection:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        number = connection.execute(one).scalar_one()
        connection.execute(text(f"SELECT 1 FROM pilots WHERE id = {number} FOR UPDATE"))
        yield


def count_asked_to_end(database: Database) -> int:
    """Count the pilots of the large CE whose end was asked for."""
    count = f"SELECT count(cancel_requested_at) FROM pilots WHERE ce_id = {LARGE}"
    with database.engine.connect() as connection:
        return int(connection.execute(text(count)).scalar_one())

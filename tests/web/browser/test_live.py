"""A page follows the events without a reload, and does not move under the pointer."""

import signal
from collections.abc import Iterator

import pytest

from tests.factories import a_pilot
from tests.web.browser.people import Meet, Person
from tests.web.browser.prepared import Prepared
from tests.web.server import Server
from worker.db import sending
from worker.domain.ce import CE
from worker.domain.sending import Sending

IS_FIRST_LOAD = "() => window.isFirstLoad"
HIDE = """() => {
  Object.defineProperty(document, 'hidden', {configurable: true, get: () => window.isAway});
  window.isAway = true;
  document.dispatchEvent(new Event('visibilitychange'));
}"""
COME_BACK = """() => {
  window.isAway = false;
  document.dispatchEvent(new Event('visibilitychange'));
}"""
ROW = "#ces tbody tr:has(a[href$='/ces/{}'])"


@pytest.fixture
def viewer(person: Meet) -> Person:
    """A person at the overview, whose page notices a reload."""
    viewer: Person = person()
    viewer.go("/")
    viewer.until_text(".live", "live")
    viewer.page.evaluate("() => { window.isFirstLoad = true }")
    return viewer


@pytest.fixture
def other_server(server: Server) -> Iterator[Server]:
    """The server, which a test may end or freeze; it goes on afterwards."""
    yield server
    if server.process is None:
        server.start()
    else:
        server.process.send_signal(signal.SIGCONT)


def send(prepared: Prepared, place: CE, number: int = 1) -> None:
    with prepared.world.database.uow() as tx:
        a_pilot().on(place).at(prepared.world.now()).create_many(tx, number)


def waiting_number(viewer: Person, place: CE) -> str:
    return viewer.page.inner_text(f"{ROW.format(place.name)} td:nth-of-type(4)")


def until_waiting(viewer: Person, place: CE, number: int) -> None:
    viewer.until_text(f"{ROW.format(place.name)} td:nth-of-type(4)", str(number))


def test_states_change_without_loading_the_page_again(
    viewer: Person, prepared: Prepared, place: CE
) -> None:
    send(prepared, place, 3)
    until_waiting(viewer, place, 3)

    assert viewer.page.evaluate(IS_FIRST_LOAD)


def test_nothing_moves_under_the_pointer(viewer: Person, prepared: Prepared, place: CE) -> None:
    send(prepared, place)
    until_waiting(viewer, place, 1)
    viewer.page.hover(ROW.format(place.name))
    before = viewer.page.inner_html("#ces")
    send(prepared, place)
    viewer.until_text(".live", "changes wait under the pointer")

    assert viewer.page.inner_html("#ces") == before
    viewer.page.mouse.move(2, 2)
    until_waiting(viewer, place, 2)


def test_nothing_moves_under_the_focus(viewer: Person, prepared: Prepared, place: CE) -> None:
    send(prepared, place)
    until_waiting(viewer, place, 1)
    viewer.page.focus(f"{ROW.format(place.name)} a")
    send(prepared, place)
    viewer.until_text(".live", "changes wait")

    assert viewer.focus() == place.name
    assert waiting_number(viewer, place) == "1"
    viewer.page.focus("#jump")
    until_waiting(viewer, place, 2)


def test_a_page_rests_while_nobody_looks(viewer: Person, prepared: Prepared, place: CE) -> None:
    send(prepared, place)
    until_waiting(viewer, place, 1)
    addresses: list[str] = []
    viewer.page.on("request", lambda request: addresses.append(request.url))
    viewer.page.evaluate(HIDE)
    viewer.until_text(".live", "at rest")
    send(prepared, place)
    viewer.page.evaluate(COME_BACK)
    until_waiting(viewer, place, 2)

    assert addresses[0].endswith("/api/events"), "it asked for something while it was hidden"
    viewer.until_text(".live", "live")


def test_a_page_can_be_stopped_and_goes_on(viewer: Person, prepared: Prepared, place: CE) -> None:
    send(prepared, place)
    until_waiting(viewer, place, 1)
    viewer.page.click(".live button")
    viewer.until_text(".live", "stopped at")
    send(prepared, place)
    viewer.page.click("text=Go on")
    until_waiting(viewer, place, 2)


def test_a_page_says_that_the_server_is_gone_and_comes_back(
    viewer: Person, prepared: Prepared, place: CE, other_server: Server
) -> None:
    other_server.end()
    viewer.until_text(".live", "behind since")
    send(prepared, place)
    other_server.start()
    until_waiting(viewer, place, 1)

    viewer.until_text(".live", "live")
    assert viewer.page.evaluate(IS_FIRST_LOAD)


def test_a_page_says_that_the_server_hangs_and_comes_back(
    viewer: Person, prepared: Prepared, place: CE, other_server: Server
) -> None:
    assert other_server.process is not None
    other_server.process.send_signal(signal.SIGSTOP)
    viewer.until_text(".live", "behind since")
    other_server.process.send_signal(signal.SIGCONT)
    send(prepared, place)
    until_waiting(viewer, place, 1)

    viewer.until_text(".live", "live")


def test_who_has_many_pages_open_can_open_another(person: Meet) -> None:
    first = person()
    first.go("/")
    pages = [first.page.context.new_page() for _ in range(7)]
    for page in pages:
        page.add_init_script(f"window.isAway = true; ({HIDE})()")
        page.goto(f"{first.home}/")

    assert pages[-1].inner_text("h1") == first.headline


def test_a_paused_ce_is_seen_without_loading_the_page_again(
    viewer: Person, prepared: Prepared, place: CE
) -> None:
    now = prepared.world.now()
    change = sending.SendingChange(
        ce=place.name, was=Sending.NORMAL, became=Sending.PAUSED, reason="x", by_hand=False, at=now
    )
    with prepared.world.database.uow() as tx:
        sending.change(tx, change, "11 failed starts in a row", now)
    send(prepared, place)
    viewer.until_text("#stopped li", "11 failed starts in a row")

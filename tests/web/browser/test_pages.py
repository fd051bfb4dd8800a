"""Every page, at three widths, light and dark: it has no barriers, and is not too wide."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from itertools import product

import pytest
from playwright.sync_api import Browser

from tests.databases import Sqlite
from tests.services.world import World
from tests.web.apps import app_on
from tests.web.browser.people import (
    HEIGHT,
    OF_COLOURS,
    RULES,
    THEMES,
    WIDTHS,
    Complaints,
    Meet,
    Person,
    listing,
    meet,
)
from tests.web.browser.prepared import Prepared
from tests.web.client import paths_of
from tests.web.server import Server, serving
from tests.web.test_explain_reasons import CASES
from worker.domain.access import Role

NO_PAGES = ("/api/", "/health/", "/metrics", "/static/", "/.well-known/", "/sign-in/")
"""Paths that are for programs, or are no pages by themselves."""

PAGES = {
    "/": ["/"],
    "/audit": ["/audit", "/audit?by=nobody", "/audit?since=nonsense"],
    "/ces": ["/ces", "/ces?search=nothing", "/ces?tag=eu"],
    "/ces/{name}": [
        "/ces/lyon",
        "/ces/bari",
        "/ces/rome",
        "/ces/kosice",
        "/ces/madrid",
        "/ces/oslo",
        "/ces/site%2Fpartition",
        "/ces/nowhere",
    ],
    "/credentials": ["/credentials"],
    "/explain": ["/explain", "/explain?ce=lyon&vo=lhcb", "/explain?ce=lyon&vo=lhcb&capacity=900"],
    "/go": ["/go?to=lyon", "/go?to=nothing"],
    "/pilots": ["/pilots", "/pilots?status=failed", "/pilots?search=nothing", "/pilots?node=%20"],
    "/pilots/cancel": [
        "/pilots/cancel?ce=lyon",
        "/pilots/cancel?ce=oslo",
        "/pilots/cancel?named=1&id={running}&id={submitted}",
    ],
    "/pilots/{which}": [
        "/pilots/{reserved}",
        "/pilots/{running}?output=1",
        "/pilots/{done}",
        "/pilots/{failed}",
        "/pilots/{node}",
        "/pilots/{lost}",
        "/pilots/{cancelled}",
        "/pilots/nowhere",
    ],
    "/report": ["/report", "/report?since=30d&by=ce,vo,day", "/report?vo=lhcb", "/report?by=no"],
    "/sign-in": ["/sign-in"],
    "/tasks": ["/tasks"],
    "/vos": ["/vos", "/vos?search=nothing"],
    "/vos/{name}": ["/vos/lhcb", "/vos/atlas", "/vos/cms", "/vos/ops"],
}
"""The addresses of each route that are looked at."""

ADDRESSES = [path for paths in PAGES.values() for path in paths]

PAGES_OF_AN_EMPTY_SITE = [
    *("/", "/ces", "/vos", "/pilots", "/explain", "/report", "/tasks", "/audit", "/credentials")
]

OPEN_ALL = "() => document.querySelectorAll('details').forEach(one => { one.open = true; })"


@pytest.fixture(scope="module")
def empty_server(
    sqlite_template: Sqlite, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[World, Server]]:
    """A site that is still empty."""
    folder = tmp_path_factory.mktemp("empty")
    with sqlite_template.file(folder / "site.sqlite") as database:
        world = World(database, folder / "home")
        world.clock = datetime.now(UTC)
        with serving(database, world.home) as server:
            yield world, server


def look(
    person: Person, path: str, judged_widths: Collection[int] = WIDTHS
) -> dict[str, list[str]]:
    """Open a page at each width, judge it at some widths in both themes; return the barriers."""
    barriers = {}
    for width in WIDTHS:
        person.page.set_viewport_size({"width": width, "height": HEIGHT})
        person.go(path)
        assert person.headline
        person.page.evaluate(OPEN_ALL)
        barriers[f"{path} {width}"] = person.excess_width()
        if width not in judged_widths:
            continue
        for theme, rules in zip(THEMES, (RULES, OF_COLOURS), strict=True):
            person.page.emulate_media(color_scheme=theme)
            barriers[f"{path} {width} {theme}"] = person.barriers(rules)
    return {where: what for where, what in barriers.items() if what}


def test_each_page_is_looked_at(prepared: Prepared) -> None:
    app = app_on(prepared.world.runtime())
    paths = {path for method, path in paths_of(app) if method == "GET"}

    assert set(PAGES) == {path for path in paths if not path.startswith(NO_PAGES)}


@pytest.mark.parametrize(("number", "path"), list(enumerate(ADDRESSES)))
def test_a_page_keeps_nobody_out(person: Meet, prepared: Prepared, number: int, path: str) -> None:
    someone = person(None if path == "/sign-in" else Role.ADMIN)
    barriers = look(someone, path.format(**prepared.pilots), [WIDTHS[number % len(WIDTHS)]])
    assert not barriers, listing(barriers)


@pytest.mark.long
@pytest.mark.parametrize("path", ADDRESSES)
def test_a_page_keeps_nobody_out_at_any_width(person: Meet, prepared: Prepared, path: str) -> None:
    someone = person(None if path == "/sign-in" else Role.ADMIN)
    barriers = look(someone, path.format(**prepared.pilots))
    assert not barriers, listing(barriers)


@pytest.mark.parametrize("number", range(len(CASES) + 1))
def test_no_reason_keeps_anybody_out(person: Meet, prepared: Prepared, number: int) -> None:
    width, theme = list(product(WIDTHS, THEMES))[number % 6]
    someone = person(Role.READ, width=width, color_scheme=theme)
    someone.go(prepared.reasons[number])

    assert "got" in someone.headline
    assert not (barriers := someone.barriers()), barriers


@pytest.mark.parametrize(("number", "path"), list(enumerate(PAGES_OF_AN_EMPTY_SITE)))
def test_a_page_without_anything_keeps_nobody_out(
    browser: Browser, empty_server: tuple[World, Server], number: int, path: str
) -> None:
    world, server = empty_server
    complaints = Complaints(server.url)
    someone = meet(browser, world, server.url, complaints)

    barriers = look(someone, path, [WIDTHS[number % len(WIDTHS)]])
    assert not barriers, listing(barriers)
    someone.page.context.close()
    assert complaints.all == []


def test_what_keeps_somebody_out_would_be_found(person: Meet) -> None:
    someone = person()
    someone.go("/audit")
    someone.page.evaluate("() => document.querySelector('label[for=by]').remove()")
    someone.page.evaluate("() => { document.querySelector('h1').style.minWidth = '200rem' }")
    barriers = someone.barriers()

    assert any(one.startswith("label ") for one in barriers)
    assert any("too wide" in one for one in barriers)


def test_what_a_policy_forbids_would_be_found(browser: Browser, server: Server) -> None:
    complaints = Complaints(server.url)
    context = browser.new_context()
    complaints.listen(context)
    page = context.new_page()
    page.goto(f"{server.url}/sign-in")
    page.evaluate(
        "() => { document.body.innerHTML = '<p style=\"color: red\">'"
        " + '<img src=\"http://127.0.0.1:9/elsewhere.png\">' }"
    )
    page.wait_for_function("() => document.images[0].complete")

    assert any("style-src" in one or "inline style" in one for one in complaints.all)
    assert any("elsewhere" in one for one in complaints.all)
    context.close()

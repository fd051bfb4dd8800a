"""The front page of explain: CE by VO, a number or a word in each cell, and each is a link."""

from pathlib import Path

import pytest

from tests.factories import a_ce, a_vo
from tests.services.world import World
from tests.web.explaining import Console, Element
from worker.db.database import Database
from worker.domain.vo import DEFAULT_VO
from worker.services.operate import pauses
from worker.services.tasks.submit_pilots import submit_pilots


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path / "home")


def furnish(world: World) -> None:
    """Make CEs in different states, and a tick of three VOs, one of which needs nothing."""
    world.vo(a_vo().named("atlas").demanding(3))
    cms = world.vo(a_vo().named("cms").demanding(0))
    world.ce(a_ce().named("lyon").with_capacity(10))
    world.ce(a_ce().named("oslo").disabled())
    world.ce(a_ce().named("bari"))
    world.ce(a_ce().named("geneva").only_for(cms))
    pauses.pause(world.runtime(), "bari", "new disks")
    for vo in ("atlas", "cms", DEFAULT_VO):
        submit_pilots(world.runtime(), vo)


def table(page: Element) -> Element:
    return page.one(id="decisions").one("table")


def cells(page: Element) -> dict[str, list[str]]:
    rows = table(page).one("tbody").find("tr")
    return {row.one("th").text: [cell.text for cell in row.find("td")] for row in rows}


def test_each_cell_is_a_number_or_the_word_that_decided(world: World) -> None:
    furnish(world)
    page = Console(world).get("/explain")
    assert cells(page) == {
        "bari": ["held", "held", "held"],
        "geneva": ["other VOs", "demand", "other VOs"],
        "oslo": ["disabled", "disabled", "disabled"],
        "lyon": ["3", "demand", "7"],
    }
    assert [cell.text for cell in table(page).one("tfoot").find("td")] == ["3", "0", "7"]
    legend = [term.text for term in page.one("dl", class_="legend").find("dt")]
    assert legend == ["demand", "held", "other VOs"]


def test_each_cell_leads_to_its_ledger(world: World) -> None:
    furnish(world)
    console = Console(world)
    grid = table(console.get("/explain"))
    vos = [head.one("a").text for head in grid.one("thead").find("th")[1:]]
    for row in grid.one("tbody").find("tr"):
        ce = row.one("th").text
        for vo, cell in zip(vos, row.find("td"), strict=True):
            headline = console.get(cell.one("a").attributes["href"]).one("h1").text
            number = cell.text if cell.text.isdigit() else "no"
            assert headline.startswith(f"{ce} got {number} pilots for {vo} at 12:00")


def test_it_is_a_table_that_a_screen_reader_can_read(world: World) -> None:
    furnish(world)
    grid = table(Console(world).get("/explain"))
    assert "a number of pilots, or a word" in grid.one("caption").text
    assert {head.attributes["scope"] for head in grid.one("thead").find("th")} == {"col"}
    for row in [*grid.one("tbody").find("tr"), *grid.one("tfoot").find("tr")]:
        assert row.one("th").attributes["scope"] == "row"


def test_a_ce_that_was_added_since_has_no_word_yet(world: World) -> None:
    furnish(world)
    world.ce(a_ce().named("kosice"))
    submit_pilots(world.runtime(), "atlas")
    # Another VO may decide about the rest.
    assert cells(Console(world).get("/explain"))["kosice"][1:] == ["–", "–"]


def test_a_tick_of_before_leads_to_ledgers_of_before(world: World) -> None:
    furnish(world)
    at = world.now().isoformat()
    world.wait(600)
    submit_pilots(world.runtime(), "cms")
    grid = table(Console(world).get("/explain", at=at))
    assert all("at=2026-03-01T12" in link.attributes["href"] for link in grid.find("a"))

"""The page that sums up what pilots did: the numbers of `report --by`, few enough to read."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import insert

from tests.expectations import statements
from tests.factories import MINUTE, NOW, a_ce, a_pilot, a_vo
from tests.services.world import World
from tests.web.explaining import Console, Element, read
from tests.web.signed_in import signed_in
from worker.db.database import Database
from worker.db.tables import new_tallies
from worker.domain.access import Role
from worker.domain.pilot import Cause, Status, Use
from worker.services.observe.reports import ReportBy, sums_of
from worker.web.console import render, report, words

MOST = 300_000
"""Bytes of a page."""


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path / "home")


def fill(world: World, *, ces: int = 2) -> None:
    """Let pilots of two VOs end in every way at some CEs."""
    with world.database.uow() as tx:
        owners = [a_vo().named(name).create(tx) for name in ("cms", "lhcb")]
        for number in range(ces):
            ce = a_ce().named(f"ce{number}").with_capacity(99).create(tx)
            for owner in owners[: 1 + number % 2]:
                builder = a_pilot().on(ce).for_vo(owner).at(NOW).pausing(MINUTE)
                for use in Use:
                    builder.done(use).create_many(tx, 1 + number)
                builder.failed(Cause.NODE).create_many(tx, 3)
                builder.failed(Cause.QUOTA).create_many(tx, 2)
                builder.failed(Cause.REFUSED).create(tx)
                builder.lost().create(tx)
                builder.cancelled().create(tx)
    world.wait(hours=2)


def fill_widely(world: World, *, ces: int, vos: int) -> None:
    """Let pilots of every VO fail by every cause at every CE, without rows of pilots."""
    with world.database.uow() as tx:
        owners = [a_vo().named(f"vo{number:02}.example.org").create(tx) for number in range(vos)]
        places = [a_ce().named(f"ce{n:03}.grid.example.org").create(tx) for n in range(ces)]
        values = {"at": NOW, "was": Status.RUNNING, "became": Status.FAILED, "pilots": 123_456}
        values |= {"starts": 123_456, "seconds_to_start": 7e6, "seconds_run": 4e9}
        rows = [
            {**values, "ce_id": ce.id, "vo_id": owner.id, "cause": cause}
            for ce in places
            for owner in owners
            for cause in Cause
        ]
        tx.execute(insert(new_tallies), rows)
    world.wait(hours=2)


def body(page: Element) -> list[list[str]]:
    rows = page.one(id="sums").one("tbody").find("tr")
    return [[cell.text for cell in row.parts if isinstance(cell, Element)] for row in rows]


def test_its_numbers_are_those_of_the_service(world: World) -> None:
    fill(world)
    page = Console(world).get("/report", since="7d", by="ce,vo")
    sums = sums_of(world.runtime(), NOW - timedelta(days=7), by=(ReportBy.CE, ReportBy.VO))

    assert sums.total is not None
    assert len(sums.items) == 3
    assert sums.total.half_within
    for one, cells in zip([*sums.items, sums.total], [*body(page), _total(page)], strict=True):
        names = list(one.words.values()) or ["All"]
        numbers = [one.ended, one.useful, one.short, one.empty, one.failed]
        assert one.success is not None
        assert cells[: len(names)] == names
        assert [int(cell) for cell in cells[len(names) + 1 : len(names) + 6]] == numbers
        assert (
            cells[len(names) + 6]
            == f"node {one.causes[Cause.NODE]}, quota {one.causes[Cause.QUOTA]}"
        )
        assert cells[-6:-3] == [str(one.lost), str(one.cancelled), f"{100 * one.success:.1f} %"]
        waits = [words.length(one.half_within), words.length(one.most_within)]
        assert cells[-3:] == [*waits, f"{one.slot_hours:,.1f}"]
    assert page.one("h1").text.startswith(f"{sums.total.ended} pilots ended since 22 Feb 14:00Z.")


def _total(page: Element) -> list[str]:
    [row] = page.one(id="sums").one("tfoot").find("tr")
    return [cell.text for cell in row.parts if isinstance(cell, Element)]


def test_a_program_gets_what_the_api_has(world: World) -> None:
    fill(world)
    console = Console(world)
    link = console.get("/report", by="ce,vo").one("a", href=_json_link(console)).attributes["href"]
    there = console.json(link)

    assert console.json("/report", by="ce,vo") == there
    assert console.json("/report?by=ce&by=vo") == there
    assert there["items"][0]["words"] == {"ce": "ce0", "vo": "cms"}
    answer = console.json("/report", by="ce,vo", limit=1)
    assert (len(answer["items"]), answer["is_cut"], answer["total"]) == (1, True, there["total"])


def _json_link(console: Console) -> str:
    links = [one.attributes["href"] for one in console.get("/report", by="ce,vo").find("a")]
    [link] = [one for one in links if urlsplit(one).path == "/api/sums"]
    assert parse_qs(urlsplit(link).query)["by"] == ["ce", "vo"]
    return link


def test_periods_and_words_are_links_that_keep_the_rest(world: World) -> None:
    fill(world)
    page = Console(world).get("/report", since="30d", by="vo", ce="ce1")
    choices = page.one("dl", class_="choices")
    links = [parse_qs(urlsplit(one.attributes["href"]).query) for one in choices.find("a")]

    assert [one.text for one in choices.find("b")] == ["30d", "vo"]
    assert {"since": ["90d"], "by": ["vo"], "ce": ["ce1"]} in links
    assert {"since": ["30d"], "by": ["ce,vo,day"], "ce": ["ce1"]} in links
    assert {"since": ["30d"], "by": ["vo"]} in links
    assert [row[0] for row in body(page)] == ["cms", "lhcb"]
    assert "pilotage report --since 30d --by vo --ce ce1" in page.one("footer").text


def test_it_is_cut_and_says_so(world: World) -> None:
    fill_widely(world, ces=70, vos=3)
    console = Console(world)
    page = console.get("/report", by="ce,vo")
    every = sums_of(world.runtime(), NOW - timedelta(days=7), by=(ReportBy.CE, ReportBy.VO))

    assert every.total is not None
    assert len(every.items) == 210
    assert len(body(page)) == 200
    assert _total(page)[2] == f"{every.total.ended:,}"
    assert "Only the first 200 rows are listed" in page.one("p", class_="cut").text
    assert "--since 7d --by ce,vo --csv --rows 10000" in page.one("p", class_="cut").text
    assert not console.get("/report", by="ce").find("p", class_="cut")


def test_it_stays_small_and_takes_as_many_statements(world: World) -> None:
    fill(world)
    client = signed_in(world.runtime(), Role.ADMIN)

    def cost() -> tuple[int, int]:
        address = "/report?since=90d&by=ce,vo,day"
        client.get(address, headers={"Accept": "text/html"})  # the first use is recorded
        with statements(world.database.engine) as log:
            answer = client.get(address, headers={"Accept": "text/html"})
        assert answer.status_code == 200
        return len(log), len(answer.content)

    few, _ = cost()
    fill_widely(world, ces=70, vos=3)
    many, size = cost()
    assert many == few
    assert size < MOST


def test_without_any_pilot_it_says_so(world: World) -> None:
    page = Console(world).get("/report")

    assert page.one("h1").text == "Nothing has ended yet."
    assert "No pilot was sent or ended since" in page.one("main").text
    assert not page.find("table")


def test_who_acts_for_one_vo_sees_what_the_service_shows(world: World) -> None:
    fill(world)
    client = signed_in(world.runtime(), Role.OPERATE, "lhcb")
    accept = {"Accept": "text/html"}
    page = read(client.get("/report", params={"by": "vo"}, headers=accept).text)
    sums = client.get("/report", params={"by": "vo"}, headers={"Accept": "application/json"})

    assert [row[0] for row in body(page)] == [one["words"]["vo"] for one in sums.json()["items"]]
    assert [row[0] for row in body(page)] == ["cms", "lhcb"], "whoever may read may read all"


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"since": "yesterday"}, "since"),
        ({"since": "999999999d"}, "it is too long ago"),
        ({"by": "node"}, "'node' is not one of ce, vo, day"),
        ({"by": ","}, "'nothing' is not one of ce, vo, day"),
    ],
)
def test_what_cannot_be_added_up_is_refused_in_a_sentence(
    world: World, query: dict[str, str], problem: str
) -> None:
    console = Console(world)
    page = console.get("/report", status=422, **query)
    assert problem in page.one("p", class_="wrong").text
    assert page.one("h1").text == "There is no such report."
    assert not page.find("table")


def test_a_ce_that_is_not_there_is_said(world: World) -> None:
    assert "nowhere" in Console(world).get("/report", status=404, ce="nowhere").one("main").text


def test_every_page_leads_there(world: World) -> None:
    [link] = Console(world).get("/").find("a", href="/report")
    assert link.text == "Report"
    assert report.USUAL in report.PERIODS
    assert ("report", "/report", "Report") in render.MENU

"""The page that explains, as an operator reads it, and as a program does."""

import re
from typing import Any

import pytest

from tests.factories import NOW, a_ce, a_vo
from tests.services.world import World
from tests.web.explaining import Console, Element
from worker.db import decisions
from worker.domain.decision import Decision
from worker.domain.vo import DEFAULT_VO
from worker.services.observe import overview as observing
from worker.services.operate import pauses
from worker.services.tasks.submit_pilots import submit_pilots
from worker.web.console.explain.page import moment


def tick(world: World, vo: str = DEFAULT_VO) -> None:
    submit_pilots(world.runtime(), vo)


def last_decision(world: World, ce: str, vo: str = DEFAULT_VO) -> Decision:
    [decision] = observing.explain(world.runtime(), ce, vo=vo)
    return decision


def h1(page: Element) -> str:
    return page.one("h1").text


def number(page: Element, key: str) -> str:
    """Return the number in a row of the ledger."""
    return page.one("tr", id=f"row-{key}").one("td", class_="num").text


def marked_row(page: Element, part: str) -> str:
    [row] = page.one(id=part).find("tr", class_="marked")
    return row.one("th").text


def test_before_the_first_tick_the_page_says_so(world: World) -> None:
    world.ce(a_ce().named("lyon"))
    console = Console(world)
    assert h1(console.get("/explain")) == "Nothing was decided yet."
    assert h1(console.get("/explain", ce="lyon")) == "Nothing was decided about lyon yet."


def test_without_a_ce_the_last_tick_is_shown_those_without_pilots_first(each_world: World) -> None:
    each_world.ce(a_ce().named("lyon").with_capacity(3))
    each_world.ce(a_ce().named("oslo").with_capacity(3).disabled())
    tick(each_world)
    page = Console(each_world).get("/explain")
    assert h1(page) == "1 of 2 CEs got no pilots in the last tick."
    rows = page.one(id="decisions").one("tbody").find("tr")
    assert [row.one("th").text for row in rows] == ["oslo", "lyon"]
    assert "it is disabled" in rows[0].text
    early = Console(each_world).get("/explain", at="2026-03-01T11:00")
    assert h1(early) == "Nothing was decided by then."


def test_why_so_many_is_one_sentence_and_each_number_is_that_of_the_trace(world: World) -> None:
    world.vo(a_vo().named("lhcb").demanding(40).limited_to(30))
    world.ce(a_ce().named("lyon").with_capacity(20).with_waiting_limit(15).with_success_rate(0.81))
    world.ce(a_ce().named("oslo").with_capacity(20))
    tick(world, "lhcb")
    world.wait(60)
    tick(world, "lhcb")
    decision = last_decision(world, "lyon", "lhcb")
    page, trace = Console(world).get("/explain", ce="lyon", vo="lhcb"), decision.trace
    assert h1(page).startswith(f"lyon got {decision.granted or 'no'} pilots for lhcb at 12:01")
    numbers = {
        "asked-for": trace["vo"]["demand"],
        "demand": trace["caps"]["demand"],
        "budget": trace["budget"],
        "room-of-the-VO": trace["vo"]["room"],
        "need": trace["need"],
        "capacity": 20,
        "occupying": trace["ce"]["occupying"],
        "queue": 15 - trace["ce"]["waiting"],
        "free": trace["ce"]["free"],
        "result": decision.granted,
    }
    for key, value in numbers.items():
        assert number(page, key) == f"{value:,}".replace("-", "−"), key
    accept, start, finish = trace["ce"]["chances"]
    chances = {"accept": accept, "start": start, "finish": finish, "chance": trace["chance"]}
    for key, value in chances.items():
        assert number(page, key) == f"{value:.2f}", key
    assert page.one("p", class_="big").text == str(decision.granted)
    assert [row.text for row in page.one(id="ledger").find("tr", class_="marked")]


def test_why_none_marks_the_first_condition_that_fails_and_says_what_to_do(world: World) -> None:
    world.ce(a_ce().named("bari").with_capacity(5))
    pauses.pause(world.runtime(), "bari", "new <disks>")
    tick(world)
    page = Console(world).get("/explain", ce="bari")
    assert h1(page) == ("bari got no pilots for default at 12:00: it is held by hand: new <disks>.")
    assert marked_row(page, "conditions") == "nobody holds it"
    assert "held by hand: new <disks>" in marked_row(page, "ledger")
    assert "Resume it" in page.one(id="changes").text
    assert "Tried again when somebody resumes it." in page.one(id="conditions").text
    [link] = page.one(id="changes").find("a")
    assert link.attributes["href"] == "/ces/bari"


def test_that_a_vo_needs_none_comes_before_what_else_stands_in_the_way(world: World) -> None:
    world.vo(a_vo().named("atlas").demanding(0))
    world.ce(a_ce().named("bari").with_capacity(5))
    pauses.pause(world.runtime(), "bari", "new disks")
    tick(world, "atlas")
    pauses.resume(world.runtime(), "bari", "they run")
    page = Console(world).get("/explain", ce="bari", vo="atlas")
    assert h1(page).endswith("it is held by hand: new disks; and the demand of atlas is 0.")
    first, second = (row.text for row in page.one(id="changes").find("li"))
    assert "Set the demand of atlas: it is 0." in first
    assert "Resume it" in second
    assert "bari now: normal." in page.one(id="answer").text


def test_of_several_vos_the_one_without_pilots_is_explained_and_all_are_listed(
    world: World,
) -> None:
    world.vo(a_vo().named("atlas").demanding(0))
    world.ce(a_ce().named("lyon").with_capacity(2))
    tick(world)
    tick(world, "atlas")
    page = Console(world).get("/explain", ce="lyon")
    assert h1(page).startswith("lyon got no pilots for atlas at 12:00")
    rows = page.one(id="others").one("tbody").find("tr")
    assert [row.one("th").text for row in rows] == ["atlas", "default"]
    assert h1(Console(world).get("/explain", ce="lyon", vo="default")) == (
        "lyon got 2 pilots for default at 12:00: it gets all free slots."
    )


def test_a_tick_of_before_has_its_own_page_and_leads_to_its_neighbours(each_world: World) -> None:
    each_world.ce(a_ce().named("lyon").with_capacity(2))
    for _ in range(3):
        tick(each_world)
        each_world.wait(60)
    console = Console(each_world)
    latest = console.get("/explain", ce="lyon")
    assert h1(latest) == "lyon got no pilots for default at 12:02: no slot is free there."
    assert len(latest.one(id="hour").one("svg").find("a")) == 3
    assert not latest.find("a", rel="next")
    path, _, query = latest.one("a", rel="prev").attributes["href"].partition("?")
    before = console.get(f"{path}?{query}")
    assert " at 12:01: " in h1(before)
    first = console.get(before.one("a", rel="prev").attributes["href"])
    assert h1(first) == "lyon got 2 pilots for default at 12:00: it gets all free slots."
    assert first.one("a", rel="next").attributes["href"] == path + "?" + query
    assert not any("data-live" in one.attributes for one in first.each())
    assert any("data-live" in one.attributes for one in latest.each())


def test_an_hour_later_the_ticks_around_it_are_shown(world: World) -> None:
    world.ce(a_ce().named("lyon").with_capacity(2))
    tick(world)
    world.wait(days=1)
    page = Console(world).get("/explain", ce="lyon", at=NOW.isoformat())
    assert h1(page) == "lyon got 2 pilots for default at 01 Mar 12:00: it gets all free slots."
    assert len(page.one(id="hour").one("svg").find("a")) == 1


def test_what_if_compares_and_prints_the_command(world: World) -> None:
    world.vo(a_vo().named("lhcb").demanding(5))
    world.ce(a_ce().named("lyon").with_capacity(2))
    tick(world, "lhcb")
    page = Console(world).get(
        "/explain", ce="lyon", vo="lhcb", capacity="200", waiting_limit="", demand="500"
    )
    rows = page.one("table", class_="compared").one("tbody").find("tr")
    values = {row.one("th").text: [cell.text for cell in row.find("td")][:3] for row in rows}
    assert values["all CEs, all VOs"] == ["1", "199", "+198"]
    assert sum(int(values[f"lyon for {vo}"][1]) for vo in ("default", "lhcb")) == 199
    command = "pilotage plan --set ce.lyon.capacity=200 --demand lhcb=500"
    assert command in page.one(id="what-if").text
    assert len(world.pilots()) == 1


WRONG = {
    "no number": ({"capacity": "many"}, "Capacity: it must be a number"),
    "no whole number": ({"capacity": "1.5"}, "CE lyon: capacity: it must be a whole number"),
    "below 0": ({"demand": "-1"}, "Demand: it must be between 0 and 1,000,000,000"),
    "above all": ({"share": "1e400"}, "Share: it must be between 0 and 1,000,000,000"),
    "not a number": ({"share": "NaN"}, "Share: it must be between 0 and 1,000,000,000"),
    "above 1": ({"success_rate": "1.5"}, "CE lyon: success rate"),
    "none": ({"capacity": "none"}, "Capacity: it must be a number"),
    "true": ({"limit": "true"}, "Limit: it must be a number or 'none'"),
    "long": ({"demand": "9" * 5000}, "Demand: it must be a number or 'none'"),
}


@pytest.mark.parametrize(("query", "line"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_supposed_is_one_line_at_the_form(
    world: World, query: dict[str, str], line: str
) -> None:
    world.ce(a_ce().named("lyon").with_capacity(2))
    tick(world)
    page = Console(world).get("/explain", status=422, ce="lyon", **query)
    assert line in page.one(id="wrong").text
    assert not page.find("table", class_="compared")


ODD: dict[str, tuple[dict[str, Any], int, str]] = {
    "ce": ({"ce": "lion"}, 404, "did you mean 'lyon'?"),
    "vo": ({"ce": "lyon", "vo": "nobody"}, 404, "nobody"),
    "zero": ({"ce": "ly\0on"}, 422, "NUL"),
    "at": ({"ce": "lyon", "at": "noon"}, 422, "it must be a moment like 2026-01-31T12:00"),
    "first year": ({"ce": "lyon", "at": "0001-01-01T00:00+12:00"}, 422, "moment"),
    "last year": ({"ce": "lyon", "at": "9999-12-31T23:00"}, 422, "out of range"),
}


@pytest.mark.parametrize(("query", "status", "line"), ODD.values(), ids=ODD)
def test_what_does_not_exist_is_said(
    world: World, query: dict[str, Any], status: int, line: str
) -> None:
    world.ce(a_ce().named("lyon"))
    assert line in Console(world).get("/explain", status=status, **query).text


def test_a_program_gets_the_decisions_as_from_the_api(world: World) -> None:
    world.ce(a_ce().named("lyon").with_capacity(2))
    tick(world)
    console = Console(world)
    assert console.json("/explain", ce="lyon") == console.json("/api/ces/lyon/decisions")
    assert console.json("/explain") == console.json("/api/decisions", descending=True)


def test_a_policy_that_writes_nothing_down_is_shown_in_its_own_words(world: World) -> None:
    world.ce(a_ce().named("lyon"))
    decision = Decision(
        vo=DEFAULT_VO, ce="lyon", at=NOW, granted=0, reason="it rains", trace={"rain": 3}
    )
    world.change(lambda tx: decisions.add(tx, [decision]))
    page = Console(world).get("/explain", ce="lyon")
    assert h1(page) == "lyon got no pilots for default at 12:00: it rains."
    assert "rain 3" in page.one(id="ledger").text
    assert "it rains" in Console(world).get("/explain").text


def test_no_style_and_no_script_stands_in_the_page(world: World) -> None:
    world.ce(a_ce().named("lyon").with_capacity(2))
    tick(world)
    page = Console(world).get("/explain", ce="lyon", capacity="9")
    for one in page.each():
        assert one.name != "style"
        assert "style" not in one.attributes
        assert not any(name.startswith("on") for name in one.attributes)
        assert one.name != "script" or one.attributes["src"].startswith("/static/")
        assert one.name != "a" or one.text or one.find("title") or one.find("svg")
    ids = [one.attributes["id"] for one in page.each() if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    labels = {one.attributes["for"] for one in page.find("label")}
    field_ids = {one.attributes.get("id") for one in page.find("input") if not _is_hidden(one)}
    assert field_ids == labels


def _is_hidden(one: Element) -> bool:
    return one.attributes.get("type") == "hidden"


def test_a_moment_may_lack_its_zone_and_its_plus() -> None:
    assert moment("2026-03-01T12:00") == NOW
    assert moment("2026-03-01 12:00") == NOW
    assert moment("2026-03-01T14:00+02:00") == NOW
    assert moment("2026-03-01T14:00 02:00") == NOW
    assert moment(" ") is None


def test_the_addresses_of_ticks_are_read_as_they_are_written(world: World) -> None:
    world.ce(a_ce().named("lyon").with_capacity(2))
    world.wait(milliseconds=123.456)
    tick(world)
    page = Console(world).get("/explain", ce="lyon")
    links = [one.attributes["href"] for one in page.one(id="hour").one("svg").find("a")]
    assert all(re.search("at=2026-03-01T12%3A00%3A00.123456%2B00%3A00", one) for one in links)
    assert h1(Console(world).get(links[0])) == h1(page)

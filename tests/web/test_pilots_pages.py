"""The pages of pilots: the list, one pilot, and actions on many."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.expectations import statements
from tests.factories import a_ce, a_pilot, a_vo
from tests.services.world import Broken, World
from tests.web.pilot_pages import Browser, Console
from tests.web.pilot_pages import browser as browser
from tests.web.pilot_pages import console as console
from worker.db import mover, pilot_reads
from worker.domain.access import Role
from worker.domain.errors import Unavailable
from worker.domain.pages import PageRequest
from worker.domain.pilot import Cause, Move, Pilot, Status

JSON = "application/json"


def message(location: str) -> str:
    return parse_qs(urlsplit(location).query)["message"][0]


def ids(pilots: list[Pilot]) -> list[int]:
    return sorted((pilot.id for pilot in pilots), reverse=True)


def failed_pilot(world: World, **more: Any) -> int:
    """Make a pilot that ran for a while and failed."""
    ce = more.pop("ce", None) or world.ce()
    [pilot] = world.make(a_pilot().on(ce).running())
    world.wait(3)
    values = {"to": Status.FAILED, "cause": Cause.EXIT_CODE, "exit_code": 127, **more}
    world.change(lambda tx: mover.move(tx, [Move(pilot_id=pilot.id, **values)], world.clock))
    return pilot.id


def test_the_headline_counts_what_is_active(console: Console, browser: Browser) -> None:
    world = console.world
    lyon = world.ce(a_ce().named("lyon").with_capacity(50).with_waiting_limit(50))
    pilots = world.make(a_pilot().on(lyon).running(), 3)
    world.make(a_pilot().on(lyon).submitted(), 2)
    world.make(a_pilot().on(lyon).done(), 30)
    world.make(a_pilot().running())

    assert browser.get("/pilots", ce="lyon", status="running").headline == (
        "3 pilots match: 3 run."
    )
    assert browser.get("/pilots", ce="lyon").headline == (
        "The newest 25 pilots at lyon. Of all that match, 3 run and 2 wait now."
    )
    assert browser.get("/pilots").headline == ("36 pilots: 4 run, 2 wait and 30 have ended.")
    answer = browser.get("/pilots", ce="lyon", status="running")
    assert answer.rows == ids(pilots)
    assert "pilotage pilot list --ce lyon --status running --descending" in answer.text
    assert "Cancel all 3 that match" in answer.text


def test_every_filter_of_the_api_narrows(console: Console, browser: Browser) -> None:
    world = console.world
    ce_with_tag = world.ce(a_ce().named("siteA/cream").tagged("gpu"))
    lhcb = world.vo(a_vo().named("lhcb"))
    old = world.make(a_pilot().on(ce_with_tag).for_vo(lhcb).with_handle("771_5").running())
    world.wait(hours=3)
    world.make(a_pilot().on(ce_with_tag).running())
    with_node = world.make(a_pilot().failed(Cause.NODE))

    for query in (
        {"older_than": "2h"},
        {"vo": "lhcb"},
        {"handle": "771_5"},
        {"search": "771"},
        {"search": old[0].stamp[:8]},
        {"tag": "gpu", "vo": "lhcb", "ce": "siteA/cream"},
    ):
        assert browser.get("/pilots", **query).rows == ids(old), query
    assert browser.get("/pilots", cause="node").rows == ids(with_node)
    assert browser.get("/pilots", use="short").headline == "No pilot matches."
    assert browser.get("/pilots", status=["failed", "running"], sort="id").rows[0] == old[0].id
    assert "/ces/siteA%2Fcream" in browser.get("/pilots", vo="lhcb").links()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"status": "runing"}, "did you mean 'running'?"),
        ({"ce": "nowhere"}, "There is no CE of this name"),
        ({"older_than": "long"}, "'long' is not like 2h"),
        ({"sort": "age", "status": "done"}, "sort by id"),
        ({"after": "x"}, "it is not the end of a page of this list"),
        ({"limit": "0"}, "between 1 and 100"),
        ({"node": "a\ab"}, "printable"),
    ],
)
def test_a_wrong_value_is_a_line_at_the_form(
    browser: Browser, query: dict[str, str], words: str
) -> None:
    answer = browser.get("/pilots", **query)
    assert answer.status == 422
    assert words in answer.text.replace("&#39;", "'")
    assert 'class="sieve"' in answer.text
    assert browser.get("/pilots", JSON, **query).status in (404, 422)


def test_pages_go_by_key(console: Console, browser: Browser) -> None:
    numbers = ids(console.world.make(a_pilot().running(), 60))
    rows: list[int] = []
    path: str | None = "/pilots?status=running"
    while path:
        answer = browser.get(path)
        rows += answer.rows
        path = next((link for link in answer.links() if "after=" in link), None)
    assert rows == numbers


def test_heads_sort_and_say_how_it_is_sorted(console: Console, browser: Browser) -> None:
    numbers = ids(console.world.make(a_pilot().running(), 2))
    answer = browser.get("/pilots", sort="id", descending="false")
    assert answer.rows == numbers[::-1]
    assert answer.text.count('aria-sort="ascending"') == 1
    assert "/pilots?sort=id&descending=true" in answer.links()
    only_ended = browser.get("/pilots", status="done")
    assert not [link for link in only_ended.links() if "sort=age" in link]


def test_a_program_is_answered_as_by_the_api(console: Console, browser: Browser) -> None:
    [pilot] = console.world.make(a_pilot().running())
    for path in ("/pilots", f"/pilots/{pilot.id}"):
        assert browser.get(path, JSON).json() == browser.get(f"/api{path}", JSON).json()
    counts = browser.get("/pilots/cancel", JSON, status="running").json()
    assert counts == {pilot.ce: {"running": 1}}


def test_nothing_that_a_ce_says_becomes_a_part_of_the_page(
    console: Console, browser: Browser
) -> None:
    evil = "<script>alert(1)</script>"
    world = console.world
    [pilot] = world.make(a_pilot().with_handle(evil).submitted())
    move = Move(pilot_id=pilot.id, to=Status.RUNNING, node=evil, raw=evil, reason=evil)
    world.change(lambda tx: mover.move(tx, [move], world.clock))
    pages = (
        browser.get("/pilots"),
        browser.get("/pilots", search=evil, message=evil),
        browser.get(f"/pilots/{pilot.id}"),
        browser.get("/pilots/cancel", node=evil),
    )
    for page in pages:
        assert page.status == 200
        assert page.tags().count("script") == 1
        assert "alert(1)" in page.text
        assert " style=" not in page.text


# -- acting


def test_who_may_only_look_finds_no_button_and_is_refused(console: Console) -> None:
    ce = console.world.ce()
    [pilot] = console.world.make(a_pilot().on(ce).running())
    with console.seen_by(Role.READ) as browser:
        for path in ("/pilots?status=running", f"/pilots/{pilot.id}"):
            page = browser.get(path)
            assert 'method="post" action="/pilots' not in page.text
            assert "Cancel" not in page.text
            assert "Ask somebody" in page.text
        assert browser.get("/pilots/cancel", status="running").status == 403
        answers = [
            browser.post("/pilots/cancel", status="running", shown="1"),
            browser.post("/pilots/cancel-named", id=str(pilot.id)),
            browser.post("/pilots/submit", ce=ce.name, vo="default", count="1", key="k"),
        ]
    assert [answer.status for answer in answers] == [403, 403, 403]
    assert console.world.pilot(pilot.id).cancel_requested_at is None
    assert len(console.world.pilots()) == 1


def test_another_vo_is_not_operated_for(console: Console) -> None:
    world = console.world
    ce, lhcb = world.ce(), world.vo(a_vo().named("lhcb"))
    [other] = world.make(a_pilot().on(ce).running())
    [own] = world.make(a_pilot().on(ce).for_vo(lhcb).running())
    with console.seen_by(Role.OPERATE, "lhcb") as browser:
        page = browser.get("/pilots", status="running")
        assert f"Select pilot {own.id}" in page.text
        assert f"Select pilot {other.id}" not in page.text
        assert "You operate for VO lhcb alone" in page.text
        assert browser.post("/pilots/cancel", status="running", shown="2").status == 403
        assert browser.post("/pilots/cancel-named", id=str(other.id)).status == 403
        answer = browser.post("/pilots/submit", ce=ce.name, vo="default", count="1", key="k")
        assert answer.status == 403
        assert browser.post("/pilots/cancel", vo="lhcb", shown="1").status == 303
    assert world.pilot(own.id).cancel_requested_at is not None
    assert world.pilot(other.id).cancel_requested_at is None


@pytest.mark.parametrize("origin", [None, "null", "https://elsewhere.example.org"])
def test_a_change_from_elsewhere_is_refused(
    console: Console, browser: Browser, origin: str | None
) -> None:
    [pilot] = console.world.make(a_pilot().running())
    assert browser.post("/pilots/cancel", origin, status="running", shown="1").status == 403
    assert browser.post("/pilots/cancel-named", origin, id=str(pilot.id)).status == 403
    assert console.world.pilot(pilot.id).cancel_requested_at is None


def test_it_is_asked_before_a_set_is_cancelled(console: Console, browser: Browser) -> None:
    world = console.world
    lyon = world.ce(a_ce().named("lyon"))
    world.make(a_pilot().on(lyon).running(), 2)
    world.make(a_pilot().on(lyon).reserved(), 3)
    page = browser.get("/pilots/cancel", ce="lyon")
    assert page.headline == "Cancel 5 pilots at lyon?"
    assert "2 pilots run. They end with what they run: that work is lost." in page.text
    assert "3 pilots wait. No work is lost by that." in page.text
    assert ">Cancel 5 pilots<" in page.text
    assert ">Keep them<" in page.text
    assert page.field("shown") == "5"

    answer = browser.post("/pilots/cancel", ce="lyon", shown="5")
    assert answer.status == 303
    assert urlsplit(answer.location).path == "/pilots"
    assert message(answer.location) == (
        "3 pilots ended before they were sent. "
        "The end of 2 pilots was asked for: the next check of each CE ends them."
    )
    assert message(answer.location) in browser.get(answer.location).text


def test_a_set_that_has_grown_is_asked_about_again(console: Console, browser: Browser) -> None:
    world = console.world
    ce = world.ce(a_ce().with_capacity(100))
    world.make(a_pilot().on(ce).running(), 12)
    again = browser.post("/pilots/cancel", ce=ce.name, shown="10")
    assert again.status == 409
    assert "10 pilots matched, and now 12 match. Nothing was cancelled." in again.text
    assert again.field("shown") == "12"
    assert not [one for one in world.pilots() if one.cancel_requested_at]
    assert browser.post("/pilots/cancel", ce=ce.name, shown="11").status == 303
    nothing = browser.get("/pilots/cancel", ce=ce.name, status="submitted")
    assert nothing.headline == "No active pilot matches: there is nothing to cancel."


def test_1200_pilots_are_cancelled_in_batches(console: Console, browser: Browser) -> None:
    world = console.world
    ce = world.ce(a_ce().named("big").with_capacity(1200).with_waiting_limit(1200))
    world.make(a_pilot().on(ce).running(), 1200)
    page = browser.get("/pilots/cancel", ce="big")
    assert page.headline == "Cancel 1,200 pilots at big?"
    assert "Type the number 1200 to go on" in page.text

    assert browser.post("/pilots/cancel", ce="big", shown="1200").status == 409
    assert browser.post("/pilots/cancel", ce="big", shown="1200", typed="12").status == 409
    assert not browser.get("/pilots", ce="big").text.count("its end was asked for")
    with statements(world.database.engine) as log:
        answer = browser.post("/pilots/cancel", ce="big", shown="1200", typed="1,200")
    assert answer.status == 200
    assert answer.headline == "Cancelling 1,200 pilots at big."
    lines = re.findall(r"<li>(\d.*)</li>", answer.text)
    assert lines == ["1,000 of 1,200", "1,200 of 1,200"]
    assert "All is done. The end of 1,200 pilots was asked for" in answer.text
    with world.database.uow() as tx:
        items = pilot_reads.find(tx, asked=PageRequest(limit=2000)).items
    assert sum(one.cancel_requested_at is not None for one in items) == 1200
    few = world.ce(a_ce().named("few"))
    world.make(a_pilot().on(few).running(), 2)
    with statements(world.database.engine) as of_few:
        browser.post("/pilots/cancel", ce="few", shown="2")
    assert 0 < len(log) - len(of_few) <= len(of_few)


def test_pilots_that_were_selected_are_cancelled(console: Console, browser: Browser) -> None:
    world = console.world
    ce = world.ce()
    numbers = world.sent(ce, 2)
    world.wait(70)
    world.check(ce)
    page = browser.get("/pilots/cancel", id=[str(one) for one in numbers], named="1", ce=ce.name)
    assert page.headline == "Cancel 2 pilots?"
    assert ">Cancel 2 pilots<" in page.text
    assert world.pilot(numbers[0]).cancel_requested_at is None
    answer = browser.post("/pilots/cancel-named", id=[str(one) for one in numbers], ce=ce.name)
    assert message(answer.location) == (
        "The CE accepted the end of 2 pilots; a later check confirms it."
    )
    none = browser.get("/pilots/cancel", named="1", ce=ce.name)
    assert message(none.location) == "No pilot was selected."
    assert browser.post("/pilots/cancel-named", id="1 or 2").status == 422


def test_a_double_click_holds_one_set_of_slots(console: Console, browser: Browser) -> None:
    ce = console.world.ce(a_ce().named("lyon").with_capacity(10))
    key = browser.get("/pilots").field("key")
    fields = {"ce": ce.name, "vo": "default", "count": "3", "key": key}
    first, second = (browser.post("/pilots/submit", **fields) for _ in range(2))
    assert first.status == second.status == 303
    assert first.location == second.location
    assert message(first.location) == (
        "3 slots are held at lyon for VO default; the next dispatch sends the pilots."
    )
    assert console.world.statuses() == {"reserved": 3}
    assert browser.get("/pilots").field("key") != key
    assert browser.post("/pilots/submit", **{**fields, "key": ""}).status == 422
    assert browser.post("/pilots/submit", **{**fields, "count": "many", "key": "k"}).status == 422


# -- one pilot


def test_a_pilot_that_failed_says_whether_others_did(console: Console, browser: Browser) -> None:
    world = console.world
    lyon = world.ce(a_ce().named("lyon").with_capacity(20))
    others = [failed_pilot(world, ce=lyon, node="wn-114") for _ in range(4)]
    page = browser.get(f"/pilots/{others[0]}")
    assert page.headline == f"Pilot {others[0]} failed after 3 s on wn-114: exit code 127."
    assert "3 others failed there for this cause in the last hour." in page.text
    assert "it may be the node" in page.text
    alone = failed_pilot(world, node="wn-2")
    assert "No other pilot failed at" in browser.get(f"/pilots/{alone}").text


def test_a_pilot_is_found_by_any_of_its_names(console: Console, browser: Browser) -> None:
    world = console.world
    [pilot] = world.make(a_pilot().with_handle("grid/7").running())
    for which in (pilot.id, pilot.stamp, pilot.stamp[:12], "grid%2F7"):
        assert f"Pilot {pilot.id} has run" in browser.get(f"/pilots/{which}").headline
    answer = browser.get("/pilots/999999")
    assert (answer.status, answer.headline) == (404, "There is no such pilot.")


def test_the_ce_is_called_for_the_output_only_when_asked(console: Console) -> None:
    world = console.world
    ce = world.ce()
    [pilot] = world.sent(ce, 1)
    world.wait(700)
    world.check(ce)
    driver = NoOutput(Unavailable("no route"))
    with console.seen_by(runtime=world.with_driver(driver)) as browser:
        browser.get(f"/pilots/{pilot}")
        assert driver.calls == []
    with console.seen_by() as browser:
        page = browser.get(f"/pilots/{pilot}", output=1)
    assert "pilot ends" in page.inner("pre")
    assert "data-live" not in page.text


def test_an_output_that_cannot_be_fetched_is_one_line(console: Console, browser: Browser) -> None:
    [pilot] = console.world.make(a_pilot().reserved())
    page = browser.get(f"/pilots/{pilot.id}", output=1)
    assert page.status == 200
    assert "the CE has no output of it" in page.text


class NoOutput(Broken):
    """A CE that nobody may call."""


# -- going


def test_the_field_goes_to_what_a_word_names(console: Console, browser: Browser) -> None:
    world = console.world
    ce = world.ce(a_ce().named("site/lyon").with_capacity(10))
    world.vo(a_vo().named("lhcb"))
    [one] = world.make(a_pilot().on(ce).with_handle("771").running())
    for word, path in (
        ("site/lyon", "/ces/site%2Flyon"),
        ("lhcb", "/vos/lhcb"),
        (str(one.id), f"/pilots/{one.id}"),
        (one.stamp, f"/pilots/{one.id}"),
        ("771", f"/pilots/{one.id}"),
        ("", "/pilots"),
    ):
        assert browser.get("/go", to=word).location == path
    world.make(a_pilot().with_handle("771").running())
    several = browser.get("/go", to="771").location
    assert urlsplit(several).path == "/pilots"
    assert len(browser.get(several).rows) == 2
    nothing = browser.get("/go", to="nix").location
    assert "No CE, VO or pilot is called nix" in message(nothing)
    assert browser.get(nothing).rows == []


def test_a_list_costs_the_same_however_many_match(console: Console, browser: Browser) -> None:
    world = console.world
    ce = world.ce(a_ce().named("lyon").with_capacity(200).with_waiting_limit(200))
    world.make(a_pilot().on(ce).running())
    browser.get("/pilots", ce="lyon")
    with statements(world.database.engine) as of_one:
        browser.get("/pilots", ce="lyon")
    world.make(a_pilot().on(ce).running(), 100)
    with statements(world.database.engine) as of_many:
        browser.get("/pilots", ce="lyon")
    assert len(of_many) == len(of_one)

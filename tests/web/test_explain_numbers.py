"""Every number on the page that explains is the stored one, and its source is named."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.factories import a_ce, a_pilot, a_vo
from tests.services.world import World
from tests.web.explaining import Console, Element
from worker.db import ces, demands, health, sending, vos
from worker.db.database import Database
from worker.domain.access import Role
from worker.domain.decision import Decision
from worker.domain.sending import Sending
from worker.policy.learning import learn
from worker.policy.outcomes import Event, EventKind
from worker.services.observe import cycles
from worker.services.operate import ce_inventory, vo_inventory
from worker.services.tasks.submit_pilots import submit_pilots
from worker.web.console.words import chance, length, number


@pytest.fixture
def world(sqlite_database: Database, tmp_path: Path) -> World:
    """Five CEs and two VOs of every kind, after a tick of each."""
    world = World(sqlite_database, tmp_path / "home")
    world.ce(a_ce().named("lyon").with_capacity(40).with_waiting_limit(15).with_success_rate(0.81))
    world.ce(a_ce().named("oslo").with_capacity(30))
    world.ce(a_ce().named("bari").with_capacity(20))
    world.ce(a_ce().named("full").with_capacity(2))
    world.ce(a_ce().named("rome").with_capacity(5).disabled())
    lhcb = world.vo(a_vo().named("lhcb").demanding(60).limited_to(50).with_share(2))
    world.vo(a_vo().named("atlas").demanding(500))
    with world.database.uow() as tx:
        oslo, full = (ces.get(tx, name) for name in ("oslo", "full"))
        a_pilot().on(oslo).for_vo(lhcb).at(world.now()).submitted().create_many(tx, 4)
        a_pilot().on(full).at(world.now()).running().create_many(tx, 2)
    teach(world, "oslo", good=37, bad=2)
    pause(world, "bari")
    for _ in range(2):
        world.wait(minutes=3)
        for vo in ("lhcb", "atlas"):
            submit_pilots(world.runtime(), vo)
    return world


def teach(world: World, ce: str, *, good: int, bad: int) -> None:
    """Let some pilots of a CE begin, and some fail at it."""
    kinds = [EventKind.STARTED] * good + [EventKind.FAILED_START] * bad
    events = [Event(kind=kind, at=world.now()) for kind in reversed(kinds)]
    lesson = learn(None, events, now=world.now(), configured=1.0)
    with world.database.uow() as tx:
        health.save_learned(tx, ce, lesson.state)


def pause(world: World, ce: str) -> None:
    """Pause a CE as the breaker does."""
    at = world.now() - timedelta(minutes=30)
    events = [Event(kind=EventKind.FAILED_START, at=at)] * 40
    lesson = learn(None, events, now=at, configured=1.0)
    change = sending.SendingChange(
        ce=ce, was=Sending.NORMAL, became=Sending.PAUSED, reason="x", by_hand=False, at=at
    )
    with world.database.uow() as tx:
        health.save_learned(tx, ce, lesson.state)
        sending.change(tx, change, "x", at)


def waits(tick: Sequence[Decision]) -> float:
    """Return how many of the waiting pilots are expected to end well."""
    return sum(
        float(one.trace["ce"].get("vo_waiting", 0) * one.trace["chance"])
        for one in tick
        if "pause" not in one.trace["ce"]
    )


def of_ce(name: str, default: int = 0) -> Callable[[Decision, Sequence[Decision]], str]:
    return lambda one, tick: number(one.trace["ce"].get(name, default))


def of_trace(name: str) -> Callable[[Decision, Sequence[Decision]], str]:
    return lambda one, tick: number(one.trace[name])


def a_chance(place: int) -> Callable[[Decision, Sequence[Decision]], str]:
    return lambda one, tick: chance(one.trace["ce"]["chances"][place])


def probe_at(one: Decision, tick: Sequence[Decision]) -> str:
    trace = one.trace
    if one.granted:
        return "1"
    moments = [trace["ce"].get("last_sent_at"), trace["ce"]["pause"][1]]
    last = max(moment for moment in moments if moment is not None)
    return f"{datetime.fromtimestamp(last + trace['probe_every'], UTC):%H:%M}"


NUMBERS: dict[str, Callable[[Decision, Sequence[Decision]], str]] = {
    "asked-for": lambda one, tick: number(one.trace["vo"]["demand"]),
    "waiting": lambda one, tick: f"{waits(tick):.1f}",
    "demand": lambda one, tick: number(one.trace["caps"]["demand"]),
    "budget": of_trace("budget"),
    "limit": lambda one, tick: number(one.trace["vo"]["limit"]),
    "has": lambda one, tick: number(one.trace["vo"]["limit"] - one.trace["vo"]["room"]),
    "room-of-the-VO": lambda one, tick: number(one.trace["caps"]["room"]),
    "no-limit": lambda one, tick: "any" if "room" not in one.trace["caps"] else "",
    "need": of_trace("need"),
    "open": lambda one, tick: "yes" if "closed" not in one.trace["ce"] else "",
    "ce-open": lambda one, tick: "no" if "closed" in one.trace["ce"] else "",
    "capacity": of_ce("capacity"),
    "occupying": of_ce("occupying"),
    "queue": lambda one, tick: number(
        one.trace["ce"]["waiting_limit"] - one.trace["ce"].get("waiting", 0)
    ),
    "waiting-here": of_ce("waiting"),
    "free": of_ce("free"),
    "success-rate": lambda one, tick: chance(one.trace["ce"].get("success_rate", 1.0)),
    "accept": a_chance(0),
    "start": a_chance(1),
    "finish": a_chance(2),
    "chance": lambda one, tick: chance(one.trace["chance"]),
    "pause": lambda one, tick: length(one.at.timestamp() - one.trace["ce"]["pause"][1]),
    "every": lambda one, tick: length(one.trace["probe_every"]),
    "probe": probe_at,
    "better": of_trace("better"),
    "share": of_trace("share"),
    "weight": lambda one, tick: f"{one.trace['weight']:,.3g}",
    "weights": lambda one, tick: f"{sum(o.trace.get('weight', 0) for o in tick):,.3g}",
    "part": lambda one, tick: number(one.granted),
    "result": lambda one, tick: number(one.granted),
}
"""What each row of the ledger must show, from the traces of the tick alone."""


def rows_of(page: Element) -> dict[str, Element]:
    rows = page.one(id="ledger").find("tr")
    return {
        row.attributes["id"].removeprefix("row-"): row for row in rows if "id" in row.attributes
    }


def test_every_number_is_that_of_the_trace(world: World) -> None:
    console = Console(world)
    keys: set[str] = set()
    for cycle in cycles.last_cycles(world.runtime()):
        tick = [cycle.decision(ce) for ce in cycle.granted]
        for decision in tick:
            page = console.get("/explain", ce=decision.ce, vo=decision.vo)
            assert page.one("p", class_="big").text == number(decision.granted)
            rows = rows_of(page)
            numbers = {key: row.one("td", class_="num").text for key, row in rows.items()}
            assert numbers == {key: NUMBERS[key](decision, tick) for key in rows}
            keys |= numbers.keys()
    assert keys >= {"limit", "has", "queue", "capacity", "pause", "every", "probe", "start", "need"}


def source(page: Element, key: str) -> str:
    return rows_of(page)[key].one("td", class_="source").text


def test_a_chance_says_how_many_outcomes_it_was_learnt_from(world: World) -> None:
    page = Console(world).get("/explain", ce="oslo", vo="lhcb")
    [decision] = [cycle.decision("oslo") for cycle in cycles.last_cycles(world.runtime(), "lhcb")]
    _, _, good, bad, *_ = decision.trace["ce"]["outcomes"]
    assert good > bad > 0
    assert source(page, "start") == f"learnt from recent pilots: {good} good, {bad} bad"
    assert "no recent ones" in source(page, "accept")


def test_the_settings_of_then_are_shown_and_who_set_them(world: World) -> None:
    runtime = world.runtime()
    ce_inventory.change_ce(runtime, "lyon", {"capacity": 400, "waiting_limit": 300})
    vo_inventory.change_vo(runtime, "lhcb", {"limit": 90})
    page = Console(world, Role.ADMIN).get("/explain", ce="lyon", vo="lhcb")
    assert rows_of(page)["capacity"].one("td", class_="num").text == "40"
    assert "waiting limit: 15" in source(page, "queue")
    who = runtime.database.actor.who
    for key in ("capacity", "queue", "limit"):
        assert f"changed since, by {who} at" in source(page, key), source(page, key)
    assert "the setting budget, for all VOs" in source(page, "budget")


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_demand_says_when_its_source_was_asked_and_how_long_it_took(
    world: World, *, is_answered: bool
) -> None:
    at = world.now() - timedelta(seconds=30)
    with world.database.uow() as tx:
        vos.change(tx, "lhcb", source={"kind": "command", "command": ["false"]})
        demands.answered(tx, "lhcb", 7, at + timedelta(milliseconds=400), asked_at=at)
        if not is_answered:
            demands.failed(tx, "lhcb", "no route", at + timedelta(seconds=10))
    world.wait(1)
    submit_pilots(world.runtime(), "lhcb")
    text = source(Console(world).get("/explain", ce="lyon", vo="lhcb"), "asked-for")
    if is_answered:
        assert f"asked at {at:%H:%M:%S}, answered in 0.4 s" in text
    else:
        assert f"asked at {at + timedelta(seconds=10):%H:%M:%S}, without an answer" in text

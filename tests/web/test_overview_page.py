"""The first page counts as running and as free only what really is."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.factories import a_ce, a_pilot
from tests.services.world import World
from tests.web.explaining import Console, Element
from worker.db import health
from worker.db.database import Database
from worker.db.health import FailedCall
from worker.services.operate import pauses


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path / "home")


def fail(world: World, ce: str, *, is_refused: bool = False) -> None:
    failure = FailedCall(error="squeue: timed out", at=world.now(), answered=is_refused)
    with world.database.uow() as tx:
        health.call_failed(tx, ce, failure, lambda _: world.now() + timedelta(seconds=15))


def busy(world: World, name: str, number: int) -> None:
    ce = world.ce(a_ce().named(name).with_capacity(10))
    world.make(a_pilot().on(ce).running(), number)


def headline(world: World) -> str:
    return Console(world).get("/").one("h1").text


def free(page: Element) -> str:
    [part] = [one for one in page.one(id="totals").find("div") if one.text.startswith("free")]
    return part.one("dd").text


def test_pilots_at_a_ce_that_does_not_answer_are_said_apart(world: World) -> None:
    busy(world, "lyon", 3)
    busy(world, "oslo", 2)
    assert headline(world) == "5 pilots run and 0 wait. All 2 CEs are normal."
    fail(world, "oslo")
    world.wait(minutes=5)
    last = "1 of 2 CEs gets no new pilots."
    assert headline(world) == (
        f"5 pilots run, 2 of them at a CE that does not answer since 12:00Z, and 0 wait. {last}"
    )
    fail(world, "lyon")
    assert "5 of them at 2 CEs that do not answer, the first since 12:00Z," in headline(world)


def test_pilots_at_a_ce_that_refuses_calls_are_said_apart(world: World) -> None:
    busy(world, "lyon", 3)
    fail(world, "lyon", is_refused=True)
    assert "3 pilots run, 3 of them at a CE whose calls fail, and 0 wait." in headline(world)


def test_slots_of_ces_that_get_none_are_not_free(world: World) -> None:
    for name in ("lyon", "oslo", "bari", "rome"):
        busy(world, name, 4)
    page = Console(world).get("/")
    assert free(page) == "24 of 40"
    fail(world, "oslo")
    pauses.pause(world.runtime(), "bari", "new disks")
    world.ce(a_ce().named("kosice").with_capacity(7).disabled())
    world.ce(a_ce().named("madrid").with_capacity(5).draining())
    assert free(Console(world).get("/")) == "12 of 52; 24 more at CEs that get none"


def test_a_ce_in_maintenance_gets_none(world: World) -> None:
    for name in ("lyon", "oslo"):
        busy(world, name, 4)
    runtime, now = world.runtime(), world.now()
    pauses.add_maintenance(runtime, "oslo", "new disks", now + timedelta(hours=2), now)
    later = now + timedelta(hours=1)
    pauses.add_maintenance(runtime, "lyon", "power", now + timedelta(hours=2), later)
    page = Console(world).get("/")
    assert page.one("h1").text.endswith("1 of 2 CEs gets no new pilots.")
    assert free(page) == "6 of 20; 6 more at CEs that get none"
    text = page.one(id="stopped").text
    assert "in maintenance" in text
    assert "new disks" in text
    assert "lyon" not in text
    world.wait(hours=3)
    assert free(Console(world).get("/")) == "12 of 20"

"""The page of a CE that gets no pilots says what happens to those that wait there."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.factories import a_ce
from tests.services.world import World
from tests.web.explaining import Console
from worker.db import ces
from worker.services.operate import pauses
from worker.services.tasks.dispatch import dispatch


def hold(world: World) -> None:
    pauses.pause(world.runtime(), "lyon", "new disks")


def disable(world: World) -> None:
    change(world, enabled=False)


def drain(world: World) -> None:
    change(world, draining=True, drain_by=world.now() + timedelta(hours=6))


def away(world: World) -> None:
    now = world.now()
    pauses.add_maintenance(world.runtime(), "lyon", "new disks", now + timedelta(hours=9), now)


def change(world: World, **values: object) -> None:
    with world.database.uow() as tx:
        ces.change(tx, "lyon", **values)


def sentences(world: World) -> list[str]:
    return [one.text for one in Console(world).get("/ces/lyon").one(id="answer").find("p")]


RESERVED = "3 pilots are reserved: they were never sent, and the next dispatch cancels them."
WAIT = "2 pilots wait at the CE: they are checked as before, and each runs when the CE starts it"


@pytest.mark.parametrize(
    ("close", "end"),
    [
        (hold, "."),
        (disable, "."),
        (away, "."),
        (drain, "; pilots that wait at 18:00Z are cancelled."),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_what_waits_at_a_ce_that_is_sent_nothing_is_said(
    world: World, close: Callable[[World], None], end: str
) -> None:
    ce = world.ce(a_ce().named("lyon"), queue_time=100_000)
    world.sent(ce, 2)
    world.reserve(ce, 3)
    assert not [one for one in sentences(world) if "reserved" in one]
    close(world)
    lines = sentences(world)
    assert RESERVED in lines
    assert f"{WAIT}{end}" in lines

    # What the page says does happen.
    dispatch(world.runtime(), "lyon")
    assert world.statuses() == {"submitted": 2, "cancelled": 3}
    assert RESERVED not in sentences(world)
    world.wait(3600)
    world.check(ce)
    assert world.statuses() == {"submitted": 2, "cancelled": 3}

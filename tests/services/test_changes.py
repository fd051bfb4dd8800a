"""Changes by tasks are recorded under the name of the task, or of the person who ran it."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import a_ce
from tests.records import a_change
from tests.services.test_unwanted import a_leftover, a_stranger
from tests.services.world import World
from worker.db import changes, sending
from worker.db.account import account
from worker.db.changes import RecordedChange
from worker.db.sending import SendingChange
from worker.domain.change import LEAST_DAYS, Door
from worker.domain.sending import Sending
from worker.services.operate.ce_diff import diff
from worker.services.tasks import catalogue, execute
from worker.services.tasks.prune import prune

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def change_rows(world: World) -> list[RecordedChange]:
    with world.database.uow() as tx:
        return changes.find(tx, LONG_AGO).items


@pytest.fixture
def world_after_hold(world: World) -> World:
    """A world with a CE whose hold is over."""
    ce = world.ce(a_ce().named("lyon"))
    now = world.clock
    change = SendingChange(
        ce=ce.name,
        was=Sending.NORMAL,
        became=Sending.HELD,
        reason="disks",
        by_hand=True,
        until=now,
        at=now,
    )
    with world.database.uow() as tx:
        sending.change(tx, change, "disks", now)
    world.wait(60)
    return world


def test_a_worker_changes_in_the_name_of_its_task(world_after_hold: World) -> None:
    before = change_rows(world_after_hold)
    execute.execute(catalogue.get("sweep"), None, world_after_hold.runtime())
    [one] = [one for one in change_rows(world_after_hold) if one not in before]

    assert (one.who, one.what, one.door) == ("sweep", "ce resume", Door.WORKER)
    assert (one.kind, one.name) == ("ce", "lyon")
    assert one.before == {"sending": "held", "reason": None}
    assert one.after == {"sending": "normal", "reason": "the time of its pause is over"}


def test_a_task_that_is_run_by_hand_changes_in_the_name_of_the_person(
    world_after_hold: World,
) -> None:
    before = change_rows(world_after_hold)
    execute.execute(catalogue.get("sweep"), None, world_after_hold.runtime(by_hand=True))
    change, run = [one for one in change_rows(world_after_hold) if one not in before]

    assert (change.who, change.what, change.door) == (account(), "ce resume", Door.TASK)
    assert (run.who, run.what, run.name, run.door) == (account(), "task run", "sweep", Door.TASK)


def test_jobs_that_are_adopted_or_ended_are_one_row(world: World) -> None:
    ce = world.ce(a_ce().named("lyon"))
    for _ in range(3):
        a_stranger(world, ce)
    a_leftover(world, ce)
    world.wait(1)
    runtime, before = world.runtime(by_hand=True), change_rows(world)
    diff(runtime, ce.name, yes=False)
    assert change_rows(world) == before
    diff(runtime, ce.name, adopt_for="default", cancel=True, yes=True)
    [one] = [one for one in change_rows(world) if one not in before]

    assert (one.who, one.what, one.name) == (account(), "ce diff", "lyon")
    assert one.after == {"adopted": 3, "to_cancel": 1, "vo": "default"}


def test_a_worker_that_changes_nothing_of_an_operator_leaves_none(world: World) -> None:
    ce = world.ce()
    before = change_rows(world)
    world.reserve(ce, 2)
    for task, subject in (("learn", None), ("dispatch", ce.name), ("check_pilots", ce.name)):
        execute.execute(catalogue.get(task), subject, world.runtime())

    assert change_rows(world) == before


def test_a_change_is_forgotten_once_it_is_old_enough(world: World) -> None:
    world.clock = datetime.now(UTC)
    ages = (10, LEAST_DAYS + 10, 729, 731)
    with world.database.uow() as tx:
        for days in ages:
            age = timedelta(days=days)
            a_change().of("ce", f"{days}").at(world.clock - age).create(tx)

    assert prune(world.runtime()).counts["changes"] == 1
    assert [one.name for one in change_rows(world)] == ["729", str(LEAST_DAYS + 10), "10"]
    shorter = world.runtime(keep_changes=timedelta(days=LEAST_DAYS))
    assert prune(shorter).counts["changes"] == 2
    assert [one.name for one in change_rows(world)] == ["10"]

"""A CE that hangs, with real workers: it holds one execution, and its back-off outlives a crash."""

import signal
import time
from datetime import UTC, datetime

import pytest
from celery import Celery
from sqlalchemy import text

from tests.chaos import fleet
from tests.chaos.conftest import Make
from tests.chaos.ending import begin, judged, settle
from tests.chaos.making import Shape
from tests.chaos.sites.sim import LIFE
from tests.chaos.world import World
from worker.backends.sim import faults
from worker.backends.sim.kinds import Fault
from worker.db import ces, health
from worker.db.health import Health

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]

HANGS = "ce00"
LIMIT = 20.0
FOR_EVER = 3600
"""Seconds, and the longest that a call may be allowed to take."""


def health_of_ce(world: World) -> Health:
    with world.database.uow() as tx:
        return health.get(tx, HANGS)


def is_called(world: World) -> bool:
    query = text("SELECT count(*) FROM leases WHERE name = :name AND holder IS NOT NULL")
    with world.database.uow() as tx:
        return bool(tx.execute(query, {"name": f"ce:{HANGS}"}).scalar_one())


def count_held(world: World) -> int:
    """Count the executions that have been at the CE for more than a second.

    The command of Celery would take longer to start than the CE holds an execution.
    """
    with Celery(broker=world.redis.url, set_as_current=False) as app:
        app.conf.broker_transport_options = {"global_keyprefix": "pilotage:"}
        answers = app.control.inspect(timeout=2).active() or {}
    active = [task for tasks in answers.values() for task in tasks]
    since = time.time() - 1
    return sum(task["args"] == [HANGS] and task["time_start"] < since for task in active)


def test_a_ce_that_hangs_holds_one_execution_and_its_back_off_outlives_everything(
    make: Make,
) -> None:
    members = [
        fleet.worker("plan", "plan", 1),
        fleet.worker("one", "call", 2),
        fleet.worker("two", "call", 2),
        fleet.beat("beat"),
    ]
    world = make(Shape(ce="sim", members=members, time_limit=LIMIT))
    with world.database.uow() as tx:
        ces.change(tx, HANGS, options={**LIFE, "call_timeout": FOR_EVER})
    begin(world)
    faults.switch_on(world.database.uow, HANGS, Fault.SLOW, seconds=FOR_EVER)

    # It holds one of the four, and the other CEs go on.
    assert world.reaches(lambda: is_called(world) and count_held(world) == 1)
    assert world.sees(["accepted"])

    # At its time limit it lets go, and that is remembered.
    assert world.reaches(lambda: health_of_ce(world).failed_calls)
    before = health_of_ce(world)
    first = before.retry_at
    assert first is not None

    # Everything that could hold it in memory is killed.
    for member in world.fleet.members:
        member.is_struck = True
        assert member.process is not None
        member.process.kill()
    world.redis.flush()
    world.postgresql.stop(signal.SIGQUIT)
    world.postgresql.start()
    # Our own connections went with the server, too.
    world.database.engine.dispose()
    assert (health_of_ce(world).failed_calls, health_of_ce(world).retry_at) == (
        before.failed_calls,
        first,
    )

    # Nobody calls it before its time; then somebody does, and waits longer the next time.
    seconds = (first - datetime.now(UTC)).total_seconds()
    assert not world.live(seconds, lambda: is_called(world) and datetime.now(UTC) < first)
    assert world.reaches(lambda: is_called(world))
    assert world.reaches(lambda: health_of_ce(world).failed_calls > before.failed_calls)
    second = health_of_ce(world).retry_at
    assert second is not None
    assert (second - first).total_seconds() > LIMIT + 20

    faults.switch_off(world.database.uow, HANGS)
    settle(world)
    verdict = judged(world, [], world.fleet.stop())
    assert verdict.is_clean, verdict

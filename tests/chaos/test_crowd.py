"""Eight workers, two beats, fifty CEs, five VOs, and every third CE has a fault."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.chaos import fleet, logs
from tests.chaos.conftest import Make
from tests.chaos.ending import begin, judged, rows, settle
from tests.chaos.making import SCHEDULES, Shape
from tests.chaos.observer import Observer
from tests.chaos.sites.sim import FAULTS, CrowdSite
from tests.chaos.world import World
from tests.session import worker_name
from worker.backends.sim import faults
from worker.domain.pilot import FINAL

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]

WORKERS, BEATS = 8, 2
MORE = 60
ALONE, BESIDE_OTHERS = 1000, 10_000
"""Milliseconds that a wait for a lock may last. Beside other tests, the holder of a lock may get no
processor for a while."""
EVERY = {**SCHEDULES, "submit_pilots": 2, "check_pilots": 2, "reconcile": 5}


def goes_on(world: World) -> bool:
    """Return whether some more pilots end."""
    before = count_ended(world)
    return world.reaches(lambda: count_ended(world) >= before + MORE)


def count_ended(world: World) -> int:
    return sum(row.status in FINAL for row in rows(world.database))


def test_a_crowd_keeps_every_limit_waits_for_no_lock_and_bears_faults(
    make: Make, request: pytest.FixtureRequest
) -> None:
    members = [
        *(fleet.worker(f"worker{n}", "plan,call", 2) for n in range(WORKERS)),
        *(fleet.beat(f"beat{n}") for n in range(BEATS)),
    ]
    world = make(Shape(ce="crowd", members=members, schedules=EVERY))
    begin(world)
    watching = Observer(world.postgresql.dsn)
    watching.start()
    assert goes_on(world)
    until = datetime.now(UTC) + timedelta(minutes=10)
    for n in range(0, CrowdSite.number, 3):
        fault, rate, settings = FAULTS[n // 3 % len(FAULTS)]
        faults.switch_on(world.database.uow, f"ce{n:02}", fault, rate, until, **settings)
    assert goes_on(world)
    settle(world)
    codes = world.fleet.stop()
    watching.stop()
    verdict = judged(world, watching.exceeded, codes)

    assert verdict.is_clean, verdict
    assert watching.snapshots > 20
    longest = BESIDE_OTHERS if worker_name(request.config) else ALONE
    assert [wait for wait in logs.long_waits(world.postgresql.log) if wait > longest] == []

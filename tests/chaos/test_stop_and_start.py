"""Stopping, going away and coming back, with real workers: nothing is lost, nothing is doubled."""

import signal
from datetime import UTC, datetime, timedelta

import pytest

from tests.acceptance.processes import CELERY, ended
from tests.chaos import fleet
from tests.chaos.conftest import Make
from tests.chaos.ending import begin, judged, rows, settle
from tests.chaos.fleet import Member
from tests.chaos.making import Shape
from tests.chaos.world import World
from worker.backends.sim import faults
from worker.backends.sim.kinds import Fault
from worker.domain.pilot import Status

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]

"""Seconds beyond its time limit that a worker gets to stop."""


def crew() -> list[Member]:
    return [
        fleet.worker("one", "plan,call", 4),
        fleet.worker("two", "plan,call", 4),
        fleet.beat("beat"),
    ]


def submitting(world: World) -> int:
    return sum(row.status == Status.SUBMITTING for row in rows(world.database))


def ends_well(world: World) -> None:
    """Settle, stop everybody, and judge."""
    settle(world)
    codes = world.fleet.stop()
    verdict = judged(world, [], codes)
    assert verdict.is_clean, verdict


def restart(world: World, member: Member) -> None:
    """Stop a worker in order; check that the supervisor starts it again, and that it works."""
    assert member.process is not None
    starts, member.is_struck = member.starts, True
    member.process.send_signal(signal.SIGTERM)
    assert world.reaches(lambda: member.starts > starts)
    assert world.sees([f"began:{member.name}", f"did:{member.name}", "accepted"])


def test_a_worker_that_is_stopped_in_its_calls_finishes_them_within_its_grace(make: Make) -> None:
    world = make(Shape(ce="sim", members=crew()))
    begin(world)
    until = datetime.now(UTC) + timedelta(minutes=5)
    for n in range(20):
        faults.switch_on(world.database.uow, f"ce{n:02}", Fault.SLOW, until=until, seconds=3)
    assert world.reaches(lambda: submitting(world) >= 5)

    workers = world.fleet.alive(workers=True)
    for member in workers:
        assert member.process is not None
        member.process.send_signal(signal.SIGTERM)
    codes = [ended(member.process) for member in workers if member.process]

    assert codes == [0, 0]
    # The result of every call is recorded: no pilot is in doubt.
    assert submitting(world) == 0
    ends_well(world)
    assert not [row for row in rows(world.database) if row.status == Status.LOST]


def test_workers_are_restarted_one_after_another_under_load(make: Make) -> None:
    world = make(Shape(members=crew()))
    begin(world)
    for member in world.fleet.alive(workers=True):
        before = world.pulse.last["accepted"]
        restart(world, member)
        assert world.pulse.last["accepted"] > before

    ends_well(world)
    assert not [row for row in rows(world.database) if row.status == Status.LOST]
    assert not world.fleet.own_ends


def test_a_database_that_is_away_for_a_minute_is_waited_for(make: Make) -> None:
    world = make(Shape(members=crew()))
    begin(world)
    pids = [member.pid for member in world.fleet.members]
    world.postgresql.stop(signal.SIGINT)
    world.live(60)
    assert [member.pid for member in world.fleet.members] == pids
    world.postgresql.start()
    assert world.sees(["moved", *world.everybody_did()])
    assert [member.pid for member in world.fleet.members] == pids
    ends_well(world)


def test_a_clock_that_is_set_by_an_hour_does_no_harm_and_holds_nothing_up(make: Make) -> None:
    world = make(Shape(members=crew()))
    clocks = {member.name: world.home / f"{member.name}.clock" for member in world.fleet.members}
    for member in world.fleet.members:
        clock, words = clocks[member.name], member.words[len(CELERY) :]
        clock.write_text("0")
        member.words = [CELERY[0], "-m", "tests.chaos.clock", str(clock), *words]
    begin(world)

    for settings in (
        {"beat": -1},
        {"beat": -1, "one": -1, "two": -1},
        {"beat": 0, "one": 1, "two": 0},
    ):
        for name, hours in settings.items():
            clocks[name].write_text(str(hours * 3600))
        # By then, no message from before is left.
        world.live(3)
        events = ["ticked", "moved", "accepted", *world.everybody_did()]
        went_on = world.sees(events)
        assert went_on, settings

    ends_well(world)

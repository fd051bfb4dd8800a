"""The oracle itself: a good life is praised, and each kind of fault is named."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Executable, delete, insert, select

from tests.crash.evidence import Evidence, witnessed
from tests.crash.promises import Promises
from tests.crash.rest import reasons
from tests.factories import NOW, a_ce, a_pilot, a_vo
from tests.services.world import World
from worker.backends import registry
from worker.backends.sim.faults import Fault
from worker.backends.sim.memory import sim_jobs
from worker.db import ces, locks, mover, pilots, vos
from worker.db.database import Database
from worker.db.tables import new_tallies, transitions
from worker.db.tables import pilots as rows
from worker.domain.ce import CE
from worker.domain.ce_answers import Job, Order
from worker.domain.pilot import Move, Status
from worker.domain.vo import DEFAULT_VO
from worker.services.runtime import Runtime
from worker.services.tasks import check_pilots, dispatch, reconcile
from worker.services.tasks.submit_pilots import submit_pilots


class Watched(World):
    """A world that the promises judge after each step."""

    def __init__(self, database: Database, home: Path) -> None:
        super().__init__(database, home)
        self.evidence = Evidence()
        self.promises = Promises(database.engine, self.evidence)

    def witnessed_runtime(self, **changes: Any) -> Runtime:
        backends = {
            name: witnessed(one, self.evidence) for name, one in registry.discover().items()
        }
        return replace(self.runtime(), backends=backends, by_hand=True, **changes)

    def run(self, statement: Executable) -> None:
        with self.database.uow() as tx:
            tx.execute(statement)

    def faulty(self, moves: list[Move]) -> list[str]:
        """Make moves that nobody asked for."""
        self.change(lambda tx: mover.move(tx, moves, self.clock))
        return self.promises.look()


@pytest.fixture
def watched(sqlite_database: Database, tmp_path: Path) -> Watched:
    return Watched(sqlite_database, tmp_path / "home")


def send(world: Watched, number: int = 2) -> tuple[CE, list[int]]:
    """Send pilots to a CE in the right way."""
    ce = world.ce(a_ce().with_capacity(number))
    ids = world.reserve(ce, number)
    assert world.promises.look() == []
    dispatch.dispatch(world.witnessed_runtime(), ce.name)
    world.promises.begin()
    return ce, ids


def test_a_good_life_is_praised(watched: Watched) -> None:
    ce = watched.ce(a_ce().with_capacity(3))
    submit_pilots(watched.witnessed_runtime(), DEFAULT_VO)
    assert watched.promises.look() == []
    dispatch.dispatch(watched.witnessed_runtime(), ce.name)
    watched.promises.begin()
    for _ in range(4):
        watched.wait(240)
        check_pilots.check_pilots(watched.witnessed_runtime(), ce.name)
        assert watched.promises.look() == []

    assert watched.statuses() == {"done": 3}
    assert watched.promises.at_rest(watched.clock) == []
    with watched.database.engine.connect() as connection:
        assert reasons(connection) == []


def test_pilots_too_many_are_named(watched: Watched) -> None:
    vo = watched.vo(a_vo().limited_to(5))
    ce = watched.ce(a_ce().with_capacity(5).with_waiting_limit(5))
    watched.promises.begin()
    watched.reserve(ce, 5, vo.name)
    watched.change(lambda tx: ces.change(tx, ce.name, capacity=4, waiting_limit=4))
    watched.change(lambda tx: vos.change(tx, vo.name, limit=4))

    assert watched.promises.look() == [
        f"too many: capacity of {ce.name} is 4, used 5",
        f"too many: waiting limit of {ce.name} is 4, used 5",
        f"too many: limit of {vo.name} is 4, used 5",
    ]


def test_a_limit_that_was_lowered_is_no_fault_until_a_pilot_is_added(watched: Watched) -> None:
    ce = watched.ce(a_ce().with_capacity(5))
    watched.reserve(ce, 5)
    assert watched.promises.look() == []
    watched.change(lambda tx: ces.change(tx, ce.name, capacity=3))
    assert watched.promises.look() == []
    watched.change(lambda tx: ces.change(tx, ce.name, capacity=6))
    assert watched.promises.look() == []
    watched.reserve(ce, 1)
    watched.change(lambda tx: ces.change(tx, ce.name, capacity=3))
    assert watched.promises.look() == [f"too many: capacity of {ce.name} is 3, used 6"]


def test_one_that_comes_back_above_a_limit_is_no_fault_and_one_that_nobody_saw_is(
    watched: Watched,
) -> None:
    ce, ids = send(watched)
    watched.faulty([Move(pilot_id=i, to=Status.LOST) for i in ids])
    watched.reserve(ce, 2)
    assert watched.promises.look() == []
    reconcile.reconcile(watched.witnessed_runtime(), ce.name)
    assert watched.promises.look() == []
    assert watched.statuses() == {"submitted": 2, "reserved": 2}

    watched.run(insert(rows).values(stamp="a" * 32, ce_id=1, vo_id=1, status="reserved"))
    assert watched.promises.look() == [f"too many: capacity of {ce.name} is 2, used 5"]


UNKNOWN = {
    "submitted, and the CE was not asked": (Status.SUBMITTING, Status.SUBMITTED),
    "refused, and the CE was not asked": (Status.SUBMITTING, Status.FAILED),
    "given up without a listing": (Status.SUBMITTING, Status.LOST),
    "running, by no answer": (Status.SUBMITTED, Status.RUNNING),
    "lost, by no answer": (Status.SUBMITTED, Status.LOST),
    "done, by no answer": (Status.RUNNING, Status.DONE),
    "back, by no answer": (Status.LOST, Status.RUNNING),
}


@pytest.mark.parametrize(("was", "to"), UNKNOWN.values(), ids=UNKNOWN)
def test_a_status_that_nobody_told_is_named(watched: Watched, was: Status, to: Status) -> None:
    [pilot] = watched.make(a_pilot().on(watched.ce()).that_is(was))
    watched.promises.begin()

    move = f"pilot {pilot.id} of default on {pilot.ce}: {was} to {to}"
    assert watched.faulty([Move(pilot_id=pilot.id, to=to)]) == [
        f"not known: {move}, and no answer of the CE says so"
    ]


def test_one_listing_or_an_early_or_a_cut_one_gives_nobody_up(watched: Watched) -> None:
    ce = watched.ce(visibility_delay=30)
    [pilot] = watched.make(a_pilot().on(ce).submitting())
    watched.promises.begin()
    driver = watched.witnessed_runtime().driver(ce)
    driver.find()
    watched.wait(31)
    watched.fault(ce, Fault.TRUNCATES)
    driver.find()
    watched.mend(ce)
    driver.find()
    lost = Move(pilot_id=pilot.id, to=Status.LOST)
    assert len(watched.faulty([lost])) == 1

    watched.evidence.statements[pilot.stamp, Status.SUBMITTED] = watched.clock
    watched.faulty([Move(pilot_id=pilot.id, to=Status.SUBMITTED)])
    driver.find()
    assert (
        watched.evidence.lacked(ce.name, DEFAULT_VO, pilot.stamp, watched.clock - timedelta(1)) == 3
    )


def test_a_history_that_is_no_path_is_named(watched: Watched) -> None:
    [pilot] = watched.make(a_pilot().on(watched.ce()).done())
    watched.promises.begin()
    for was, became in ((Status.RUNNING, Status.DONE), (Status.DONE, Status.RUNNING)):
        step = {"pilot_id": pilot.id, "was": was, "became": became, "at": watched.clock}
        watched.run(insert(transitions).values(step))
        assert [line.split(":")[0] for line in watched.promises.look()] == ["history"]
    problems = watched.promises.at_rest(watched.clock)
    assert f"history: pilot {pilot.id} is done, it says running" in problems


def test_a_count_that_is_kept_wrongly_is_named(watched: Watched) -> None:
    watched.make(a_pilot().on(watched.ce()).done())
    watched.promises.begin()
    assert not [line for line in end(watched) if line in ("count", "tally")]
    watched.run(delete(new_tallies))
    assert {"count", "tally"} <= set(end(watched))


def end(watched: Watched) -> list[str]:
    """Return what is wrong at the end: the first word of each line."""
    return [line.split(":")[0] for line in watched.promises.at_rest(watched.clock)]


def test_at_the_end_every_row_must_be_as_its_job(watched: Watched) -> None:
    ce, _ = send(watched)
    assert end(watched) == []
    watched.wait(700)
    assert end(watched) == ["fate", "fate"]
    check_pilots.check_pilots(watched.witnessed_runtime(), ce.name)
    assert end(watched) == []
    watched.run(delete(sim_jobs))
    assert end(watched) == ["fate", "fate"]


def test_at_the_end_every_job_must_have_one_pilot(watched: Watched) -> None:
    send(watched)
    watched.run(
        insert(sim_jobs).from_select(
            [c.name for c in sim_jobs.c if c.name != "id"],
            select(*(c for c in sim_jobs.c if c.name != "id")).limit(1),
        )
    )
    assert end(watched) == ["twice"]
    watched.run(delete(rows).where(rows.c.id == 1))
    assert end(watched) == ["twice", "lost", "lost"]


@pytest.mark.parametrize("status", [Status.RESERVED, Status.SUBMITTING])
def test_at_the_end_nobody_may_be_on_the_way(watched: Watched, status: Status) -> None:
    watched.make(a_pilot().on(watched.ce()).that_is(status))
    assert end(watched) == ["fate"]


def test_a_pilot_that_the_ce_shows_may_not_be_lost(watched: Watched) -> None:
    ce, [first, _] = send(watched)
    watched.faulty([Move(pilot_id=first, to=Status.LOST)])
    assert end(watched) == ["fate"]
    watched.fault(ce, Fault.FORGETS, for_ever=True)
    assert end(watched) == []


def test_a_stamp_that_is_sent_again_is_named(watched: Watched) -> None:
    ce, [one, _] = send(watched)
    order = Order(stamp=watched.pilot(one).stamp, vo=DEFAULT_VO)
    watched.witnessed_runtime().driver(ce).submit([order])
    assert end(watched) == ["twice", "twice"]


def test_a_birth_without_a_decision_is_named(watched: Watched) -> None:
    ce = watched.ce()
    submit_pilots(watched.witnessed_runtime(budget=3), DEFAULT_VO)
    watched.reserve(ce, 1)
    with watched.database.engine.connect() as connection:
        assert reasons(connection) == [
            f"reason: 4 pilots of VO default on {ce.name}, decisions say 3"
        ]


def test_a_lease_that_is_held_is_named(watched: Watched) -> None:
    ce = watched.ce()
    watched.change(
        lambda tx: locks.take_lease(tx, f"ce:{ce.name}", "one", watched.clock, timedelta(minutes=3))
    )
    assert end(watched) == ["held"]
    watched.wait(180)
    assert end(watched) == []


@pytest.mark.parametrize("way", ["nobody wished it", "it was wished", "it was over"])
def test_a_pilot_that_is_wanted_and_ended_is_named(watched: Watched, way: str) -> None:
    ce, [one] = send(watched, 1)
    pilot = watched.pilot(one)
    check_pilots.check_pilots(watched.witnessed_runtime(), ce.name)
    if way == "it was wished":
        watched.change(lambda tx: pilots.request_cancel(tx, {one: "asked for"}, watched.clock))
    if way == "it was over":
        watched.change(lambda tx: mover.move(tx, [Move(pilot_id=one, to=Status.LOST)], NOW))
    watched.promises.begin()
    watched.witnessed_runtime().driver(ce).cancel(
        [Job(stamp=pilot.stamp, handle=str(pilot.handle))]
    )

    assert [problem.split(":")[0] for problem in watched.promises.look()] == (
        ["wanted"] if way == "nobody wished it" else []
    )
    assert watched.promises.look() == []

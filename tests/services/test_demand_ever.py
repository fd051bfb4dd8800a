"""A source that counts finished pilots too: there are never more than its number, whatever ends."""

import pytest

from tests.factories import a_ce, a_pilot, a_vo
from tests.services.test_demand_totals import answer, reserve
from tests.services.world import World
from worker.db import mover, vos
from worker.domain.demand import BatchProgress, EndedPilots
from worker.domain.pilot import Cause, Move, Status, Use
from worker.domain.vo import DEFAULT_VO
from worker.services.observe import overview
from worker.services.tasks import ask_demand, tally
from worker.services.tasks.submit_pilots import submit_pilots


def end(
    world: World, count: int, to: Status, *, cause: Cause | None = None, use: Use | None = None
) -> None:
    """Let some of the reserved pilots run, and end in the given way."""
    ids = [one.id for one in world.pilots() if one.status is Status.RESERVED][:count]
    assert len(ids) == count
    with world.database.uow() as tx:
        for status in (Status.SUBMITTING, Status.RUNNING):
            mover.move(tx, [Move(pilot_id=one, to=status) for one in ids], world.now())
        mover.move(
            tx, [Move(pilot_id=one, to=to, cause=cause, use=use) for one in ids], world.now()
        )


@pytest.mark.parametrize("is_folded", [False, True])
def test_what_is_done_is_counted_off_though_the_answer_is_old(
    world: World, *, is_folded: bool
) -> None:
    ce = world.ce(a_ce().with_capacity(4))
    answer(world, 10, "ever")
    for number in (4, 4, 2, 0):
        assert reserve(world) == number
        end(world, number, Status.DONE, use=Use.USEFUL)
        if is_folded:
            tally.tally(world.runtime())
    assert len(world.pilots()) == 10
    [decision] = overview.explain(world.runtime(), ce.name)
    assert "10 of 10 done, 0 failed: all are done" in decision.reason
    assert overview.overview(world.runtime()).batches[DEFAULT_VO].left == 0


def test_what_was_of_no_use_or_failed_is_sent_again(world: World) -> None:
    world.ce(a_ce().with_capacity(100))
    answer(world, 10, "ever")
    assert reserve(world) == 10
    end(world, 2, Status.DONE, use=Use.EMPTY)
    end(world, 1, Status.DONE, use=Use.SHORT)
    end(world, 1, Status.FAILED, cause=Cause.EXIT_CODE)
    end(world, 1, Status.FAILED, cause=Cause.REFUSED)
    end(world, 1, Status.LOST)
    assert reserve(world) == 6


def test_after_too_many_failures_nothing_is_sent(world: World) -> None:
    world.ce(a_ce().with_capacity(100))
    source = {"kind": "command", "command": ["echo", "10"], "counts": "ever", "most_failed": 2}
    world.change(lambda tx: vos.change(tx, DEFAULT_VO, source=source))
    ask_demand.ask_demand(world.runtime(), DEFAULT_VO)
    assert reserve(world) == 10
    end(world, 2, Status.FAILED, cause=Cause.NODE)
    end(world, 1, Status.FAILED, cause=Cause.SIGNAL)
    assert reserve(world) == 3
    end(world, 1, Status.FAILED, cause=Cause.EXIT_CODE)
    assert submit_pilots(world.runtime(), DEFAULT_VO).counts["reserved"] == 0
    assert overview.overview(world.runtime()).batches[DEFAULT_VO].is_given_up


def test_another_vo_s_pilots_do_not_count(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(100))
    other = world.vo(a_vo().named("cms"))
    with world.database.uow() as tx:
        a_pilot().on(ce).for_vo(other).done(Use.USEFUL).create_many(tx, 3)
    answer(world, 2, "ever")
    assert reserve(world) == 2


def test_a_batch_says_how_far_it_is() -> None:
    ends = EndedPilots(useful=3, failed=1)
    assert BatchProgress(number=5, ended=ends).words == "3 of 5 done, 1 failed"
    assert BatchProgress(number=3, ended=ends, most_failed=1).words.endswith("all are done")
    assert BatchProgress(number=2, ended=ends).left == 0

"""A CE that refuses pilots for a quota or a credential does not get them again each tick."""

import pytest

from tests.factories import a_ce
from tests.services.world import World
from worker.backends.sim.faults import Fault
from worker.db import decisions
from worker.domain.ce import CE
from worker.domain.pilot import Cause, Status
from worker.domain.vo import DEFAULT_VO
from worker.services.observe.notices import notices
from worker.services.observe.overview import overview
from worker.services.tasks.dispatch import dispatch
from worker.services.tasks.submit_pilots import submit_pilots

CAPACITY = 100


def tick(world: World, ce: CE, vo: str = DEFAULT_VO) -> int:
    """Allocate and send once, a minute later; return how many pilots were reserved."""
    world.wait(minutes=1)
    result = submit_pilots(world.runtime(), vo)
    dispatch(world.runtime(), ce.name)
    return int(result.counts["reserved"])


def reason_now(world: World) -> str:
    with world.database.uow() as tx:
        return decisions.find(tx).items[-1].reason


@pytest.mark.parametrize("cause", [Cause.QUOTA, Cause.CREDENTIAL])
@pytest.mark.parametrize("whole", [True, False])
def test_a_ce_that_refuses_them_all_gets_one_now_and_then(
    world: World, cause: Cause, *, whole: bool
) -> None:
    ce = world.ce(a_ce().with_capacity(CAPACITY))
    world.fault(ce, Fault.REFUSES, cause=cause, reason="no room for you", whole=whole)
    numbers = [tick(world, ce) for _ in range(30)]

    assert numbers[0] == CAPACITY
    assert sum(numbers[1:]) <= 6
    assert world.statuses() == {"failed": sum(numbers)}


def test_with_a_limit_on_jobs_it_gets_about_as_many_as_it_takes(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(CAPACITY), max_jobs=40, run_time=10**6)
    refused = [tick(world, ce) and world.statuses().get("failed", 0) for _ in range(30)]

    assert world.statuses()["submitted"] == 40
    assert refused[-1] <= CAPACITY - 40 + 40 + 6


def test_when_it_takes_them_again_the_number_doubles(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(CAPACITY))
    world.fault(ce, Fault.REFUSES, cause=Cause.CREDENTIAL, reason="not a member")
    tick(world, ce)
    world.mend(ce)
    numbers = [tick(world, ce) for _ in range(8)]

    assert numbers == [1, 2, 4, 8, 16, 32, 37, 0]
    assert not any("refused" in one.line for one in notices(overview(world.runtime())))


def test_another_vo_is_not_concerned_and_need_not_leave_slots_to_it(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(CAPACITY))
    other = world.vo()
    world.fault(ce, Fault.CREDENTIAL, vo=DEFAULT_VO)
    tick(world, ce)
    assert tick(world, ce, other.name) == CAPACITY
    assert {pilot.vo for pilot in world.pilots() if pilot.status is Status.SUBMITTED} == {
        other.name
    }


def test_decisions_and_the_status_say_why_and_when_it_is_tried_again(world: World) -> None:
    ce = world.ce(a_ce().named("lyon").with_capacity(CAPACITY))
    world.fault(ce, Fault.REFUSES, cause=Cause.QUOTA, reason="MaxSubmitJobs")
    for _ in range(2):
        tick(world, ce)
    submit_pilots(world.runtime(), DEFAULT_VO)
    refused = f"the CE refused pilots of VO {DEFAULT_VO} (MaxSubmitJobs)"
    why = f"{refused}; it is tried again with 1 pilot at "

    assert reason_now(world).startswith(why)
    [notice] = [one for one in notices(overview(world.runtime())) if "refused" in one.line]
    assert notice.line.startswith(f"CE lyon: {why}")
    assert notice.is_urgent

    world.wait(minutes=10)
    submit_pilots(world.runtime(), DEFAULT_VO)
    assert reason_now(world).startswith("free 1 on trial, as it refused pilots of the VO")

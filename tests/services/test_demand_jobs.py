"""A source that counts open jobs: until the next question, each pilot that ends has done one."""

import pytest

from tests.factories import a_ce
from tests.services.test_demand_ever import end
from tests.services.test_demand_totals import answer, reserve
from tests.services.world import World
from worker.domain.pilot import Cause, Status, Use
from worker.services.observe import overview


def test_none_takes_the_place_of_one_that_ended_since(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(100))
    answer(world, 5, "jobs")
    assert reserve(world) == 5
    world.wait(5)
    end(world, 2, Status.DONE, use=Use.USEFUL)
    end(world, 1, Status.FAILED, cause=Cause.SIGNAL)
    assert reserve(world) == 0
    [decision] = overview.explain(world.runtime(), ce.name)
    assert "3 pilots ended since" in decision.reason
    assert decision.trace["vo"]["answered"] == 5
    world.wait(5)
    answer(world, 4, "jobs")
    assert reserve(world) == 2


@pytest.mark.parametrize("minutes", [1, 5])
def test_nor_after_a_question_without_an_answer(world: World, minutes: int) -> None:
    world.ce(a_ce().with_capacity(100))
    answer(world, 5, "jobs")
    assert reserve(world) == 5
    world.wait(5)
    end(world, 3, Status.DONE, use=Use.USEFUL)
    world.wait(60 * minutes)
    # The same answer holds, though the next question failed.
    answer(world, None, "jobs")
    assert reserve(world) == 0

"""A source that counts all pilots, and the bounds of a VO: how many are sent, and why."""

from datetime import timedelta
from typing import Any

from tests.factories import a_ce
from tests.services.world import World
from worker.db import vos
from worker.domain.vo import DEFAULT_VO
from worker.services.observe import overview
from worker.services.tasks import ask_demand
from worker.services.tasks.submit_pilots import submit_pilots


def answer(world: World, number: int | None, counts: str = "total") -> None:
    """Ask a source that answers this number, or fails; it stays the same source."""
    says(world, number)
    world.change(lambda tx: vos.change(tx, DEFAULT_VO, source=from_file(world, counts=counts)))
    ask_demand.ask_demand(world.runtime(), DEFAULT_VO)


def says(world: World, number: int | None) -> None:
    """Let the source of `from_file` answer this number, or fail."""
    path = world.home / "wanted"
    path.parent.mkdir(parents=True, exist_ok=True)
    if number is None:
        path.unlink(missing_ok=True)
    else:
        path.write_text(str(number))


def from_file(world: World, **more: Any) -> dict[str, Any]:
    """Return a source that answers what `says` has written."""
    return {"kind": "command", "command": ["cat", str(world.home / "wanted")], **more}


def set_bounds(world: World, **bounds: Any) -> None:
    world.change(lambda tx: vos.change(tx, DEFAULT_VO, **bounds))


def reserve(world: World) -> int:
    return submit_pilots(world.runtime(), DEFAULT_VO).counts["reserved"]


def test_of_a_total_only_what_is_missing_is_sent(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(100).with_success_rate(0.5))
    answer(world, 31)
    assert reserve(world) == 31
    answer(world, 40)
    # It sends only the missing ones, though half of the waiting ones are expected to fail.
    assert reserve(world) == 9
    [decision] = overview.explain(world.runtime(), ce.name)
    assert "wants 40 in all, has 31, so 9 more" in decision.reason
    vo = decision.trace["vo"]
    assert (vo["answered"], vo["wanted"], vo["has"]) == (40, 40, 31)
    assert reserve(world) == 0


def test_a_floor_is_kept_though_the_source_says_0(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(100))
    set_bounds(world, demand_min=5)
    for counts in ("total", "more"):
        answer(world, 0, counts)
        reserve(world)
    assert len(world.pilots()) == 5
    [decision] = overview.explain(world.runtime(), ce.name)
    assert "wants 5 in all, has 5, so 0 more: demand_min keeps 5" in decision.reason


def test_a_floor_is_kept_while_the_demand_is_not_known(world: World) -> None:
    world.ce(a_ce().with_capacity(100))
    set_bounds(world, demand_min=5, source={"kind": "command", "command": ["false"]})
    assert reserve(world) == 5


def test_no_more_than_the_ceiling_are_wanted(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(100))
    set_bounds(world, demand_max=7)
    assert reserve(world) == 7
    answer(world, 50)
    assert reserve(world) == 0
    [decision] = overview.explain(world.runtime(), ce.name)
    assert "demand_max allows 7" in decision.reason


def test_a_lower_total_is_not_followed_at_once(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(100))
    set_bounds(world, scale_down_delay=timedelta(minutes=5))
    answer(world, 6)
    world.wait(60)
    answer(world, 2)
    assert reserve(world) == 6
    [decision] = overview.explain(world.runtime(), ce.name)
    assert "scale_down_delay keeps 6, though 2 are wanted" in decision.reason
    world.wait(301)
    reserve(world)
    [decision] = overview.explain(world.runtime(), ce.name)
    assert "wants 2 in all, has 6, so 0 more" in decision.reason


def test_without_a_delay_a_lower_total_is_followed_at_once(world: World) -> None:
    world.ce(a_ce().with_capacity(100))
    answer(world, 6)
    answer(world, 2)
    assert reserve(world) == 2

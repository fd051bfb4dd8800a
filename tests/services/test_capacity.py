"""The capacity that a demand source reads: the pilots of a VO, and how many more it could get."""

import pytest

from tests.expectations import refused, statements
from tests.factories import a_ce, a_vo
from tests.services.world import World
from worker.db import ces, vos
from worker.domain.errors import UnknownVO
from worker.domain.vo import DEFAULT_VO
from worker.services.observe.capacity import Capacity, capacity_of
from worker.services.tasks.submit_pilots import submit_pilots


def capacity(world: World) -> Capacity:
    return capacity_of(world.runtime(), DEFAULT_VO)


def test_free_are_the_slots_of_ces_that_may_get_its_pilots(world: World) -> None:
    world.ce(a_ce().with_capacity(10))
    off = world.ce(a_ce().with_capacity(20))
    other = world.ce(a_ce().with_capacity(40))
    world.vo(a_vo().named("lhcb"))
    world.change(lambda tx: ces.change(tx, off.name, enabled=False))
    world.change(lambda tx: ces.allow(tx, other.name, ["lhcb"]))
    world.change(lambda tx: ces.change(tx, other.name, open_to_all=False))
    world.change(lambda tx: vos.change(tx, DEFAULT_VO, demand=4))
    before = capacity(world)
    assert (before.free, before.next, before.would_send) == (10, 4, True)

    submit_pilots(world.runtime(), DEFAULT_VO)

    after = capacity(world)
    assert (after.occupying, after.waiting, after.running) == (4, 4, 0)
    assert (after.free, after.next, after.would_send) == (6, 0, False)


def test_the_limit_bounds_what_is_free(world: World) -> None:
    world.ce(a_ce().with_capacity(10))
    world.change(lambda tx: vos.change(tx, DEFAULT_VO, limit=3))
    assert (capacity(world).limit, capacity(world).free) == (3, 3)


def test_a_vo_that_is_closed_gets_none_and_why_is_said(world: World) -> None:
    world.ce(a_ce().with_capacity(10))
    world.change(lambda tx: vos.change(tx, DEFAULT_VO, enabled=False))
    answer = capacity(world)
    assert (answer.free, answer.next, answer.closed) == (0, 0, "the VO is disabled")


def test_a_vo_that_is_not_there_is_named(world: World) -> None:
    with refused(UnknownVO, "nobody"):
        capacity_of(world.runtime(), "nobody")


def test_it_takes_as_many_statements_however_much_there_is(
    world: World, request: pytest.FixtureRequest
) -> None:
    world.ce(a_ce().with_capacity(10))
    few = _statements(world)
    for number in range(5):
        world.ce(a_ce().with_capacity(10))
        world.vo(a_vo().named(f"vo{number}"))
    submit_pilots(world.runtime(), DEFAULT_VO)
    assert _statements(world) == few


def _statements(world: World) -> int:
    with statements(world.database.engine) as sql:
        capacity(world)
    return len(sql)

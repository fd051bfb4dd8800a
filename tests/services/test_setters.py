"""The audit says who drained, disabled, restricted or held a CE, when and why."""

import pytest

from tests.expectations import statements
from tests.factories import a_ce, a_vo
from tests.services.world import World
from worker.db import changes, setters
from worker.db.account import account
from worker.domain.change import LONGEST, Setter
from worker.domain.errors import Invalid
from worker.domain.values import CEValues
from worker.services.observe import ces as observed
from worker.services.operate import ce_inventory as inventory
from worker.services.operate import pauses

DRAIN: CEValues = {"draining": True, "drain_by": None, "end_running": False}
WHY = "disk is full"


@pytest.fixture
def lyon(world: World) -> str:
    return world.ce(a_ce().named("lyon")).name


def change(world: World, name: str, values: CEValues, reason: str | None = WHY) -> None:
    whole: CEValues = {**values, "reason": reason}
    inventory.change_ce(world.runtime(by_hand=True), name, whole)


def setter_of(world: World, name: str, field: str) -> Setter | None:
    return inventory.show_ce(world.runtime(), name).set_by.get(field)


@pytest.mark.parametrize(
    ("values", "opposite", "field"),
    [
        (DRAIN, {**DRAIN, "draining": False}, "draining"),
        ({"enabled": False}, {"enabled": True}, "enabled"),
        ({"only_for": ("lhcb",)}, {"only_for": ()}, "only_for"),
    ],
)
def test_each_state_says_who_when_and_why_until_it_is_over(
    world: World, lyon: str, values: CEValues, opposite: CEValues, field: str
) -> None:
    with world.database.uow() as tx:
        a_vo().named("lhcb").create(tx)
    change(world, lyon, values)
    setter = setter_of(world, lyon, field)
    assert setter is not None
    assert (setter.who, setter.reason) == (account(), WHY)

    change(world, lyon, {"capacity": 7}, None)
    assert setter_of(world, lyon, field) == setter
    change(world, lyon, opposite, "new disks")
    assert setter_of(world, lyon, field) is None
    with world.database.uow() as tx:
        assert changes.find(tx, setter.at, of=lyon).items[-1].after is not None
    change(world, lyon, values, None)
    assert setter_of(world, lyon, field) != setter


def test_a_hold_says_who_and_when_too(world: World, lyon: str) -> None:
    pauses.pause(world.runtime(by_hand=True), lyon, "new disks")
    [line] = observed.lines(world.runtime())
    assert line.setter is not None
    assert line.state == f"held: {line.setter.phrase(world.clock)}"
    assert line.state.endswith(f", by {account()}: 'new disks'")


def test_another_reason_for_the_same_is_kept(world: World, lyon: str) -> None:
    change(world, lyon, {"enabled": False}, None)
    with world.database.uow() as tx:
        before = len(changes.find(tx, world.clock.replace(year=2000), of=lyon).items)
    change(world, lyon, {"enabled": False}, WHY)
    with world.database.uow() as tx:
        latest = changes.find(tx, world.clock.replace(year=2000), of=lyon).items
    assert len(latest) == before + 1
    assert {"reason": WHY} in [one.after for one in latest]


def test_a_reason_that_the_audit_would_cut_is_refused(world: World, lyon: str) -> None:
    change(world, lyon, DRAIN, "x" * LONGEST)
    with pytest.raises(Invalid, match=f"more than {LONGEST} characters"):
        change(world, lyon, {"enabled": False}, "x" * (LONGEST + 1))
    assert inventory.show_ce(world.runtime(), lyon).enabled


def test_all_ces_are_one_statement(world: World) -> None:
    for number in range(5):
        change(world, world.ce(a_ce().named(f"ce{number}")).name, DRAIN)
    with statements(world.database.engine) as sql, world.database.uow() as tx:
        by_ce = setters.of_ces(tx)
    assert len(by_ce) == 5
    assert len([one for one in sql if "changes" in one]) == 1


def test_a_ce_that_was_added_disabled_names_who_added_it(world: World) -> None:
    world.ce(a_ce().named("rome").disabled())
    setter = setter_of(world, "rome", "enabled")
    assert setter is not None
    assert setter.reason is None

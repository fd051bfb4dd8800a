"""Two people change the same object: the second learns of the first, and no change is lost."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.databases import somebody_waits
from tests.expectations import refused
from tests.factories import NOW, a_vo
from tests.patience import until, wait_for
from tests.services.world import World
from worker.backends import registry
from worker.domain.errors import ChangedMeanwhile
from worker.domain.values import CEValues, ChangedVO
from worker.domain.vo import DEFAULT_VO
from worker.services.operate import ce_inventory, vo_inventory
from worker.services.operate.ce_inventory import change_ce, show_ce
from worker.services.operate.vo_inventory import change_vo, show_vo

CE_CHANGES: dict[str, CEValues] = {
    "a value": {"capacity": 7},
    "a moment": {"draining": True, "drain_by": NOW},
    "an option": {"options": {"queue_time": 5.0}},
    "its VOs": {"only_for": (DEFAULT_VO,)},
}

VO_CHANGES: dict[str, ChangedVO] = {
    "a value": {"share": 2.0},
    "no value": {"limit": None},
    "its source": {"source": {"kind": "command", "command": ["true"]}},
}


@pytest.mark.parametrize("meanwhile", CE_CHANGES.values(), ids=CE_CHANGES)
def test_a_ce_that_was_changed_since_it_was_read_is_not_changed(
    world: World, meanwhile: CEValues
) -> None:
    runtime, name = world.runtime(), world.ce().name
    version = ce_inventory.version(show_ce(runtime, name))
    current = ce_inventory.version(change_ce(runtime, name, meanwhile, unless_changed=version))
    assert current != version

    before = world.image()
    with refused(ChangedMeanwhile, f"CE {name}", "look at it again"):
        change_ce(runtime, name, {"success_rate": 0.1}, unless_changed=version)
    assert world.image() == before

    assert change_ce(runtime, name, {"success_rate": 0.1}, unless_changed=current)
    assert change_ce(runtime, name, {"success_rate": 0.2}).success_rate == 0.2


@pytest.mark.parametrize("meanwhile", VO_CHANGES.values(), ids=VO_CHANGES)
def test_a_vo_that_was_changed_since_it_was_read_is_not_changed(
    world: World, meanwhile: ChangedVO
) -> None:
    runtime, name = world.runtime(), world.vo(a_vo().limited_to(9)).name
    version = vo_inventory.version(show_vo(runtime, name))
    current = vo_inventory.version(change_vo(runtime, name, meanwhile, unless_changed=version))
    assert current != version

    before = world.image()
    with refused(ChangedMeanwhile, f"VO {name}", "look at it again"):
        change_vo(runtime, name, {"demand": 1}, unless_changed=version)
    assert world.image() == before

    assert change_vo(runtime, name, {"demand": 1}, unless_changed=current).demand == 1
    assert change_vo(runtime, name, {"demand": 2}).demand == 2


def test_what_is_learnt_of_a_ce_is_no_change_of_it(world: World) -> None:
    runtime, ce = world.runtime(), world.ce()
    before = show_ce(runtime, ce.name)
    world.sent(ce, 2)
    world.wait(90)
    world.check(ce)
    now = show_ce(runtime, ce.name)
    assert now != before
    assert ce_inventory.version(now) == ce_inventory.version(before)


def while_the_other_changes(
    world: World, monkeypatch: pytest.MonkeyPatch, other: Callable[[], object]
) -> threading.Thread:
    """Start another change when the first has read the CE.

    The first goes on once the other waits for a lock, or has ended.
    """
    second = threading.Thread(target=other)
    check = registry.check_options

    def begin(*args: Any) -> Any:
        if second.ident is None:
            second.start()
            until(lambda: somebody_waits(world.database) or not second.is_alive())
        return check(*args)

    monkeypatch.setattr(registry, "check_options", begin)
    return second


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"options": {"queue_time": 5.0}}, {"options": {"run_time": 7.0}}),
        ({"capacity": 7}, {"success_rate": 0.1}),
        ({"capacity": 7}, {"options": {"run_time": 7.0}}),
    ],
)
def test_two_who_change_different_values_of_a_ce_at_once_lose_none(
    postgresql_world: World, monkeypatch: pytest.MonkeyPatch, one: CEValues, two: CEValues
) -> None:
    runtime, name = postgresql_world.runtime(), postgresql_world.ce().name
    second = while_the_other_changes(
        postgresql_world, monkeypatch, lambda: change_ce(runtime, name, two)
    )

    change_ce(runtime, name, one)
    wait_for(second)

    now = show_ce(runtime, name)
    values: dict[str, Any] = {**one, **two}
    options = {**one.get("options", {}), **two.get("options", {})}
    assert dict(now.options).items() >= options.items()
    for value in values.keys() - {"options"}:
        assert getattr(now, value) == values[value]


def test_of_two_who_read_the_same_and_change_it_at_once_one_is_told(
    postgresql_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, name = postgresql_world.runtime(), postgresql_world.ce().name
    before = show_ce(runtime, name)
    version = ce_inventory.version(before)
    messages: list[str] = []

    def change_too() -> None:
        with refused(ChangedMeanwhile, f"CE {name}") as error:
            change_ce(runtime, name, {"success_rate": 0.1}, unless_changed=version)
        messages.append(str(error.value))

    second = while_the_other_changes(postgresql_world, monkeypatch, change_too)

    assert change_ce(runtime, name, {"capacity": 7}, unless_changed=version).capacity == 7
    wait_for(second)

    assert len(messages) == 1
    now = show_ce(runtime, name)
    assert (now.capacity, now.success_rate) == (7, before.success_rate)

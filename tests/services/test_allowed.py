"""Every service needs its role, and an account for one VO may change no other VO."""

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import timedelta
from importlib import import_module
from typing import Any, cast

import pytest

import worker.services
from tests.expectations import refused, statements
from tests.factories import NOW, a_ce, a_pilot, a_vo
from tests.services.world import World
from worker.domain.access import RANKS, Access, Role
from worker.domain.change import Actor
from worker.domain.errors import NotAllowed
from worker.domain.payload import Payload
from worker.domain.pilot_filter import PilotFilter
from worker.domain.values import CEValues, VOValues
from worker.domain.vo import DEFAULT_VO
from worker.services import payloads
from worker.services.allowed import right_of
from worker.services.operate import ce_inventory, pilot_sets, pilots, vo_inventory
from worker.services.runtime import Runtime

Action = Callable[..., Any]

READER = Access(role=Role.READ)
OPERATOR = Access(role=Role.OPERATE)
OF_LHCB = Access(role=Role.OPERATE, vo="lhcb")
ADMIN = Access(role=Role.ADMIN)
ALL = (READER, OF_LHCB, OPERATOR, ADMIN)

FOR_ONE_VO = frozenset(
    {
        *("operate.vo_inventory.change_vo", "operate.pilots.cancel"),
        *("operate.pilot_sets.cancel_matching", "operate.pilot_sets.cancel_in_batches"),
        "operate.pilot_sets.submit",
        *("operate.dirac_pilots.register", "operate.dirac_pilots.report"),
        *("payloads.set_", "payloads.clear"),
    }
)
"""The actions that the role `operate` of one VO allows, for that VO only."""

FOR_ALL_VOS = frozenset(
    {
        *("operate.ce_inventory.change_ce", "operate.pauses.pause", "operate.pauses.resume"),
        *("operate.pauses.add_maintenance", "operate.pauses.remove_maintenance"),
    }
)
"""The actions that need the role `operate` for all VOs."""

FOR_ADMINS = frozenset(
    {
        *("operate.ce_inventory.add_ce", "operate.ce_inventory.remove_ce"),
        *("operate.vo_inventory.add_vo", "operate.vo_inventory.remove_vo"),
        *("credentials.add", "credentials.change", "credentials.remove"),
        "tasks.ticks.set_schedule",
    }
)


def actions() -> Iterator[tuple[str, Action]]:
    """Find every service that declares a role; yield its place and the service."""
    package = worker.services
    for entry in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = import_module(entry.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if hasattr(function, "right") and function.__module__ == entry.name:
                yield f"{entry.name.removeprefix(f'{package.__name__}.')}.{name}", function


ACTIONS = dict(actions())


def of_role(role: Role) -> set[str]:
    return {name for name, action in ACTIONS.items() if right_of(action).role is role}


def used_by(world: World, access: Access) -> Runtime:
    """Return the runtime for a caller with this access."""
    actor = Actor(who="t", access=access)
    return world.runtime(database=world.database.used_by(actor))


def lets_in(access: Access, name: str) -> bool:
    """Return whether an access has the role of an action, for as many VOs as the action needs."""
    role = right_of(ACTIONS[name]).role
    is_narrow = access.vo is not None
    is_enough = role is Role.READ or name in FOR_ONE_VO or not is_narrow
    return RANKS[access.role] >= RANKS[role] and is_enough


REFUSED = [
    pytest.param(name, access, id=f"{name}-{access}")
    for name in ACTIONS
    for access in ALL
    if not lets_in(access, name)
]


@pytest.fixture
def lhcb(world: World) -> str:
    return world.vo(a_vo().named("lhcb")).name


def test_every_action_that_changes_something_takes_more_than_to_read() -> None:
    assert of_role(Role.OPERATE) == FOR_ONE_VO | FOR_ALL_VOS
    assert of_role(Role.ADMIN) >= FOR_ADMINS
    assert len(of_role(Role.READ)) > len(FOR_ADMINS)


@pytest.mark.parametrize(("name", "access"), REFUSED)
def test_a_caller_without_the_role_is_refused_before_anything_is_read(
    sqlite_world: World, name: str, access: Access
) -> None:
    runtime, takes = (
        used_by(sqlite_world, access),
        f"it needs the role {right_of(ACTIONS[name]).role}",
    )
    with (
        statements(sqlite_world.database.engine) as sql,
        refused(NotAllowed, f"t has the role {access}", takes),
    ):
        ACTIONS[name](runtime)
    assert sql == []


@pytest.mark.parametrize("access", ALL, ids=str)
def test_whoever_has_the_role_is_let_in(world: World, lhcb: str, access: Access) -> None:
    runtime = used_by(world, access)
    assert {vo.name for vo in vo_inventory.list_vos(runtime).items} == {DEFAULT_VO, lhcb}
    if access.may(Role.OPERATE):
        assert vo_inventory.change_vo(runtime, lhcb, {"demand": 3}).demand == 3
    if access.may_for(Role.OPERATE, None):
        name = world.ce().name
        assert ce_inventory.change_ce(runtime, name, {"draining": True}).draining
    if access.may(Role.ADMIN):
        assert vo_inventory.add_vo(runtime, {"name": "cms"}).name == "cms"


# One VO


def foreign(world: World) -> dict[str, Action]:
    """Return actions that would change the VO of somebody else."""
    ce = world.ce()
    [theirs] = world.make(a_pilot().on(ce).running())
    [own] = world.make(a_pilot().on(ce).for_vo(world.vo(a_vo().named("lhcb"))).running())
    both = [str(own.id), str(theirs.id)]
    return {
        "change": lambda runtime: vo_inventory.change_vo(runtime, DEFAULT_VO, {"demand": 1}),
        "cancel one": lambda runtime: pilots.cancel(runtime, [str(theirs.id)]),
        "cancel one beside an own one": lambda runtime: pilots.cancel(runtime, both),
        "cancel all of it": lambda runtime: pilot_sets.cancel_matching(
            runtime, PilotFilter(vo=DEFAULT_VO)
        ),
        "cancel all at a CE": lambda runtime: pilot_sets.cancel_matching(
            runtime, PilotFilter(ce=ce.name)
        ),
        "submit": lambda runtime: pilot_sets.submit(runtime, ce.name, DEFAULT_VO),
        "submit for none that is named": lambda runtime: pilot_sets.submit(runtime, ce.name),
        "set its payload": lambda runtime: payloads.set_(runtime, DEFAULT_VO, Payload(script="x")),
        "take its payload": lambda runtime: payloads.clear(runtime, DEFAULT_VO),
    }


def test_who_operates_for_one_vo_does_nothing_to_another(world: World) -> None:
    deeds = foreign(world)
    runtime = used_by(world, OF_LHCB)
    before = world.image()
    for what, deed in deeds.items():
        with refused(NotAllowed, "t has the role operate for VO lhcb"):
            deed(runtime)
        assert world.image() == before, what
    for deed in deeds.values():
        deed(used_by(world, OPERATOR))


def test_who_operates_for_one_vo_does_all_that_for_it(world: World, lhcb: str) -> None:
    ce = world.ce()
    runtime = used_by(world, OF_LHCB)
    payloads.set_(runtime, lhcb, Payload(script="x"))
    assert payloads.show(runtime, lhcb)["script"] == "x"
    payloads.clear(runtime, lhcb)
    assert payloads.show(runtime, lhcb) == {}

    assert len(pilot_sets.submit(runtime, ce.name, lhcb, 3).pilots) == 3
    first, *_ = pilots.list_pilots(runtime, PilotFilter(vo=lhcb)).items
    assert pilots.cancel(runtime, [str(first.id)]).counts["cancelled"] == 1
    all_of_it = PilotFilter(vo=lhcb)
    assert pilot_sets.cancel_matching(runtime, all_of_it).counts == {"cancelled": 2, "asked": 0}


# Values

LENGTH = timedelta(hours=2)

CE_CHANGES: CEValues = {
    "enabled": False,
    "draining": True,
    "drain_by": NOW,
    "end_running": True,
    "success_rate": 0.1,
    "waiting_limit": 1,
    "cancel_strangers": True,
    "tags": ("gpu",),
    "options": {"queue_time": 1.0},
    "only_for": (DEFAULT_VO,),
    "backend": "local",
    "capacity": 1,
    "wait_at_most": LENGTH,
    "run_at_most": LENGTH,
    "silent_at_most": LENGTH,
}
"""A value for each field of a CE that differs from that of a new CE."""

VO_CHANGES: VOValues = {
    "demand": 1,
    "enabled": False,
    "draining": True,
    "share": 2.0,
    "limit": 1,
    "budget": 1,
    "cancel_surplus": True,
    "source": {"kind": "command", "command": ["true"]},
    "wait_at_most": LENGTH,
    "run_at_most": LENGTH,
    "silent_at_most": LENGTH,
    "idle_at_most": LENGTH,
    "demand_min": 1,
    "demand_max": 1,
    "scale_down_delay": LENGTH,
}
"""A value for each field of a VO that differs from that of a new VO."""

STEERING = {"enabled", "draining", "drain_by", "end_running"}
OF_ONE_VO = {"demand", "enabled", "draining"}


def test_each_value_is_tried() -> None:
    assert CE_CHANGES.keys() | {"reason"} == CEValues.__annotations__.keys()
    assert VO_CHANGES.keys() == VOValues.__annotations__.keys()


@pytest.mark.parametrize("value", CE_CHANGES)
def test_who_operates_steers_a_ce_and_changes_nothing_else_of_it(
    sqlite_world: World, value: str
) -> None:
    world = sqlite_world
    runtime, name = used_by(world, OPERATOR), world.ce(a_ce().with_capacity(5)).name
    before = asdict(ce_inventory.show_ce(runtime, name))
    changes: Any = {value: cast("dict[str, Any]", CE_CHANGES)[value]}
    assert before[value] != changes[value]

    if value in STEERING:
        now = asdict(ce_inventory.change_ce(runtime, name, changes))
        assert now == asdict(ce_inventory.show_ce(runtime, name))
        assert {key for key in now if now[key] != before[key]} - {"state", "set_by"} == {value}
        return
    both: Any = {**changes, "draining": True}
    for values in (changes, both):
        image = world.image()
        with refused(NotAllowed, "operate may only change drain_by, draining, enabled, end_runn"):
            ce_inventory.change_ce(runtime, name, values)
        assert world.image() == image


@pytest.mark.parametrize("access", [OF_LHCB, OPERATOR], ids=str)
@pytest.mark.parametrize("value", VO_CHANGES)
def test_who_operates_steers_a_vo_and_changes_nothing_else_of_it(
    sqlite_world: World, value: str, access: Access
) -> None:
    world = sqlite_world
    runtime, name = used_by(world, access), world.vo(a_vo().named("lhcb")).name
    before = asdict(vo_inventory.show_vo(runtime, name))
    changes: Any = {value: cast("dict[str, Any]", VO_CHANGES)[value]}
    assert before[value] != changes[value]

    if value in OF_ONE_VO:
        now = asdict(vo_inventory.change_vo(runtime, name, changes))
        assert now == asdict(vo_inventory.show_vo(runtime, name))
        assert {key for key in now if now[key] != before[key]} == {value}
        return
    both: Any = {**changes, "draining": True}
    for values in (changes, both):
        image = world.image()
        with refused(NotAllowed, f"{access} may only change demand, draining, enabled"):
            vo_inventory.change_vo(runtime, name, values)
        assert world.image() == image

"""The life that the harness disturbs: two CEs, two VOs, faults at first, and an orderly end."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.crash.system import System
from tests.factories import NOW, a_ce, a_pilot, a_vo
from worker.backends.sim.faults import Fault, switch_on
from worker.db import ces, pilot_reads, pilots, reports, vos
from worker.db.schedules import Schedule
from worker.domain.ce_answers import Order
from worker.domain.pilot import OCCUPYING, Grant
from worker.domain.vo import DEFAULT_VO
from worker.services.operate import ce_diff as difference
from worker.services.operate import pilots as pilot_service
from worker.services.operate.ce_inventory import change_ce
from worker.services.tasks import ticks

FAULTY = NOW + timedelta(minutes=4)
"""The faults last until then."""

CALM = NOW + timedelta(minutes=5)
"""From then on no VO wants more pilots."""

GIVEN_UP = NOW + timedelta(minutes=30)
"""An operator then ends what is still at a CE, such as a job that never starts."""

LATEST = NOW + timedelta(minutes=55)
"""Everything must have come to rest by then."""

LIVES: dict[str, Any] = {
    "spread": "fixed",
    "queue_time": 50.0,
    "run_time": 60.0,
    "check_soonest": 15.0,
    "call_timeout": 0.001,
}
"""A job waits for about a minute and runs for about a minute; on beta it runs longer."""

DELAY = 75.0
"""Seconds that a job of beta is invisible: as long as the CE allows."""

ROOM = 6
"""Pilots that the two CEs have room for together."""

Faults = Mapping[Fault, Mapping[str, Any]]


STRANGERS = frozenset({"a" * 32, "b" * 32})
"""Jobs at the CEs that somebody else sent with stamps like ours."""


def begin(system: System, faults: Faults, until: datetime = FAULTY) -> None:
    """Make the world, with faults at both CEs and an operator who will interfere."""
    with system.database.uow() as tx:
        alpha = a_ce().named("alpha").with_capacity(4).with_waiting_limit(3)
        alpha.with_options(**LIVES).create(tx)
        options = {**LIVES, "visibility_delay": DELAY, "run_time": 240.0}
        beta = a_ce().named("beta").with_capacity(3).with_options(**options).create(tx)
        ces.change(tx, "beta", cancel_strangers=True)
        a_vo().named("one").limited_to(4).create(tx)
        source = {"kind": "command", "command": ["a stand-in answers for it"]}
        vos.change(tx, "one", source=source, cancel_surplus=True)
        vos.change(tx, DEFAULT_VO, demand=2)
        # Something to prune.
        old = NOW - timedelta(days=400)
        a_pilot().on(beta).at(old).done().create(tx)
        reports.add(tx, {}, old)
        # A later report confirms the clock; without it nothing would be pruned.
        reports.add(tx, {}, NOW - timedelta(days=4))
    system.strangers = STRANGERS
    _send_strangers(system)
    for fault, settings in faults.items():
        for ce in ("alpha", "beta"):
            switch_on(system.database.uow, ce, fault, now=NOW, until=until, **settings)
    often = [Schedule(task=name, every=120.0) for name in ("report", "prune")]
    ticks.seed(system.database, NOW, often)
    system.commands = [
        (NOW + timedelta(seconds=45), cancel_two),
        (NOW + timedelta(seconds=70), adopt_strangers),
        (NOW + timedelta(seconds=95), disable_alpha),
        (NOW + timedelta(seconds=155), enable_alpha),
    ]
    system.promises.begin()
    system.problems = []


def cancel_two(system: System) -> None:
    """Let an operator cancel two pilots, wherever they are."""
    pilot_ids = _occupying(system)[1:3]
    if pilot_ids:
        pilot_service.cancel(system.runtime(by_hand=True), pilot_ids, yes=True)


def adopt_strangers(system: System) -> None:
    """Let an operator adopt the unknown jobs."""
    difference.diff(system.runtime(by_hand=True), "alpha", adopt_for=DEFAULT_VO, yes=True)


def disable_alpha(system: System) -> None:
    """Let an operator close a CE."""
    _change_alpha(system, enabled=False)


def enable_alpha(system: System) -> None:
    """Let an operator open it again."""
    _change_alpha(system, enabled=True)


def close_down(system: System) -> None:
    """Let no VO want more pilots, and the operator do nothing more."""
    system.commands = []
    system.demand = 0
    enable_alpha(system)
    with system.database.uow() as tx:
        vos.change(tx, DEFAULT_VO, demand=0)


def end_all(system: System) -> None:
    """Let an operator end the jobs that never end by themselves."""
    pilot_ids = _occupying(system)
    if pilot_ids:
        pilot_service.cancel(system.runtime(by_hand=True), pilot_ids, yes=True)


def leave_out(system: System, *names: str) -> None:
    """Switch off tasks that have nothing more to do here."""
    for name in names:
        ticks.set_schedule(system.runtime(), name, enabled=False)


def is_idle(system: System) -> bool:
    """Return whether no pilot is active and no message is on its way."""
    with system.database.uow() as tx:
        return not system.messages and pilot_reads.count_active(tx) == 0


def fill_up(system: System) -> list[str]:
    """Check that every slot can be used again; return what is missing."""
    grants = [Grant(vo=DEFAULT_VO, ce=ce, count=ROOM) for ce in ("alpha", "beta")]
    with system.database.uow() as tx:
        number = len(pilots.reserve(tx, grants, system.clock))
    return [] if number == ROOM else [f"slots: {number} of {ROOM} could be used again"]


def _occupying(system: System) -> list[str]:
    with system.database.uow() as tx:
        return [str(pilot.id) for pilot in pilot_reads.find(tx, statuses=OCCUPYING).items]


def _send_strangers(system: System) -> None:
    with system.database.uow() as tx:
        site_ces = [ces.get(tx, name) for name in ("alpha", "beta")]
    for ce, stamp in zip(site_ces, sorted(STRANGERS), strict=True):
        system.runtime().driver(ce).submit([Order(stamp=stamp, vo=DEFAULT_VO)])


def _change_alpha(system: System, *, enabled: bool) -> None:
    change_ce(system.runtime(), "alpha", {"enabled": enabled})

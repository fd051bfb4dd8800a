"""The demonstration: a reliable CE, a flaky one and this host, and tasks that fire often."""

import time

from worker.db import ces
from worker.db.schedules import Schedule
from worker.domain.ce import CE
from worker.domain.pilot import Status
from worker.domain.pilot_filter import PilotFilter
from worker.services.operate import pilots
from worker.services.operate.pilots import ShownPilot
from worker.services.runtime import Runtime
from worker.services.tasks import ticks
from worker.services.tasks.check_pilots import check_pilots

END_SECONDS = 5.0
"""Seconds to wait at most for the processes on this host to end."""

OFTEN = {"check_soonest": 1.0, "check_latest": 3.0}
SHORT = {**OFTEN, "queue_time": 3.0, "run_time": 8.0}
CES = (
    CE(name="reliable", backend="sim", capacity=12, success_rate=1.0, options=SHORT),
    CE(name="flaky", backend="sim", capacity=12, success_rate=0.3, options=SHORT),
    CE(name="here", backend="local", capacity=3, options=OFTEN),
)
SCHEDULES = (
    Schedule(task="submit_pilots", every=5),
    Schedule(task="dispatch", every=5),
    Schedule(task="check_pilots", every=2),
    Schedule(task="reconcile", every=10),
    Schedule(task="learn", every=10),
)


def end(runtime: Runtime) -> None:
    """End the demonstration's processes on this host; simulated pilots need no ending."""
    here = CES[-1].name
    remaining = [str(p.id) for p in _at_ce(runtime, here)]
    if remaining:
        pilots.cancel(runtime, remaining, yes=True)
    deadline = time.monotonic() + END_SECONDS
    while _at_ce(runtime, here) and time.monotonic() < deadline:
        check_pilots(runtime, here)
        time.sleep(0.2)


def _at_ce(runtime: Runtime, ce: str) -> list[ShownPilot]:
    statuses = (Status.SUBMITTED, Status.RUNNING)
    chosen = PilotFilter(statuses=statuses, ce=ce)
    return pilots.list_pilots(runtime, chosen).items


def prepare(runtime: Runtime) -> None:
    """Add the missing parts of the demonstration; present ones stay as they are."""
    ticks.seed(runtime.database, runtime.now(), SCHEDULES)
    for ce in CES:
        runtime.options(ce)
    with runtime.database.uow() as tx:
        present = set(ces.names(tx))
        for ce in CES:
            if ce.name not in present:
                ces.add(tx, ce)

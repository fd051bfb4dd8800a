"""The demonstration: a reliable CE, a flaky one and this host, and tasks that fire often."""

from collections.abc import Mapping
from datetime import datetime

from worker.backends import registry
from worker.backends.contract import Backend
from worker.db import ces
from worker.db.database import Database
from worker.db.schedules import Schedule
from worker.domain.ce import CE
from worker.services import ticks

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


def prepare(database: Database, backends: Mapping[str, Backend], now: datetime) -> None:
    """Add what is missing of the demonstration; what is there stays as it is."""
    ticks.seed(database, now, SCHEDULES)
    for ce in CES:
        registry.check_options(backends, ce.backend, ce.options)
    with database.uow() as tx:
        present = set(ces.names(tx))
        for ce in CES:
            if ce.name not in present:
                ces.add(tx, ce)

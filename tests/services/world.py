"""The runtime of a service for a test; its clock stands still until the test moves it."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tests.databases import installed
from tests.factories import NOW, CEBuilder, PilotBuilder, VOBuilder, a_ce, a_vo
from worker.backends.contract import Driver, Means
from worker.backends.sim import BACKEND as SIM
from worker.backends.sim.faults import Fault, switch_off, switch_on
from worker.backends.sim.memory import sim_jobs
from worker.db import health, pilot_reads, pilots
from worker.db.database import Database
from worker.db.health import Health
from worker.db.pages import PageRequest
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.ce_answers import Cancelled, Job, Listing, Observed, Order, Output, Receipt
from worker.domain.pilot import Grant, Pilot, Transition
from worker.domain.vo import DEFAULT_VO, VO
from worker.services.runtime import Runtime, TaskResult
from worker.services.tasks import check_pilots as check
from worker.services.tasks import dispatch, reconcile

STEADY = {"spread": "fixed", "queue_time": 60.0, "run_time": 600.0, "check_soonest": 15.0}
"""Every job waits a minute and runs for ten."""


class World:
    """A database, a clock, the runtime of the services, and the nudges that they sent."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.home = home
        self.clock = NOW
        self.nudges: list[tuple[str, str]] = []

    def runtime(self, **changes: Any) -> Runtime:
        """Return a runtime for a service."""
        runtime = Runtime(
            database=self.database,
            backends=installed(),
            home=self.home,
            now=self.now,
            holder="one",
            nudge=lambda task, subject: self.nudges.append((task, subject)),
        )
        return replace(runtime, **changes)

    def with_driver(self, driver: "Fake", **changes: Any) -> Runtime:
        """Return a runtime in which every simulated CE has a driver of the test."""
        own = replace(SIM, driver=driver.for_ce)
        return self.runtime(backends={**installed(), SIM.name: own}, **changes)

    def now(self) -> datetime:
        return self.clock

    def wait(self, seconds: float = 0, **more: float) -> None:
        self.clock += timedelta(seconds=seconds, **more)

    def ce(self, builder: CEBuilder | None = None, **options: Any) -> CE:
        """Make a CE whose jobs all wait and run equally long."""
        builder = builder or a_ce()
        with self.database.uow() as tx:
            return builder.with_options(**{**STEADY, **options}).create(tx)

    def vo(self, builder: VOBuilder | None = None) -> VO:
        with self.database.uow() as tx:
            return (builder or a_vo()).create(tx)

    def make(self, builder: PilotBuilder, number: int = 1) -> list[Pilot]:
        with self.database.uow() as tx:
            return builder.at(self.clock).create_many(tx, number)

    def reserve(self, ce: CE, number: int, vo: str = DEFAULT_VO) -> list[int]:
        with self.database.uow() as tx:
            reservations = pilots.reserve(tx, [Grant(vo=vo, ce=ce.name, count=number)], self.clock)
        assert len(reservations) == number
        return [one.pilot_id for one in reservations]

    def sent(self, ce: CE, number: int, vo: str = DEFAULT_VO) -> list[int]:
        """Reserve pilots and send them; return their ids."""
        ids = self.reserve(ce, number, vo)
        result = dispatch.dispatch(self.runtime(by_hand=True), ce.name)
        assert result.counts["submitted"] == number
        return ids

    def check(self, ce: CE, runtime: Runtime | None = None) -> TaskResult:
        return check.check_pilots(runtime or self.runtime(), ce.name)

    def reconcile(self, ce: CE, runtime: Runtime | None = None) -> TaskResult:
        return reconcile.reconcile(runtime or self.runtime(), ce.name)

    def fault(self, ce: CE, fault: Fault, rate: float = 1.0, **settings: Any) -> None:
        switch_on(self.database.uow, ce.name, fault, rate, now=self.clock, **settings)

    def mend(self, ce: CE) -> None:
        switch_off(self.database.uow, ce.name)

    def change(self, work: Callable[[Transaction], object]) -> None:
        with self.database.uow() as tx:
            work(tx)

    def pilots(self) -> list[Pilot]:
        with self.database.uow() as tx:
            return pilot_reads.find(tx, asked=PageRequest(limit=1000)).items

    def pilot(self, pilot_id: int) -> Pilot:
        with self.database.uow() as tx:
            return pilot_reads.get(tx, pilot_id)

    def history(self, pilot_id: int) -> list[Transition]:
        with self.database.uow() as tx:
            return pilot_reads.history(tx, pilot_id)

    def statuses(self) -> dict[str, int]:
        """Count pilots by status."""
        return dict(Counter(str(pilot.status) for pilot in self.pilots()))

    def health(self, ce: CE) -> Health:
        with self.database.uow() as tx:
            return health.get(tx, ce.name)

    def jobs(self, ce: CE) -> list[str]:
        """List the stamps that the CE has accepted, one for each job."""
        with self.database.uow() as tx:
            query = sim_jobs.select().where(sim_jobs.c.ce == ce.name).order_by(sim_jobs.c.id)
            return [row.stamp for row in tx.execute(query)]

    def lease(self, ce: CE) -> str | None:
        """Return the holder of the lease of a CE."""
        with self.database.uow() as tx:
            rows = tx.execute(
                text("SELECT holder FROM leases WHERE name = :name"), {"name": f"ce:{ce.name}"}
            )
            holder: str | None = rows.scalar_one_or_none()
            return holder

    def image(self) -> Mapping[str, str]:
        """Return an image of the database: the bytes of SQLite, or every row of PostgreSQL."""
        self.database.engine.dispose()
        if self.database.engine.dialect.name == "sqlite":
            path = Path(str(self.database.url.database))
            wal = path.with_name(path.name + "-wal")
            return {
                "file": _digest(path.read_bytes()),
                "wal": _digest(wal.read_bytes()) if wal.exists() else _digest(b""),
            }
        with self.database.engine.connect() as connection:
            names = connection.execute(text(_RELATIONS)).all()
            return {
                name: str(connection.execute(text(_DUMPS[kind].format(name=name))).all())
                for name, kind in names
            }


_RELATIONS = """
SELECT relname, relkind::text FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
 WHERE nspname = 'public' AND relkind IN ('r', 'S') ORDER BY relname
"""
_DUMPS = {
    "r": 'SELECT t.ctid, t.xmin, t::text FROM "{name}" t ORDER BY ctid',
    "S": 'SELECT last_value, is_called FROM "{name}"',
}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Fake:
    """A driver that does what a test says, and notes its calls."""

    def __init__(self, driver: Callable[[CE, Any, Means], Driver] = SIM.driver) -> None:
        self._make = driver
        self.calls: list[str] = []

    def for_ce(self, ce: CE, options: Any, means: Means) -> Driver:
        self._driver = self._make(ce, options, means)
        return self

    def note_call(self, what: str) -> None:
        self.calls.append(what)

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        self.note_call("submit")
        return self._driver.submit(orders)

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        self.note_call("poll")
        return self._driver.poll(jobs)

    def find(self) -> Listing:
        self.note_call("find")
        return self._driver.find()

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        self.note_call("cancel")
        return self._driver.cancel(jobs)

    def output(self, job: Job) -> Output:
        self.note_call("output")
        return self._driver.output(job)

    def hello(self) -> str:
        self.note_call("hello")
        return self._driver.hello()


class Broken(Fake):
    """A driver that raises, after the CE has carried out the call or before."""

    def __init__(self, error: BaseException, *, after: bool = True) -> None:
        super().__init__()
        self.error = error
        self.after = after

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        if self.after:
            super().submit(orders)
        raise self.error

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        raise self.error

    def find(self) -> Listing:
        raise self.error


class Watching(Fake):
    """A driver that makes an observation during each call."""

    def __init__(self, look: Callable[[], object]) -> None:
        super().__init__()
        self.look = look
        self.observations: list[Any] = []

    def note_call(self, what: str) -> None:
        super().note_call(what)
        self.observations.append(self.look())

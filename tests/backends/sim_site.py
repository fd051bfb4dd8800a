"""A simulated CE whose clock moves only when the test moves it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from sqlalchemy import select

from tests.factories import NOW
from worker.backends.conformance import FILES, Lie, Life, Site, Trouble, never
from worker.backends.contract import Means
from worker.backends.sim import BACKEND
from worker.backends.sim.driver import SimDriver
from worker.backends.sim.faults import WHOLE_CALL, Fault, switch_off, switch_on
from worker.backends.sim.memory import sim_jobs
from worker.backends.sim.options import SimOptions
from worker.db.uow import UnitOfWork
from worker.domain.ce import CE
from worker.domain.ce_answers import Job, Listing, Observed

SECOND = "ce2"
"""Another CE at the same place."""

LIVES: dict[Life, dict[str, Any]] = {
    Life.LONG: {"run_time": 10**8},
    Life.SHORT: {"run_time": 20},
    Life.FAILING: {"run_time": 20, "success_rate": 0, "failures": {"exit_code": 1}},
    Life.CHATTY: {"run_time": 20, "output_lines": 50_000},
}

FAULTS: dict[Trouble, tuple[Fault, dict[str, Any]]] = {
    Trouble.REPLY_LOST: (Fault.LOSES_REPLY, {}),
    Trouble.HALF: (Fault.ANSWERS_HALF, {}),
    Trouble.REFUSAL: (Fault.REFUSES, {}),
    Trouble.DOWN: (Fault.DOWN, {}),
    Trouble.SLOW: (Fault.SLOW, {"seconds": 2}),
    Trouble.EMPTY: (Fault.ANSWERS_NOTHING, {}),
    Trouble.TRUNCATED: (Fault.TRUNCATES, {}),
    Trouble.UNREADABLE: (Fault.UNREADABLE, {}),
    Trouble.STRANGE_WORD: (Fault.STRANGE_WORD, {}),
    Trouble.GARBAGE: (Fault.GARBLES, {}),
    Trouble.CREDENTIAL: (Fault.CREDENTIAL, {}),
    Trouble.FORGOTTEN: (Fault.FORGETS, {}),
    Trouble.REMOVED: (Fault.REMOVES, {}),
    Trouble.REQUEUED: (Fault.REQUEUES, {"seconds": 30}),
    Trouble.NEVER_STARTS: (Fault.HOLDS, {}),
    Trouble.SKEWED: (Fault.SKEWED, {}),
}


LIES: dict[Lie, dict[str, Any]] = {
    Lie.HUGE: {"exit_code": 99999999999},
    Lie.NEGATIVE: {"exit_code": -(2**40)},
    Lie.DIGITS: {"exit_code": 10**4999, "raw": "9" * 5000},
    Lie.NO_ZONE: {"started_at": datetime(2026, 1, 1), "ended_at": datetime(2026, 1, 1)},  # noqa: DTZ001
    Lie.YEAR_1: {"started_at": datetime(1, 1, 1, tzinfo=UTC)},
    Lie.YEAR_9999: {"ended_at": datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12)))},
    Lie.NUL: {"raw": "\0\udcff", "reason": "\0\udcff"},
    Lie.LARGE: {"reason": "x" * 10_000_000, "node": "x" * 10_000_000},
}


class Gullible(SimDriver):
    """A driver that repeats the lies of pilots."""

    lies: dict[str, dict[str, Any]]

    def poll(self, jobs: Sequence[Job]) -> list[Observed]:
        return self._with_lies(super().poll(jobs))

    def find(self) -> Listing:
        listing = super().find()
        return replace(listing, jobs=self._with_lies(listing.jobs))

    def _with_lies(self, observations: Sequence[Observed]) -> list[Observed]:
        return [one._replace(**self.lies.get(one.stamp, {})) for one in observations]


class SimSite(Site):
    """One simulated CE."""

    cannot_lie = never("a simulated pilot has no files", *FILES)

    many = 5000
    visibility_delay = 5
    time_limit = 0.1
    margin = 2
    step = 10

    def __init__(self, uow: UnitOfWork, name: str = "ce1", **options: Any) -> None:
        self.uow = uow
        self.name = name
        self.clock = NOW
        self.lies: dict[str, dict[str, Any]] = {}
        self.options = {
            "queue_time": 5,
            "spread": "fixed",
            "visibility_delay": self.visibility_delay,
            "call_timeout": self.time_limit,
            "neighbours": [SECOND],
            "tells_ce": self.tells_ce,
            **options,
        }

    def connect(self, life: Life = Life.LONG) -> SimDriver:
        return self.driver(**LIVES[life])

    def connect_second(self, life: Life = Life.LONG) -> SimDriver:
        return self.driver(name=SECOND, neighbours=[self.name], **LIVES[life])

    def driver(
        self, success_rate: float = 1.0, name: str | None = None, **options: Any
    ) -> SimDriver:
        """Return a driver with other options."""
        ce_options = SimOptions(**{**self.options, **options})
        ce = CE(
            name=name or self.name, backend=BACKEND.name, capacity=10, success_rate=success_rate
        )
        means = Means(uow=self.uow, home=Path("unused"), now=self.now)
        driver = Gullible(ce, ce_options, means)
        driver.lies = self.lies
        return driver

    def plant(self, lie: Lie, job: Job) -> None:
        self.lies[job.stamp] = LIES[lie]

    def contents(self) -> object:
        with self.uow() as tx:
            return tx.execute(select(sim_jobs).order_by(sim_jobs.c.id)).all()

    def grow_old(self) -> None:
        self.wait(10**7)

    def unknown_handle(self, number: int) -> str:
        return f"sim-{10**12 + number}"

    def wait(self, seconds: float) -> None:
        self.clock += timedelta(seconds=seconds)

    def now(self) -> datetime:
        return self.clock

    @contextmanager
    def provoke(self, trouble: Trouble, stamps: Sequence[str]) -> Iterator[None]:
        if trouble is Trouble.LEFT_LISTING:
            self.wait(SimOptions(**self.options).keep_listed + 1)
            yield
            return
        fault, settings = FAULTS[trouble]
        if stamps and fault not in WHOLE_CALL:
            settings = {**settings, "stamps": stamps}
        self.switch_on(fault, **settings)
        yield
        switch_off(self.uow, self.name, fault)

    def switch_on(self, fault: Fault, rate: float = 1.0, **settings: Any) -> None:
        """Switch a fault on, at the time of this CE."""
        switch_on(self.uow, self.name, fault, rate, now=self.clock, **settings)

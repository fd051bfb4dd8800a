"""A play: one database, its clocks and its broker, and every execution of a task in it."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from tests.crash.boundaries import Killed
from tests.crash.evidence import Evidence, Witness
from tests.databases import backend_chains
from tests.stateful.boundaries import Script, Stage, StagedDriver, StagedUnitOfWork
from tests.stateful.broker import Broker, Message
from tests.stateful.clocks import Clocks
from tests.stateful.executions import Execution
from tests.stateful.oracle import Oracle
from worker.backends import registry
from worker.backends.contract import Backend, Means
from worker.backends.sim import BACKEND as SIM
from worker.db.database import Database
from worker.db.engine import parse_url
from worker.db.schedules import Schedule
from worker.db.uow import UnitOfWork
from worker.domain.ce import CE
from worker.domain.errors import AlreadyExists, InUse, NotFound
from worker.services.operate import apply, inventory_file, pilots
from worker.services.runtime import Runtime, TaskResult
from worker.services.tasks import catalogue, execute, ticks

KEEP_FINAL = timedelta(hours=30)
GONE = (NotFound, InUse, AlreadyExists)
"""Errors of an execution whose CE or VO was removed, or may not be removed."""


@dataclass(frozen=True, kw_only=True)
class Ambush:
    """What happens to the next execution of a task at a place."""

    task: str
    place: str
    dies: bool


class Play:
    """One system, whose clocks, broker and CEs a test controls."""

    def __init__(self, engine: Engine, home: Path) -> None:
        self.clocks = Clocks()
        self.broker = Broker()
        self.stage = Stage()
        self.evidence = Evidence()
        self.oracle = Oracle(engine, self.evidence, self.clocks, KEEP_FINAL)
        self.waiters: list[Execution] = []
        self.story: list[str] = []
        self.ambush: Ambush | None = None
        self.world = UnitOfWork(engine)
        self.database = Database(parse_url("sqlite://"), backend_chains())
        vars(self.database).update(
            engine=engine, uow=StagedUnitOfWork(engine, self.stage, self.oracle.commit)
        )
        self._home = home
        self._numbers = count(1)
        often = {"learn": 700.0, "report": 700.0, "sweep": 700.0, "reconcile": 60.0}
        schedules = [Schedule(task=task, every=seconds) for task, seconds in often.items()]
        ticks.seed(self.database, self.clocks.ours, schedules)

    def runtime(self, *, by_hand: bool = False) -> Runtime:
        """Make the runtime of one execution."""
        own = replace(SIM, driver=self._driver)
        return Runtime(
            database=self.database,
            backends={**_backends(), SIM.name: own},
            home=self._home,
            now=self.clocks.now,
            holder=f"execution {next(self._numbers)}",
            nudge=self._nudge,
            by_hand=by_hand,
            budget=4,
            batch=3,
            lease=timedelta(seconds=60),
            keep_final=KEEP_FINAL,
            keep_decisions=KEEP_FINAL,
        )

    def run(self, task: str, subject: str | None, *, dies: str | None = None) -> None:
        """Run a task by hand; it may be killed at a place."""
        work = partial(self._execute, task, subject, by_hand=True)
        self._die(f"{task} {subject or ''}", dies, work)

    def lie_in_wait(self, task: str, place: str, *, dies: bool) -> None:
        """Let the next execution of a task die or wait at a place."""
        self.ambush = Ambush(task=task, place=place, dies=dies)

    def go_on(self, which: int) -> None:
        """Let a waiting execution go on to its end."""
        execution = self.waiters.pop(which % len(self.waiters))
        self.story.append(f"{execution.name} goes on, {execution.waits}")
        execution.go_on()

    def die(self, which: int) -> None:
        """Kill a waiting execution."""
        execution = self.waiters.pop(which % len(self.waiters))
        self.story.append(f"{execution.name} is killed, {execution.waits}")
        execution.die()

    def cancel(self, stamp: str, dies: str | None) -> None:
        """Let an operator cancel a pilot; the command may be killed at a place."""

        def work() -> None:
            result = pilots.cancel(self.runtime(by_hand=True), [stamp], yes=True)
            self.story.append(f"cancel {stamp[-8:]}: {result}")

        self._die(f"cancel {stamp[-8:]}", dies, work)

    def apply(self, text: str) -> None:
        """Let an operator apply a file."""
        path = self._home / "site.toml"
        path.write_text(text)
        declaration = inventory_file.read(path, _backends())
        self.by_operator(
            lambda: apply.apply(self.runtime(by_hand=True), declaration, dry_run=False)
        )

    def close(self) -> None:
        """Leave no execution behind."""
        while self.waiters:
            self.die(0)
        self.oracle.close()

    def by_operator(self, act: Callable[[], object]) -> None:
        """Let an operator act; the act may be refused."""
        with self.stage.played_by(Script()):
            try:
                act()
            except GONE as error:
                self.story.append(f"refused: {error}")

    def tick(self) -> None:
        """Let a scheduler look once."""
        with self.stage.played_by(Script()):
            firings, _ = ticks.claim_due(self.database, self.clocks.ours)
        for one in firings:
            self.broker.send(one.task.name, one.subject, self.clocks.ours, one.expires)
        self.story.append(f"sent: {', '.join(map(str, self.broker.messages)) or 'nothing'}")

    def deliver_all(self, how: str = "in order") -> None:
        """Deliver all messages, and those that follow from them; one for a busy CE comes again."""
        if how == "not yet":
            return
        if how == "never":
            self.broker.messages.clear()
        if how == "reversed":
            self.broker.messages.reverse()
        while self.broker.messages:
            message = self.broker.messages.pop(0)
            for _ in range(2 if how == "twice" else 1):
                self._deliver(message)
        self.broker.ripen()

    def _deliver(self, message: Message) -> None:
        """Deliver a message to a worker, if it is not too late."""
        if message.expires_at <= self.clocks.ours:
            self.story.append(f"{message}: too late")
            return
        ambush = self.ambush
        if ambush is None or ambush.task != message.task:
            with self.stage.played_by(Script()):
                self._receive(message)
        elif ambush.dies:
            self._die(str(message), ambush.place, partial(self._receive, message))
        else:
            self._keep(str(message), ambush.place, partial(self._receive, message))

    def _die(self, name: str, place: str | None, work: Callable[[], object]) -> None:
        """Let an execution die at a place, if it gets there."""
        script = Script(place)
        with self.stage.played_by(script), suppress(Killed):
            work()
        if script.is_dead:
            self.story.append(f"{name} died {place}")
            self.ambush = None

    def _keep(self, name: str, place: str, work: Callable[[], None]) -> None:
        """Let an execution wait at a place, if it gets there."""
        execution = Execution(self.stage, name, work)
        execution.go_on(place)
        if not execution.is_over:
            self.waiters.append(execution)
            self.story.append(f"{name} waits {place}")
            self.ambush = None

    def _receive(self, message: Message) -> None:
        result = self._execute(message.task, message.subject, by_hand=False)
        if result is not None and result.busy:
            self.broker.again(message)

    def _execute(self, name: str, subject: str | None, *, by_hand: bool) -> TaskResult | None:
        prefix = f"{name} {subject or ''}: "
        try:
            result = execute.execute(catalogue.get(name), subject, self.runtime(by_hand=by_hand))
        except GONE as error:
            self.story.append(f"{prefix}{error}")
            return None
        self.story.append(prefix + "; ".join([str(result), *result.lines[:3]]))
        return result

    def _nudge(self, task: str, subject: str) -> None:
        self.broker.send(task, subject, self.clocks.ours, catalogue.get(task).every or 60)

    def _driver(self, ce: CE, options: Any, means: Means) -> Any:
        at_ce = SIM.driver(ce, options, replace(means, uow=self.world, now=self.clocks.at_the_ces))
        witness = Witness(at_ce, ce.name, self.evidence, self.clocks.in_the_ledger)
        return StagedDriver(witness, self.stage, self.clocks.now)


@cache
def _backends() -> Mapping[str, Backend]:
    return registry.discover()

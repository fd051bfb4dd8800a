"""The whole system, controlled by a test: scheduler, broker, workers, operator, CEs, one clock.

One step is what one process does: a scheduler fires what is due, a worker executes one message, an
operator gives one command. Everything is deterministic: the same state and the same plan lead to
the same steps, boundary by boundary.
"""

import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.crash.boundaries import Boundaries, Disturbance, Edge, Killed
from tests.crash.evidence import Evidence, Witness
from tests.crash.promises import Promises
from tests.crash.rest import reasons
from tests.crash.stores import Store
from tests.factories import NOW
from worker.backends.contract import Driver
from worker.backends.sim import BACKEND as SIM
from worker.db import pilots, uow
from worker.demand import registry as sources
from worker.domain.errors import PilotageError
from worker.services.runtime import Runtime
from worker.services.tasks import catalogue, execute, ticks

Message = tuple[str, str | None]
Command = Callable[["System"], object]

CALL = timedelta(seconds=1)
"""The time that a CE takes to answer."""

BEAT = timedelta(seconds=30)
"""The interval of a scheduler."""

SLOWLY = timedelta(seconds=200)
"""Its interval while the system only waits for something to end."""


@dataclass(frozen=True)
class State:
    """All that outlives a process: the database, messages, evidence of the CEs, and the time."""

    saved: Any
    digests: tuple[tuple[str, str], ...]
    clock: datetime
    messages: tuple[Message, ...]
    commands: tuple[tuple[datetime, Command], ...]
    stamps: int
    demand: int
    evidence: Evidence

    @property
    def key(self) -> tuple[object, ...]:
        """The part of the state that decides how it goes on."""
        return self.digests, self.clock, self.messages, len(self.commands), self.stamps


@dataclass(frozen=True)
class Broker:
    """How many copies of a nudge or a tick arrive; each is a message."""

    nudges: int = 1
    ticks: int = 1


class System:
    """Everything that a test controls."""

    def __init__(self, store: Store, home: Path, broker: Broker = Broker()) -> None:
        self.store = store
        self.database = store.database
        self.home = home
        self.broker = broker
        self.clock = NOW
        self.messages: list[Message] = []
        self.commands: list[tuple[datetime, Command]] = []
        self.stamps = 0
        self.demand = 3
        self.strangers: frozenset[str] = frozenset()
        self.evidence = Evidence()
        self.boundaries = Boundaries()
        self.problems: list[str] = []
        self.holder = "first"
        self.pace = BEAT
        self.boundaries.on_engine(self.database.engine, self._committed)
        self.promises = Promises(self.database.engine, self.evidence)
        self._sim = replace(SIM, driver=self._driver)

    # What outlives a process.

    def save(self) -> State:
        """Return the state."""
        digests = self.store.digests()
        return State(
            saved=self.store.save(),
            digests=digests,
            clock=self.clock,
            messages=tuple(self.messages),
            commands=tuple(self.commands),
            stamps=self.stamps,
            demand=self.demand,
            evidence=self.evidence.copy(),
        )

    def restore(self, state: State) -> None:
        """Go back to a state, and forget the problems."""
        self.store.restore(state.saved)
        self.clock = state.clock
        self.messages = list(state.messages)
        self.commands = list(state.commands)
        self.stamps, self.demand = state.stamps, state.demand
        self.evidence = state.evidence.copy()
        self.promises = Promises(self.database.engine, self.evidence)
        self.problems = []

    # Steps.

    def next_step(self) -> str:
        """Return the name of the next step."""
        if self.commands and self.commands[0][0] <= self.clock:
            return "command"
        if self.messages:
            task, subject = self.messages[0]
            return f"{task} {subject or ''}".strip()
        return "tick"

    def step(self, at: int = 0, disturb: Disturbance | None = None) -> list[str]:
        """Run the next step, and disturb it at a crossing; return the boundaries it crossed."""
        with self.boundaries.watched(at, disturb) as crossings:
            has_ended = self._live()
        if self.boundaries.dead:
            self.store.hang_up()
            if has_ended:
                self.problems.append(f"it went on after it was killed at {crossings[-1]}")
        return crossings

    def others(self, until: datetime) -> None:
        """Let other processes go on for a time, while one stands still.

        If the time is zero, they execute the messages and commands that are there already.
        """
        was, self.holder = self.holder, f"other than {self.holder}"
        with self.boundaries.unwatched():
            for _ in range(len(self.messages) + len(self.commands)):
                self._live()
            while self.clock < until:
                self._live()
        self.holder = was

    def _live(self) -> bool:
        """Run the next step; return whether it came to its end."""
        what = self.next_step()
        work = self._work(what)
        random.seed(f"{what} {self.clock}")
        try:
            Context().run(work)
        except Killed:
            return False
        except PilotageError:
            pass  # the next tick tries again
        except Exception as error:  # noqa: BLE001  # any error is a problem
            self.problems.append(f"{what} broke: {error!r}")
        return True

    def _work(self, what: str) -> Callable[[], object]:
        if what == "tick":
            return self._tick
        if what == "command":
            return partial(self.commands.pop(0)[1], self)
        task, subject = self.messages.pop(0)  # acknowledged before it is executed
        return partial(execute.execute, catalogue.get(task), subject, self.runtime())

    def _tick(self) -> None:
        """Run a scheduler at its next interval."""
        self.clock += self.pace - (self.clock - NOW) % self.pace
        firings, _ = ticks.claim_due(self.database, self.clock)
        for firing in firings:
            self._send(firing.task.name, firing.subject, self.broker.ticks)

    def runtime(self, **changes: Any) -> Runtime:
        """Make the runtime of a process."""
        runtime = Runtime(
            database=self.database,
            backends={SIM.name: self._sim},
            home=self.home,
            now=lambda: self.clock,
            holder=self.holder,
            nudge=self._nudge,
        )
        return replace(runtime, **changes)

    @contextmanager
    def alive(self) -> Iterator["System"]:
        """Choose stamps by the state alone, and answer in place of the source of a demand."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pilots, "token_hex", self._stamp)
            patch.setattr(sources, "ask", self._ask)
            yield self
        self.store.hang_up()

    def judge(self) -> list[str]:
        """Return what does not hold now, if nothing happens any more."""
        with self.boundaries.unwatched():
            problems = self.promises.at_rest(self.clock, self.strangers)
            with self.database.engine.connect() as connection:
                problems += reasons(connection)
        return problems

    # What a process touches.

    def _committed(self) -> None:
        with self.boundaries.unwatched():
            self.problems += self.promises.look()

    def _nudge(self, task: str, subject: str) -> None:
        if uow.is_open():
            self.problems.append(f"early: {task} {subject} was nudged before the commit")
        self._send(task, subject, self.broker.nudges)

    def _send(self, task: str, subject: str | None, copies: int) -> None:
        self.boundaries.cross(f"before sending {task}")
        self.messages += [(task, subject)] * copies
        self.boundaries.cross(f"after sending {task}")

    def _driver(self, ce: Any, options: Any, means: Any) -> Driver:
        """Make the driver of a CE: its call and its answer are boundaries, its own work is not."""
        cross, far = self.boundaries.cross, SIM.driver(ce, options, means)
        acted_at = [self.clock]

        def before_call(call: str) -> None:
            cross(f"before the call {call}")

        def at_call(call: str) -> None:
            acted_at[0] = self.clock

        def after_call(call: str) -> None:
            self.clock += CALL
            cross(f"after the CE did {call}")

        there: Any = Edge(far, before=at_call, after=after_call, within=self.boundaries.unwatched)
        witness: Any = Witness(there, ce.name, self.evidence, lambda: acted_at[0])
        edge: Any = Edge(witness, before=before_call)
        return edge  # type: ignore[no-any-return]

    def _ask(self, vo: str, source: Any) -> int:
        self.boundaries.cross("before the call ask")
        self.clock += CALL
        self.boundaries.cross("after the source did ask")
        return self.demand

    def _stamp(self, size: int) -> str:
        self.stamps += 1
        return hashlib.sha256(f"stamp {self.stamps}".encode()).hexdigest()[: 2 * size]

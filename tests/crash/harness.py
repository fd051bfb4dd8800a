"""Stops the system at every boundary of every step of its life, and sees that it recovers."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from tests.crash.boundaries import Disturbance
from tests.crash.life import (
    CALM,
    GIVEN_UP,
    LATEST,
    close_down,
    end_all,
    fill_up,
    is_idle,
    leave_out,
)
from tests.crash.system import BEAT, SLOWLY, State, System
from worker.db.engine import POSTGRESQL

PAUSE = timedelta(seconds=250)
"""So long a process stands still: longer than its lease, as on a machine that is suspended."""

OFTEN = 3
"""A boundary that a step crosses so often, such as a message that is sent, is like the next."""

LATER_STEPS = 30
"""A second process is killed within so many steps of the first."""

CALLING = ("dispatch", "check_pilots", "reconcile", "command")
"""The steps in which a CE is called."""


@dataclass
class Report:
    """What was tried, and what was found."""

    steps: int = 0
    points: int = 0
    recoveries: int = 0
    boundaries: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Take in another."""
        self.steps += other.steps
        self.points += other.points
        self.recoveries += other.recoveries
        self.boundaries += other.boundaries
        self.found += other.found

    def __str__(self) -> str:
        return (
            f"{self.points} points at {len(self.boundaries)} boundaries of {self.steps} steps, "
            f"{self.recoveries} recoveries"
        )


@dataclass(frozen=True, kw_only=True)
class Thrift:
    """What is left out to save time."""

    repeated: bool = True
    """Steps that cross the same boundaries as an earlier one, and what a step crosses often."""
    statements: bool = False
    """Boundaries inside a transaction: what was done there is rolled back anyway."""
    tasks: tuple[str, ...] = ()
    """Steps of other tasks than these, if any are named."""
    alike: bool = True
    """Recoveries where nothing was changed, and from what a task left by the same tables."""
    recovers: bool = True
    """Without it only the commits are judged, and not what comes after the disturbance."""
    share: float = 1.0
    """Boundaries beyond this share of those that are left, by chance."""


ALL = Thrift(repeated=False, alike=False)
SOME = Thrift()
FEW = Thrift(statements=True, tasks=CALLING)

Disturb = Callable[[System], Disturbance]


def kill(system: System) -> Disturbance:
    """Kill the process at the boundary."""
    return system.boundaries.kill


def suspend(system: System) -> Disturbance:
    """Let the process stand still at the boundary while others go on, and then go on itself.

    Within a transaction it stands for a moment only: PostgreSQL ends one that is idle for long. On
    SQLite, which has one writer, others could do nothing then.
    """

    def stand_still() -> None:
        if not system.boundaries.writing:
            system.others(system.clock + PAUSE)
        elif system.database.engine.dialect.name == POSTGRESQL:
            system.others(system.clock)

    return stand_still


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step as it was without a disturbance."""

    name: str
    before: State
    after: State
    crossed: tuple[str, ...]

    @property
    def task(self) -> str:
        """What was done, for whomever."""
        return self.name.split()[0]

    def changed(self, left: State) -> frozenset[str]:
        """Name the tables that are not any more as they were before."""
        was = dict(self.before.digests)
        return frozenset(table for table, said in left.digests if said != was[table])


class Explorer:
    """Goes through the life of a system, from one state on."""

    def __init__(
        self,
        system: System,
        thrift: Thrift,
        disturb: Disturb = kill,
        *,
        again: bool = False,
        seed: int = 0,
    ) -> None:
        self.system = system
        self.thrift = thrift
        self.disturb = disturb
        self.again = again
        self.report = Report()
        self._dice = Random(seed)
        self._shapes: set[tuple[str, ...]] = set()
        self._followed: set[object] = set()

    def explore(self, start: State, until: datetime) -> Report:
        """Disturb every step until a moment; stop at the first that breaks a promise."""
        system = self.system
        system.restore(start)
        while system.clock < until and not self.report.found:
            before, name = system.save(), system.next_step()
            crossed = tuple(system.step())
            self._find(f"{name}, undisturbed")
            step = Step(name=name, before=before, after=system.save(), crossed=crossed)
            self.report.steps += 1
            for number in self._numbers(step.task, crossed):
                self.disturb_at(step, number)
            system.restore(step.after)
        if not self.report.found and self.thrift.recovers:
            recover(system)
            self._find("undisturbed to the end")
        return self.report

    def disturb_at(self, step: Step, number: int) -> None:
        """Disturb a step at one boundary, and let all recover."""
        system, what = self.system, step.crossed[number - 1]
        system.restore(step.before)
        seen = tuple(system.step(number, self.disturb(system)))
        assert seen[:number] == step.crossed[:number], f"{step.name} is not deterministic"
        self.report.points += 1
        self.report.boundaries[f"{step.task}: {what}"] += 1
        if self._is_new(step, system.save()):
            self.report.recoveries += 1
            if self.again:
                kill_another(system, self._dice)
            recover(system)
        self._find(f"{step.name}, boundary {number}: {what}")

    def _find(self, where: str) -> None:
        self.report.found += [f"{line} ({where})" for line in self.system.found]

    def _numbers(self, task: str, crossed: tuple[str, ...]) -> Iterator[int]:
        """Choose the boundaries of a step."""
        if self.thrift.tasks and task not in self.thrift.tasks:
            return
        shape = (task, *dict.fromkeys(crossed))
        if self.thrift.repeated and shape in self._shapes:
            return
        self._shapes.add(shape)
        for number, what in enumerate(crossed, start=1):
            if self.thrift.repeated and crossed[: number - 1].count(what) > OFTEN:
                continue
            inside = what.split()[1] not in ("the", "sending")
            if not (self.thrift.statements and inside) and self._dice.random() < self.thrift.share:
                yield number

    def _is_new(self, step: Step, left: State) -> bool:
        """Tell whether nobody went on from here before: the same state goes on the same way."""
        if not self.thrift.recovers:
            return False
        key: object = left.key
        if self.thrift.alike and not self.again:
            if left.key == step.after.key:  # as if it had not been disturbed
                return False
            changed = step.changed(left)
            key = changed and (step.task, changed, len(left.messages) > len(step.before.messages))
        is_new = key not in self._followed
        self._followed.add(key)
        return is_new


def kill_another(system: System, dice: Random) -> None:
    """Kill one more process, by chance, while the system recovers from the first."""
    system.holder, system.pace = "second", SLOWLY
    for _ in range(dice.randrange(LATER_STEPS)):
        system.step()
    found, before = system.found, system.save()
    crossed = system.step()
    system.restore(before)
    system.step(dice.randint(1, len(crossed)))
    system.found = [*found, *system.found]
    system.holder = "third"


def recover(system: System) -> None:
    """Let other processes go on until nothing is left to do; judge what they leave."""
    system.pace = SLOWLY
    if system.holder == "first":
        system.holder = "second"
    closed = ended = False
    leave_out(system, "learn", "report", "sweep", "renew_credentials")
    while system.clock < LATEST:
        system.step()
        if system.messages or system.clock < CALM:
            continue
        if not closed:
            close_down(system)
            leave_out(system, "prune")
            closed = True
        if system.clock >= GIVEN_UP and not ended:
            end_all(system)
            ended = True
        if is_idle(system) and not system.judge():
            break
    system.found += system.judge()
    system.found += fill_up(system)
    system.holder, system.pace = "first", BEAT

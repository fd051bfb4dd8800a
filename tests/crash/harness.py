"""Stops the system at every boundary of every step of its life, and checks that it recovers."""

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
"""Time that a process stands still: longer than its lease, as on a suspended machine."""

OFTEN = 3
"""A boundary that one step crosses more often than this, such as a message, is tried no more."""

LATER_STEPS = 30
"""A second process is killed within this number of steps after the first."""

CALLING = ("dispatch", "check_pilots", "reconcile", "command")
"""The steps in which a CE is called."""


@dataclass
class Report:
    """What was tried, and the problems."""

    steps: int = 0
    points: int = 0
    recoveries: int = 0
    boundaries: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Add another report."""
        self.steps += other.steps
        self.points += other.points
        self.recoveries += other.recoveries
        self.boundaries += other.boundaries
        self.problems += other.problems

    def __str__(self) -> str:
        return (
            f"{self.points} points at {len(self.boundaries)} boundaries of {self.steps} steps, "
            f"{self.recoveries} recoveries"
        )


@dataclass(frozen=True, kw_only=True)
class Thrift:
    """What to leave out to save time."""

    repeated: bool = True
    """Steps that cross the same boundaries as an earlier one, and frequent boundaries of a step."""
    statements: bool = False
    """Boundaries inside a transaction: it is rolled back anyway."""
    tasks: tuple[str, ...] = ()
    """Steps of other tasks than these, if any are named."""
    alike: bool = True
    """Recoveries where nothing was changed, or where a task changed the same tables as before."""
    recovers: bool = True
    """If false, the commits alone are judged, and the recovery is left out."""
    share: float = 1.0
    """All but this share of the remaining boundaries, by chance."""


ALL = Thrift(repeated=False, alike=False)
SOME = Thrift()
FEW = Thrift(statements=True, tasks=CALLING)

Disturb = Callable[[System], Disturbance]


def kill(system: System) -> Disturbance:
    """Kill the process at the boundary."""
    return system.boundaries.kill


def suspend(system: System) -> Disturbance:
    """Let the process stand still at the boundary while others go on; then it goes on, too.

    Within a transaction it stands still for a moment only: PostgreSQL ends a session that is idle
    for long. On SQLite, which has one writer, others could do nothing then.
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
    crossings: tuple[str, ...]

    @property
    def task(self) -> str:
        """The task of the step, without its subject."""
        return self.name.split()[0]

    def changed_tables(self, after: State) -> frozenset[str]:
        """Return the tables whose content has changed."""
        was = dict(self.before.digests)
        return frozenset(table for table, digest in after.digests if digest != was[table])


class Explorer:
    """Goes through the life of a system from a given state."""

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
        self._states: set[object] = set()

    def explore(self, start: State, until: datetime) -> Report:
        """Disturb every step until a moment; stop at the first broken promise."""
        system = self.system
        system.restore(start)
        while system.clock < until and not self.report.problems:
            before, name = system.save(), system.next_step()
            crossings = tuple(system.step())
            self._find(f"{name}, undisturbed")
            step = Step(name=name, before=before, after=system.save(), crossings=crossings)
            self.report.steps += 1
            for number in self._numbers(step.task, crossings):
                self.disturb_at(step, number)
            system.restore(step.after)
        if not self.report.problems and self.thrift.recovers:
            recover(system)
            self._find("undisturbed to the end")
        return self.report

    def disturb_at(self, step: Step, number: int) -> None:
        """Disturb a step at one boundary, and let the system recover."""
        system, what = self.system, step.crossings[number - 1]
        system.restore(step.before)
        crossings = tuple(system.step(number, self.disturb(system)))
        assert crossings[:number] == step.crossings[:number], f"{step.name} is not deterministic"
        self.report.points += 1
        self.report.boundaries[f"{step.task}: {what}"] += 1
        if self._is_new(step, system.save()):
            self.report.recoveries += 1
            if self.again:
                kill_another(system, self._dice)
            recover(system)
        self._find(f"{step.name}, boundary {number}: {what}")

    def _find(self, where: str) -> None:
        self.report.problems += [f"{line} ({where})" for line in self.system.problems]

    def _numbers(self, task: str, crossings: tuple[str, ...]) -> Iterator[int]:
        """Choose the boundaries of a step."""
        if self.thrift.tasks and task not in self.thrift.tasks:
            return
        shape = (task, *dict.fromkeys(crossings))
        if self.thrift.repeated and shape in self._shapes:
            return
        self._shapes.add(shape)
        for number, what in enumerate(crossings, start=1):
            if self.thrift.repeated and crossings[: number - 1].count(what) > OFTEN:
                continue
            inside = what.split()[1] not in ("the", "sending")
            if not (self.thrift.statements and inside) and self._dice.random() < self.thrift.share:
                yield number

    def _is_new(self, step: Step, after: State) -> bool:
        """Return whether this state is new: the same state always goes on the same way."""
        if not self.thrift.recovers:
            return False
        key: object = after.key
        if self.thrift.alike and not self.again:
            if after.key == step.after.key:  # the disturbance made no difference
                return False
            tables = step.changed_tables(after)
            key = tables and (step.task, tables, len(after.messages) > len(step.before.messages))
        is_new = key not in self._states
        self._states.add(key)
        return is_new


def kill_another(system: System, dice: Random) -> None:
    """Kill a second process, by chance, while the system recovers from the first."""
    system.holder, system.pace = "second", SLOWLY
    for _ in range(dice.randrange(LATER_STEPS)):
        system.step()
    problems, before = system.problems, system.save()
    crossings = system.step()
    system.restore(before)
    system.step(dice.randint(1, len(crossings)))
    system.problems = [*problems, *system.problems]
    system.holder = "third"


def recover(system: System) -> None:
    """Let other processes go on until nothing is left to do; judge the result."""
    system.pace = SLOWLY
    if system.holder == "first":
        system.holder = "second"
    is_closed_down = has_ended_all = False
    leave_out(system, "learn", "report", "sweep", "renew_credentials")
    while system.clock < LATEST:
        system.step()
        if system.messages or system.clock < CALM:
            continue
        if not is_closed_down:
            close_down(system)
            leave_out(system, "prune")
            is_closed_down = True
        if system.clock >= GIVEN_UP and not has_ended_all:
            end_all(system)
            has_ended_all = True
        if is_idle(system) and not system.judge():
            break
    system.problems += system.judge()
    system.problems += fill_up(system)
    system.holder, system.pace = "first", BEAT

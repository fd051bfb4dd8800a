"""The world: CEs that accept pilots, start them and end them, and VOs that have work for them."""

import heapq
import math
from collections import deque
from collections.abc import Callable
from itertools import count
from random import Random

from worker.domain.pilot import Cause, Status
from worker.simulation.scenario import (
    ALL,
    CEModel,
    CETrouble,
    Drift,
    Owner,
    Scenario,
    TroubleKind,
    names_of,
)

MINUTE = 60.0
EMPTY_RUN = 2 * MINUTE
"""The seconds after which a pilot without work ends."""
HOUR = 3600.0


class Truth:
    """The true properties of one CE. Moments are seconds from the beginning."""

    def __init__(self, name: str, model: CEModel, scenario: Scenario) -> None:
        self.name = name
        self.model = model
        self.slots = model.capacity if model.slots is None else model.slots
        mine = (ALL, name, model.name)
        self.troubles = [trouble for trouble in scenario.troubles if trouble.ce in mine]
        drifts = [drift for drift in scenario.drifts if drift.ce in mine]
        self._drifts: dict[str, Drift] = {drift.of: drift for drift in drifts}

    def rate(self, of: str, at: float) -> float:
        """Return a rate at a moment, without the effect of troubles."""
        drift = self._drifts.get(of)
        return float(getattr(self.model, of)) if drift is None else _swing(drift, at)

    def trouble(self, at: float, *kinds: TroubleKind) -> CETrouble | None:
        """Return the trouble of one of these kinds that the CE has at a moment, if any."""
        for trouble in self.troubles:
            if trouble.kind in kinds and trouble.begins * HOUR <= at < trouble.ends * HOUR:
                return trouble
        return None


def truths(scenario: Scenario) -> list[Truth]:
    """Make every CE of a scenario."""
    return [Truth(name, model, scenario) for model in scenario.sites for name in names_of(model)]


def _swing(drift: Drift, at: float) -> float:
    turn = math.sin(2 * math.pi * (at / HOUR / drift.period + drift.phase))
    return drift.low + (drift.high - drift.low) * (1 + turn) / 2


class SimulatedPilot:
    """One pilot: the truth about it, and the status that the books have recorded."""

    __slots__ = (
        "began", "cause", "ce", "empty", "end", "ended", "recorded", "reserved", "vo",
    )  # fmt: skip

    def __init__(self, ce: "SimulatedCE", vo: str, reserved: float) -> None:
        self.ce = ce
        self.vo = vo
        self.reserved = reserved
        self.began: float | None = None
        self.ended: float | None = None
        self.end = 0.0
        """When it ends, unless it is killed before."""
        self.cause: Cause | None = None
        """Why it will fail; `None` if it will end well."""
        self.empty = False
        self.recorded = Status.SUBMITTED


class SimulatedCE:
    """The queue of one CE, and its slots."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth
        self.name = truth.name
        self.ready: deque[SimulatedPilot] = deque()
        """Pilots that begin as soon as a slot is free."""
        self.running: set[SimulatedPilot] = set()
        self.changed: list[SimulatedPilot] = []
        """Pilots that began or ended since the last check."""


class VOWork:
    """The jobs of one VO."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.jobs = owner.jobs or 0

    @property
    def demand(self) -> int | None:
        """How many pilots the VO could use; `None` is unlimited."""
        return None if self.owner.unlimited else self.jobs

    def is_idle(self, at: float) -> bool:
        """Return whether the VO has no work at this moment, although it asks for pilots."""
        begins = self.owner.idle_from
        return begins is not None and begins * HOUR <= at < self.owner.idle_until * HOUR

    def take(self, at: float) -> bool:
        """Take a job, if there is one."""
        if self.is_idle(at):
            return False
        if self.owner.unlimited:
            return True
        if self.jobs < 1:
            return False
        self.jobs -= 1
        return True

    def give_back(self) -> None:
        """Take back the job of a pilot that failed."""
        self.jobs += 1


class World:
    """All CEs and VOs, and what happens next. Moments are seconds from the beginning."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.now = 0.0
        self.ces = {truth.name: SimulatedCE(truth) for truth in truths(scenario)}
        self.work = {owner.name: VOWork(owner) for owner in scenario.owners}
        self.pilots: list[SimulatedPilot] = []
        self.refused: dict[str, int] = dict.fromkeys(self.work, 0)
        # Each CE and VO has its own random numbers, so that events at one do not change another's.
        self._dice = {name: Random(f"{seed} {name}") for name in (*self.ces, *self.work)}  # noqa: S311
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        for ce in self.ces.values():
            self._plan_troubles(ce)
        for work in self.work.values():
            self._plan_work(work)

    def at(self, moment: float, happens: Callable[[], None]) -> None:
        """Plan an event for a moment."""
        heapq.heappush(self._events, (moment, next(self._order), happens))

    def run(self, until: float) -> None:
        """Execute all events up to a moment."""
        events = self._events
        while events and events[0][0] < until:
            self.now, _, happens = heapq.heappop(events)
            happens()
        self.now = until

    def submit(self, name: str, vo: str, number: int) -> list[SimulatedPilot | None]:
        """Send pilots to a CE; `None` in the result stands for a refused pilot."""
        ce = self.ces[name]
        trouble = ce.truth.trouble(self.now, TroubleKind.OUTAGE, TroubleKind.REFUSING)
        accept = ce.truth.rate("accept", self.now) * (1 - (trouble.part if trouble else 0))
        dice = self._dice[name]
        receipts: list[SimulatedPilot | None] = []
        for _ in range(number):
            if dice.random() >= accept:
                self.refused[vo] += 1
                receipts.append(None)
                continue
            pilot = SimulatedPilot(ce, vo, self.now)
            receipts.append(pilot)
            self.pilots.append(pilot)
            wait = dice.expovariate(1) * ce.truth.model.queue_minutes * MINUTE
            self.at(self.now + wait, lambda pilot=pilot: self._ready(pilot))  # type: ignore[misc]
        return receipts

    def _plan_troubles(self, ce: SimulatedCE) -> None:
        for trouble in ce.truth.troubles:
            if trouble.kind is TroubleKind.OUTAGE:
                self.at(trouble.begins * HOUR, lambda ce=ce: self._kill(ce))  # type: ignore[misc]
            self.at(trouble.ends * HOUR, lambda ce=ce: self._start(ce))  # type: ignore[misc]

    def _plan_work(self, work: VOWork) -> None:
        owner = work.owner
        if owner.burst:
            times = range(int(self.scenario.hours / owner.burst_hours) + 1)
            for number in times:
                moment = (number + 0.5) * owner.burst_hours * HOUR
                self.at(moment, lambda: self._arrive(work, owner.burst))
        if owner.jobs_per_hour:
            self._plan_job(work, owner.jobs_per_hour)

    def _plan_job(self, work: VOWork, per_hour: float) -> None:
        def arrives() -> None:
            self._arrive(work, 1)
            self._plan_job(work, per_hour)

        self.at(self.now + self._dice[work.owner.name].expovariate(per_hour / HOUR), arrives)

    def _arrive(self, work: VOWork, jobs: int) -> None:
        work.jobs += jobs

    def _ready(self, pilot: SimulatedPilot) -> None:
        pilot.ce.ready.append(pilot)
        self._start(pilot.ce)

    def _start(self, ce: SimulatedCE) -> None:
        """Begin as many pilots as there are free slots."""
        while ce.ready and len(ce.running) < ce.truth.slots:
            if ce.truth.trouble(self.now, TroubleKind.STUCK, TroubleKind.OUTAGE):
                return
            self._begin(ce.ready.popleft())

    def _begin(self, pilot: SimulatedPilot) -> None:
        self._draw_fate(pilot)
        pilot.ce.changed.append(pilot)
        if pilot.began is None:
            return
        pilot.ce.running.add(pilot)
        swallowed = pilot.empty
        pilot.empty = swallowed or not self.work[pilot.vo].take(self.now)
        if pilot.empty and not swallowed:
            pilot.end = min(pilot.end, self.now + EMPTY_RUN)
            pilot.cause = pilot.cause if pilot.end < self.now + EMPTY_RUN else None
        self.at(pilot.end, lambda: self._end(pilot))

    def _draw_fate(self, pilot: SimulatedPilot) -> None:
        """Decide how long a pilot runs and how it ends, by the state of its CE at its start."""
        dice, truth, now = self._dice[pilot.ce.name], pilot.ce.truth, self.now
        hole = truth.trouble(now, TroubleKind.BLACK_HOLE)
        failing = truth.trouble(now, TroubleKind.FAILING)
        swallows = truth.trouble(now, TroubleKind.SWALLOWING)
        late = 1 - truth.rate("finish", now) * (1 - (failing.part if failing else 0))
        whole = self.scenario.pilot_minutes * MINUTE
        runs = max(10 * MINUTE, dice.gauss(whole, self.scenario.spread * whole))
        pilot.began = now
        if swallows and dice.random() < swallows.part:
            runs, pilot.empty = swallows.after_minutes * MINUTE, True
        elif hole and dice.random() < hole.part:
            runs, pilot.cause = hole.after_minutes * MINUTE * dice.uniform(0.9, 1.1), Cause.UNKNOWN
        elif dice.random() >= truth.rate("start", now):
            pilot.cause = Cause.FAILED_FAST
            runs = dice.uniform(0.1, 3) * MINUTE
            if dice.random() < truth.model.never:
                pilot.cause, pilot.began, pilot.ended = Cause.NEVER_STARTED, None, now
        elif dice.random() < late:
            pilot.cause = Cause.FAILED_LATE
            runs *= dice.random()
            runs = max(runs, 5.1 * MINUTE)
        pilot.end = now + runs

    def _end(self, pilot: SimulatedPilot) -> None:
        if pilot.ended is not None:
            return
        pilot.ended = self.now
        pilot.ce.running.discard(pilot)
        pilot.ce.changed.append(pilot)
        if pilot.cause is not None and not pilot.empty:
            self.work[pilot.vo].give_back()
        self._start(pilot.ce)

    def _kill(self, ce: SimulatedCE) -> None:
        for pilot in sorted(ce.running, key=lambda pilot: (pilot.began, pilot.end)):
            pilot.cause = Cause.NODE
            self._end(pilot)

"""The books: what Pilotage would know of the world, with delays, as in its database."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from worker.domain.pilot import Status, Use
from worker.policy.facts import CEFacts, Rival, VOFacts
from worker.policy.learning import Queue, evaluate
from worker.policy.outcomes import Event, EventKind, PilotOutcome, events_of
from worker.policy.parameters import Parameters
from worker.policy.work import (
    WINDOW,
    Cohort,
    NoWork,
    Usual,
    Verdicts,
    counted,
    demand_without,
    judge,
    merged,
)
from worker.simulation.world import HOUR, SimulatedCE, SimulatedPilot, World

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)

Young = tuple[SimulatedPilot, datetime]
"""A pilot that was seen running, and since when. It is kept until its start is known to be good or
bad."""


def moment(seconds: float) -> datetime:
    """Return a moment of the world as a datetime."""
    return BEGINNING + timedelta(seconds=seconds)


class CEBook:
    """What Pilotage would know of one CE."""

    def __init__(self, ce: SimulatedCE) -> None:
        self.ce = ce
        self.occupying: Counter[str] = Counter()
        self.waiting: Counter[str] = Counter()
        self.events: list[tuple[str, Event]] = []
        """Events that were not learnt from yet, each with the VO of its pilot."""
        self.state: dict[str, object] | None = None
        self.answers = True
        self.last_sent: float | None = None
        self._queue: deque[SimulatedPilot] = deque()
        self._young: list[Young] = []
        self._begun: deque[float] = deque()
        self._last_began: float | None = None
        self._answered_at = 0.0

    def sent(self, vo: str, receipts: list[SimulatedPilot | None], now: float) -> None:
        """Record the result of a submission."""
        at = moment(now)
        accepted = [pilot for pilot in receipts if pilot is not None]
        kinds = (EventKind.REFUSED if pilot is None else EventKind.ACCEPTED for pilot in receipts)
        self.events += [(vo, Event(at, kind)) for kind in kinds]
        self.occupying[vo] += len(accepted)
        self.waiting[vo] += len(accepted)
        self._queue += accepted
        self.last_sent = now

    def look(self, now: float, survival: timedelta, works: "Works") -> None:
        """Check all pilots of the CE, if the CE answers."""
        self.answers = not any(
            trouble.silent and trouble.begins * HOUR <= now < trouble.ends * HOUR
            for trouble in self.ce.truth.troubles
        )
        if not self.answers:
            return
        self._answered_at = now
        at = moment(now)
        changed, self.ce.changed = self.ce.changed, []
        for pilot in changed:
            self._see(pilot, at, works)
        young = []
        for pilot, since in self._young:
            use = works.use_of(pilot) if pilot.recorded is Status.DONE else None
            outcome = _outcome(pilot, Status.SUBMITTED, Status.RUNNING, since, at, use)
            events = events_of(outcome, survival=survival)
            if events is None:
                young.append((pilot, since))
            else:
                self.events += [(pilot.vo, event) for event in events]
        self._young = young

    def queue(self) -> Queue:
        """Return the queue of the CE: since when its oldest pilot waits, and the last start."""
        while self._queue and self._queue[0].recorded is not Status.SUBMITTED:
            self._queue.popleft()
        last = self._last_began
        return Queue(
            oldest_waiting_since=moment(self._queue[0].reserved) if self._queue else None,
            answered_at=moment(self._answered_at),
            last_began=None if last is None else moment(last),
        )

    def facts(self, vo: str, now: float, parameters: Parameters) -> CEFacts:
        """Return the facts of the CE for an allocation."""
        model = self.ce.truth.model
        occupying, waiting = self.occupying.total(), self.waiting.total()
        free = model.capacity - occupying
        if model.waiting_limit is not None:
            free = min(free, model.waiting_limit - waiting)
        evaluation = evaluate(
            self.state, now=moment(now), configured=model.configured, parameters=parameters
        )
        while self._begun and self._begun[0] < now - HOUR:
            self._begun.popleft()
        return CEFacts(
            name=self.ce.name,
            free=max(0, free),
            success_rate=model.configured,
            closed=self._closed(vo),
            chances=evaluation.chances,
            pause=evaluation.pause,
            occupying=occupying,
            waiting=waiting,
            vo_occupying=self.occupying[vo],
            vo_waiting=self.waiting[vo],
            oldest_waiting_since=self.queue().oldest_waiting_since,
            drained=len(self._begun),
            last_sent_at=None if self.last_sent is None else moment(self.last_sent),
            vos=frozenset(model.vos) if model.vos else None,
        )

    def _closed(self, vo: str) -> str | None:
        if not self.answers:
            return "its calls fail"
        allowed = self.ce.truth.model.vos
        return "the CE is for other VOs" if allowed and vo not in allowed else None

    def _see(self, pilot: SimulatedPilot, at: datetime, works: "Works") -> None:
        before = pilot.recorded
        if pilot.began is not None and before is Status.SUBMITTED:
            self._begun.append(pilot.began)
            self._last_began = max(self._last_began or 0.0, pilot.began)
        if pilot.ended is not None:
            pilot.recorded = Status.DONE if pilot.cause is None else Status.FAILED
        else:
            pilot.recorded = Status.RUNNING
        if before is pilot.recorded or before not in (Status.SUBMITTED, Status.RUNNING):
            return
        if before is Status.SUBMITTED:
            self.waiting[pilot.vo] -= 1
        if pilot.recorded is Status.RUNNING:
            self._young.append((pilot, at))
            return
        self.occupying[pilot.vo] -= 1
        use = works.use_of(pilot) if pilot.recorded is Status.DONE else None
        events = events_of(_outcome(pilot, before, pilot.recorded, at, at, use)) or ()
        self.events += [(pilot.vo, event) for event in events]


class Works:
    """What Pilotage would know of the VOs' work: how long their pilots live, and their use."""

    def __init__(self, vos: Iterable[str], parameters: Parameters) -> None:
        self._parameters = parameters
        self._usual = {vo: Usual(None, parameters) for vo in vos}
        self._cohorts: list[Cohort] = []
        self.without_work: Mapping[str, NoWork] = {}

    def use_of(self, pilot: SimulatedPilot) -> Use:
        """Return the use of a pilot that ended well, by its run time: exit codes say nothing."""
        assert pilot.began is not None
        assert pilot.ended is not None
        ran = timedelta(seconds=pilot.ended - pilot.began)
        return Use.SHORT if ran < self._usual[pilot.vo].useful_after else Use.USEFUL

    def add(self, ce: str, vo: str, event: Event) -> None:
        """Count an event, if it shows the use of a pilot."""
        self._usual[vo].add(event)
        new = counted(vo, ce, event, known_at_start=True)
        if new is not None:
            self._cohorts.append(new)

    def judge(self, now: datetime) -> Verdicts:
        """Compare the CEs, and drop cohorts that are too old for it."""
        self._cohorts = merged(one for one in self._cohorts if one.minute > now - WINDOW)
        verdicts = judge(self._cohorts, now, self._parameters)
        self.without_work = verdicts.without_work
        return verdicts


class Books:
    """What Pilotage would know of all CEs and VOs."""

    def __init__(self, world: World, parameters: Parameters) -> None:
        self._world = world
        self._parameters = parameters
        self.works = Works(world.work, parameters)
        self.ces = {name: CEBook(ce) for name, ce in world.ces.items()}

    def vo_facts(self, vo: str) -> VOFacts:
        """Return the facts of a VO for an allocation, with those of its rivals."""
        own = self._rival(vo)
        others = tuple(self._rival(name) for name in self._world.work if name != vo)
        return VOFacts(name=vo, demand=own.demand, room=own.room, share=own.share, rivals=others)

    def ce_facts(self, vo: str, parameters: Parameters) -> list[CEFacts]:
        """Return the facts of all CEs for an allocation."""
        now = self._world.now
        return [book.facts(vo, now, parameters) for book in self.ces.values()]

    def _rival(self, name: str) -> Rival:
        work = self._world.work[name]
        missing = self.works.without_work.get(name)
        occupying = sum(book.occupying[name] for book in self.ces.values())
        limit = work.owner.limit
        return Rival(
            name=name,
            share=work.owner.share,
            demand=demand_without(missing, work.demand, self._parameters),
            occupying=occupying,
            waiting=sum(book.waiting[name] for book in self.ces.values()),
            room=None if limit is None else limit - occupying,
        )


def _outcome(
    pilot: SimulatedPilot,
    was: Status,
    became: Status,
    at: datetime,
    checked: datetime,
    use: Use | None,
) -> PilotOutcome:
    return PilotOutcome(
        was=was,
        became=became,
        cause=pilot.cause if became is Status.FAILED else None,
        at=at,
        status=pilot.recorded,
        started_at=None if pilot.began is None else moment(pilot.began),
        ended_at=None if pilot.ended is None else moment(pilot.ended),
        checked_at=checked,
        vo=pilot.vo,
        use=use,
    )

"""Builders with good defaults: a test states only what matters to it.

    ce = a_ce().with_capacity(5).create(tx)
    pilot = a_pilot().on(ce).running().create(tx)

A builder never changes; each method returns another one. A pilot reaches its status by the moves
that every pilot makes, so its history is a real one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from worker.db import ces, decisions, health, mover, pilot_reads, pilots, schedules, vos
from worker.db.health import Health
from worker.db.pilots import receipt_move
from worker.db.schedules import Schedule
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.decision import Decision
from worker.domain.pilot import Cause, Grant, Move, Pilot, Status, Use
from worker.domain.sending import Sending
from worker.domain.vo import DEFAULT_VO, VO

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
"""The moment at which tests begin."""

MINUTE = timedelta(minutes=1)

PATHS = {
    Status.RESERVED: (),
    Status.SUBMITTING: (Status.SUBMITTING,),
    Status.SUBMITTED: (Status.SUBMITTING, Status.SUBMITTED),
    Status.RUNNING: (Status.SUBMITTING, Status.SUBMITTED, Status.RUNNING),
    Status.DONE: (Status.SUBMITTING, Status.SUBMITTED, Status.RUNNING, Status.DONE),
    Status.FAILED: (Status.SUBMITTING, Status.SUBMITTED, Status.RUNNING, Status.FAILED),
    Status.CANCELLED: (Status.CANCELLED,),
    Status.LOST: (Status.SUBMITTING, Status.LOST),
}
"""The moves that bring a new pilot to each status."""

_numbers = count(1)


@dataclass(frozen=True)
class VOBuilder:
    vo: VO

    def named(self, name: str) -> "VOBuilder":
        return self._with(name=name)

    def with_share(self, share: float) -> "VOBuilder":
        return self._with(share=share)

    def limited_to(self, limit: int) -> "VOBuilder":
        return self._with(limit=limit)

    def demanding(self, demand: int) -> "VOBuilder":
        return self._with(demand=demand)

    def disabled(self) -> "VOBuilder":
        return self._with(enabled=False)

    def create(self, tx: Transaction) -> VO:
        vos.add(tx, self.vo)
        return vos.get(tx, self.vo.name)

    def _with(self, **changes: Any) -> "VOBuilder":
        return VOBuilder(replace(self.vo, **changes))


@dataclass(frozen=True)
class CEBuilder:
    ce: CE
    vos: tuple[str, ...] = ()

    def named(self, name: str) -> "CEBuilder":
        return self._with(name=name)

    def on_backend(self, backend: str) -> "CEBuilder":
        return self._with(backend=backend)

    def with_capacity(self, capacity: int) -> "CEBuilder":
        return self._with(capacity=capacity)

    def with_waiting_limit(self, limit: int) -> "CEBuilder":
        return self._with(waiting_limit=limit)

    def with_success_rate(self, rate: float) -> "CEBuilder":
        return self._with(success_rate=rate)

    def tagged(self, *tags: str) -> "CEBuilder":
        return self._with(tags=tags)

    def with_options(self, **options: Any) -> "CEBuilder":
        return self._with(options=options)

    def cancelling_strangers(self) -> "CEBuilder":
        return self._with(cancel_strangers=True)

    def disabled(self) -> "CEBuilder":
        return self._with(enabled=False)

    def draining(self) -> "CEBuilder":
        return self._with(draining=True)

    def only_for(self, *names: VO) -> "CEBuilder":
        return replace(self, vos=tuple(vo.name for vo in names))

    def create(self, tx: Transaction) -> CE:
        ces.add(tx, self.ce)
        if self.vos:
            ces.allow(tx, self.ce.name, self.vos)
        return ces.get(tx, self.ce.name)

    def _with(self, **changes: Any) -> "CEBuilder":
        return replace(self, ce=replace(self.ce, **changes))


@dataclass(frozen=True)
class PilotBuilder:
    ce: str | None = None
    vo: str = DEFAULT_VO
    status: Status = Status.SUBMITTED
    cause: Cause | None = None
    use: Use | None = None
    handle: str | None = None
    now: datetime = NOW
    pause: timedelta = timedelta()
    next_check_at: datetime | None = None

    def on(self, ce: CE) -> "PilotBuilder":
        return replace(self, ce=ce.name)

    def for_vo(self, vo: VO) -> "PilotBuilder":
        return replace(self, vo=vo.name)

    def at(self, now: datetime) -> "PilotBuilder":
        return replace(self, now=now)

    def pausing(self, pause: timedelta) -> "PilotBuilder":
        """Let this time pass before each step."""
        return replace(self, pause=pause)

    def with_handle(self, handle: str) -> "PilotBuilder":
        return replace(self, handle=handle)

    def due_at(self, moment: datetime) -> "PilotBuilder":
        return replace(self, next_check_at=moment)

    def that_is(self, status: Status) -> "PilotBuilder":
        return replace(self, status=status)

    def reserved(self) -> "PilotBuilder":
        return self.that_is(Status.RESERVED)

    def submitting(self) -> "PilotBuilder":
        return self.that_is(Status.SUBMITTING)

    def submitted(self) -> "PilotBuilder":
        return self.that_is(Status.SUBMITTED)

    def running(self) -> "PilotBuilder":
        return self.that_is(Status.RUNNING)

    def done(self, use: Use | None = None) -> "PilotBuilder":
        return replace(self, status=Status.DONE, use=use)

    def failed(self, cause: Cause = Cause.EXIT_CODE) -> "PilotBuilder":
        return replace(self, status=Status.FAILED, cause=cause)

    def cancelled(self) -> "PilotBuilder":
        return self.that_is(Status.CANCELLED)

    def lost(self) -> "PilotBuilder":
        return self.that_is(Status.LOST)

    def create(self, tx: Transaction) -> Pilot:
        return self.create_many(tx, 1)[0]

    def create_many(self, tx: Transaction, number: int) -> list[Pilot]:
        """Make this number of equal pilots; the CE must have room for them."""
        ce = self.ce or a_ce().with_capacity(number).create(tx).name
        return self.create_by(tx, [Grant(vo=self.vo, ce=ce, count=number)])

    def create_by(self, tx: Transaction, grants: Sequence[Grant]) -> list[Pilot]:
        """Make the pilots of all these grants at once; they differ in VO and CE only."""
        new_pilots = pilots.reserve(tx, grants, self.now)
        number = len(new_pilots)
        assert number == sum(one.count for one in grants), f"there is room for {number} only"
        for step, status in enumerate(PATHS[self.status], 1):
            now = self.now + step * self.pause
            outcome = self._step(tx, [pilot.pilot_id for pilot in new_pilots], status, now)
            assert not outcome.refused
        by_stamp = pilot_reads.by_stamps(tx, [pilot.stamp for pilot in new_pilots])
        return [by_stamp[pilot.stamp] for pilot in new_pilots]

    def _step(self, tx: Transaction, ids: list[int], status: Status, now: datetime) -> mover.Moved:
        last = status is self.status
        check = self.next_check_at if last else None
        if status is Status.SUBMITTED:
            receipts = [
                receipt_move(pilot_id=i, handle=self.handle, next_check_at=check) for i in ids
            ]
            return pilots.record(tx, receipts, now)
        cause = self.cause if last else None
        use = self.use if last else None
        moves = [
            Move(pilot_id=i, to=status, cause=cause, use=use, next_check_at=check) for i in ids
        ]
        return mover.move(tx, moves, now)


@dataclass(frozen=True)
class DecisionBuilder:
    ce: str | None = None
    vo: str = DEFAULT_VO
    at_: datetime = NOW
    granted: int = 1
    reason: str = "there was a free slot"
    trace: Mapping[str, Any] | None = None

    def on(self, ce: CE) -> "DecisionBuilder":
        return replace(self, ce=ce.name)

    def for_vo(self, vo: VO) -> "DecisionBuilder":
        return replace(self, vo=vo.name)

    def at(self, moment: datetime) -> "DecisionBuilder":
        return replace(self, at_=moment)

    def granting(self, number: int) -> "DecisionBuilder":
        return replace(self, granted=number)

    def because(self, reason: str) -> "DecisionBuilder":
        return replace(self, reason=reason)

    def tracing(self, trace: Mapping[str, Any]) -> "DecisionBuilder":
        return replace(self, trace=trace)

    def create(self, tx: Transaction) -> Decision:
        decision = Decision(
            vo=self.vo,
            ce=self.ce or a_ce().create(tx).name,
            at=self.at_,
            granted=self.granted,
            reason=self.reason,
            trace=self.trace or {},
        )
        decisions.add(tx, [decision])
        return decision


@dataclass(frozen=True)
class ScheduleBuilder:
    schedule: Schedule

    def of(self, task: str) -> "ScheduleBuilder":
        return self._with(task=task)

    def for_vo(self, vo: VO) -> "ScheduleBuilder":
        return self._with(vo=vo.name)

    def every(self, seconds: float) -> "ScheduleBuilder":
        return self._with(every=seconds, cron=None)

    def by_cron(self, line: str) -> "ScheduleBuilder":
        return self._with(every=None, cron=line)

    def disabled(self) -> "ScheduleBuilder":
        return self._with(enabled=False)

    def create(self, tx: Transaction) -> Schedule:
        schedules.put(tx, self.schedule)
        return schedules.get(tx, self.schedule.task, self.schedule.vo)

    def _with(self, **changes: Any) -> "ScheduleBuilder":
        return ScheduleBuilder(replace(self.schedule, **changes))


@dataclass(frozen=True)
class HealthBuilder:
    changes: Mapping[str, Any]
    ce: str | None = None

    def of(self, ce: CE) -> "HealthBuilder":
        return replace(self, ce=ce.name)

    def with_learned(self, learned: Mapping[str, Any]) -> "HealthBuilder":
        return self._with(learned=learned)

    def opened(self, reason: str = "five calls failed", since: datetime = NOW) -> "HealthBuilder":
        return self._with(sending=Sending.PAUSED, sending_reason=reason, sending_since=since)

    def create(self, tx: Transaction) -> Health:
        ce = self.ce or a_ce().create(tx).name
        health.save(tx, ce, replace(health.get(tx, ce), **self.changes))
        return health.get(tx, ce)

    def _with(self, **changes: Any) -> "HealthBuilder":
        return replace(self, changes={**self.changes, **changes})


def a_vo() -> VOBuilder:
    """Start from an enabled VO without limit."""
    return VOBuilder(VO(name=f"vo{next(_numbers)}"))


def a_ce() -> CEBuilder:
    """Start from an enabled simulated CE with room for ten."""
    return CEBuilder(CE(name=f"ce{next(_numbers)}", backend="sim", capacity=10))


def a_pilot() -> PilotBuilder:
    """Start from a submitted pilot of the default VO, on a CE of its own."""
    return PilotBuilder()


def a_decision() -> DecisionBuilder:
    """Start from one granted pilot of the default VO, on a CE of its own."""
    return DecisionBuilder()


def a_schedule() -> ScheduleBuilder:
    """Start from an interval of a minute for all VOs."""
    return ScheduleBuilder(Schedule(task=f"task{next(_numbers)}", every=60.0))


def a_health() -> HealthBuilder:
    """Start from a CE of which nothing is known yet."""
    return HealthBuilder({})

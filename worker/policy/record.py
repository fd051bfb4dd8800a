"""The record of one CE: counts, runs of failures, cohorts, and the pause that they lead to.

The effect of an outcome depends only on itself and its own moment, never on when it was learnt.
Pilots are considered in the order in which they began: a pilot that began before the trouble and
still lives says nothing about pilots that begin now.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import ceil, log
from typing import Any

from worker.policy.cohorts import MARKS, MINUTE, Cohorts
from worker.policy.counts import ACCEPT, FINISH, START, TELLS, Counts, own
from worker.policy.lives import Lives
from worker.policy.outcomes import Event, EventKind
from worker.policy.parameters import Parameters

VERSION = 1

OF_NO_USE = (EventKind.SHORT, EventKind.EMPTY)

AT_ONCE_FACTOR = 3
"""A run of failures this many times longer than its limit counts at once, although survivors may
not be known yet."""


@dataclass
class Series:
    """Consecutive failures."""

    failed: int = 0
    since: float = 0.0
    """When the first of these pilots began, or the first refusal came."""
    limit: int = 0
    """The length from which chance does not explain it, by what was known before the first."""


@dataclass(frozen=True)
class PauseRecord:
    """A pause of a CE, and why."""

    by: str
    reason: str
    at: float
    since: float
    """When the first pilot that shows the trouble began."""
    mark: int | None = None
    """The mark that no pilot outlives, if the pilots die late."""


def of_this_version(state: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the stored state of a CE; a state of another version counts as empty."""
    return state if state and state.get("version") == VERSION else {}


_MOMENTS = {
    "lives": ("until",),
    "starts": ("since",),
    "refusals": ("since",),
    "trouble": ("at", "since"),
}
"""The moments in the parts of a state. The state itself has one, too, and so does each cohort."""


def up_to(state: Mapping[str, Any] | None, now: float) -> Mapping[str, Any]:
    """Return a state without moments after now, which come from a clock that was set back.

    With them, new outcomes would count for nothing until the clock is as far again.
    """
    values = _cut(of_this_version(state), ("at",), now)
    for part, names in _MOMENTS.items():
        if values.get(part):
            values[part] = _cut(values[part], names, now)
    values["cohorts"] = [one for one in values.get("cohorts", ()) if one[0] * MINUTE <= now]
    return values


def _cut(values: Mapping[str, Any], names: Iterable[str], now: float) -> dict[str, Any]:
    ahead = {name: now for name in names if (values.get(name) or now) > now}
    return {**values, **ahead}


def pause_in(values: Mapping[str, Any]) -> PauseRecord | None:
    """Return the pause in a state, which is stored as `trouble`, if there is one."""
    return PauseRecord(**values["trouble"]) if values.get("trouble") else None


class Record:
    """What is known of one CE."""

    def __init__(
        self, state: Mapping[str, Any] | None, configured: float, parameters: Parameters
    ) -> None:
        values = of_this_version(state)
        self._parameters = parameters
        self._survival = _seconds(parameters.survival)
        self._counts = Counts(own(values), configured, parameters)
        self._cohorts = Cohorts(values.get("cohorts", ()))
        self._lives = Lives(values.get("lives", {}), parameters)
        self._starts = Series(**values.get("starts", {}))
        self._refusals = Series(**values.get("refusals", {}))
        self.pause = pause_in(values)
        self.changes: list[tuple[bool, str, float]] = []

    def stored(self) -> dict[str, Any]:
        """Return the state to store."""
        return {
            "version": VERSION,
            **self._counts.stored(),
            "cohorts": self._cohorts.stored(),
            "lives": self._lives.stored(),
            "starts": asdict(self._starts),
            "refusals": asdict(self._refusals),
            "trouble": asdict(self.pause) if self.pause else None,
        }

    def add(self, event: Event) -> None:
        """Fold in one outcome."""
        at = event.at.timestamp()
        began = _began(event)
        if event.kind in (EventKind.ACCEPTED, EventKind.REFUSED):
            self._submitted(event.kind, at)
        else:
            # When an event of one pilot was seen, all pilots of the CE were checked.
            self._add_lives(self._lives.go_on(at), at)
            if event.kind in (EventKind.STARTED, EventKind.FAILED_START):
                self._begun(event.kind, began, at)
            else:
                self._ended(event.kind, began, event.ran, at)
        if self.pause and self.pause.mark is not None:
            self._look_for_outlivers(self.pause, self.pause.mark, at)

    def watch(
        self, oldest: datetime, answered_at: datetime, last_began: datetime | None, now: datetime
    ) -> None:
        """Pause a CE whose queue does not move.

        The wait counts only until the CE's last answer about the oldest pilot. Since then pilots
        may have begun: a CE that is not asked, or does not answer, is not stuck.
        """
        after = self._parameters.stuck_after
        if answered_at - oldest < after:
            return
        if last_began is None or answered_at - last_began >= after:
            minutes = _seconds(answered_at - oldest) / MINUTE
            at = now.timestamp()
            self._begin_pause("stuck", f"the oldest pilot waits for {minutes:.0f} min", at, at)

    def swallows(self, reason: str, since: datetime, now: datetime) -> None:
        """Pause a CE whose pilots end for nothing while their VO's pilots elsewhere have work."""
        self._begin_pause("swallowed", reason, now.timestamp(), since.timestamp())

    def end_pause(self, reason: str, at: float, *, healed: bool = True) -> None:
        """End a pause. The weight of old failures is reduced only if the CE has recovered."""
        if self.pause is None:
            return
        self.pause = None
        self.changes.append((True, reason, at))
        if healed:
            self._counts.forgive()

    def _submitted(self, kind: EventKind, at: float) -> None:
        if kind is EventKind.ACCEPTED:
            self._counts.add(kind, at)
            self._refusals = Series()
            if self.pause and self.pause.by == "refused":
                self.end_pause("a submission was accepted", at)
            return
        luck = 1 - self._counts.base(ACCEPT, at)
        run = self._refusals = self._longer(self._refusals, luck, at)
        self._counts.add(kind, at)
        if run.failed >= run.limit:
            reason = f"{run.failed} refused submissions in a row (limit {run.limit})"
            self._begin_pause("refused", reason, at, run.since)

    def _begun(self, kind: EventKind, began: float | None, at: float) -> None:
        if kind is EventKind.FAILED_START:
            self._failed_start(at if began is None else began, at)
            return
        self._counts.add(kind, at)
        if began is not None:
            self._add_lives(self._lives.begin(at - began), at)
        self._started(at - self._survival if began is None else began, at)

    def _failed_start(self, began: float, at: float) -> None:
        luck = 1 - self._counts.chance(START, at)
        run = self._starts = self._longer(self._starts, luck, began)
        self._counts.add(EventKind.FAILED_START, at)
        # Failures are known before survivals, so pilots that began with the first failure must have
        # had the time to survive.
        waited = at - run.since >= self._survival
        if run.failed >= run.limit * (1 if waited else AT_ONCE_FACTOR):
            reason = f"{run.failed} failed starts in a row (limit {run.limit})"
            self._begin_pause("failed", reason, at, run.since)

    def _started(self, began: float, at: float) -> None:
        self._cohorts.started(began, at)
        if self._starts.failed and began < self._starts.since:
            return
        self._starts = Series()
        pause = self.pause
        if pause and pause.by in ("failed", "stuck"):
            self.end_pause("a pilot survived", at, healed=began >= pause.at)
        elif pause and pause.by == "swallowed" and began >= pause.since:
            self.end_pause("a pilot was of use", at)

    def _ended(
        self, kind: EventKind, began: float | None, ran: timedelta | None, at: float
    ) -> None:
        if kind in OF_NO_USE and (ran is None or _seconds(ran) < self._survival):
            return  # It was never counted as running, and alone it says nothing about the CE.
        if began is None:
            if kind is EventKind.ENDED:
                self._lives.end(None)  # It was put back: its start was counted, but is not known.
                return
            # Its start is not known, so its run time was not counted while it ran.
            if kind in TELLS:
                self._counts.add(kind, at)
            if kind is EventKind.FAILED_LATE:
                self._add_lives(0.5, at)
            return
        ended = at if ran is None else began + _seconds(ran)
        self._lives.end(ended - began if kind is EventKind.FINISHED else None)
        if kind is EventKind.FINISHED:
            self._counts.add_end(at)
            self._counts.add_lives(1 - self._parameters.lived_part, at)
        elif kind is EventKind.FAILED_LATE:
            self._failed_late(began, ended, at)

    def _add_lives(self, lives: float, at: float) -> None:
        """Count the run time of running pilots, but only a part, because each may still fail."""
        self._counts.add_lives(lives * self._parameters.lived_part, at)

    def _failed_late(self, began: float, ended: float, at: float) -> None:
        self._cohorts.died(began, ended - began)
        limit = self._limit(1 - self._counts.base(FINISH, at))
        self._counts.add_death(ended, at)
        for mark, minutes in enumerate(MARKS):
            dead, since = self._cohorts.dead_in_a_row(mark, at)
            if dead >= limit:
                reason = f"{dead} pilots in a row were dead at {minutes:g} min (limit {limit})"
                self._begin_pause("late", reason, at, since, mark)
                return

    def _look_for_outlivers(self, pause: PauseRecord, mark: int, at: float) -> None:
        began = self._cohorts.outliver(mark, pause.since, at)
        if began is not None:
            reason = "a pilot ran longer than those that failed late"
            self.end_pause(reason, at, healed=began >= pause.at - MINUTE)

    def _longer(self, run: Series, luck: float, began: float) -> Series:
        if not run.failed:
            return Series(failed=1, since=began, limit=self._limit(luck))
        return Series(failed=run.failed + 1, since=min(run.since, began), limit=run.limit)

    def _limit(self, luck: float) -> int:
        """Return the number of failures in a row from which chance does not explain them."""
        if not 0 < luck < 1:
            return self._parameters.least_run
        return max(self._parameters.least_run, ceil(log(self._parameters.surprise) / log(luck)))

    def _begin_pause(
        self, by: str, reason: str, at: float, since: float, mark: int | None = None
    ) -> None:
        if self.pause is None:
            self.pause = PauseRecord(by=by, reason=reason, at=at, since=since, mark=mark)
            self.changes.append((False, reason, at))


def _began(event: Event) -> float | None:
    """Return when a pilot began to run, if the CE says so."""
    if event.began is not None:
        return event.began.timestamp()
    return None if event.ran is None else event.at.timestamp() - _seconds(event.ran)


def _seconds(time: timedelta) -> float:
    return time.total_seconds()

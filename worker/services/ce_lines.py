"""One line for each CE: its slots, its chance, its state in words; for lists and for `status`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from worker.db import maintenances, pilot_reads, schedules, setters, slots
from worker.db.maintenances import Maintenance
from worker.db.uow import Transaction
from worker.domain.calls import NOT_ASKED, sentence_of_calls, state_of_calls
from worker.domain.change import Setter
from worker.domain.lengths import clock
from worker.domain.pilot import OCCUPYING, Status
from worker.domain.sending import Sending
from worker.policy.learning import evaluate
from worker.policy.parameters import Parameters
from worker.services.runtime import Runtime
from worker.services.standstill import are_ces_asked, standstills

NORMAL = str(Sending.NORMAL)
"""The state of a CE that gets pilots."""

DISABLED = "disabled"

NO_WORKER = "no worker calls it"


@dataclass(frozen=True, kw_only=True)
class CELine:
    """The summary of one CE."""

    name: str
    backend: str
    capacity: int
    reserved: int
    submitting: int
    submitted: int
    running: int
    free: int
    chance: float
    state: str
    """Its state in a word, since or until when, and the reason after a colon."""
    failed_calls: int
    answered_at: datetime | None
    unanswered_since: datetime | None
    last_error: str | None
    retry_at: datetime | None
    setter: Setter | None = None
    """Who drained, disabled or holds it."""
    trouble: str | None
    """Since when its calls fail, why, and when it is called again, in one line."""

    away: str | None = None
    """Until when it is in maintenance, and why, if it is in one now."""

    @property
    def gets_pilots(self) -> bool:
        """Whether it is sent pilots as usual: its state is normal, and it is not in maintenance."""
        return self.state == NORMAL and self.away is None

    @property
    def waiting(self) -> int:
        """How many of its pilots do not run yet."""
        return self.reserved + self.submitting + self.submitted

    @property
    def limited(self) -> bool:
        """Whether it has empty slots that stay empty only because of its waiting limit."""
        return self.free < self.capacity - sum(self.occupying().values())

    def occupying(self) -> dict[Status, int]:
        """Return how many of its pilots occupy a slot, by status."""
        return {status: getattr(self, status) for status in Status if status in OCCUPYING}


def ce_lines(tx: Transaction, runtime: Runtime) -> list[CELine]:
    """Return a line for every CE."""
    now = runtime.now()
    standing = standstills(schedules.get_all(tx), now, runtime.lease)
    return lines_of(tx, now, runtime.parameters, is_asked=are_ces_asked(standing))


def lines_of(
    tx: Transaction, now: datetime, parameters: Parameters, *, is_asked: bool
) -> list[CELine]:
    by_status, set_by = pilot_reads.count_occupying(tx), setters.of_ces(tx)
    away = maintenances.current(tx, now)
    return [
        CELine(
            name=ce.name,
            backend=ce.backend,
            capacity=ce.capacity,
            reserved=by_status.get((ce.name, Status.RESERVED), 0),
            submitting=by_status.get((ce.name, Status.SUBMITTING), 0),
            submitted=by_status.get((ce.name, Status.SUBMITTED), 0),
            running=by_status.get((ce.name, Status.RUNNING), 0),
            free=ce.available,
            chance=_chance(ce, now, parameters),
            state=_state(ce, now, set_by.get(ce.name, {}), is_asked=is_asked),
            failed_calls=ce.failed_calls,
            answered_at=ce.last_answered_at,
            unanswered_since=ce.unanswered_since,
            last_error=ce.last_error,
            retry_at=ce.retry_at,
            setter=_setter(ce, now, set_by.get(ce.name, {})),
            trouble=sentence_of_calls(ce, now),
            away=_away(away.get(ce.name), now),
        )
        for ce in slots.slots_for(tx, 0)
    ]


def states(tx: Transaction, runtime: Runtime, ce: str | None = None) -> dict[str, str]:
    """Return the state of every CE, or of this one, in a word, without its reason."""
    now = runtime.now()
    is_asked = are_ces_asked(standstills(schedules.get_all(tx), now, runtime.lease))
    listed = slots.slots_for(tx, 0) if ce is None else slots.slots_of(tx, ce)
    return {one.name: without_reason(_state(one, now, {}, is_asked=is_asked)) for one in listed}


def without_reason(state: str) -> str:
    """Return a state without its reason."""
    return state.partition(": ")[0]


def _chance(ce: slots.CESlots, now: datetime, parameters: Parameters) -> float:
    evaluation = evaluate(ce.learned, now=now, configured=ce.success_rate, parameters=parameters)
    return evaluation.chances.all


def _state(
    ce: slots.CESlots, now: datetime, set_by: Mapping[str, Setter], *, is_asked: bool
) -> str:
    sending, calls, error = _sending(ce, now), state_of_calls(ce), ce.last_error
    setter = _setter(ce, now, set_by)
    if setter is not None:
        sending = f"{without_reason(sending)}: {setter.phrase(now)}"
    if calls is None and not is_asked:
        calls, error = f"{NOT_ASKED}{_moment('since', ce.last_answered_at, now)}", NO_WORKER
    if calls is None or not ce.enabled:
        return sending
    if sending != NORMAL:
        return f"{calls}, {sending}"
    return f"{calls}: {error}" if error else calls


def _setter(ce: slots.CESlots, now: datetime, set_by: Mapping[str, Setter]) -> Setter | None:
    """Return who keeps pilots away from a CE, if somebody does."""
    if not ce.enabled:
        return set_by.get("enabled")
    if ce.draining:
        return set_by.get("draining")
    return set_by.get("sending") if ce.is_held(now) else None


def _sending(ce: slots.CESlots, now: datetime) -> str:
    if not ce.enabled:
        return DISABLED
    if ce.draining:
        return f"draining{_moment('by', ce.drain_by, now)}"
    if ce.sending is Sending.NORMAL or (ce.sending is Sending.HELD and not ce.is_held(now)):
        return NORMAL
    if ce.sending is Sending.HELD:
        return f"held{_moment('until', ce.held_until, now)}: {ce.sending_reason}"
    return f"paused{_moment('since', ce.sending_since, now)}: {ce.sending_reason}"


def _away(maintenance: Maintenance | None, now: datetime) -> str | None:
    if maintenance is None:
        return None
    return f"until {clock(maintenance.ends_at, now, seconds=False)}: {maintenance.reason}"


def _moment(word: str, moment: datetime | None, now: datetime) -> str:
    return f" {word} {clock(moment, now, seconds=False)}" if moment else ""

"""webhook: send the waiting events to the receiver.

Take the turn and read what is due (committed), send it, record what the receiver took (committed).
After the first failure the rest waits for the next execution, so a dead receiver costs the time of
one deadline only.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from worker.db import schedules, webhook_events
from worker.db.uow import Transaction
from worker.domain.schedule import Outcome
from worker.domain.webhook import (
    MOST_AGE,
    MOST_WAITING,
    Webhook,
    WebhookEvent,
    WebhookEventKind,
    next_attempt,
)
from worker.services.runtime import Runtime, TaskResult, busy, skipped
from worker.services.standstill import sentence, standstills
from worker.services.turns import Turn
from worker.services.webhook_call import send

log = logging.getLogger(__name__)

LEASE = "webhook"
AT_ONCE = 100
"""How many events one execution sends at most."""
ENOUGH = 60.0
"""After this many seconds no further event is sent; the next execution continues."""


def webhook(runtime: Runtime) -> TaskResult:
    """Send the waiting events; without a webhook, only drop those that are too old."""
    now = runtime.now()
    with runtime.database.uow() as tx:
        turn = Turn.take(tx, runtime, LEASE)
        if turn is None:
            return busy("another execution sends events")
        _note_standstills(tx, runtime)
        dropped = webhook_events.bound(tx, now - MOST_AGE, MOST_WAITING)
        # By hand, also events that are postponed after a failure are sent.
        moment = now + MOST_AGE if runtime.by_hand else now
        events = webhook_events.due(tx, moment, AT_ONCE) if runtime.webhook else []
        if not events:
            turn.give_back(tx)
    if dropped and runtime.webhook:
        log.warning("events that the webhook's receiver never accepted were deleted: %d", dropped)
    if runtime.webhook is None:
        return skipped("no webhook is set")
    if not events:
        return TaskResult(counts={"sent": 0, "dropped": dropped})
    with turn:
        delivery = _send(runtime, runtime.webhook, events)
        with runtime.database.uow() as tx:
            given_up = _record(tx, runtime, delivery)
            turn.give_back(tx)
    return _done(delivery, dropped + given_up)


def plan(runtime: Runtime) -> TaskResult:
    """Return how many events wait; send none."""
    with runtime.database.uow() as tx:
        return TaskResult(counts={"waiting": webhook_events.count(tx)})


@dataclass
class _Delivery:
    """The events that one execution sent, and why it stopped early, if it did."""

    sent: list[int] = field(default_factory=list)
    failed: WebhookEvent | None = None
    why: str = ""


def _send(runtime: Runtime, receiver: Webhook, events: Sequence[WebhookEvent]) -> _Delivery:
    began, delivery = time.monotonic(), _Delivery()
    for event in events:
        if time.monotonic() - began > ENOUGH:
            break
        why = send(runtime, receiver, event)
        if why is not None:
            delivery.failed = event
            delivery.why = f"{receiver.place} did not accept an event: {why}"
            break
        delivery.sent.append(event.id)
    return delivery


def _record(tx: Transaction, runtime: Runtime, delivery: _Delivery) -> int:
    """Delete accepted events, postpone the one that failed; return how many were given up."""
    webhook_events.remove(tx, delivery.sent)
    if delivery.failed is None:
        return 0
    until = next_attempt(delivery.failed.attempts + 1, runtime.now())
    if until is not None:
        webhook_events.postpone(tx, delivery.failed, until)
        return 0
    webhook_events.remove(tx, [delivery.failed.id])
    log.warning("the event %s is given up: %s", delivery.failed.event_id, delivery.why)
    return 1


def _done(delivery: _Delivery, dropped: int) -> TaskResult:
    return TaskResult(
        outcome=Outcome.FAILED if delivery.failed else Outcome.OK,
        counts={"sent": len(delivery.sent), "dropped": dropped},
        lines=(delivery.why,) if delivery.failed else (),
    )


def _note_standstills(tx: Transaction, runtime: Runtime) -> None:
    now = runtime.now()
    standing = standstills(schedules.get_all(tx), now, runtime.lease)
    reasons: Mapping[str, str] = {one.queue: sentence(one, now) for one in standing}
    began, ended = webhook_events.note_standstills(tx, reasons, now)
    news = [
        *((WebhookEventKind.STANDSTILL_BEGAN, _about(q, reasons[q])) for q in began),
        *((WebhookEventKind.STANDSTILL_ENDED, _about(q, "its tasks are done")) for q in ended),
    ]
    webhook_events.add(tx, news, now)


def _about(queue: str, reason: str) -> dict[str, str]:
    return {"queue": queue, "reason": reason}

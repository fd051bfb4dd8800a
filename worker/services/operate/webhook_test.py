"""Test of the webhook: one event is sent now."""

import time
from dataclasses import dataclass
from uuid import uuid4

from worker.domain.access import Role
from worker.domain.errors import ConfigurationError, TaskFailed
from worker.domain.webhook import WebhookEvent, WebhookEventKind
from worker.services.allowed import allowed_to
from worker.services.runtime import Runtime
from worker.services.webhook_call import send


@dataclass(frozen=True, kw_only=True)
class WebhookTrial:
    """A test event that was accepted: its receiver, its id, and how long the receiver took."""

    receiver: str
    event_id: str
    seconds: float


@allowed_to(Role.ADMIN)
def try_webhook(runtime: Runtime) -> WebhookTrial:
    """Send an event `test`; nothing is stored."""
    if runtime.webhook is None:
        raise ConfigurationError(
            "no webhook is set", "set PILOTAGE_WEBHOOK_URL and PILOTAGE_WEBHOOK_SECRET_FILE"
        )
    event = WebhookEvent(
        event_id=uuid4().hex, kind=WebhookEventKind.TEST, at=runtime.now(), details={}
    )
    began = time.monotonic()
    why = send(runtime, runtime.webhook, event)
    if why is not None:
        raise TaskFailed("webhook", runtime.webhook.place, why)
    return WebhookTrial(
        receiver=runtime.webhook.place,
        event_id=event.event_id,
        seconds=round(time.monotonic() - began, 2),
    )

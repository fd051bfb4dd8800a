"""The webhook: which events are sent to a receiver, how they are signed, and when sending is
repeated.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from worker.domain.credential import Credential, State, called, problem_of, state, warning
from worker.domain.words import Described

LEAST_SECRET = 32
"""The shortest secret, in characters."""
MOST_ATTEMPTS = 32
MOST_WAITING = 10_000
MOST_AGE = timedelta(days=1)
_FIRST_PAUSE = timedelta(seconds=10)
_LONGEST_PAUSE = timedelta(hours=1)

SIGNATURE = "Pilotage-Signature"


class WebhookEventKind(Described):
    """What an event of the webhook is about."""

    TEST = "test", "A test of the webhook."
    CE_PAUSED = "ce_paused", "A CE is paused, by itself or by hand."
    CE_RESUMED = "ce_resumed", "The pause of a CE ended."
    CREDENTIAL_ENDS_SOON = (
        "credential_ends_soon",
        "Half or four fifths of the life of a credential is used up.",
    )
    CREDENTIAL_EXPIRED = "credential_expired", "A credential has expired."
    CREDENTIAL_UNUSABLE = "credential_unusable", "The file of a credential cannot be used."
    CREDENTIAL_RENEWED = "credential_renewed", "A credential was renewed."
    CREDENTIAL_NOT_RENEWED = (
        "credential_not_renewed",
        "A renewal failed; only the first of failures in a row is sent.",
    )
    STANDSTILL_BEGAN = "standstill_began", "The tasks of a queue fire and no worker does them."
    STANDSTILL_ENDED = "standstill_ended", "The tasks of a queue are done again."


@dataclass(frozen=True, kw_only=True)
class WebhookEvent:
    """One event that waits to be sent. Its `event_id` stays the same however often it is sent."""

    event_id: str
    kind: WebhookEventKind
    at: datetime
    details: Mapping[str, Any]
    attempts: int = 0
    id: int = 0


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """Where events are sent, and the secret that signs them. The URL may be a secret, too."""

    url: str = field(repr=False)
    secret: str = field(repr=False)

    @property
    def place(self) -> str:
        """The host of the receiver; other parts of the URL are never shown."""
        return urlsplit(self.url).hostname or "the receiver"


def body_of(event: WebhookEvent, instance: str) -> bytes:
    """Write the document of an event; it is the same at each attempt."""
    document = {
        "id": event.event_id,
        "event": event.kind,
        "at": event.at.astimezone(UTC).isoformat(),
        "instance": instance,
        **event.details,
    }
    return json.dumps(document).encode()


def signature(secret: str, body: bytes, at: datetime) -> str:
    """Sign a body and the time at which it is sent."""
    moment = int(at.timestamp())
    signed = hmac.new(secret.encode(), b"%d." % moment + body, sha256)
    return f"t={moment},v1={signed.hexdigest()}"


def next_attempt(attempts: int, now: datetime) -> datetime | None:
    """Return when an event is sent again after so many attempts; `None` if it is given up."""
    if attempts >= MOST_ATTEMPTS:
        return None
    pause: timedelta = min(_FIRST_PAUSE * 2 ** (attempts - 1), _LONGEST_PAUSE)
    return now + pause


def credential_event(
    before: Credential, after: Credential, now: datetime
) -> tuple[WebhookEventKind, dict[str, Any]] | None:
    """Return the event for what happened to a credential between two looks, if there is one."""
    kind = _credential_kind(before, after, now)
    if kind is None:
        return None
    return kind, {
        "vo": after.vo,
        "backend": after.backend,
        "kind": after.kind,
        "expires_at": after.expires_at and after.expires_at.isoformat(),
        "reason": problem_of(after, now) or warning(before, after, now) or called(after),
    }


def _credential_kind(
    before: Credential, after: Credential, now: datetime
) -> WebhookEventKind | None:
    if after.renewed_at != before.renewed_at:
        return WebhookEventKind.CREDENTIAL_RENEWED
    if warning(before, after, now) is not None:
        if state(after, now) is not State.UNUSABLE:
            return WebhookEventKind.CREDENTIAL_ENDS_SOON
        if after.problem is not None:
            return WebhookEventKind.CREDENTIAL_UNUSABLE
        return WebhookEventKind.CREDENTIAL_EXPIRED
    if after.failures and not before.failures:
        return WebhookEventKind.CREDENTIAL_NOT_RENEWED
    return None

"""One call to the receiver of the webhook.

A receiver may be slow, dead or hostile: the call has one deadline, follows no redirect, and reads
only the status of the answer.
"""

from functools import partial

import httpx

from worker.demand.deadline import Connection, with_deadline
from worker.domain.addresses import may_go_by_proxy
from worker.domain.errors import DemandUnknown
from worker.domain.webhook import SIGNATURE, Webhook, WebhookEvent, body_of, signature
from worker.services.runtime import Runtime

DEADLINE = 10.0
"""How many seconds one call may take."""


def send(runtime: Runtime, webhook: Webhook, event: WebhookEvent) -> str | None:
    """Send an event; return why the receiver did not take it, or `None`."""
    body = body_of(event, runtime.instance)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "pilotage",
        SIGNATURE: signature(webhook.secret, body, runtime.now()),
    }
    try:
        status = with_deadline(DEADLINE, webhook.place, partial(_post, webhook.url, body, headers))
    except DemandUnknown as error:
        return str(error.details[-1])
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
        # The text of the error may contain the URL with a secret in it, so only its class is
        # returned.
        return type(error).__name__
    return None if 200 <= status < 300 else f"it answered {status}"


def _post(url: str, body: bytes, headers: dict[str, str], connection: Connection) -> int:
    with (
        httpx.Client(timeout=DEADLINE, trust_env=may_go_by_proxy(url)) as client,
        client.stream(
            "POST", url, content=body, headers=headers, extensions={"trace": connection.note}
        ) as answer,
    ):
        return answer.status_code

"""Repeated requests: with the same idempotency key, a request takes effect only once."""

import hashlib
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Header, Request

from worker.services.requests import Once
from worker.web.callers import caller_of

REPEATED = {"Idempotency-Replayed": "true"}
"""The headers of an answer that is repeated."""

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Any word; a repeated request with the same word is not done again.",
        max_length=255,
    ),
]


def once_for(
    request: Request, key: str | None, what: object, encode: Callable[[Any], Any]
) -> Once | None:
    """Return the idempotency key of a request, if it has one. `what` is all that it asks for."""
    if key is None:
        return None
    digest = hashlib.sha256(repr((request.method, what)).encode()).hexdigest()
    return Once(who=caller_of(request).who, key=key, request_hash=digest, encode=encode)

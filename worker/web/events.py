"""The stream of server-sent events: every move of a pilot, as soon as it is committed.

An event has the id of its transition. A client that was disconnected sends the last id that it
received. The stream continues after it, without a gap and without a repetition.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter

from worker.domain.errors import DatabaseError, NotSignedIn, ServerBusy
from worker.domain.feed import PilotEvent
from worker.domain.pilot import Status
from worker.services.observe.feed import Feed, Reading
from worker.web import documents
from worker.web.callers import identify_again, runtime_of
from worker.web.rights import READING, GuardedRoute, documented

PAUSE = 1.0
"""Seconds between two reads while there are no events."""

HEARTBEAT = 15
"""After this many reads without events the position is sent, so that proxies do not disconnect."""

CHECKED_EVERY = 10.0
"""Seconds after which the token or session of a reader is checked again."""

MOST = 100
"""The most streams that one process serves at the same time."""

_EVENT = TypeAdapter(PilotEvent)


def router() -> APIRouter:
    made = APIRouter(route_class=GuardedRoute)
    made.add_api_route(
        "/events",
        events,
        methods=["GET"],
        operation_id="events_events",
        tags=["events"],
        summary="Follow the moves of pilots",
        description=documents.description(
            "Server-sent events, from now on or from after an id. An event `transition` has the"
            " `pilot_id`, its `ce` and `vo`, what it `was` and what it `became`; the first is that"
            " from `submitting`. While nothing happens, an `id` alone is sent; go on from it. An"
            " event `forgotten` says that moves asked for are no longer kept, and which follow.",
            READING,
        ),
        response_class=StreamingResponse,
        responses={
            200: {"description": "The events", "content": {"text/event-stream": {}}},
            **documents.errors(401, 403, 404, 422, 429, 503),
        },
        openapi_extra=documented(READING),
    )
    return made


async def events(
    request: Request,
    after: Annotated[int | None, Query(ge=0, lt=2**63, description="Begin behind this id.")] = None,
    ce: Annotated[str | None, Query(description="Only pilots of this CE.")] = None,
    vo: Annotated[str | None, Query(description="Only pilots of this VO.")] = None,
    status: Annotated[list[Status], Query(description="Only moves to this status.")] = [],  # noqa: B006
    last_event_id: Annotated[
        int | None, Header(ge=0, lt=2**63, description="Goes before `after`.")
    ] = None,
) -> StreamingResponse:
    begin = after if last_event_id is None else last_event_id
    feed = Feed(runtime_of(request), begin, vo=vo, ce=ce, statuses=status)
    first = await run_sync(feed.read)
    if request.app.state.streams >= MOST:
        raise ServerBusy
    stream = _stream(request, feed, first)
    return StreamingResponse(stream, media_type="text/event-stream")


async def _stream(request: Request, feed: Feed, reading: Reading) -> AsyncIterator[str]:
    stopping: asyncio.Event = request.app.state.stopping
    with _counted(request):
        quiet, check_at = 0, monotonic() + CHECKED_EVERY
        while True:
            quiet = 0 if reading.events else quiet + 1
            for text in _frames(reading):
                yield text
            if quiet % HEARTBEAT == 1:
                yield f"id: {reading.position}\n\n"
            if not reading.is_full and await _is_set(stopping, PAUSE):
                return
            try:
                if monotonic() >= check_at:
                    await run_sync(identify_again, request)
                    check_at = monotonic() + CHECKED_EVERY
                reading = await run_sync(feed.read)
            except NotSignedIn:
                return
            except DatabaseError:
                yield ": the database cannot answer now\n\n"
                reading = Reading(events=(), position=feed.position or 0)


@contextmanager
def _counted(request: Request) -> Iterator[None]:
    state = request.app.state
    state.streams += 1
    try:
        yield
    finally:
        state.streams -= 1


def _frames(reading: Reading) -> Iterator[str]:
    if reading.begins_at is not None:
        yield f'event: forgotten\ndata: {{"begins_at": {reading.begins_at}}}\n\n'
    for event in reading.events:
        yield f"id: {event.id}\nevent: transition\ndata: {_EVENT.dump_json(event).decode()}\n\n"


async def _is_set(stopping: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return False
    return True

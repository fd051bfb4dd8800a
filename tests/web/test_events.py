"""The stream of events has each move once and in order, however often it is cut off."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from tests.factories import a_pilot
from tests.patience import until, wait_for
from tests.web.apps import app_on
from tests.web.client import Client, problem_of
from tests.web.site import Site
from tests.web.threads import listening
from worker.db import ces, mover
from worker.db.tables import transitions
from worker.domain.access import Role
from worker.domain.pilot import Move, Status
from worker.domain.token import LIFE_OF_SESSION
from worker.services.operate import tokens
from worker.services.operate.vo_inventory import remove_vo as remove
from worker.web import events
from worker.web.callers import COOKIE

OTHER = {Status.SUBMITTED: Status.RUNNING, Status.RUNNING: Status.SUBMITTED}


@dataclass
class Frame:
    """One event of a stream."""

    id: int | None
    event: str | None
    data: Any


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "PAUSE", 0.01)
    monkeypatch.setattr(events, "CHECKED_EVERY", 0.01)


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    with listening(app) as address:
        yield address


@contextmanager
def stream(address: str, site: Site, last: int | None = None, query: str = "") -> Iterator[Any]:
    """Open a stream; yield its events one by one."""
    headers = site.headers("read")
    if last is not None:
        headers["Last-Event-ID"] = str(last)
    with stream_of(address, headers, query) as coming:
        yield coming


@contextmanager
def stream_of(address: str, headers: dict[str, str], query: str = "") -> Iterator[Any]:
    url = f"{address}/api/events?{query}"
    with httpx.stream("GET", url, headers=headers, timeout=60) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        with closing(answer.iter_lines()) as lines:  # type: ignore[type-var]
            yield frames(lines)


def frames(lines: Iterator[str]) -> Iterator[Frame]:
    values: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            values[name] = value
            continue
        data = json.loads(values["data"]) if "data" in values else None
        yield Frame(int(values["id"]) if "id" in values else None, values.get("event"), data)
        values = {}


def ids(site: Site) -> list[int]:
    with site.world.database.uow() as tx:
        return list(tx.execute(select(transitions.c.id).order_by(transitions.c.id)).scalars())


def move(site: Site, pilot: int, to: Status) -> None:
    with site.world.database.uow() as tx:
        assert mover.move(tx, [Move(pilot_id=pilot, to=to)], site.world.now()).moved


def test_each_move_comes_once_though_the_stream_is_cut_off(site: Site, address: str) -> None:
    begin, dice, pilots = (
        ids(site)[-1],
        random.Random(7),
        [site.pilots["running"], site.pilots["lhcb running"]],
    )
    is_over = threading.Event()

    def go_on() -> None:
        status = dict.fromkeys(pilots, Status.RUNNING)
        for number in range(120):
            pilot = pilots[number % 2]
            status[pilot] = OTHER[status[pilot]]
            move(site, pilot, status[pilot])
        is_over.set()

    thread = threading.Thread(target=go_on)
    thread.start()
    position, frames, cuts = begin, [], 0
    while not is_over.is_set() or position < ids(site)[-1]:
        number = dice.randint(1, 15)
        with stream(address, site, position) as coming:
            for frame in coming:
                if frame.event == "transition":
                    frames.append(frame)
                if frame.id is not None:
                    position = frame.id
                number -= 1
                if number == 0 or (is_over.is_set() and position >= ids(site)[-1]):
                    break
        cuts += 1
    wait_for(thread)

    assert [one.id for one in frames] == [one for one in ids(site) if one > begin]
    assert [one.data["id"] for one in frames] == [one.id for one in frames]
    assert {one.data["pilot_id"] for one in frames} == set(pilots)
    assert cuts > 5


def test_a_quiet_stream_carries_its_position(site: Site, address: str) -> None:
    # Without a position a feed may begin lower while another database of the server is written to.
    newest = ids(site)[-1]
    with stream(address, site, newest) as coming:
        first = next(coming)
        again = next(coming)

    assert (first.event, first.data) == (None, None)
    assert first.id == again.id == newest


def test_a_position_goes_before_the_query(site: Site, address: str) -> None:
    first, second, *_ = ids(site)[-3:]
    with stream(address, site, second, f"after={first}") as coming:
        frame = next(one for one in coming if one.event == "transition")

    assert frame.id == ids(site)[-1]


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("ce=lyon", {"ce": "lyon"}),
        ("vo=lhcb", {"vo": "lhcb"}),
        ("status=running&status=lost", {"became": ("running", "lost")}),
        ("ce=lyon&vo=lhcb&status=done", {"ce": "lyon", "vo": "lhcb", "became": "done"}),
    ],
)
def test_a_filter_hides_the_others(site: Site, address: str, query: str, values: Any) -> None:
    newest = ids(site)[-1]
    events = []
    with stream(address, site, query=f"after=0&{query}") as coming:
        for frame in coming:
            events += [frame.data] if frame.event == "transition" else []
            if frame.id is not None and frame.id >= newest:
                break

    assert frame.id == newest
    assert events
    for one in events:
        assert all(one[key] in value if isinstance(value, tuple) else one[key] == value
                   for key, value in values.items())  # fmt: skip


@pytest.mark.parametrize("query", ["ce=nowhere", "vo=nobody"])
def test_what_can_never_come_is_not_waited_for(site: Site, address: str, query: str) -> None:
    answer = httpx.get(f"{address}/api/events?{query}", headers=site.headers("read"), timeout=60)
    assert answer.status_code == 404
    assert query.partition("=")[2] in answer.json()["detail"]


def test_what_is_not_kept_any_more_is_said(site: Site, address: str) -> None:
    beyond = ids(site)[-1] + 1000
    with stream(address, site, beyond) as coming:
        first = next(coming)

    assert first.event == "forgotten"
    assert first.data["begins_at"] <= beyond


@pytest.mark.parametrize("word", ["-1", "x", str(2**63), "1.5", ""])
def test_a_position_that_cannot_be_one_is_refused(sqlite_client: Client, word: str) -> None:
    by_query = sqlite_client("GET", f"/api/events?after={word}")
    by_header = sqlite_client("GET", "/api/events", headers={"Last-Event-ID": word})

    problem_of(by_query, 422, "invalid")
    problem_of(by_header, 422, "invalid")


def test_a_process_has_so_many_streams_at_most(
    sqlite_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST", 1)
    app = app_on(sqlite_site.world.runtime())
    with listening(app) as address:
        with stream(address, sqlite_site) as coming:
            next(coming)
            refusal = httpx.get(f"{address}/api/events", headers=sqlite_site.headers("read"))
            assert refusal.status_code == 503
            assert refusal.json()["type"].endswith("/server-busy")
        until(lambda: app.state.streams == 0, "the end of the stream")
        with stream(address, sqlite_site) as coming:
            assert next(coming).id


def test_a_new_pilot_is_heard_of(site: Site, address: str) -> None:
    with stream(address, site, ids(site)[-1], "status=running") as coming:
        next(coming)
        with site.world.database.uow() as tx:
            pilot = a_pilot().on(ces.get(tx, "lyon")).running().create(tx)
        frame = next(one for one in coming if one.event == "transition")

    assert (frame.data["pilot_id"], frame.data["stamp"]) == (pilot.id, pilot.stamp)
    assert frame.data["ce"] == "lyon"


def revoke(site: Site, secret: str) -> None:
    tokens.revoke(site.world.runtime(), "follower")


def sign_out(site: Site, secret: str) -> None:
    tokens.end_session(site.world.runtime(), secret)


def remove_vo(site: Site, secret: str) -> None:
    remove(site.world.runtime(), "atlas")


def wait_for_its_end(site: Site, secret: str) -> None:
    site.world.wait(LIFE_OF_SESSION.total_seconds())


@pytest.mark.parametrize("end", [revoke, remove_vo, sign_out, wait_for_its_end])
def test_a_stream_ends_when_the_right_of_its_reader_does(
    site: Site, address: str, end: Callable[[Site, str], None]
) -> None:
    runtime, role = site.world.runtime(), Role.OPERATE
    if end in (revoke, remove_vo):
        life = timedelta(days=9)
        secret = tokens.create(runtime, "follower", role=role, vo="atlas", life=life).secret
        headers = {"Authorization": f"Bearer {secret}"}
    else:
        secret = tokens.begin_session(runtime, "grace", role, None).secret
        headers = {"Cookie": f"{COOKIE}={secret}"}
    with stream_of(address, headers) as coming:
        next(coming)
        next(coming)
        end(site, secret)
        until(lambda: next(coming, None) is None, "the end of the stream")


def test_a_reader_is_known_again_now_and_then_only(
    site: Site, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "CHECKED_EVERY", 3600)
    with stream(address, site, ids(site)[-1]) as coming:
        monkeypatch.setattr(tokens, "identify", fail)
        for _ in range(3):
            assert next(coming).id


def fail(*_: object) -> None:
    raise AssertionError

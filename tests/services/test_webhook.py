"""The webhook: each event reaches its receiver, and no receiver does harm."""

import ast
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.expectations import refused
from tests.http_servers import proxy_of_the_environment, served
from tests.services.test_standstill import begin, run, tick
from tests.services.world import World
from worker.db import webhook_events
from worker.domain.credential import Credential, CredentialKind
from worker.domain.errors import ConfigurationError, TaskFailed
from worker.domain.schedule import Outcome
from worker.domain.webhook import (
    MOST_AGE,
    MOST_ATTEMPTS,
    SIGNATURE,
    Webhook,
    credential_event,
    next_attempt,
)
from worker.services import webhook_call
from worker.services.operate import pauses
from worker.services.operate.webhook_test import try_webhook
from worker.services.runtime import Runtime, TaskResult
from worker.services.tasks import webhook as sending
from worker.services.tasks.renew_credentials import _events

SECRET = "sesame-" * 6
PAGE = Path(__file__).parents[2] / "docs/how-to/webhook.md"


class Receiver:
    """A real HTTP receiver that answers with the statuses of a list, then with 204."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes]] = []
        self.statuses: list[int] = []
        self.during: Callable[[], object] = lambda: None
        self.url = ""

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.requests]

    def answer(self) -> int:
        self.during()
        return self.statuses.pop(0) if self.statuses else 204


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.requests.append((self.path, self.headers[SIGNATURE], body))
            self.send_response(server.answer())
            self.send_header("Location", server.url + "elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as address:
        server.url = f"{address}/hook-{SECRET}"
        yield server


@contextmanager
def rude(chunk: bytes) -> Iterator[str]:
    """Serve a receiver that accepts a connection and then sends nothing, or one chunk for ever."""
    ends = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                while not ends.wait(0.001) if chunk else not ends.wait():
                    connection.sendall(chunk)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        ends.set()
        thread.join()


def runtime(world: World, url: str, **more: Any) -> Runtime:
    return world.runtime(webhook=Webhook(url=url, secret=SECRET), **more)


def send(world: World, url: str, **more: Any) -> TaskResult:
    return sending.webhook(runtime(world, url, **more))


def count_waiting(world: World) -> int:
    with world.database.uow() as tx:
        return webhook_events.count(tx)


def pause(world: World) -> str:
    ce = world.ce()
    pauses.pause(world.runtime(), ce.name, "new disks")
    return ce.name


def test_a_pause_and_its_end_are_sent_once(world: World, receiver: Receiver) -> None:
    ce = pause(world)
    pauses.resume(world.runtime(), ce)
    assert send(world, receiver.url).counts == {"sent": 2, "dropped": 0}
    first, second = receiver.documents
    assert (first["event"], first["ce"], first["reason"]) == ("ce_paused", ce, "new disks")
    assert (second["event"], second["ce"]) == ("ce_resumed", ce)
    assert first["id"] != second["id"]
    assert send(world, receiver.url).counts["sent"] == 0
    assert count_waiting(world) == 0


def test_the_example_of_the_documents_knows_what_is_ours(world: World, receiver: Receiver) -> None:
    pause(world)
    send(world, receiver.url)
    [example] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    ast.parse(example)
    names: dict[str, Any] = {}
    exec(example, names)
    [(_, header, body)] = receiver.requests
    at = int(world.clock.timestamp())
    assert names["is_ours"](SECRET, header, body, at)
    assert not names["is_ours"](SECRET, header, body + b" ", at)
    assert not names["is_ours"](SECRET[1:], header, body, at)
    assert not names["is_ours"](SECRET, header, body, at + 301)
    assert not names["is_ours"](SECRET, header.replace(f"t={at}", f"t={at + 1}"), body, at)


@pytest.mark.parametrize("status", [302, 307, 400, 500])
def test_what_was_not_taken_is_sent_again_later(
    world: World, receiver: Receiver, status: int
) -> None:
    pause(world)
    pause(world)
    receiver.statuses = [status]
    result = send(world, receiver.url)
    assert result.outcome is Outcome.FAILED
    assert result.lines == (f"127.0.0.1 did not accept an event: it answered {status}",)
    assert len(receiver.requests) == 1, "it is not followed, and the rest waits"

    assert send(world, receiver.url).counts["sent"] == 1, "the other event does not wait for it"
    world.wait(10)
    assert send(world, receiver.url).counts["sent"] == 1
    assert receiver.requests[0][0] == receiver.requests[2][0]
    assert receiver.requests[0][2] == receiver.requests[2][2], "with the same id"
    assert receiver.requests[0][1] != receiver.requests[2][1], "and signed anew"


def test_a_receiver_whose_name_cannot_be_one_loses_nothing(world: World) -> None:
    pause(world)
    assert send(world, "https://a..b/").outcome is Outcome.FAILED
    assert count_waiting(world) == 1


def test_an_event_for_this_host_goes_by_no_proxy_of_the_environment(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause(world)
    with proxy_of_the_environment(monkeypatch) as by_proxy:
        assert send(world, receiver.url).counts["sent"] == 1
    assert by_proxy == []


@pytest.mark.parametrize("chunk", [b"", b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"])
def test_a_rude_receiver_costs_one_deadline(
    world: World, chunk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_call, "DEADLINE", 0.5)
    pause(world)
    pause(world)
    with rude(chunk) as url:
        assert send(world, url).outcome is Outcome.FAILED
    assert count_waiting(world) == 2


def test_an_endless_answer_is_not_read(world: World, receiver: Receiver) -> None:
    pause(world)
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with rude(start + b"4\r\nmore\r\n") as url:
        assert send(world, url).counts["sent"] == 1


def test_a_receiver_that_is_not_there_loses_nothing(world: World, receiver: Receiver) -> None:
    pause(world)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = send(world, f"http://127.0.0.1:{port}/{SECRET}")
    assert result.lines == ("127.0.0.1 did not accept an event: ConnectError",)
    assert SECRET not in repr(runtime(world, f"http://127.0.0.1:{port}/{SECRET}").webhook)
    assert send(world, receiver.url, by_hand=True).counts["sent"] == 1, "by hand no pause counts"


def test_attempts_are_bounded(world: World, receiver: Receiver) -> None:
    pauses_between = []
    for attempts in range(1, MOST_ATTEMPTS):
        until = next_attempt(attempts, world.clock)
        assert until is not None
        pauses_between.append(until - world.clock)
    assert pauses_between == sorted(pauses_between)
    assert next_attempt(MOST_ATTEMPTS, world.clock) is None

    pause(world)
    receiver.statuses = [500] * MOST_ATTEMPTS
    for _ in range(MOST_ATTEMPTS):
        assert count_waiting(world) == 1
        send(world, receiver.url, by_hand=True)
    assert count_waiting(world) == 0


def test_what_is_a_day_old_is_dropped_with_or_without_a_webhook(
    world: World, receiver: Receiver
) -> None:
    pause(world)
    assert sending.webhook(world.runtime()).outcome is Outcome.SKIPPED
    assert count_waiting(world) == 1
    world.wait((MOST_AGE + timedelta(seconds=1)).total_seconds())
    assert send(world, receiver.url).counts == {"sent": 0, "dropped": 1}
    assert receiver.requests == []


def test_no_transaction_is_open_and_no_second_one_sends(world: World, receiver: Receiver) -> None:
    pause(world)
    results: list[TaskResult] = []
    receiver.during = lambda: results.append(send(world, receiver.url, holder="another"))
    assert send(world, receiver.url).counts["sent"] == 1
    assert [one.busy for one in results] == [True]


def test_who_is_killed_before_the_record_sends_again(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause(world)
    with monkeypatch.context() as patch:
        patch.setattr(sending, "_record", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            send(world, receiver.url)
    world.wait(3600)  # until the lease has run out
    assert send(world, receiver.url).counts["sent"] == 1
    first, second = receiver.documents
    assert first == second


def test_a_standstill_is_sent_when_it_begins_and_when_it_ends(
    world: World, receiver: Receiver
) -> None:
    world.ce()
    begin(world)
    tick(world, times=5)
    send(world, receiver.url)
    send(world, receiver.url)
    assert [one["event"] for one in receiver.documents] == ["standstill_began"] * 2
    assert "no worker takes the queue" in receiver.documents[0]["reason"]

    for name in sorted({one["queue"] for one in receiver.documents}):
        assert name in ("plan", "call")
    run(world, "webhook")
    world.change(lambda tx: webhook_events.note_standstills(tx, {"gone": "x"}, world.clock))
    send(world, receiver.url)
    assert receiver.documents[-1]["event"] == "standstill_ended"


def test_credentials_that_end_and_are_renewed(world: World) -> None:
    now = world.clock
    plain = Credential(backend="arc", kind=CredentialKind.TOKEN, path="/x", id=1)

    def credential(minutes: float, **more: Any) -> Credential:
        ends = now + timedelta(minutes=minutes)
        values = {"issued_at": now - timedelta(hours=10), "expires_at": ends, "checked_at": now}
        return Credential(**{**vars(plain), **values, **more})

    kinds = {
        "credential_ends_soon": (credential(900), credential(60)),
        "credential_unusable": (credential(900), credential(900, problem="it is open to others")),
        "credential_renewed": (credential(60), credential(900, renewed_at=now)),
        "credential_not_renewed": (credential(900), credential(900, failures=1)),
    }
    for kind, (before, after) in kinds.items():
        event = credential_event(before, after, now)
        assert event is not None
        assert (event[0], event[1]["backend"]) == (kind, "arc")
        assert credential_event(after, after, now) is None
    old = credential(10)
    [(kind_of_end, _)] = _events([old], [old], now + timedelta(hours=1))
    assert kind_of_end == "credential_expired"


def test_the_webhook_is_tried(world: World, receiver: Receiver) -> None:
    trial = try_webhook(runtime(world, receiver.url))
    assert trial.receiver == "127.0.0.1"
    assert [one["event"] for one in receiver.documents] == ["test"]
    receiver.statuses = [500]
    with refused(TaskFailed, "127.0.0.1", "it answered 500"):
        try_webhook(runtime(world, receiver.url))
    with refused(ConfigurationError, "no webhook is set"):
        try_webhook(world.runtime())

"""A worker drops foreign messages with a line in its log, and goes on."""

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
from kombu import Connection
from kombu.transport.redis import QoS

from tests.acceptance import site
from tests.acceptance.processes import CELERY, Processes, ended
from tests.patience import until
from tests.redis_server import Redis
from worker.db.database import Database
from worker.messaging.app import app
from worker.messaging.consumer import LARGEST, UNTIL, problem

LIMITS = [150.0, 140.0]
DEEP = "[" * 20_000 + "]" * 20_000
WRONG_HEADERS: dict[str, dict[str, Any]] = {
    "an id of a thousand letters": {"id": "x" * 1000},
    "an id that is a list": {"id": [1]},
    "an unknown task": {"task": "os.system"},
    "a task that is a table": {"task": {}},
    "retries in words": {"retries": "many"},
    "retries below zero": {"retries": -1},
    "a time that is a table": {"eta": {"a": 1}},
    "a last moment that is a number": {"expires": 5},
    "a last moment of ours in words": {UNTIL: "soon"},
    "a last moment of ours without a zone": {UNTIL: "2026-01-01T00:00:00"},
    "a last moment of ours that is a list": {UNTIL: []},
    "a time limit of nothing": {"timelimit": [0.001, None]},
    "a time limit in words": {"timelimit": ["long", None]},
    "a time limit that is none": {"timelimit": 5},
    "a chord": {"chord": {"task": "prune"}},
    "a long text": {"argsrepr": "x" * LARGEST},
}
WRONG_BODIES: dict[str, Any] = {
    "no list": 7,
    "no subject": [[], {}, {}],
    "two subjects": [["default", "other"], {}, {}],
    "a subject that is a table": [[{"a": 1}], {}, {}],
    "a subject that is a number": [[5], {}, {}],
    "a subject with a zero": [["a\0b"], {}, {}],
    "half a character": [["\ud800"], {}, {}],
    "a subject of many letters": [["x" * 1000], {}, {}],
    "more letters than are read": [["x" * LARGEST], {}, {}],
    "an unknown option": [["default"], {"dry_run": True}, {}],
    "something to be done afterwards": [["default"], {}, {"chain": [{"task": "prune"}]}],
    "a table too deep": [[[[[[]]]]], {}, {}],
}


def message(subject: str | None = "default", task: str = "submit_pilots", **headers: Any) -> Any:
    """Return a message as Celery makes it."""
    arguments = () if subject is None else (subject,)
    form = app.amqp.as_task_v2("1", task, arguments, {})
    return as_read({**form.headers, "timelimit": LIMITS, **headers}, form.body)


def as_read(headers: Any, body: Any) -> Any:
    text = body if isinstance(body, str) else json.dumps(body)
    return SimpleNamespace(headers=headers, body=text, decode=lambda: json.loads(text))


def test_what_we_send_is_right() -> None:
    assert problem(message()) is None
    assert problem(message(None, "learn")) is None
    moment = "2026-01-01T00:00:00+00:00"
    headers: dict[str, Any] = {UNTIL: moment, "eta": moment, "retries": 4}
    assert problem(message(**headers)) is None


@pytest.mark.finding("M4")
@pytest.mark.parametrize("what", WRONG_HEADERS)
def test_wrong_headers_are_refused(what: str) -> None:
    assert "\n" not in (problem(message(**WRONG_HEADERS[what])) or "\n")


@pytest.mark.finding("M4")
@pytest.mark.parametrize("what", WRONG_BODIES)
def test_a_wrong_body_is_refused(what: str) -> None:
    why = problem(as_read(message().headers, WRONG_BODIES[what]))
    assert why is not None
    assert len(why) <= 200
    assert why.isprintable()


def test_other_garbage_is_refused() -> None:
    no_headers: tuple[Any, ...] = (None, [], {}, {"task": "learn"})
    for headers in no_headers:
        assert problem(as_read(headers, [[], {}, {}])) is not None
    for body in ("", "no json", DEEP):
        assert problem(as_read(message().headers, body)) is not None
    assert problem(message("default", "learn")) is not None
    assert problem(message(None, "submit_pilots")) is not None


ENTRIES = ["not json", "[]", "7", "{}", "\xff\0", DEEP, '{"body": "", "properties": {}}']


@pytest.mark.finding("M4")
def test_a_worker_outlives_what_lies_in_its_list_in_redis(
    processes: Processes, redis_server: Redis, postgresql_database: Database
) -> None:
    site.build(postgresql_database)
    url = postgresql_database.url.render_as_string(hide_password=False)
    settings = site.settings(processes, url, redis_server.url)
    worker = processes.start("worker", site.worker("worker"), settings)
    until(lambda: "ready." in processes.said("worker"))
    with redis_server.client() as client:
        client.lpush("pilotage:plan", *ENTRIES)
    publish(redis_server.url)
    count = len(ENTRIES) + len(WRONG_HEADERS) + len(WRONG_BODIES)
    until(lambda: count_dropped(processes) == count, progress=processes.progress)

    call = [*CELERY, "call", "submit_pilots", "--args", '["default"]']
    assert processes.run(call, settings).returncode == 0
    until(
        lambda: site.executions(processes, "worker")["submit_pilots", "default"],
        progress=processes.progress,
    )
    worker.terminate()
    assert ended(worker) == 0
    assert "Traceback" not in processes.said("worker")
    assert max(map(len, processes.said("worker").splitlines())) < 1000
    processes.end()


def publish(url: str) -> None:
    """Send messages with wrong headers and bodies, as kombu does."""
    right = message()
    messages = [
        ({**right.headers, **wrong}, json.loads(right.body)) for wrong in WRONG_HEADERS.values()
    ]
    messages += [(right.headers, body) for body in WRONG_BODIES.values()]
    with Connection(url, transport_options={"global_keyprefix": "pilotage:"}) as connection:
        producer = connection.Producer()
        for headers, body in messages:
            producer.publish(body, routing_key="plan", headers=headers, serializer="json")


def count_dropped(processes: Processes) -> int:
    pattern = r"a message was dropped: |dropped an entry that is no message"
    return len(re.findall(pattern, processes.said("worker")))


def test_a_message_that_cannot_be_acknowledged_is_held_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise ConnectionError("invalid password")

    monkeypatch.setattr(QoS, "_remove_from_indices", refuse)
    window = QoS(SimpleNamespace(do_restore=False), prefetch_count=1)
    window._quick_append("tag", "message")
    assert not window.can_consume()
    with pytest.raises(ConnectionError):
        window.ack("tag")
    assert window.can_consume()

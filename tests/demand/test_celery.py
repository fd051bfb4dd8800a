"""The length of a queue that a real Celery fills in a real Redis."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tests import redis_server
from tests.expectations import refused
from tests.redis_server import Redis
from tests.secrets import write
from tests.session import PLAN
from worker.demand import registry
from worker.domain.errors import DemandUnknown, Invalid

PASSWORD = "s3cr3t-of-redis"


@pytest.fixture(scope="module")
def broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Redis]:
    folder = tmp_path_factory.mktemp("redis")
    try:
        with redis_server.running(folder, way="binary", password=PASSWORD) as server:
            yield server
    except LookupError as problem:
        say = pytest.fail if request.config.stash[PLAN].required else pytest.skip
        say(f"needs the service Redis: {problem}")


@pytest.fixture
def redis(broker: Redis) -> Redis:
    with broker.client() as client:
        client.flushdb()
    return broker


def ask(url: str, folder: Path, **options: Any) -> int:
    url_file = write(folder / "broker.url", url)
    return registry.ask("lhcb", {"kind": "celery", "url_file": str(url_file), **options})


def send(url: str, queue: str, *priorities: int, **options: Any) -> None:
    """Send one message with each priority, as an application does."""
    with Celery("tasks", broker=url) as app:
        app.conf.broker_transport_options = options
        for priority in priorities:
            app.send_task("tasks.add", queue=queue, priority=priority)


def test_a_queue_that_nobody_wrote_to_is_empty(redis: Redis, tmp_path: Path) -> None:
    assert ask(redis.url, tmp_path) == 0


def test_the_messages_of_every_priority_count(redis: Redis, tmp_path: Path) -> None:
    send(redis.url, "jobs-lhcb", 0, 0, 3, 6, 9, 9)
    send(redis.url, "other", 0)
    assert ask(redis.url, tmp_path, queue="jobs-{vo}") == 6
    assert ask(redis.url, tmp_path, queue="jobs-{vo}", priorities=[0]) == 2


def test_an_application_may_have_a_prefix_and_priorities_of_its_own(
    redis: Redis, tmp_path: Path
) -> None:
    send(redis.url, "jobs", 0, 1, 5, global_keyprefix="lab.", sep=":", priority_steps=[0, 1, 5])
    own = {"key_prefix": "lab.", "separator": ":", "priorities": [0, 1, 5]}
    assert ask(redis.url, tmp_path, queue="jobs", **own) == 3
    assert ask(redis.url, tmp_path, queue="jobs") == 0


def test_what_is_no_list_is_unknown(redis: Redis, tmp_path: Path) -> None:
    with redis.client() as client:
        client.set("celery", "7")
    with refused(DemandUnknown, "ResponseError", never=PASSWORD):
        ask(redis.url, tmp_path)


def test_a_wrong_password_is_shown_to_nobody(
    redis: Redis, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with refused(DemandUnknown, "AuthenticationError", never="wr0ng"):
        ask(redis.url.replace(PASSWORD, "wr0ng"), tmp_path)
    assert "wr0ng" not in caplog.text


@pytest.mark.parametrize(
    "url",
    ["http://host/0", "redis", "redis://host:port/0", "redis://:x@[host/0", "", "memory://"],
)
def test_what_is_no_url_of_a_broker_is_unknown(tmp_path: Path, url: str) -> None:
    with refused(DemandUnknown, "broker.url"):
        ask(url, tmp_path)


def test_a_rabbitmq_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    url = f"amqp://me:{PASSWORD}@127.0.0.1:{redis_server.free_port()}//"
    with refused(DemandUnknown, "broker.url: ", never=PASSWORD):
        ask(url, tmp_path)


@pytest.mark.parametrize(
    ("options", "why"),
    [({}, "url_file"), ({"url_file": "/f", "queue": ""}, "queue"), ({"url": "redis://h"}, "url")],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], why: str) -> None:
    with refused(Invalid, why):
        registry.check_new({"kind": "celery", **options})

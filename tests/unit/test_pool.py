"""A pool of Celery does not watch a process whose end it has noticed."""

import inspect
import os
from types import SimpleNamespace
from typing import Any

import pytest
from celery.concurrency.asynpool import AsynPool
from kombu.asynchronous.hub import Hub
from kombu.transport import virtual
from kombu.transport.redis import Channel

import worker.messaging.app
from worker.messaging.pool import watch_living_only


class Plain:
    """The pool of Celery: only its way of watching."""

    _track_child_process = inspect.unwrap(AsynPool.__dict__["_track_child_process"])
    _event_process_exit = AsynPool.__dict__["_event_process_exit"]


class Careful(Plain):
    """The pool of our workers."""


watch_living_only(Careful)


@pytest.fixture
def over() -> Any:
    """A process of a pool whose end the pool has noticed."""
    return SimpleNamespace(_sentinel_poll=None)


def test_a_process_that_is_over_is_not_watched(over: Any) -> None:
    hub = Hub()

    Careful()._track_child_process(over, hub)

    assert not hub.readers
    hub.close()


def test_without_it_the_worker_would_end(over: Any) -> None:
    hub = Hub()

    with pytest.raises(ValueError, match="descriptor"):
        Plain._track_child_process.__get__(Plain())(over, hub)
    hub.close()


def test_a_living_process_is_watched() -> None:
    hub = Hub()
    reading, writing = os.pipe()
    process = SimpleNamespace(_popen=SimpleNamespace(sentinel=reading))
    try:
        Careful()._track_child_process(process, hub)

        assert process._sentinel_poll in hub.readers
    finally:
        hub.close()
        for descriptor in (reading, writing):
            os.close(descriptor)


def test_a_worker_that_loses_its_broker_puts_no_message_back() -> None:
    """kombu would use the lost connection for it, and the worker would end."""
    assert virtual.Channel.do_restore, "kombu has renamed what worker/messaging/app.py switches off"
    assert worker.messaging.app.app
    assert not Channel.do_restore

"""Checks of the messages that a worker takes from its queue.

A message that Pilotage did not send is dropped with one line in the log. Everybody who can write to
the broker can write anything, and Celery trusts the headers of a message: a wrong type in them ends
the worker.
"""

import logging
import time
import warnings
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from celery.exceptions import CPendingDeprecationWarning
from celery.worker import consumer
from kombu.transport.redis import Channel, QoS

from worker.domain import checks
from worker.domain.errors import Invalid
from worker.domain.schedule import Scope
from worker.domain.texts import one_line
from worker.services.tasks import catalogue

log = logging.getLogger(__name__)

UNTIL = "pilotage_until"
"""The header that says until when a message is valid. Celery's own header would compare the clocks
of two hosts: if one of them were wrong, every message would be thrown away."""

LARGEST = 100_000
"""The largest message with its headers, in bytes."""
SECONDS = 86_400
"""The longest time limit of a task that a message may set."""
AFTER_REFUSAL = 1.0
"""Seconds until the next try if the broker can be reached but refuses."""
_GARBAGE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)


class Consumer(consumer.Consumer):  # type: ignore[misc]
    """Celery's consumer, which checks a message before it makes a request of it."""

    def create_task_handler(self, *arguments: Any, **options: Any) -> Callable[[Any], None]:
        """Return the function that is called for each message."""
        handle: Callable[[Any], None] = super().create_task_handler(*arguments, **options)

        def look_and_handle(message: Any) -> None:
            why = problem(message)
            if why is None:
                handle(message)
                return
            log.warning("a message was dropped: %s", why)
            message.ack_log_error(log, self.connection_errors)

        return look_and_handle

    def on_connection_error_after_connected(self, error: Exception) -> None:
        """Connect again; if the broker refuses, pause first, not to ask many times a second."""
        with warnings.catch_warnings():  # a warning about a setting that celeryconfig.py sets
            warnings.simplefilter("ignore", CPendingDeprecationWarning)
            super().on_connection_error_after_connected(error)
        if isinstance(error, self.channel_errors):
            log.warning("the broker refuses: %s", one_line(str(error), 200))
            time.sleep(AFTER_REFUSAL)


def problem(message: Any) -> str | None:
    """Return what is wrong with a message, or `None`."""
    try:
        if len(message.body) + len(str(message.headers)) > LARGEST:
            return f"it is longer than {LARGEST} bytes"
        arguments, options, more = message.decode()
        _check_headers(message.headers)
        _check_subject(message.headers["task"], arguments, options)
        if any(dict(more).values()):
            return "it asks for something after its task"
    except Invalid as error:
        return one_line(": ".join(map(str, error.details)), 200)
    except Exception as error:  # noqa: BLE001 - anything may be in a message
        return f"it is none of ours: {type(error).__name__}"
    return None


def _check_headers(headers: Mapping[str, Any]) -> None:
    if not isinstance(headers["id"], str) or len(headers["id"]) > checks.LONGEST_NAME:
        raise Invalid("id", "it is no short text")
    retries = headers.get("retries") or 0
    if not isinstance(retries, int) or not 0 <= retries <= checks.LARGEST:
        raise Invalid("retries", "it is no number")
    for name in ("eta", "expires", UNTIL):
        _check_moment(name, headers.get(name))
    for limit in headers.get("timelimit") or ():
        if limit is not None:
            checks.between("timelimit", limit, 1, SECONDS)
    for name in ("group", "chord", "errbacks", "callbacks", "chain", "stamps"):
        if headers.get(name):
            raise Invalid(name, "nothing of ours says it")


def _check_moment(name: str, value: object) -> None:
    if value is None:
        return
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or (name == UNTIL and moment.tzinfo is None):
        raise Invalid(name, "it is no time")


def _check_subject(name: str, arguments: list[Any], options: Mapping[str, Any]) -> None:
    task = catalogue.tasks().get(name)
    if task is None:
        raise Invalid("task", f"there is none of the name {str(name)[:40]!r}")
    subjects = [*arguments, *dict(options).values()]
    if set(options) - {"subject"} or len(subjects) > 1:
        raise Invalid(name, "it takes one name at the most")
    subject = subjects[0] if subjects else None
    if task.scope is Scope.GLOBAL:
        if subject is not None:
            raise Invalid(name, "it takes no name")
        return
    if not isinstance(subject, str):
        raise Invalid(name, f"its subject must be the name of its {task.scope.upper()}")
    checks.require_name(name, subject)


def survive_garbage(channel: type[Channel]) -> None:
    """Patch kombu's channel for Redis: an entry of a list that is not a message is dropped."""
    read = channel._brpop_read  # noqa: SLF001 - there is no other place between Redis and JSON

    def read_and_survive(self: Channel, **options: Any) -> bool:
        try:
            return bool(read(self, **options))
        except _GARBAGE as error:
            log.warning("dropped an entry that is no message: %s", type(error).__name__)
            return True

    channel._brpop_read = read_and_survive  # noqa: SLF001


def free_what_cannot_be_acknowledged(qos: type[QoS]) -> None:
    """Patch kombu: a message counts as done even if Redis refuses its acknowledgement.

    A worker holds at most as many messages as it has processes. A message that could not be
    acknowledged would be held for ever; with as many of them as processes, the worker would take no
    message any more.
    """
    acknowledge = qos.ack

    def ack(self: QoS, delivery_tag: str) -> None:
        try:
            acknowledge(self, delivery_tag)
        except Exception:
            self._quick_ack(delivery_tag)
            raise

    qos.ack = ack

"""Counting of the messages that wait in a queue of Celery.

In Redis a queue is a list, and each priority has a list of its own. RabbitMQ is asked by a passive
declaration, which does not make the queue.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import redis
from amqp.method_framing import frame_handler
from kombu import Connection as Broker
from kombu.exceptions import OperationalError

from worker.demand.celery import CeleryOptions
from worker.demand.deadline import Connection, with_deadline
from worker.demand.files import read_line
from worker.domain.errors import DemandUnknown

_REDIS = ("redis", "rediss")
_RABBITMQ = ("amqp", "amqps")
_NOT_THERE = 404
"""The code of AMQP for a queue that does not exist."""


def ask(vo: str, options: CeleryOptions) -> int:
    """Count the messages that wait."""
    place, url = str(options.url_file), read_line(options.url_file)
    queue = options.queue.replace("{vo}", vo)
    scheme = url.partition("://")[0]
    if scheme not in (*_REDIS, *_RABBITMQ):
        raise DemandUnknown(place, "it holds no URL that begins with redis or amqp")
    try:
        urlsplit(url).port  # noqa: B018 - it is read to see whether it can be
        count = _in_redis if scheme in _REDIS else _in_rabbitmq
        return with_deadline(
            options.timeout, place, lambda connection: count(url, queue, options, connection)
        )
    except (redis.RedisError, OperationalError, OSError, ValueError) as error:
        # The text of the error may hold the address with the password.
        raise DemandUnknown(place, type(error).__name__) from error


def keys(queue: str, options: CeleryOptions) -> list[str]:
    """Return the lists of a queue in Redis, one for each priority; that of priority 0 has only the
    name of the queue.
    """
    names = (f"{queue}{options.separator}{p}" if p else queue for p in options.priorities)
    return list(dict.fromkeys(f"{options.key_prefix}{name}" for name in names))


def _in_redis(url: str, queue: str, options: CeleryOptions, connection: Connection) -> int:
    seconds = options.timeout
    times = {"socket_timeout": seconds, "socket_connect_timeout": seconds}

    def connected(link: Any) -> None:
        """Note the socket; then continue as the library does without this function."""
        connection.opened(link._sock.fileno())  # noqa: SLF001 - the library has no other way to it
        link.on_connect()

    with (
        redis.Redis.from_url(url, **times, redis_connect_func=connected) as client,
        client.pipeline(transaction=False) as pipeline,
    ):
        for key in keys(queue, options):
            pipeline.llen(key)
        return sum(map(int, pipeline.execute()))


def _in_rabbitmq(url: str, queue: str, options: CeleryOptions, connection: Connection) -> int:
    def connected(link: Any, callback: Callable[..., object]) -> object:
        """Note the socket before the first answer is read; return the reader of the library."""
        connection.opened(link.sock.fileno())
        return frame_handler(link, callback)

    transport = {"max_retries": 0, "frame_handler": connected}
    with Broker(url, connect_timeout=options.timeout, transport_options=transport) as broker:
        try:
            return int(broker.channel().queue_declare(queue, passive=True).message_count)
        except broker.channel_errors as error:
            why = f"it has no queue {queue!r}" if _code(error) == _NOT_THERE else "it denies access"
            raise DemandUnknown(str(options.url_file), why) from error


def _code(error: BaseException) -> int | None:
    code = getattr(error, "reply_code", None) or getattr(error, "code", None)
    return code if isinstance(code, int) else None

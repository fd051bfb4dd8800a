"""The demand as the length of a queue of Celery: the messages that no worker has taken."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from worker.demand.contract import Source, SourceOptions
from worker.plugins import on_first_use

Priority = Annotated[int, Field(ge=0, le=255)]


class CeleryOptions(SourceOptions):
    """A queue of a Celery application, in Redis or RabbitMQ."""

    url_file: Path
    """A file that holds the URL of the broker, because the URL may hold a password."""

    queue: str = Field(default="celery", min_length=1, max_length=255)
    """The name of the queue; '{vo}' becomes the VO's name."""

    key_prefix: str = Field(default="", max_length=255)
    """The prefix of the application's keys in Redis: its global_keyprefix."""

    separator: str = Field(default="\x06\x16", min_length=1, max_length=16)
    """The separator in Redis between a queue and a priority: the application's option sep."""

    priorities: tuple[Priority, ...] = Field(default=(0, 3, 6, 9), min_length=1, max_length=256)
    """The priorities that have lists of their own in Redis: the application's priority_steps."""


CELERY = Source(
    name="celery",
    about="The length of a queue of Celery.",
    options=CeleryOptions,
    ask=on_first_use("worker.demand.queues", "ask"),
)

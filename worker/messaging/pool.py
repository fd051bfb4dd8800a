"""A worker's pool of processes: one that has ended does not end the worker.

When a worker has its broker again, Celery 5.7 watches all processes of the pool anew. It means to
watch one whose end it has noticed already, too, which has no descriptor any longer: that is an
error, and the whole worker stops its work and hangs.
"""

from functools import wraps
from typing import Any, Protocol


class Pool(Protocol):
    """The part of Celery's pool that watches its processes."""

    _track_child_process: Any


def watch_living_only(pool: type[Pool]) -> None:
    """Have a pool watch no process whose end it has noticed; its timers replace that one."""
    watch = pool._track_child_process  # noqa: SLF001 - there is no other place to say it

    @wraps(watch)
    def watch_if_alive(self: Pool, process: Any, hub: Any) -> None:
        if getattr(process, "_sentinel_poll", True) is not None:
            watch(self, process, hub)

    pool._track_child_process = watch_if_alive  # noqa: SLF001

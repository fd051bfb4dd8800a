"""Patches of a worker's pool: an ended process does not stop the worker, and none leaves files.

When a worker is connected to its broker again, Celery 5.7 begins anew to watch all processes of the
pool, also those whose end it has already noticed. These have no file descriptor any more: that is
an error, and the whole worker stops working and hangs.
"""

from functools import wraps
from multiprocessing.process import current_process
from pathlib import Path
from typing import Any, Protocol

from worker.services import private_files


class Pool(Protocol):
    """The part of Celery's pool that watches its processes."""

    _track_child_process: Any


def watch_living_only(pool: type[Pool]) -> None:
    """Patch a pool: it does not watch a process whose end it has noticed; its timers replace it."""
    watch = pool._track_child_process  # noqa: SLF001 - there is no other place to say it

    @wraps(watch)
    def watch_if_alive(self: Pool, process: Any, hub: Any) -> None:
        if getattr(process, "_sentinel_poll", True) is not None:
            watch(self, process, hub)

    pool._track_child_process = watch_if_alive  # noqa: SLF001


def keep_files_in(folder: Path) -> None:
    """Have the pools of this process make their files in a permanent folder.

    Otherwise each process makes a temporary folder of its own, and leaves it behind if it is
    killed. The files themselves are unlinked as soon as they are made.
    """
    private_files.make_folder(folder)
    vars(current_process())["_config"]["tempdir"] = str(folder)

"""A worker's pool of processes: one that has ended does not end the worker, and none leaves files.

When a worker has its broker again, Celery 5.7 watches all processes of the pool anew. It means to
watch one whose end it has noticed already, too, which has no descriptor any longer: that is an
error, and the whole worker stops its work and hangs.
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
    """Have a pool watch no process whose end it has noticed; its timers replace that one."""
    watch = pool._track_child_process  # noqa: SLF001 - there is no other place to say it

    @wraps(watch)
    def watch_if_alive(self: Pool, process: Any, hub: Any) -> None:
        if getattr(process, "_sentinel_poll", True) is not None:
            watch(self, process, hub)

    pool._track_child_process = watch_if_alive  # noqa: SLF001


def keep_files_in(folder: Path) -> None:
    """Have the pools of this process make their files in a folder, which stays.

    Each would make a temporary folder of its own, which whoever is killed leaves behind. A file has
    no name any longer once it is made.
    """
    private_files.make_folder(folder)
    vars(current_process())["_config"]["tempdir"] = str(folder)

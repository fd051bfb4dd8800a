"""Rotation of log files: a long one becomes `.1`, `.1` becomes `.2`, the oldest is removed.

Several processes write to one file: a worker and those of its pool. Before each write a process
checks whether its file was renamed, and if so continues in the new file. There is no pipe or log
daemon between a process and its file that could end first or block it. If the standard output and
error of the process are the same file, they move to the new file, too.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from worker.services import private_files

KEPT = 4
"""Number of older files that are kept."""


class LogFile(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes events to a file, and begins a new file when this one has reached a size in bytes."""

    def __init__(self, path: Path, size: int) -> None:
        super().__init__(private_files.open_file(path, "a"))
        self._path = path
        self._size = size
        mine = self.stream.fileno()
        self._numbers = [mine, *(number for number in (1, 2) if _is_open_at(number, path))]
        self._go_to(mine)

    def emit(self, record: logging.LogRecord) -> None:
        """Write an event."""
        self.follow()
        super().emit(record)

    def follow(self) -> None:
        """Continue in the new file, if there is one, with everything that this process writes."""
        with suppress(OSError):  # such as a full disk: the current file is still used
            self._follow()

    def _follow(self) -> None:
        begin_anew(self._path, self._size)
        if not _is_same(self.stream.fileno(), self._path):
            with private_files.open_file(self._path, "ab") as new:
                self._go_to(new.fileno())

    def _go_to(self, file: int) -> None:
        for number in self._numbers:
            os.dup2(file, number)


def begin_anew(path: Path, size: int) -> None:
    """Rename a log file that has reached its size, and the older ones with it."""
    if not _is_full(path, size):
        return
    with _alone(path.parent) as is_alone:
        if not is_alone or not _is_full(path, size):
            return  # another process rotates the files now, or has done so
        for number in range(KEPT, 0, -1):
            with suppress(FileNotFoundError):
                _older(path, number - 1).replace(_older(path, number))


def _is_open_at(number: int, path: Path) -> bool:
    """Return whether a file descriptor refers to a log file, also to a renamed one."""
    return any(_is_same(number, _older(path, age)) for age in range(KEPT + 1))


def _is_same(number: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(number), path.stat())
    except OSError:  # the file does not exist, or the descriptor is closed
        return False


def _is_full(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size >= size
    except FileNotFoundError:
        return False


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Try to lock the folder of the log files, without waiting. The lock ends with its process."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield _is_taken(descriptor)
    finally:
        os.close(descriptor)


def _is_taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""Files that a pilot may have replaced by something else, in folders that it may have replaced.

What lies in the place of a file is not waited for, as a FIFO would be, and not followed. The folder
that a file lies in is one of a pilot, too: a symbolic link in its place is not followed either.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, ELOOP, ENXIO, EPERM
from pathlib import Path
from re import Pattern
from stat import S_ISREG

ODD = frozenset({ELOOP, EACCES, EPERM, ENXIO})
"""What is said of a symbolic link or a loop, of a file that may not be read, and of a socket."""

_PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_plain(path: Path) -> int | None:
    """Open a regular file to read it; `None` if something else is in its place.

    A `FileNotFoundError` or `NotADirectoryError` says that nothing is there.
    """
    try:
        with _opened_folder(path.parent) as folder:
            descriptor = os.open(path.name, os.O_RDONLY | _PLAIN, dir_fd=folder)
    except OSError as error:
        if error.errno in ODD:
            return None
        raise
    if S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None


def make_plain(path: Path) -> None:
    """Make an empty file that only its owner may read, unless something is in its place."""
    with _opened_folder(path.parent) as folder, suppress(FileExistsError):
        made = os.open(
            path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAIN, 0o600, dir_fd=folder
        )
        os.close(made)


def remove_folder(path: Path, ours: Pattern[str]) -> None:
    """Remove the files of a folder that have names of ours, and the folder if it has no other."""
    with _opened_folder(path, os.O_RDONLY) as folder:
        for name in os.listdir(folder):  # noqa: PTH208 - of the folder that is open
            if ours.fullmatch(name):
                with suppress(OSError):
                    os.unlink(name, dir_fd=folder)
    path.rmdir()


@contextmanager
def _opened_folder(path: Path, how: int = os.O_PATH) -> Iterator[int]:
    folder = os.open(path, how | os.O_DIRECTORY | _PLAIN)
    try:
        yield folder
    finally:
        os.close(folder)

"""Reading the files that a pilot wrote; the middle of a long file is left out.

A pilot may have replaced a file by something else: opening it never waits, as it would for a FIFO,
and never follows a symbolic link. The folder of the file belongs to the pilot, too: a symbolic
link in place of the folder is not followed either.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, ELOOP, ENXIO, EPERM
from pathlib import Path
from re import Pattern
from stat import S_ISREG

from worker.domain.ce_answers import Output
from worker.domain.texts import abridged

SHOWN = 64 * 1024
"""Bytes of output that are shown of the beginning, and as many of the end."""


ODD = frozenset({ELOOP, EACCES, EPERM, ENXIO})
"""The errors of opening a symbolic link or a loop, a file that may not be read, and a socket."""

_PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_plain(path: Path) -> int | None:
    """Open a regular file for reading; return `None` if something else is in its place.

    A `FileNotFoundError` or `NotADirectoryError` means that nothing is there.
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
    """Make an empty file that only its owner may read, unless something of that name exists."""
    how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAIN
    with _opened_folder(path.parent) as folder, suppress(FileExistsError):
        os.close(os.open(path.name, how, 0o600, dir_fd=folder))


def remove_folder(path: Path, ours: Pattern[str]) -> None:
    """Remove the files with names of ours from a folder, and then the folder.

    If the folder holds anything else, it stays and an `OSError` is raised.
    """
    with _opened_folder(path, os.O_RDONLY) as folder:
        for name in os.listdir(folder):  # noqa: PTH208 - lists an open folder, not a path
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


def read(path: Path, shown: int = SHOWN) -> Output:
    """Read a file that a pilot wrote; a missing file gives an empty output."""
    try:
        descriptor = open_plain(path)
        if descriptor is None:
            return Output(text="")
        with os.fdopen(descriptor, "rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            if size <= 2 * shown:
                return whole(file.read(2 * shown))
            head = file.read(shown)
            file.seek(size - shown)
            return shortened(head, file.read(shown), size)
    except (FileNotFoundError, NotADirectoryError):
        return Output(text="")


def whole(content: bytes) -> Output:
    """Return the output of a file whose whole content is given."""
    return Output(text=content.decode(errors="replace"))


def shortened(head: bytes, tail: bytes, size: int) -> Output:
    """Return the output of a file of `size` bytes whose beginning and end are given."""
    left_out = size - len(head) - len(tail)
    text = abridged(head.decode(errors="replace"), left_out, tail.decode(errors="replace"))
    return Output(text=text, truncated=True)

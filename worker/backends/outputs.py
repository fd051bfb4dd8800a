"""Files of a pilot: what it wrote, without the middle of it if it is long.

A pilot may have replaced a file by something else. What lies in its place is not waited for, as a
FIFO would be, and not followed.
"""

import os
from errno import EACCES, ELOOP, ENXIO, EPERM
from pathlib import Path
from stat import S_ISREG

from worker.domain.ce_answers import Output
from worker.domain.texts import abridged

SHOWN = 64 * 1024
"""Bytes of output that are shown from the beginning, and as many from the end."""


ODD = frozenset({ELOOP, EACCES, EPERM, ENXIO})
"""What is said of a symbolic link or a loop, of a file that may not be read, and of a socket."""


def open_plain(path: Path) -> int | None:
    """Open a regular file to read it; `None` if something else is in its place.

    A `FileNotFoundError` or `NotADirectoryError` says that nothing is there.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in ODD:
            return None
        raise
    if S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None


def read(path: Path, shown: int = SHOWN) -> Output:
    """Read a file that a pilot wrote; one that is not there holds nothing."""
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
    """Return an output of which all is here."""
    return Output(text=content.decode(errors="replace"))


def shortened(head: bytes, tail: bytes, size: int) -> Output:
    """Return an output of which the beginning and the end are here, and its size is known."""
    left_out = size - len(head) - len(tail)
    text = abridged(head.decode(errors="replace"), left_out, tail.decode(errors="replace"))
    return Output(text=text, truncated=True)

"""Files that a pilot may have replaced by something else.

What lies in the place of a file is not waited for, as a FIFO would be, and not followed.
"""

import os
from errno import EACCES, ELOOP, ENXIO, EPERM
from pathlib import Path
from stat import S_ISREG

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

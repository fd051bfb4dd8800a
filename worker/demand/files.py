"""Reading the files in which a source keeps its secrets."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from worker.domain.errors import DemandUnknown

LARGEST = 65_536
"""The largest such file, in bytes."""


def read_line(path: Path) -> str:
    """Read a small text file, without the blanks around its content."""
    try:
        # O_NONBLOCK: opening a pipe or a device does not wait, and `check` refuses it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            check(path, os.fstat(descriptor))
            content = os.read(descriptor, LARGEST + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise DemandUnknown(str(path), error.strerror or "it cannot be read") from error
    if len(content) > LARGEST:
        raise DemandUnknown(str(path), f"it is longer than {LARGEST} bytes")
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        raise DemandUnknown(str(path), "it is not text") from None


def check_closed(path: Path) -> None:
    """Refuse a file that every account of this machine may read."""
    with suppress(OSError):  # reading the file reports the problem
        if path.stat().st_mode & stat.S_IROTH:
            raise DemandUnknown(str(path), "everybody on this machine may read it: chmod o-r")


def check(path: Path, about: os.stat_result) -> None:
    """Refuse what is not a regular file: reading a pipe, for example, may never end."""
    if not stat.S_ISREG(about.st_mode):
        raise DemandUnknown(str(path), "it is not a regular file")

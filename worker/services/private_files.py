"""Folders and files that only their owner may read and change, whatever the umask is.

The mode is given when a file is created. A umask for the whole process would also work, but Slurm
and HTCondor pass the umask of the submitting process on to the jobs.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from worker.domain.errors import ConfigurationError

_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WRITE = stat.S_IWGRP | stat.S_IWOTH


def make_folder(folder: Path) -> None:
    """Create a missing folder, for its owner only. Missing parents are readable for all."""
    if folder.is_dir():
        return
    for above in reversed(folder.parents):
        if not above.exists():
            above.mkdir(mode=0o755, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def close_to_others(folder: Path) -> None:
    """Remove the rights of others to read a folder of ours; refuse one that others may change."""
    about = folder.stat()
    if about.st_mode & _WRITE:
        raise ConfigurationError(
            f"others may write to the state folder {folder}",
            "look through it for files that are not yours, then close it with chmod 700",
        )
    if about.st_mode & _OF_OTHERS and about.st_uid == os.geteuid():
        with suppress(OSError):  # a file system without modes, or a read-only one
            folder.chmod(stat.S_IMODE(about.st_mode) & ~_OF_OTHERS)


def open_file(path: Path, mode: str) -> IO[Any]:
    """Open a file. If it is missing it is created, and only its owner may read and change it."""
    return open(path, mode, opener=_opener)


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

"""What the pilots of this host have left: what they wrote, and how long their folders are kept.

The time runs from the first tidying after the end, not from the end: after a long sleep of all
workers a pilot that ended meanwhile must still be found, and each tidying comes after a listing.
"""

import os
import shutil
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from worker.backends import outputs
from worker.backends.local.keeper.files import OUTPUT
from worker.domain.ce_answers import Output

REPORTED = "reported"
TRASH = ".trash-"


def read(folder: Path) -> Output:
    """Read what a pilot wrote; of a long text the middle is left out."""
    return outputs.read(folder / OUTPUT)


def note_report(folder: Path, now: datetime) -> datetime:
    """Remember when the folder of an ended pilot was first seen to; return when that was."""
    mark = folder / REPORTED
    with suppress(FileExistsError):
        mark.touch(mode=0o600, exist_ok=False)
        os.utime(mark, (now.timestamp(), now.timestamp()), follow_symlinks=False)
    return datetime.fromtimestamp(mark.lstat().st_mtime, tz=now.tzinfo)


def is_over(folder: Path, now: datetime, keep: float) -> bool:
    """Return whether the folder of an ended pilot need not be kept any longer."""
    with suppress(OSError):
        return now - note_report(folder, now) > timedelta(seconds=keep)
    return False


def remove(folder: Path) -> None:
    """Remove a folder. It vanishes at once, so that nobody finds half of it."""
    trash = folder.with_name(f"{TRASH}{folder.name}")
    with suppress(OSError):
        folder.rename(trash)


def empty_trash(place: Path) -> None:
    """Delete what was removed; a pilot's own files may resist, then it stays for the next time."""
    for trash in place.glob(f"{TRASH}*"):
        shutil.rmtree(trash, ignore_errors=True)

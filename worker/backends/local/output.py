"""The files that pilots of this host leave: reading their output, and removing their folders.

The time for which a folder is kept begins at the first cleaning up after the pilot's end, not at
the end itself: if no worker ran for long, a pilot that ended meanwhile must still be found. Each
cleaning up comes after a listing.
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
    """Read what a pilot wrote; the middle of a long text is left out."""
    return outputs.read(folder / OUTPUT)


def note_report(folder: Path, now: datetime) -> datetime:
    """Mark the folder of an ended pilot, once; return the time at which it was marked."""
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
    """Move a folder to the trash: it vanishes in one step, so nobody finds half of it."""
    trash = folder.with_name(f"{TRASH}{folder.name}")
    with suppress(OSError):
        folder.rename(trash)


def empty_trash(place: Path) -> None:
    """Delete the folders in the trash.

    Files of a pilot may prevent the deletion of its folder, which is then tried again next time.
    """
    for trash in place.glob(f"{TRASH}*"):
        shutil.rmtree(trash, ignore_errors=True)

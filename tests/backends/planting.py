"""What a pilot may write instead of the file about its end."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from worker.backends.conformance import Lie

TRUE: dict[str, Any] = {
    "code": 0,
    "why": None,
    "started_at": "2026-01-01T00:00:00+00:00",
    "ended_at": "2026-01-01T00:00:01+00:00",
}
LOCAL: dict[Lie, dict[str, Any]] = {
    Lie.HUGE: {"code": 99999999999},
    Lie.NEGATIVE: {"code": -(2**40)},
    Lie.NO_ZONE: {"started_at": "2026-01-01T00:00:00", "ended_at": "2026-01-01T00:00:00"},
    Lie.YEAR_1: {"started_at": "0001-01-01T00:00:00+14:00", "ended_at": "0001-01-01T00:00:00Z"},
    Lie.YEAR_9999: {"ended_at": "9999-12-31T23:59:59-12:00"},
    Lie.NUL: {"why": "\0\ud800"},
}
SLURM = {
    Lie.HUGE: "{handle} 99999999999 1700000000 1700000001",
    Lie.NEGATIVE: "{handle} -1 1700000000 1700000001",
    Lie.YEAR_1: "{handle} 0 -62135596800 1",
    Lie.YEAR_9999: "{handle} 0 1700000000 99999999999999999",
    Lie.NUL: "\0\0\0",
}
"""What the last line of a pilot's script may write instead of the truth."""


def plant_local(path: Path, lie: Lie) -> None:
    """Write a lie instead of the record of the keeper of a local pilot."""
    plant_odd(path, lie, json.dumps({**TRUE, **LOCAL.get(lie, {})}))


def plant_slurm(path: Path, lie: Lie, handle: str) -> None:
    """Write a lie instead of the last line of the script of a pilot of Slurm."""
    plant_odd(path, lie, SLURM.get(lie, "").format(handle=handle))


def plant_odd(path: Path, lie: Lie, text: str) -> None:
    """Put an odd object in the place of a file, or a file with this text."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if lie is Lie.FIFO:
        os.mkfifo(path)
    elif lie is Lie.DIRECTORY:
        path.mkdir()
    elif lie is Lie.SYMLINK:
        path.symlink_to("/dev/zero")
    elif lie is Lie.LOOP:
        path.symlink_to(path)
    elif lie is Lie.LARGE:
        path.write_text("1" * 10_000_000)
    elif lie is Lie.DIGITS:
        path.write_text("9" * 5000)
    else:
        path.write_text(text)

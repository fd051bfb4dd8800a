"""Reading the records in a pilot's folder. They are not trusted: the pilot can write them, too.

If something else is in place of a record, reading never waits for it and never follows a link; and
no more bytes are read than a record can have.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from worker.backends import json_text
from worker.backends.local.processes import is_alive
from worker.backends.outputs import open_plain

LONGEST = 1 << 16
"""The largest size of a record in bytes; a keeper writes a few hundred."""

LARGEST_PID = 1 << 22


@dataclass(frozen=True, kw_only=True)
class Launch:
    """The keeper of a pilot, as the keeper itself recorded it."""

    pid: int
    start_ticks: int
    boot_id: str
    accepted_at: datetime

    def is_alive(self) -> bool:
        """Return whether the keeper is alive."""
        return is_alive(self.pid, self.start_ticks, self.boot_id)


def read_end(path: Path) -> dict[str, Any] | None:
    """Read the record of a pilot's end; `None` if there is none.

    A record that cannot be read counts as an end, too.
    """
    try:
        descriptor = open_plain(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    record: object = None
    if descriptor is not None:
        try:
            record = _read(descriptor)
        finally:
            os.close(descriptor)
    return record if isinstance(record, dict) else {"why": "unreadable"}


def read_launch(descriptor: int) -> Launch | None:
    """Read the record of a pilot's keeper; `None` if it cannot be read."""
    record = _read(descriptor)
    with suppress(ValueError, TypeError, KeyError, OverflowError):
        launch = Launch(
            pid=int(record["pid"]),
            start_ticks=int(record["start_ticks"]),
            boot_id=str(record["boot_id"]),
            accepted_at=datetime.fromisoformat(record["accepted_at"]),
        )
        if 0 < launch.pid <= LARGEST_PID:
            return launch
    return None


def _read(descriptor: int) -> Any:
    """Read a record; `None` if it is too long or not JSON."""
    content = os.read(descriptor, LONGEST + 1)
    if len(content) > LONGEST:
        return None
    with suppress(ValueError):
        return json_text.read(content)
    return None

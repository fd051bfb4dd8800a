"""Celery on a host whose clock a test sets: `python -m tests.chaos.clock FILE worker …`.

In our program, Celery and kombu the clock is off by the seconds in the file, which is read each
time. The monotonic clock stays as it is, as on a real host.
"""

import sys
from datetime import datetime, timedelta, tzinfo
from importlib import import_module
from pathlib import Path
from typing import Any

from celery.__main__ import main

LOADED = ("celery.app.amqp", "celery.beat", "celery.worker.request", "worker.celery")
"""Modules to import before their clocks are set."""


def set_clock(file: Path) -> None:
    """Set the clock of this process, and of those that it forks, off as the file says."""

    class Kind(type):
        def __instancecheck__(cls, it: object) -> bool:
            return isinstance(it, datetime)

    class Off(datetime, metaclass=Kind):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=float(file.read_text() or 0))

    for name in LOADED:
        import_module(name)
    for name, module in list(sys.modules.items()):
        ours = name.split(".")[0] in ("worker", "celery", "kombu")
        if ours and getattr(module, "datetime", None) is datetime:
            module.datetime = Off  # type: ignore[attr-defined]


if __name__ == "__main__":
    set_clock(Path(sys.argv[1]))
    sys.argv = ["celery", "-A", "worker", *sys.argv[2:]]
    sys.exit(main())

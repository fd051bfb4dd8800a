"""The log of a process: where it goes, in which form, and from which level on."""

import logging
import sys
from pathlib import Path

from worker.services import log_lines
from worker.services.log_files import LogFile
from worker.settings import Settings

log = logging.getLogger(__name__)

LEVEL_FILE = "log_level"
"""A file in the state folder; as long as it is there, its word is the level of all logs."""

CHATTY = ("alembic", "celery.worker.strategy", "celery.app.trace", "httpx")
"""Loggers that only warn."""


class _Level:
    """The level that the logs of this process have where nobody asks for another."""

    usual: int | None = None
    file: Path


_level = _Level()


def set_up(settings: Settings, level: int | str = logging.INFO, file: str | None = None) -> None:
    """Log to standard error or a file, one line an event, at this level if the settings name none.

    A file that has become long is put aside, and the oldest of those is removed.
    """
    handler = LogFile(Path(file), settings.log_size) if file else logging.StreamHandler()
    is_read_by_people = bool(file) or sys.stderr.isatty()
    form = settings.log_format
    handler.setFormatter(log_lines.lines_of(form, is_read_by_people=is_read_by_people))
    chosen = level if settings.log_level is None else settings.log_level.upper()
    logging.basicConfig(level=chosen, handlers=[handler], force=True)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    _level.usual = logging.getLogger().level
    _level.file = settings.home / LEVEL_FILE


def follow_level() -> None:
    """Take the level that the file names now; without it, the usual one. It costs one look."""
    if _level.usual is None:
        return
    level = _level.usual
    try:
        with _level.file.open(encoding="utf-8", errors="replace") as file:
            level = logging.getLevelNamesMapping().get(file.read(16).strip().upper(), level)
    except OSError:
        pass
    root = logging.getLogger()
    if root.level != level:
        root.setLevel(level)
        log.warning("the level of the log is %s now", logging.getLevelName(level).lower())

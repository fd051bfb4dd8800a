"""The log of a process: where it goes, its format and its level."""

import logging
import sys
from pathlib import Path

from worker.services import log_lines
from worker.services.log_files import LogFile
from worker.settings import Settings

log = logging.getLogger(__name__)

LEVEL_FILE = "log_level"
"""A file in the state folder. While it exists, the word in it is the level of all logs."""

CHATTY = ("alembic", "celery.worker.strategy", "celery.app.trace", "httpx")
"""Loggers that log too much at the level INFO: only their warnings and errors are logged."""


class _Level:
    """The level of this process's logs when no file sets another, and the path of that file."""

    usual: int | None = None
    file: Path


_level = _Level()


def set_up(settings: Settings, level: int | str = logging.INFO, file: str | None = None) -> None:
    """Log to standard error or to a file, one line for each event.

    `level` is used if the settings name no level. A log file that has reached its size limit is
    rotated: it is renamed, a new one is begun, and the oldest renamed file is removed.
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
    """Set the level that the file names now, or without a file the usual one.

    This opens one file, so it may be called often.
    """
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

"""Backups: writing a database to a file and reading it back.

This is done by PostgreSQL's own programs, or by SQLite's own interface. A program gets a password
in its environment, never on its command line. A file is read into a new database, with which the
caller replaces the old one.
"""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import IO

from sqlalchemy import URL

from worker.db.driver_errors import first_line
from worker.db.engine import POSTGRESQL, SQLITE, shown
from worker.domain.errors import ConfigurationError, DatabaseRefused, Invalid

BEGINNINGS = {b"PGDMP": POSTGRESQL, b"SQLite format 3\0": SQLITE}
"""The first bytes of a file of each kind."""

DUMP = ("pg_dump", "--format=custom", "--no-password")
RESTORE = (
    "pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges",
    "--no-password",
)  # fmt: skip
OUR_VARIABLES = "PILOTAGE_"


def write(url: URL, file: Path) -> None:
    """Write a database to an existing, empty file."""
    if url.get_backend_name() == POSTGRESQL:
        with file.open("wb") as output:
            _run(DUMP, url, stdout=output)
        return
    with (
        closing(sqlite3.connect(str(url.database))) as live,
        closing(sqlite3.connect(file)) as copy,
    ):
        live.backup(copy)
        # So that one file holds everything, without a journal file beside it.
        copy.execute("PRAGMA journal_mode = DELETE")


def check_kind(file: Path, url: URL) -> None:
    """Refuse a file that holds no database, or a database of another kind."""
    try:
        with file.open("rb") as opened:
            beginning = opened.read(max(map(len, BEGINNINGS)))
    except OSError as error:
        raise Invalid(str(file), (error.strerror or "it cannot be read").lower()) from error
    kinds = [kind for mark, kind in BEGINNINGS.items() if beginning.startswith(mark)]
    if not kinds:
        raise Invalid(str(file), "it is not a backup of a database")
    if kinds[0] != url.get_backend_name():
        advice = "to go from one to the other, use 'pilotage export' and 'pilotage apply'"
        raise Invalid(str(file), f"it is a backup of {kinds[0]}, and {shown(url)} is not", advice)


def read(file: Path, url: URL) -> None:
    """Read a file into a database that is empty."""
    if url.get_backend_name() == POSTGRESQL:
        with file.open("rb") as source:
            _run(RESTORE, url, stdin=source)
        return
    copy_sqlite(file, Path(str(url.database)))


def copy_sqlite(source: Path, target: Path) -> None:
    """Replace the content of an SQLite database by that of another, in one transaction."""
    try:
        with closing(sqlite3.connect(source)) as copy, closing(sqlite3.connect(target)) as live:
            problem = copy.execute("PRAGMA quick_check").fetchone()[0]
            if problem != "ok":
                raise DatabaseRefused(str(source), first_line(problem))
            copy.backup(live)
    except sqlite3.Error as error:
        raise DatabaseRefused(str(source), first_line(error)) from error


def _run(
    words: tuple[str, ...],
    url: URL,
    *,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
) -> None:
    program = shutil.which(words[0])
    if program is None:
        raise ConfigurationError(
            f"{words[0]} is not on the path", "install the client programs of PostgreSQL"
        )
    target, secrets = _address(url)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(OUR_VARIABLES)}
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own program
        [program, *words[1:], f"--dbname={target}"],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**kept, **secrets},
        check=False,
    )
    if done.returncode != 0:
        errors = [
            line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()
        ]
        problem = next((line for line in errors if "error" in line), first_line("\n".join(errors)))
        detail = next((line.strip() for line in errors if "detail:" in line), "")
        raise DatabaseRefused(shown(url), problem, *filter(None, [detail]))


def _address(url: URL) -> tuple[str, Mapping[str, str]]:
    """Return the address of the database without its password, and the password as a variable."""
    from psycopg.conninfo import make_conninfo

    _, options = url.get_dialect()().create_connect_args(url)
    password = options.pop("password", None)
    options.pop("context", None)
    return make_conninfo("", **options), {} if password is None else {"PGPASSWORD": str(password)}

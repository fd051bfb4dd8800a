"""What a start costs: which packages are imported by a command that does not need them."""

import json
import os
import subprocess
import sys

import pytest

from tests.cli.command import address
from worker.db.database import Database

HEAVY = {"alembic", "celery", "cryptography", "httpx", "pydantic", "rich", "sqlalchemy"}
"""Packages that take longer to import than the whole of `pilotage --help`."""

NOT_FOR_STATUS = {"alembic", "celery", "cryptography", "httpx", "psycopg"}

PROGRAM = """
import atexit, json, sys
packages = lambda: {name.partition('.')[0] for name in sys.modules}
atexit.register(lambda: sys.stderr.write('\\n' + json.dumps(sorted(packages()))))
from worker.cli.main import main
main()
"""


def imported(*words: str, **environment: str) -> set[str]:
    """Return the packages that a process of the command has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    assert done.stdout
    packages: list[str] = json.loads(done.stderr.splitlines()[-1])
    assert "click" in packages
    return set(packages)


@pytest.mark.parametrize("words", [("--help",), ("--version",), ()], ids=str)
def test_help_and_version_import_no_command(words: tuple[str, ...]) -> None:
    assert imported(*words) & HEAVY == set()


def test_a_command_word_is_completed_without_importing_a_command() -> None:
    key_press = {"COMP_WORDS": "pilotage st", "COMP_CWORD": "1"}

    assert imported(_PILOTAGE_COMPLETE="bash_complete", **key_press) & HEAVY == set()


def test_status_on_sqlite_imports_what_it_uses(sqlite_database: Database) -> None:
    url = address(sqlite_database.url)

    assert imported("status", PILOTAGE_DATABASE_URL=url) & NOT_FOR_STATUS == set()

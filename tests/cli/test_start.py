"""The cost of a start: no command imports a heavy package that it does not need."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import address, process
from tests.cli.conftest import furnish
from worker.db.database import Database
from worker.services.tasks import catalogue

HEAVY = {"alembic", "celery", "cryptography", "httpx", "pydantic", "rich", "sqlalchemy"}
"""Packages that take longer to import than the whole of `pilotage --help`."""

NOT_FOR_STATUS = {
    *("alembic", "celery", "cryptography", "httpx", "prometheus_client", "psycopg", "rich.live"),
    "worker.backends.shell",
    "worker.demand.registry",
    "worker.services.operate.ce_inventory",
    "worker.services.operate.vo_inventory",
    "worker.simulation",
    *(f"worker.backends.{name}.driver" for name in ("arc", "htcondor", "local", "sim", "slurm")),
    *(f"worker.services.tasks.{task.name}" for task in catalogue.BUILT_IN),
}

PROGRAM = """
import atexit, json, sys
atexit.register(lambda: sys.stderr.write('\\n' + json.dumps(sorted(sys.modules))))
from worker.cli.main import main
main()
"""


def imports_of(*words: str, **environment: str) -> set[str]:
    """Return the modules that a process of the command has imported when it ends."""
    child = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    assert child.stdout
    names: list[str] = json.loads(child.stderr.splitlines()[-1])
    assert "click" in names
    return set(names)


@pytest.mark.parametrize("words", [("--help",), ("--version",), ()], ids=str)
def test_help_and_version_import_no_command(words: tuple[str, ...]) -> None:
    assert imports_of(*words) & HEAVY == set()


def test_a_command_word_is_completed_without_importing_a_command() -> None:
    key_press = {"COMP_WORDS": "pilotage st", "COMP_CWORD": "1"}

    assert imports_of(_PILOTAGE_COMPLETE="bash_complete", **key_press) & HEAVY == set()


@pytest.mark.parametrize("words", [("status",), ("status", "--json")], ids=str)
def test_status_on_sqlite_imports_what_it_uses(
    words: tuple[str, ...], sqlite_database: Database
) -> None:
    with sqlite_database.uow() as tx:
        furnish(tx)
    url = address(sqlite_database.url)

    assert imports_of(*words, PILOTAGE_DATABASE_URL=url) & NOT_FOR_STATUS == set()


def test_what_a_task_runs_is_there_when_it_is_asked_for() -> None:
    catalogue.import_all()

    for task in catalogue.BUILT_IN:
        module = sys.modules[f"worker.services.tasks.{task.name}"]
        assert callable(getattr(module, task.name))
        assert callable(module.plan)


@pytest.mark.slow
def test_a_command_closes_its_database_when_it_ends(tmp_path: Path) -> None:
    # SQLite keeps new rows in a second file until the last connection is closed.
    for words in (("db", "setup"), ("status",)):
        assert process(*words, PILOTAGE_HOME=str(tmp_path)).code == 0

    assert [file.name for file in tmp_path.iterdir()] == ["pilotage.sqlite"]

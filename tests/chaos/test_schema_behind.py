"""A schema that is one revision behind: no process works on it, and each says so in one line."""

import pytest

from tests.acceptance.processes import CELERY, Processes, settings_of
from tests.migrations.chains import CHAINS
from worker.db import chains
from worker.db.chains import CORE_CHAIN, Chain
from worker.db.database import Database
from worker.services.operate import database as care


@pytest.fixture
def processes(tmp_path_factory: pytest.TempPathFactory) -> Processes:
    """Start processes; each of them ends by itself."""
    return Processes(tmp_path_factory.mktemp("behind"))


CASES = [*((chain, "worker") for chain in CHAINS), (CORE_CHAIN, "beat")]
"""Both ask the same function, so one chain is enough for the scheduler."""


@pytest.mark.parametrize(("chain", "what"), CASES, ids=lambda value: getattr(value, "name", value))
def test_nobody_works_on_a_schema_that_is_one_revision_behind(
    postgresql_blank: Database, processes: Processes, chain: Chain, what: str
) -> None:
    care.migrate(postgresql_blank)
    chains.downgrade(postgresql_blank.engine, chain, "-1")
    variables = settings_of(
        {
            "database_url": postgresql_blank.url.render_as_string(hide_password=False),
            "home": str(processes.folder / "home"),
        }
    )
    process = processes.run([*CELERY, what], variables)
    lines = [line for line in process.stderr.splitlines() if line.startswith("pilotage: ")]

    assert process.returncode == 1
    assert len(lines) == 1
    assert "pilotage db" in lines[0]
    assert "Traceback" not in process.stderr + process.stdout
    assert processes.left() == {}

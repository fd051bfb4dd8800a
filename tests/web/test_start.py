"""The modules that the server imports before it answers: each of them delays the start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import process
from tests.secrets import write

pytestmark = pytest.mark.slow

PROGRAM = """
import json, sys, pilotage
from {module} import {name}
{call}
print(json.dumps(sorted(sys.modules)))
"""

ISSUER = """
oidc_issuer = "https://id.example.org"
oidc_client_id = "pilotage"
oidc_roles = { admins = "admin" }
"""


def imported_modules(module: str, name: str, call: str, **environment: str) -> set[str]:
    process = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM.format(module=module, name=name, call=call)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return set(json.loads(process.stdout.splitlines()[-1]))


def test_the_process_that_starts_the_others_imports_nothing_of_the_application() -> None:
    modules = imported_modules("worker.web.server", "main", "")
    assert (
        modules & {"fastapi", "sqlalchemy", "alembic", "celery", "rich", "worker.wiring"} == set()
    )


@pytest.mark.parametrize("with_issuer", [False, True], ids=["without an issuer", "with an issuer"])
def test_a_process_imports_a_client_of_http_only_for_an_issuer(
    tmp_path: Path, with_issuer: bool
) -> None:
    environment = {"PILOTAGE_HOME": str(tmp_path)}
    assert process("db", "setup", **environment).code == 0
    if with_issuer:
        environment["PILOTAGE_CONFIG"] = str(write(tmp_path / "pilotage.toml", ISSUER))
    modules = imported_modules("worker.web.process", "app", "app()", **environment)
    assert "fastapi" in modules
    assert modules & {"alembic", "celery", "rich"} == ({"rich"} if with_issuer else set())
    assert ("httpx" in modules) is with_issuer

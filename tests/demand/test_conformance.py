"""What holds for every demand source that is installed."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.demand.servers import dripping
from tests.expectations import refused
from tests.redis_server import free_port
from tests.secrets import write
from worker.demand import registry
from worker.domain.demand import DemandCounts
from worker.domain.errors import DemandUnknown

SECRET = "s3cr3t-of-a-source"
TIMEOUT = {"command": 1.0, "condor": 1.0}
"""Seconds for the sources that start a program; a fifth of a second is enough for the others."""


def source(kind: str, port: int, folder: Path) -> dict[str, Any]:
    """Return the options of a source with a secret; its server is a port of this host."""
    token = {"token_file": str(write(folder / "token", SECRET))}
    url = f"http://127.0.0.1:{port}"
    schemes = {
        "celery": f"redis://:{SECRET}@127.0.0.1:{port}/0",
        "sql": f"postgresql://me:{SECRET}@127.0.0.1:{port}/nobodys_test",
    }
    file = {"url_file": str(write(folder / "url", schemes.get(kind, "")))}
    connect = f"import socket; socket.create_connection(('127.0.0.1', {port})).recv(1)"
    program = folder / "condor_q"
    program.write_text(f'#!/bin/sh\nexec python3 -c "{connect}"\n')
    program.chmod(0o755)
    values: dict[str, dict[str, Any]] = {
        "celery": file,
        "command": {"command": ["python3", "-c", connect]},
        "condor": {"programs": str(folder)},
        "dask": {"url": url, **token},
        "github": {
            "url": url,
            "runners_of": "https://github.com/octo",
            "scale_set": 1,
            "listen": 0,
            **token,
        },
        "http": {"url": url, **token},
        "prometheus": {"url": url, "query": "1", **token},
        "sql": {**file, "query": "SELECT 1"},
    }
    return {"kind": kind, **values[kind]}


@pytest.fixture(params=sorted(registry.discover()))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_server_that_never_answers_is_left_in_time(kind: str, tmp_path: Path) -> None:
    begin = time.monotonic()
    with dripping() as port, refused(DemandUnknown, never=SECRET):
        registry.ask("lhcb", {**source(kind, port, tmp_path), "timeout": TIMEOUT.get(kind, 0.2)})
    assert time.monotonic() - begin < 60


def test_where_nobody_answers_the_demand_is_unknown_and_no_secret_is_shown(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with refused(DemandUnknown, never=SECRET):
        registry.ask("lhcb", source(kind, free_port(), tmp_path))
    assert SECRET not in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("counts", DemandCounts)
def test_each_may_count_in_either_way(kind: str, counts: DemandCounts, tmp_path: Path) -> None:
    values = {**source(kind, 1, tmp_path), "counts": str(counts)}
    registry.check_new(values)
    assert registry.check(values)[1].counts is counts


def test_each_says_what_it_is(kind: str) -> None:
    about = registry.discover()[kind].about
    assert about.endswith(".")
    assert about[0].isupper()

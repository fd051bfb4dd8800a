"""Endless answers, or answers with a million jobs: each call ends with one line, in bounded time.

Each case runs in its own process, whose memory may grow only by a given number of MiB.
"""

import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.backends.arc_impostor import impostor
from tests.databases import Sqlite
from tests.patience import LONGEST
from tests.room import answer_of

pytestmark = pytest.mark.slow

SCRIPT = """
from datetime import UTC, datetime
from worker.backends import registry
from worker.backends.contract import Means
from worker.db.database import Database
from worker.db.engine import parse_url
from worker.domain.ce import CE
from worker.domain.ce_answers import Job, Order
from worker.domain.errors import PilotageError
folder = Path(told["folder"])
backends = registry.discover()
database = Database(parse_url(f"sqlite:///{folder}/x.sqlite"), [b.chain for b in backends.values()])
means = Means(
    uow=database.uow, home=folder, now=lambda: datetime.now(UTC),
    credentials=lambda kind: {"default": Path(told["credential"])},
)
ce = CE(name="ce", backend=told["backend"], capacity=1, options=told["options"])
driver = registry.connect(backends, ce, means)
jobs = [Job(stamp="0" * 32, handle="1_0", vo="default")]
calls = {"find": driver.find, "poll": lambda: driver.poll(jobs)}
keep_to(told["room"])
begin = time.monotonic()
try:
    answer = calls[told["call"]]()
    line = f"{len(getattr(answer, 'jobs', [answer]))} jobs"
except PilotageError as error:
    line = str(error)
print(json.dumps({"line": line, "seconds": time.monotonic() - begin}))
"""


ABOUT = (
    r"printf '%s = %s\n' ClusterName c SLURM_VERSION 1 MaxArraySize 1001"
    " MinJobAge '300 sec' AccountingStorageType '(null)'"
)


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(stat.S_IRWXU)


Call = Callable[..., tuple[str, float]]


@pytest.fixture
def call(sqlite_template: Sqlite) -> Call:
    """Call a driver; return its answer or error as a line, and the seconds that it took."""

    def of(folder: Path, backend: str, what: str, room: int, **options: object) -> Any:
        program(folder, "scontrol", ABOUT)
        values = {
            "folder": str(folder),
            "backend": backend,
            "call": what,
            "room": room,
            "credential": str(options.pop("credential", "/dev/null")),
            "options": options,
        }
        with sqlite_template.file(folder / "x.sqlite"):
            answer = answer_of(SCRIPT, values)
        assert "\n" not in answer["line"]
        assert len(answer["line"]) < 3000
        return answer["line"], answer["seconds"]

    return of


@pytest.mark.parametrize("what", ["find", "poll"])
def test_a_squeue_that_writes_without_end_is_left(call: Call, tmp_path: Path, what: str) -> None:
    program(tmp_path, "squeue", "exec yes")

    line, _ = call(tmp_path, "slurm", what, 200, programs=str(tmp_path), call_timeout=60)

    assert "more than 67108864 bytes" in line


def test_a_condor_q_that_writes_without_end_is_left(call: Call, tmp_path: Path) -> None:
    program(tmp_path, "condor_q", "exec yes")
    program(tmp_path, "condor_history", "exec yes")

    line, _ = call(tmp_path, "htcondor", "poll", 400, programs=str(tmp_path))

    assert "more than 268435456 bytes" in line


def test_a_program_that_complains_without_end_is_left(call: Call, tmp_path: Path) -> None:
    program(tmp_path, "squeue", "exec yes >&2")

    line, _ = call(tmp_path, "slurm", "find", 200, programs=str(tmp_path), call_timeout=60)

    assert "more than 67108864 bytes" in line


def test_a_program_that_writes_slowly_without_end_is_left_in_time(
    call: Call, tmp_path: Path
) -> None:
    program(tmp_path, "squeue", "while :; do echo x; sleep 0.1; done")

    line, seconds = call(tmp_path, "slurm", "find", 100, programs=str(tmp_path), call_timeout=2)

    assert "no answer within" in line
    assert seconds < 60


GROUP = "0123456789abcdef01234567"
SQUEUE = r"""
printf 'ARRAY_JOB_ID\037\036\n'
awk 'BEGIN { for (i = 1; i <= %d; i++)
  printf "%%d\037%s\037PENDING\037pilotage-%%024x\037None\037N/A\037N/A\037\037\037\036\n", i, i }'
"""


@pytest.mark.skipif(shutil.which("awk") is None, reason="needs awk")
def test_a_million_pilots_of_ours_in_arrays_are_listed(call: Call, tmp_path: Path) -> None:
    program(tmp_path, "squeue", SQUEUE % (1000, "0-999"))
    line, _ = call(
        tmp_path,
        "slurm",
        "find",
        2000,
        programs=str(tmp_path),
        output_folder=None,
        call_timeout=900,
    )

    assert line == "1000000 jobs"


@pytest.mark.skipif(shutil.which("awk") is None, reason="needs awk")
def test_a_list_of_a_million_jobs_one_by_one_is_too_long_and_is_left(
    call: Call, tmp_path: Path
) -> None:
    program(tmp_path, "squeue", SQUEUE % (1_000_000, "N/A"))

    line, _ = call(tmp_path, "slurm", "find", 200, programs=str(tmp_path), call_timeout=300)

    assert "more than 67108864 bytes" in line


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
@pytest.mark.parametrize("packed", [False, True])
def test_an_arc_ce_that_answers_without_end_is_left(
    call: Call, tmp_path: Path, packed: bool
) -> None:
    import zlib
    from http.server import BaseHTTPRequestHandler

    squeezer = zlib.compressobj(9, wbits=31)
    bomb = squeezer.compress(b" " * 300 * 2**20) + squeezer.flush()

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        if packed:
            handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Connection", "close")
        handler.end_headers()
        give_up = time.monotonic() + LONGEST
        while time.monotonic() < give_up:
            handler.wfile.write(bomb if packed else b" " * 2**20)

    with impostor(tmp_path) as ce:
        ce.answers["/jobs"] = endless
        (tmp_path / "driver").mkdir()
        credential = tmp_path / "proxy.pem"
        credential.write_bytes(ce.authority.holder("Us").proxy())
        credential.chmod(0o600)
        line, _ = call(
            tmp_path / "driver",
            "arc",
            "find",
            250,
            url=f"https://localhost:{ce.port}",
            ca=str(ce.authority.certificates),
            delegate=False,
            credential=credential,
        )

    assert ("its answer is compressed: gzip" if packed else "more than 67108864 bytes") in line

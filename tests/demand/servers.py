"""The servers that demand sources ask, started for a test."""

import fcntl
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.patience import PATIENCE, until
from tests.redis_server import free_port
from tests.session import PLAN
from tests.testbeds.packages import INSTALL_VARIABLE, SYSTEM_PATH, NotToBeHad, program

DASK = "distributed==2026.8.0"


@contextmanager
def running(
    words: Sequence[str], log: Path, env: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server while the block runs."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else {**os.environ, **env},
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def answers(url: str) -> bool:
    """Return whether a server answers at this address."""
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


@contextmanager
def prometheus(folder: Path) -> Iterator[str]:
    """Start a Prometheus that reads only itself; return its address."""
    port = free_port()
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n"
        f"- {{job_name: own, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}\n"
    )
    words = [
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    url = f"http://127.0.0.1:{port}"
    with running(words, folder / "prometheus.log"):
        until(lambda: answers(f"{url}/-/ready"), "a Prometheus that is ready")
        yield url


def dask_python(config: pytest.Config) -> Path:
    """Return a Python that has Dask; skip or fail the test if there is none."""
    plan = config.stash[PLAN]
    try:
        return _dask_python(Path(plan.folder), may_install=plan.may_install)
    except NotToBeHad as error:
        say = pytest.fail if plan.required else pytest.skip
        say(f"needs the service Dask: {error}")


def _dask_python(folder: Path, *, may_install: bool) -> Path:
    """Return the Python of an environment for Dask alone, so that ours stays small."""
    python = folder / "dask" / "bin" / "python"
    if python.exists():
        return python
    if not may_install:
        raise NotToBeHad(f"{DASK} is not installed, and {INSTALL_VARIABLE} is not 1")
    # Several processes of a run need it at the same time: one installs it, the others wait.
    with (folder / "dask.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not python.exists():
            _install_dask(folder)
    return python


def _install_dask(folder: Path) -> None:
    draft = folder / f"dask-{os.getpid()}"
    pip = [sys.executable, "-m", "pip", "--python", str(draft / "bin" / "python")]
    for words in (
        [_python_for_all(), "-m", "venv", "--without-pip", str(draft)],
        [*pip, "install", "--quiet", "--no-input", DASK],
    ):
        result = subprocess.run(words, check=False, capture_output=True, text=True)
        if result.returncode:
            raise NotToBeHad(f"{DASK}: {result.stderr.strip()[-300:]}")
    draft.rename(folder / "dask")


def _python_for_all() -> str:
    """Return a Python that other users can run too: ours may be in a closed home."""
    ours = Path(sys.executable).resolve()
    is_open = all(folder.stat().st_mode & stat.S_IXOTH for folder in ours.parents)
    return str(ours) if is_open else shutil.which("python3", path=SYSTEM_PATH) or str(ours)


@contextmanager
def dask_scheduler(
    python: Path, folder: Path, *, serves_api: bool = True
) -> Iterator[tuple[str, str]]:
    """Start a scheduler; return the addresses for clients and for HTTP."""
    port, http_port = free_port(), free_port()
    routes = ["distributed.http.scheduler.json", "distributed.http.health"]
    if serves_api:
        routes.append("distributed.http.scheduler.api")
    words = [
        str(python), "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1",
        "--port", str(port), "--dashboard-address", f"127.0.0.1:{http_port}",
    ]  # fmt: skip
    env = {"DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES": repr(routes)}
    url = f"http://127.0.0.1:{http_port}"
    with running(words, folder / "dask.log", env):
        until(lambda: answers(f"{url}/health"), "a scheduler that is ready")
        yield f"tcp://127.0.0.1:{port}", url


@contextmanager
def dripping() -> Iterator[int]:
    """Take connections and never answer; return the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]

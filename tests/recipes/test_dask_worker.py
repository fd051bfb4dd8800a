"""A worker of the recipe for Dask when it is idle, is alone, or must end."""

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.processes import ROOT, ended
from tests.demand.servers import dask_python, dask_scheduler, running
from tests.patience import until

pytestmark = [pytest.mark.processes, pytest.mark.slow]
LONG, SOON = 3600, 1
EMPTY, NO_SCHEDULER, NO_SETUP = 77, 69, 78
WORKER = ROOT / "recipes" / "dask" / "worker.sh"

CLIENT = """
import sys, time
from pathlib import Path
from distributed import Client

def slow(folder):
    (folder / "begun").touch()
    while not (folder / "finish").exists():
        time.sleep(0.05)
    with (folder / "times").open("a") as times:
        times.write("x")
    return 42

folder = Path(sys.argv[2])
client = Client(sys.argv[1])
result = client.submit(slow, folder)
while not (folder / "release").exists():
    time.sleep(0.05)
    if result.done():
        (folder / "computed").touch()
    if (folder / "ask").exists():
        print("result", result.result(), flush=True)
        (folder / "ask").unlink()
"""


@dataclass
class Site:
    """A scheduler, and workers and a client that run during the test."""

    python: Path
    scheduler: str
    folder: Path
    stack: ExitStack

    def worker(
        self, name: str, *, idle: int = LONG, grace: int = LONG, scheduler: str = ""
    ) -> "subprocess.Popen[bytes]":
        setup = f"PATH='{self.python.parent}':$PATH"
        words = [setup, scheduler or self.scheduler, str(idle), str(grace)]
        environment = {
            "PILOTAGE_STAMP": name,
            "PILOTAGE_END_FILE": str(self.end_file(name)),
        }
        log = self.folder / f"{name}.log"
        process = running(["/bin/sh", str(WORKER), *words], log, environment)
        return self.stack.enter_context(process)

    def end_file(self, name: str) -> Path:
        return self.folder / f"{name}.end"

    def until_ready(self, name: str) -> None:
        log = self.folder / f"{name}.log"
        until(lambda: "Registered to" in log.read_text(), f"the worker {name}")

    def send_task(self) -> None:
        (self.folder / "client.py").write_text(CLIENT)
        words = [str(self.python), str(self.folder / "client.py"), self.scheduler, str(self.folder)]
        self.stack.enter_context(running(words, self.folder / "client.log"))
        self.until_there("begun")

    def there_is(self, name: str) -> None:
        (self.folder / name).touch()

    def until_there(self, name: str) -> None:
        until((self.folder / name).exists, f"the file {name}")

    def result(self) -> str:
        self.there_is("ask")
        log = self.folder / "client.log"
        # Wait for the whole line: a client without a buffer writes word by word.
        line = re.compile(r"^(result .*)\n", re.MULTILINE)
        until(lambda: line.search(log.read_text()), "the result")
        return "\n".join(line.findall(log.read_text()))

    def times(self) -> str:
        return (self.folder / "times").read_text()


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    python = dask_python(request.config)
    # The scheduler ends first: otherwise a worker that has results waits for another worker.
    with ExitStack() as stack, dask_scheduler(python, tmp_path) as (scheduler, _):
        yield Site(python, scheduler, tmp_path, stack)


def test_a_worker_that_had_no_task_leaves_and_says_so(site: Site) -> None:
    assert ended(site.worker("one", idle=SOON)) == EMPTY


def test_a_worker_that_had_a_task_leaves_once_nobody_needs_the_result(site: Site) -> None:
    worker = site.worker("one", idle=SOON)
    site.send_task()
    site.there_is("finish")
    site.until_there("computed")
    assert site.result() == "result 42"
    assert worker.poll() is None
    site.there_is("release")
    assert ended(worker) == 0


@pytest.mark.parametrize("way", ["signal", "file"])
def test_a_worker_that_is_to_end_finishes_its_task_and_hands_the_result_over(
    site: Site, way: str
) -> None:
    worker = site.worker("one")
    site.send_task()
    site.worker("two")
    site.until_ready("two")
    if way == "signal":
        worker.send_signal(signal.SIGTERM)
    else:
        site.end_file("one").touch()
    retiring = site.folder / "dask.log"
    until(lambda: "Retire worker" in retiring.read_text(), "a worker that is about to leave")
    site.there_is("finish")
    assert ended(worker) == 0
    assert site.result() == "result 42"
    assert site.times() == "x"


def test_a_worker_that_is_alone_keeps_its_results_until_another_comes(site: Site) -> None:
    worker = site.worker("one")
    site.send_task()
    site.there_is("finish")
    site.until_there("computed")
    worker.send_signal(signal.SIGTERM)
    scheduler = site.folder / "dask.log"
    until(lambda: "Could not retire" in scheduler.read_text(), "a failed attempt to leave")
    assert worker.poll() is None
    site.worker("two")
    assert ended(worker) == 0
    assert site.result() == "result 42"
    assert site.times() == "x"


def test_a_worker_does_not_stay_for_its_task_until_it_is_killed(site: Site) -> None:
    worker = site.worker("one", grace=SOON)
    site.send_task()
    worker.send_signal(signal.SIGTERM)
    assert ended(worker) == 0
    assert "stay behind" in (site.folder / "one.log").read_text()
    site.worker("two")
    site.there_is("finish")
    assert site.result() == "result 42"


def test_a_worker_follows_its_scheduler(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with dask_scheduler(site.python, other) as (scheduler, _):
        worker = site.worker("one", scheduler=scheduler)
        site.until_ready("one")
    assert ended(worker) == EMPTY


@pytest.mark.long
def test_a_worker_that_reaches_no_scheduler_says_so(site: Site) -> None:
    assert ended(site.worker("one", scheduler="tcp://127.0.0.1:1")) == NO_SCHEDULER
    assert "no scheduler answers at tcp://127.0.0.1:1" in (site.folder / "one.log").read_text()


def test_a_setup_that_fails_is_said(tmp_path: Path) -> None:
    words = ["/bin/sh", str(WORKER), "false", "tcp://127.0.0.1:1", "1", "1"]
    assert subprocess.run(words, check=False).returncode == NO_SETUP

"""Workers of a Celery application: each task is done once, and all workers end afterwards."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from celery import Celery

from tests.acceptance.processes import ended
from tests.patience import until
from tests.recipes.fleet import Fleet
from tests.redis_server import Redis, running
from tests.secrets import write
from worker.services.operate import fleets

pytestmark = pytest.mark.processes
QUICK = {"check_soonest": 0.2, "check_latest": 1}
TASKS = 40

JOBS = """
import time
from pathlib import Path
from celery import Celery

app = Celery("jobs", broker={url!r})
app.conf.task_acks_late = True

@app.task(name="jobs.work")
def work(number):
    begun = Path({folder!r}) / f"{{number}}.begun"
    with begun.open("a") as file:
        file.write("x")
    time.sleep(0.3)
    Path({folder!r}, f"{{number}}.done").touch()
"""


class Application:
    """A Celery application in a folder that every worker can read, and its queue."""

    def __init__(self, folder: Path, redis: Redis) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.results.mkdir()
        self.results.chmod(0o777)
        write(folder / "jobs.py", JOBS.format(url=redis.url, folder=str(self.results)))
        (folder / "jobs.py").chmod(0o644)
        self.url = write(folder / "broker.url", redis.url + "\n")
        self.app = Celery("jobs", broker=redis.url)

    @property
    def setup(self) -> str:
        return f"cd '{self.folder}' && PATH='{Path(sys.executable).parent}':$PATH && export PATH"

    def send(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.app.send_task("jobs.work", (number,))

    def count_done(self) -> int:
        return len(list(self.results.glob("*.done")))

    def starts(self) -> list[str]:
        return [path.read_text() for path in self.results.glob("*.begun")]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    folder = tmp_path / "redis"
    folder.mkdir()
    with running(folder) as server:
        yield server


def begin(fleet: Fleet, application: Application, clusters: dict[str, dict[str, object]]) -> None:
    fleet.init(
        "celery",
        clusters,
        broker_file=str(application.url),
        setup=application.setup,
        most=3,
        idle=3,
        grace=60,
    )
    fleet.apply()
    fleet.up()


def is_over(fleet: Fleet) -> bool:
    return not fleet.pilots("--status", "running", "--status", "submitted", "--status", "reserved")


def test_each_task_is_done_once_though_workers_are_ended_in_its_middle(
    fleet: Fleet, redis: Redis, tmp_path: Path
) -> None:
    folder = tmp_path / "jobs"
    folder.mkdir()
    application = Application(folder, redis)
    begin(fleet, application, {"here": {"backend": "local", "capacity": 2, **QUICK}})
    assert not fleet.pilots()
    application.send(range(TASKS))
    until(
        lambda: application.count_done() > 3,
        "the end of some tasks",
        progress=fleet.processes.progress,
    )
    first = {one["id"] for one in fleet.pilots()}
    fleet.pilotage("pilot", "cancel", "--vo", "default", "--status", "running", "--yes")
    # On a busy machine the first workers do all these tasks before they end. Later ones do more.
    until(
        lambda: not first & {one["id"] for one in fleet.pilots("--status", "running")},
        "the end of the first workers",
        progress=application.count_done,
    )
    application.send(range(TASKS, 2 * TASKS))
    until(
        lambda: application.count_done() == 2 * TASKS,
        "the end of all tasks",
        progress=application.count_done,
    )
    until(lambda: is_over(fleet), "the end of all workers", progress=fleet.processes.progress)

    assert application.starts() == ["x"] * 2 * TASKS
    ends = {(one["status"], one["use"]) for one in fleet.pilots()}
    assert ("done", "useful") in ends
    assert ends <= {("cancelled", None), ("done", "useful"), ("done", "short"), ("done", "empty")}


@pytest.mark.parametrize(
    ("setup", "code"), [(None, 77), (". /nowhere/activate", 78), ("cd /nowhere && true", 78)]
)
def test_a_worker_says_by_its_exit_code_what_went_wrong(
    fleet: Fleet, redis: Redis, tmp_path: Path, setup: str | None, code: int
) -> None:
    folder = tmp_path / "jobs"
    folder.mkdir()
    application = Application(folder, redis)
    words = [setup or application.setup, "jobs", "celery", "1"]
    worker = fleet.processes.start(
        "worker",
        ["/bin/sh", str(fleets.FOLDER / "celery" / "worker.sh"), *words],
        {"PILOTAGE_STAMP": "0123"},
    )
    assert ended(worker) == code

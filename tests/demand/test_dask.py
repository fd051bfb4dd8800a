"""The number of workers that a real scheduler of Dask wants."""

from pathlib import Path

import pytest

from tests.demand.servers import dask_python, dask_scheduler, running
from tests.expectations import refused
from tests.patience import until
from worker.demand import registry
from worker.demand.contract import SourceOptions
from worker.domain.demand import DemandCounts
from worker.domain.errors import DemandUnknown

pytestmark = [pytest.mark.testbed, pytest.mark.processes, pytest.mark.slow]

CLIENT = """
import sys, time
from distributed import Client
client = Client(sys.argv[1])
client.submit(time.sleep, 0, pure=False)
tasks = [client.submit(time.sleep, 1000, pure=False) for _ in range(20)]
print("sent", flush=True)
time.sleep(1000)
"""


@pytest.fixture(scope="module")
def python(request: pytest.FixtureRequest) -> Path:
    return dask_python(request.config)


def ask(url: str) -> int:
    return registry.ask("lhcb", {"kind": "dask", "url": url})


def options(url: str) -> SourceOptions:
    return registry.check({"kind": "dask", "url": url})[1]


def test_its_number_is_a_total_unless_the_options_say_otherwise() -> None:
    assert options("http://127.0.0.1:1").counts is DemandCounts.TOTAL


def test_a_scheduler_with_tasks_wants_workers_and_one_without_none(
    python: Path, tmp_path: Path
) -> None:
    with dask_scheduler(python, tmp_path) as (address, url):
        assert ask(url) == 0
        with running([str(python), "-c", CLIENT, address], tmp_path / "client.log"):
            until(lambda: ask(url) > 0, "a scheduler that wants workers")
        until(lambda: ask(url) == 0, "a scheduler that wants no worker")


def test_a_scheduler_that_serves_no_api_is_unknown_and_how_it_does_is_said(
    python: Path, tmp_path: Path
) -> None:
    with (
        dask_scheduler(python, tmp_path, serves_api=False) as (_, url),
        refused(DemandUnknown, "add distributed.http.scheduler.api to its"),
    ):
        ask(url)

"""Runners of CI: each job is done once, and there are not more spare runners than allowed."""

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.patience import until
from tests.recipes.fleet import Fleet
from tests.recipes.scale_set import TOKEN, ScaleSet, serving
from tests.redis_server import free_port
from tests.secrets import write
from worker.domain.pilot_secret import PilotKeys

pytestmark = pytest.mark.processes
QUICK = {"check_soonest": 0.2, "check_latest": 1}
SPARE, JOBS = 1, 12
KEY = "k" * 64

RUNNER = """#!{python}
import json, os, time, urllib.request

configuration = os.environ["ACTIONS_RUNNER_INPUT_JITCONFIG"]
assert "PILOTAGE_SECRET_FILE" not in os.environ

def post(what):
    body = json.dumps({{"config": configuration}}).encode()
    with urllib.request.urlopen("{address}/runner/" + what, body, 20) as answer:
        return answer.status

while post("begin") != 200:
    time.sleep(0.2)
time.sleep(1)
post("finish")
"""


@pytest.fixture
def scale_set() -> ScaleSet:
    return ScaleSet()


@pytest.fixture
def address(scale_set: ScaleSet) -> Iterator[str]:
    with serving(scale_set) as url:
        yield url


def begin(fleet: Fleet, address: str, folder: Path) -> None:
    """Start a fleet of runners, its door and Pilotage."""
    folder.mkdir()
    program = write(folder / "runner", RUNNER.format(python=sys.executable, address=address))
    program.chmod(0o755)
    folder.chmod(0o755)
    web, door = free_port(), free_port()
    fleet.settings |= {
        "PILOTAGE_WEB_PORT": str(web),
        "PILOTAGE_WEB_URL": f"http://127.0.0.1:{web}",
        "PILOTAGE_PILOT_KEY_FILE": str(write(folder / "key", KEY)),
        "PILOTAGE_TIME_LIMIT": "30",
    }
    fleet.init(
        "runners",
        {"here": {"backend": "local", "capacity": 6, **QUICK}},
        api=f"{address}/api",
        runners_of="https://github.com/octo",
        scale_set=7,
        token_file=str(write(folder / "token", TOKEN)),
        door=f"http://127.0.0.1:{door}",
        setup=f"cd '{folder}'",
        runner="./runner",
        kept=SPARE,
        grace=5,
    )
    file = fleet.folder / "fleet.toml"
    quick = 'kind = "github"\nlisten = 0.5\ntimeout = 10'
    file.write_text(file.read_text().replace('kind = "github"', quick))
    fleet.apply()
    words = ["--pilotage", f"http://127.0.0.1:{web}", "--port", str(door)]
    fleet.processes.start(
        "door", [sys.executable, str(fleet.folder / "door.py"), str(file), *words], fleet.settings
    )
    fleet.up()


def test_each_job_is_done_once_and_no_runner_is_too_many(
    fleet: Fleet, scale_set: ScaleSet, address: str, tmp_path: Path
) -> None:
    begin(fleet, address, tmp_path / "runner")
    progress = fleet.processes.progress
    until(lambda: len(scale_set.runners) == SPARE, "the spare runners", progress=progress)
    scale_set.offer(JOBS // 2)
    until(lambda: scale_set.count("done") >= 2, "the end of some jobs", progress=progress)
    assert fleet.kill_workers_of_pilotage()
    scale_set.offer(JOBS - JOBS // 2)
    until(lambda: scale_set.count("done") == JOBS, "the end of all jobs", progress=progress)
    until(lambda: fleet.running("here") == SPARE, "the end of the other runners", progress=progress)

    assert [job.runs for job in scale_set.jobs.values()] == [1] * JOBS
    assert scale_set.most_above <= SPARE
    assert scale_set.notes["repeated"]
    assert scale_set.notes.get("lost") or scale_set.notes.get("renewed")
    text = "".join(fleet.processes.said(name) for name in ("up", "door"))
    text += "".join(path.read_text() for path in (tmp_path / "home").rglob("*.log"))
    assert TOKEN not in text
    assert "config-of-" not in text


def a_pilot_of_another_team(fleet: Fleet, folder: Path) -> str:
    """Send a pilot of another team; return its secret."""
    write(folder / "sleep.toml", 'script_text = "sleep 600"\nreports = true\n')
    fleet.pilotage("vo", "add", "others", "--limit", "0")
    fleet.pilotage("vo", "payload", "others", "--from", str(folder / "sleep.toml"))
    fleet.pilotage("vo", "set", "others", "--limit", "1", "--demand", "1")
    [one] = until(lambda: fleet.pilots("--vo", "others"), "a pilot of another team")
    return PilotKeys((KEY,)).secret_of(one["stamp"])


def test_who_is_no_worker_of_the_team_gets_nothing(
    fleet: Fleet, scale_set: ScaleSet, address: str, tmp_path: Path
) -> None:
    begin(fleet, address, tmp_path / "runner")
    until(
        lambda: len(scale_set.runners) == SPARE,
        "the spare runners",
        progress=fleet.processes.progress,
    )
    of_others = a_pilot_of_another_team(fleet, tmp_path)
    words = next(w for w in fleet.processes.left().values() if "door.py" in w).split()
    url = f"http://127.0.0.1:{words[words.index('--port') + 1]}/runner"
    for secret in ("", "x" * 40, of_others):
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        assert httpx.post(url, headers=headers, timeout=60).status_code == 403
    log = fleet.processes.said("door")
    assert "no runner for 127.0.0.1: it is of the team others" in log
    assert of_others not in log
    assert len(scale_set.names) == SPARE

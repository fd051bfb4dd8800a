"""A scheduler without a worker: `pilotage status` warns until a worker comes."""

import signal
from pathlib import Path

from tests.acceptance.processes import CELERY, PILOTAGE, Processes, ended, settings_of
from tests.databases import backend_chains, file_url
from tests.patience import until
from tests.runtimes import runtime_on
from worker.db.database import Database
from worker.db.schedules import Schedule
from worker.services.tasks import ticks

DEAD = "no worker takes the queue plan"


def test_a_scheduler_without_a_worker_is_warned_of_until_a_worker_comes(
    processes: Processes, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    settings = settings_of({"home": str(home), "time_limit": "2"})

    def answer(*words: str) -> str:
        result = processes.run([*PILOTAGE, *words], settings)
        assert result.returncode == 0, result.stderr
        return result.stdout

    answer("db", "setup")
    answer("task", "schedule", "learn", "--every", "0.5")
    database = Database(file_url(home / "pilotage.sqlite"), backend_chains())

    def learn() -> Schedule:
        [schedule] = [
            one for one in ticks.list_schedules(runtime_on(database)) if one.task == "learn"
        ]
        return schedule

    beat = processes.start("beat", [*CELERY, "beat"], settings)
    until(lambda: learn().pending > 8)
    [warning] = [line for line in answer("status").splitlines() if DEAD in line]
    assert warning.startswith("! learn fired ")
    assert learn().done_at is None

    worker = processes.start("worker", [*CELERY, "worker", "-Q", "plan", "-c", "1"], settings)
    until(lambda: learn().done_at)
    assert 'pilotage_task_done_timestamp_seconds{task="learn",vo="all"}' in answer("metrics")
    until(lambda: DEAD not in answer("status"))
    database.close()
    for process in (beat, worker):
        process.send_signal(signal.SIGTERM)
        ended(process)
    until(lambda: processes.left() == {})

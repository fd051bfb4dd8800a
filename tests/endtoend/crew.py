"""Real workers and a scheduler, for tests that compare the database with a real CE."""

import re
from collections.abc import Mapping
from pathlib import Path

from tests.acceptance import site
from tests.acceptance.processes import Processes, settings_of
from tests.redis_server import Redis
from worker.db.database import Database

EVERY: Mapping[str, float] = {"dispatch": 1, "check_pilots": 1, "reconcile": 2, "learn": 5}
"""The schedules. There is none for submit_pilots: a test reserves its pilots itself."""

NEVER = ("submit_pilots",)
WORKERS = ("one", "two")


class Crew:
    """Two workers and a scheduler on one database."""

    def __init__(self, processes: Processes, redis: Redis) -> None:
        self.processes = processes
        self._redis = redis

    def start(
        self,
        database: Database,
        home: Path,
        *,
        parameters: Mapping[str, float] | None = None,
        submits_every: float | None = None,
        **settings: str,
    ) -> None:
        """Start them; they run until the test has ended.

        They execute submit_pilots only if `submits_every` says how often.
        """
        every = {**EVERY, **({"submit_pilots": submits_every} if submits_every else {})}
        lines = ["beat_interval = 0.5"]
        lines += [f"[schedules.{task}]\nevery = {seconds}" for task, seconds in every.items()]
        lines += [f"[schedules.{task}]\nenabled = false" for task in NEVER if task not in every]
        lines += ["[parameters]", *(f"{name} = {n}" for name, n in (parameters or {}).items())]
        path = self.processes.folder / "pilotage.toml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        environment = settings_of(
            {
                "database_url": database.url.render_as_string(hide_password=False),
                "broker_url": self._redis.url,
                "home": str(home),
                "config": str(path),
                **settings,
            }
        )
        for name in WORKERS:
            self.processes.start(name, site.worker(name), environment)
        self.processes.start("beat", site.beat(), environment)

    def stop(self) -> None:
        """Stop the workers and the scheduler."""
        self.processes.end()

    def total(self, task: str, word: str) -> int:
        """Return the sum of a count in the log lines of a task."""
        counts = re.compile(rf"\b{word} (\d+)")
        lines = [count[1] for line in self.executions(task) if (count := counts.search(line))]
        assert lines, f"no execution of {task} wrote {word!r}"
        return sum(map(int, lines))

    def executions(self, task: str) -> list[str]:
        """Return the log lines of a task: the CE and the counts of each execution."""
        line = re.compile(rf"{site.LOGGER}{task} (\S+: .*)")
        return [text for name in WORKERS for text in line.findall(self.processes.said(name))]

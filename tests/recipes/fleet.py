"""A fleet that a test starts from nothing, with the commands that a person types."""

import json
import os
import shlex
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.acceptance.processes import PILOTAGE, Processes, settings_of
from tests.patience import until

QUICK = "[schedules]\n" + "".join(
    f"[schedules.{task}]\nevery = {seconds}\n"
    for task, seconds in {
        "submit_pilots": 1,
        "dispatch": 1,
        "check_pilots": 0.5,
        "reconcile": 2,
        "ask_demand": 0.5,
        "sweep": 1,
    }.items()
)


class Fleet:
    """A state folder, a folder of a recipe, and the commands on them."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        self.processes = processes
        self.home = folder / "home"
        self.folder = folder / "mine"
        config = folder / "pilotage.toml"
        config.write_text(f"beat_interval = 0.5\n{QUICK}", encoding="utf-8")
        self.settings = settings_of({"home": str(self.home), "config": str(config)})

    def pilotage(self, *words: str) -> str:
        result = self.processes.run([*PILOTAGE, *words], self.settings)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def init(self, recipe: str, clusters: Mapping[str, Mapping[str, Any]], **answers: Any) -> None:
        self.pilotage("db", "setup")
        words = [
            part for name, value in answers.items() for part in ("--answer", f"{name}={value}")
        ]
        for name, options in clusters.items():
            settings = (f"{key}={_text(value)}" for key, value in options.items())
            words += ["--cluster", shlex.join([name, *settings])]
        self.pilotage("fleet", "init", recipe, str(self.folder), *words)

    def up(self) -> None:
        self.processes.start("up", [*PILOTAGE, "up"], self.settings)

    def end(self) -> None:
        """End all processes, and then the pilots of this machine, which outlive the others."""
        self.processes.end()
        until(lambda: not self._kill_pilots(), "the end of all pilots", pause=0.05)

    def _kill_pilots(self) -> int:
        """Kill all processes in the state folder; return their number."""
        count = 0
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (process / "cwd").readlink().is_relative_to(self.home):
                    os.kill(int(process.name), signal.SIGKILL)
                    count += 1
        return count

    def kill_workers_of_pilotage(self) -> int:
        """Kill the processes that execute Pilotage's tasks, without a warning."""
        processes = self.processes.left()
        pids = [
            pid for pid, words in processes.items() if " worker " in words and "celery" in words
        ]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(pids)

    def apply(self) -> None:
        self.pilotage("apply", str(self.folder / "fleet.toml"))

    def pilots(self, *words: str) -> list[dict[str, Any]]:
        page = json.loads(self.pilotage("pilot", "list", "--json", "--rows", "1000", *words))
        rows: list[dict[str, Any]] = page["items"]
        return rows

    def running(self, ce: str) -> int:
        return len(self.pilots("--ce", ce, "--status", "running"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)

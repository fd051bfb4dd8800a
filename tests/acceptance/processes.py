"""The processes that a test starts, which it finds again with all their descendants."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from tests.patience import LONGEST, until

ROOT = Path(__file__).parents[2]
MARK = "STARTED_BY_TEST"
PILOTAGE = (sys.executable, "-m", "pilotage")
CELERY = (sys.executable, "-m", "celery", "-A", "pilotage")


class Processes:
    """Starts processes with a mark in their environment, which their children inherit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid4().hex
        self._processes: list[subprocess.Popen[bytes]] = []

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        own = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PILOTAGE_", "PYTEST_", "COV_"))
        }
        # With PYTHONPATH it may be an older version, which refuses a setting that it does not know.
        form = {} if "PYTHONPATH" in more else {"PILOTAGE_LOG_FORMAT": "text"}
        return {
            **own,
            **form,
            "COLUMNS": "200",
            "TZ": "UTC",
            "PYTHONPATH": str(ROOT),
            MARK: self.mark,
            **more,
        }

    def start(
        self,
        name: str,
        words: Sequence[str],
        environment: Mapping[str, str],
        *,
        within: Sequence[str] = (),
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = None,
    ) -> "subprocess.Popen[bytes]":
        """Start a process in its own folder; its output goes to the file NAME.out."""
        cwd = self.folder / name
        cwd.mkdir(exist_ok=True)
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                [*within, *words],
                stdin=stdin,
                stdout=log if stdout is None else stdout,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=self.environment(environment),
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def run(
        self, words: Sequence[str], environment: Mapping[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(
            words,
            check=False,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            cwd=self.folder,
            env=self.environment(environment),
        )

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.out"

    def said(self, name: str) -> str:
        return self.log(name).read_text(encoding="utf-8", errors="replace")

    def progress(self) -> int:
        """Return the size of all output, which grows while the processes work."""
        return sum(log.stat().st_size for log in self.folder.glob("*.out"))

    def left(self) -> dict[int, str]:
        """Return the processes and their descendants that still run, with their command lines."""
        for one in self._processes:
            one.poll()
        mark = f"{MARK}={self.mark}".encode()
        command_lines = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                    if words:
                        command_lines[int(entry.name)] = words.decode(errors="replace").strip()
        return command_lines

    def end(self) -> None:
        """Kill all processes that still run, and wait for each end."""
        until(lambda: not self._kill(), "the end of all processes", pause=0.05)
        for one in self._processes:
            ended(one)

    def _kill(self) -> bool:
        """Kill all processes that still run; return whether there were any."""
        survivors = self.left()
        for pid in survivors:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(survivors)


def ended(process: "subprocess.Popen[bytes]") -> int:
    """Wait for the end of a process; return its exit code."""
    until(lambda: process.poll() is not None, f"the end of {process.args!r}")
    return int(process.returncode)


def holds_for(seconds: float, condition: Callable[[], object]) -> None:
    """Check that a condition stays true for some seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition()
        time.sleep(0.1)


def one_line(result: "subprocess.CompletedProcess[str]", *parts: str, code: int = 1) -> None:
    """Check that a command failed and said why in one line."""
    assert result.returncode == code, result.stderr
    [line] = result.stderr.strip().splitlines()
    assert line.startswith("pilotage: ")
    for part in parts:
        assert part in line


def settings_of(values: Mapping[str, str]) -> dict[str, str]:
    """Return settings as environment variables."""
    return {f"PILOTAGE_{name.upper()}": value for name, value in values.items()}

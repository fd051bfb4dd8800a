"""The keeper: the ancestor of all processes of a testbed, which end with it.

    python -m tests.testbeds.keeper MODULE FOLDER [--with-parent] [ARGUMENT...]

imports MODULE and calls its `start(keeper, arguments)`, which starts the services with
`keeper.start`. The keeper writes the result to FOLDER/facts.json, and then waits for SIGTERM, or
with the option also for the end of its parent.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.patience import Patience

PATIENCE = 60.0
ROOT = Path(__file__).parents[2]
_PDEATHSIG, _SUBREAPER = 1, 36
_libc = ctypes.CDLL(None)
_children: dict[int, "subprocess.Popen[bytes]"] = {}
"""The keepers that this process started, so that it can wait for their ends."""


class DidNotStart(LookupError):
    """A testbed did not start; the last lines of its log say why."""


class Keeper:
    """Starts services, and ends them with all their descendants."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.log.mkdir(parents=True, exist_ok=True)
        self.afterwards: list[Callable[[], object]] = []
        self._services: dict[str, subprocess.Popen[bytes]] = {}
        # With this the keeper becomes the parent of all descendants whose parents end.
        _libc.prctl(_SUBREAPER, 1)

    def start(
        self, name: str, words: Sequence[str], env: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        """Start a service that stays in the foreground."""
        with (self.log / f"{name}.out").open("ab") as log:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                cwd="/",
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it only asks the kernel
            )
        self._services[name] = process
        return process

    def run(self, words: Sequence[str], env: Mapping[str, str] | None = None) -> str:
        """Run a command to its end; return its output."""
        result = subprocess.run(words, check=False, capture_output=True, text=True, env=env)
        if result.returncode:
            raise DidNotStart(f"{' '.join(words)}: {result.stdout}{result.stderr}")
        return result.stdout

    def wait(self, what: str, condition: Callable[[], object]) -> None:
        """Wait for a condition; raise an error if a service ends meanwhile."""
        patience = Patience(lambda: bytes_in(self.log))
        while not condition():
            for name, process in self._services.items():
                if process.poll() is not None:
                    raise DidNotStart(f"{name} ended: {self._last_words(name)}")
            if not patience.lasts():
                raise DidNotStart(f"waited in vain for {what}")
            time.sleep(0.02)

    def succeeds(self, words: Sequence[str], env: Mapping[str, str] | None = None) -> bool:
        """Return whether a command succeeds."""
        quiet = subprocess.DEVNULL
        return not subprocess.run(
            words, check=False, stdin=quiet, stdout=quiet, stderr=quiet, env=env
        ).returncode

    def end(self) -> None:
        """Kill all descendants until none is left, and then do the work in `afterwards`."""
        give_up = time.monotonic() + PATIENCE
        while (pids := descendants(os.getpid())) and time.monotonic() < give_up:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            time.sleep(0.01)
        for work in self.afterwards:
            work()

    def _last_words(self, name: str) -> str:
        logs = [self.log / f"{name}.out", *sorted(self.log.glob(f"{name}*.log"))]
        texts = [path.read_text(errors="replace").strip()[-400:] for path in logs if path.exists()]
        return " | ".join(filter(None, texts)) or "without a word"


def bytes_in(folder: Path) -> int:
    """Return how much the services have written to their logs."""
    size = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # HTCondor renames its logs
            size += path.stat().st_size
    return size


def die_with_parent() -> None:
    """Let the kernel end this process with its parent; called in the child."""
    _libc.prctl(_PDEATHSIG, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """Return all descendants of a process, also zombies."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                stat = (entry / "stat").read_bytes()
                parent = int(stat[stat.rindex(b")") + 2 :].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    pids, below = [], [pid]
    while below:
        level = [child for one in below for child in children.get(one, [])]
        pids += level
        below = level
    return pids


@dataclass(frozen=True)
class Kept:
    """A testbed in its folder, for its users."""

    folder: Path

    def up(self, module: str, *arguments: str, with_parent: bool = False) -> dict[str, Any]:
        """Start the testbed unless it runs; return its facts."""
        if self.is_up():
            return self.facts()
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("facts.json", "problem"):
            (self.folder / name).unlink(missing_ok=True)
        words = [sys.executable, "-m", "tests.testbeds.keeper", module, str(self.folder)]
        with (self.folder / "keeper.out").open("ab") as log:
            process = subprocess.Popen(
                [*words, *(["--with-parent"] if with_parent else []), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                start_new_session=True,
            )
        # The keeper itself gives up, and says why.
        while process.poll() is None:
            if (self.folder / "facts.json").exists():
                _children[process.pid] = process
                return self.facts()
            time.sleep(0.02)
        problem = self.folder / "problem"
        raise DidNotStart(problem.read_text() if problem.exists() else f"see {log.name}")

    def facts(self) -> dict[str, Any]:
        """Return the facts that the start wrote."""
        facts: dict[str, Any] = json.loads((self.folder / "facts.json").read_text())
        return facts

    def pid(self, daemon: str) -> int:
        """Return the process of a service, by the name of its program."""
        for pid in descendants(int(self.facts()["keeper"])):
            with suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == daemon:
                    return pid
        raise LookupError(f"{daemon} does not run")

    def is_up(self) -> bool:
        """Return whether the keeper lives."""
        with suppress(OSError, ValueError):
            facts = self.facts()
            return bool(start_ticks(facts["keeper"]) == facts["keeper_ticks"])
        return False

    def down(self) -> None:
        """Stop the testbed, and wait for the end of all its processes."""
        if not self.is_up():
            return
        pid = self.facts()["keeper"]
        os.kill(pid, signal.SIGTERM)
        give_up = time.monotonic() + PATIENCE
        while self.is_up() and time.monotonic() < give_up:
            time.sleep(0.01)
        if pid in _children:
            _children.pop(pid).wait()


def start_ticks(pid: int) -> int:
    """Return the start time of a process, in ticks; it is -1 for a process that has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return -1
    fields = stat[stat.rindex(b")") + 2 :].split()
    return -1 if fields[0] == b"Z" else int(fields[19])


class _End(BaseException):
    """A signal asks the keeper to end."""


def keep(module: str, folder: Path, arguments: Sequence[str], *, with_parent: bool) -> int:
    """Start a testbed, and end it after a signal."""
    # Handlers and no mask: every service and job would inherit a mask.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _raise_end)
    if with_parent:
        _libc.prctl(_PDEATHSIG, signal.SIGTERM)
    keeper = Keeper(folder)
    try:
        facts = import_module(module).start(keeper, arguments)
        own = {"keeper": os.getpid(), "keeper_ticks": start_ticks(os.getpid())}
        draft = folder / "facts.new"
        draft.write_text(json.dumps({**facts, **own}))
        draft.rename(folder / "facts.json")
        while True:
            signal.pause()
    except _End:
        return 0
    except Exception as error:
        (folder / "problem").write_text(str(error))
        raise
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        keeper.end()


def _raise_end(number: int, frame: object) -> None:
    raise _End


if __name__ == "__main__":
    options = sys.argv[3:]
    alone = options[:1] != ["--with-parent"]
    words = options if alone else options[1:]
    sys.exit(keep(sys.argv[1], Path(sys.argv[2]), words, with_parent=not alone))

"""A CE of a private HTCondor for one test, and the trouble that it can have."""

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.patience import until
from tests.testbeds.condor import Condor
from tests.testbeds.condor.configuration import SCHEDD
from worker.backends.conformance import Life, Site, Trouble, never
from worker.backends.contract import Means
from worker.backends.htcondor.driver import HTCondorDriver
from worker.backends.htcondor.options import HTCondorOptions
from worker.db.uow import UnitOfWork
from worker.domain.ce import CE
from worker.domain.ce_answers import Job, Order
from worker.domain.credential import CredentialKind
from worker.domain.errors import CredentialProblem
from worker.domain.vo import DEFAULT_VO

LIVES = MappingProxyType(
    {
        Life.LONG: "exec sleep 100000",
        Life.SHORT: "echo short; exit 0",
        Life.FAILING: "exit 3",
        Life.CHATTY: "yes | head -c 3000000",
    }
)
NUMBERS = count(1)
QUICK = 1.0
"""The time limit in seconds of a call of a CE that a test makes slow."""


class CondorSite(Site):
    """One CE that needs a token, with its own folder."""

    cannot = MappingProxyType(
        {
            Trouble.REFUSAL: "HTCondor takes all jobs of a submission or none",
            Trouble.SKEWED: "the pool's clock is this machine's",
        }
    )
    cannot_lie = never("HTCondor writes the ad of a pilot; see test_foreign_text.py")
    many = 200
    many_ids = 100_000
    time_limit = QUICK
    margin = 3
    step = 0.1
    patience = 3000

    def __init__(self, condor: Condor, uow: UnitOfWork, **options: Any) -> None:
        self.condor = condor
        self.uow = uow
        self.name = f"pool/{os.getpid()}-{next(NUMBERS)}"
        self.folder = condor.kept.folder / "sites" / self.name
        (self.folder / "bin").mkdir(parents=True)
        for tool in condor.programs.iterdir():
            (self.folder / "bin" / tool.name).symlink_to(tool)
        self.config = self.folder / "config"
        shutil.copy(condor.client, self.config)
        self.credentials: dict[str, Path | CredentialProblem] = {DEFAULT_VO: condor.token()}
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.drivers: list[HTCondorDriver] = []
        self.options = {
            "schedd": SCHEDD,
            "authentication": "idtokens",
            "config": self.config,
            "programs": self.folder / "bin",
            "output_folder": self.folder / "with a $(space)",
            "memory": 64,
            "disk": 10,
            "visibility_delay": 0,
            **options,
        }

    def connect(self, life: Life = Life.LONG) -> HTCondorDriver:
        return self.driver(command=LIVES[life])

    def connect_second(self, life: Life = Life.LONG) -> HTCondorDriver:
        return self.driver(name=f"{self.name}-two", command=LIVES[life])

    def driver(self, name: str | None = None, **options: Any) -> HTCondorDriver:
        """Return a driver with other options."""
        ce_options = HTCondorOptions(**{**self.options, **options})
        means = Means(uow=self.uow, home=self.folder, now=self.clock, credentials=self._credentials)
        ce = CE(name=name or self.name, backend="htcondor", capacity=10)
        self.drivers.append(HTCondorDriver(ce, ce_options, means))
        return self.drivers[-1]

    def send(self, orders: Sequence[Order], **options: Any) -> list[Job]:
        """Send pilots."""
        receipts = self.driver(**options).submit(orders)
        vos = {order.stamp: order.vo for order in orders}
        return [Job(stamp=one.stamp, handle=str(one.handle), vo=vos[one.stamp]) for one in receipts]

    def contents(self) -> object:
        jobs = {(ad["ClusterId"], ad["ProcId"], ad["JobStatus"]) for ad in self.ads("true")}
        files = sorted(self.folder.joinpath("with a $(space)").rglob("*"))
        return sorted(jobs), [(path, path.stat().st_mtime_ns) for path in files]

    def grow_old(self) -> None:
        for path in self.folder.joinpath("with a $(space)").glob("*/*"):
            os.utime(path, (0, 0))

    def unknown_handle(self, number: int) -> str:
        return f"{900_000 + number // 10}.{number % 10}"

    def close(self) -> None:
        """Remove every job."""
        for name in (self.name, f"{self.name}-two"):
            self._tell("rm", f"PilotageInstance == {_quoted(f'pilotage/{name}')}")

    @contextmanager
    def provoke(self, trouble: Trouble, stamps: Sequence[str]) -> Iterator[None]:
        with getattr(self, f"_{trouble}")(" || ".join(f'PilotageStamp == "{s}"' for s in stamps)):
            yield

    def ads(self, constraint: str) -> list[dict[str, Any]]:
        """Return the jobs of this CE, without the driver."""
        mine = f"PilotageInstance == {_quoted(f'pilotage/{self.name}')} && ({constraint})"
        return [*self.condor.queue(mine), *self.condor.recorded(mine)]

    def leaves(self, jobs: str) -> None:
        """Wait until jobs have left the queue."""
        self.until(lambda: not self.condor.queue(jobs), "the job to leave the queue")

    def until(self, look: Callable[[], object], what: str) -> None:
        """Wait until a condition is true."""
        until(look, what, pause=self.step)

    def _credentials(self, kind: CredentialKind) -> dict[str, Path | CredentialProblem]:
        assert kind is self.drivers[-1].options.credential
        return self.credentials

    def _tell(self, tool: str, constraint: str, *words: str | bytes) -> bool:
        """Call a program of HTCondor as an operator does; return whether it found a job."""
        program = str(self.condor.programs / f"condor_{tool}")
        argv: list[str | bytes] = [program, "-name", SCHEDD, "-constraint", constraint, *words]
        environment = self.condor.environment()
        return not subprocess.run(
            argv, capture_output=True, env=environment, check=False
        ).returncode

    @contextmanager
    def replacing(self, **programs: str) -> Iterator[None]:
        """Replace programs by scripts while the block runs; `$real` is the original program."""
        for tool, script in programs.items():
            path = self.folder / "bin" / f"condor_{tool}"
            path.unlink()
            real = shlex.quote(str(self.condor.programs / path.name))
            path.write_text(f"#!/bin/bash\nreal={real}\n{script}\n")
            path.chmod(0o755)
        yield
        for tool in programs:
            path = self.folder / "bin" / f"condor_{tool}"
            path.unlink()
            path.symlink_to(self.condor.programs / path.name)

    def _reply_lost(self, _: str) -> Any:
        return self.replacing(submit='"$real" "$@" > /dev/null 2>&1; kill -9 $$')

    def _half(self, _: str) -> Any:
        return self.replacing(submit='"$real" "$@" | sed -E "s/^([0-9]+)[.]0 - .*/\\1.0 - \\1.4/"')

    def _empty(self, _: str) -> Any:
        tools = ("submit", "q", "history", "rm", "status", "transfer_data")
        return self.replacing(**dict.fromkeys(tools, "cat > /dev/null < /dev/null"))

    def _truncated(self, _: str) -> Any:
        return self.replacing(**dict.fromkeys(("q", "history"), '"$real" "$@" | head -c 700'))

    def _unreadable(self, _: str) -> Any:
        return self.replacing(
            **dict.fromkeys(("submit", "q", "history"), "echo '<html>503</html>'")
        )

    def _strange_word(self, _: str) -> Any:
        words = '"$real" "$@" | sed -E \'s/"JobStatus": [0-9]+/"JobStatus": 9/\''
        return self.replacing(q=words, history=words)

    @contextmanager
    def _down(self, _: str) -> Iterator[None]:
        before = self.config.read_text()
        self.config.write_text(f"{before}\nCOLLECTOR_HOST = 127.0.0.1:9\n")
        yield
        self.config.write_text(before)

    @contextmanager
    def _slow(self, _: str) -> Iterator[None]:
        for driver in self.drivers:
            driver.options = driver.options.model_copy(update={"call_timeout": QUICK})
        schedd = self.condor.pid("condor_schedd")
        os.kill(schedd, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(schedd, signal.SIGCONT)

    @contextmanager
    def _credential(self, _: str) -> Iterator[None]:
        token = self.condor.kept.folder / "tokens" / "expired" / "token"
        if not token.exists():
            self.condor.make_token("griduser", token, lifetime=1)
        self.until(lambda: time.time() > token.stat().st_mtime + 2, "the token to expire")
        before, self.credentials = self.credentials, {DEFAULT_VO: token}
        yield
        self.credentials = before

    @contextmanager
    def _garbage(self, jobs: str) -> Iterator[None]:
        words = (b"-reason", b"gone \x01\x1b[2J\xff\xc3")
        self.until(lambda: self._tell("hold", jobs, *words), "the job to be held")
        yield
        self._tell("release", jobs)

    @contextmanager
    def _removed(self, jobs: str) -> Iterator[None]:
        self._tell("rm", jobs)
        yield

    @contextmanager
    def _left_listing(self, jobs: str) -> Iterator[None]:
        self.leaves(f"JobStatus == 4 && ({jobs})")
        yield

    @contextmanager
    def _forgotten(self, jobs: str) -> Iterator[None]:
        """Remove the jobs, and give their records in the history to another installation."""
        self._tell("rm", jobs)
        self.leaves(jobs)
        for path in self.condor.history_files():
            ads = path.read_bytes().split(b"\n***")
            are_ours = [jobs.encode().find(_stamp(ad)) >= 0 for ad in ads]
            mine = f'"pilotage/{self.name}"'.encode()
            new_ads = [
                ad.replace(mine, mine.replace(b"pilotage", b"stranger")) if is_ours else ad
                for ad, is_ours in zip(ads, are_ours, strict=True)
            ]
            path.write_bytes(b"\n***".join(new_ads))
        yield

    @contextmanager
    def _requeued(self, jobs: str) -> Iterator[None]:
        self._edit(jobs, "false")
        self._tell("vacate_job", jobs, b"-fast")
        yield
        self._edit(jobs, "true")

    def _edit(self, jobs: str, requirements: str) -> None:
        program = str(self.condor.programs / "condor_qedit")
        words = [program, "-name", SCHEDD, "-constraint", jobs, "Requirements", requirements]
        subprocess.run(words, capture_output=True, env=self.condor.environment(), check=False)

    @contextmanager
    def _never_starts(self, _: str) -> Iterator[None]:
        before, self.options = self.options, {**self.options, "submit": {"requirements": "false"}}
        yield
        self.options = before


def _quoted(value: str) -> str:
    return f'"{value}"'


def _stamp(ad: bytes) -> bytes:
    """Return the stamp in a record of the history."""
    _, name, rest = ad.partition(b'PilotageStamp = "')
    return rest.partition(b'"')[0] if name else b"no stamp"

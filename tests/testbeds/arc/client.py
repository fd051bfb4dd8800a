"""The client of ARC itself: what its own programs say of the jobs of a user, and do to them."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.testbeds.arc.service import Testbed


@dataclass(frozen=True, kw_only=True)
class Said:
    """What `arcstat` says of a job."""

    state: str
    exit_code: int | None
    errors: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Client:
    """The programs of ARC's client, as one user."""

    testbed: Testbed
    proxy: Path
    folder: Path

    def jobs(self) -> dict[str, Said]:
        """Ask the CE for all jobs of the user, and after each; by the id of the job."""
        self._run("arcsync", "--force", "--truncate", "--cluster", self.testbed.url)
        told = json.loads(f"{{{self._run('arcstat', '--all', '--json')}}}")
        return {job["id"].rpartition("/")[2]: _said(job) for job in told["jobs"]}

    def kill(self, job: str) -> bool:
        """Have a job killed; return whether the CE does it. It refuses one that moves just then."""
        address = f"{self.testbed.url}/rest/1.0/jobs/{job}"
        return not self._done("arckill", "--keep", address).returncode

    def _run(self, program: str, *words: str) -> str:
        done = self._done(program, *words)
        if done.returncode:
            raise AssertionError(f"{program}: {done.stdout[-500:]}{done.stderr[-500:]}")
        return done.stdout

    def _done(self, program: str, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [program, "--joblist", str(self.folder / "jobs.dat"), *words],
            env={
                "PATH": "/usr/bin:/bin",
                "LC_ALL": "C.UTF-8",
                "HOME": str(self.folder),
                "X509_USER_PROXY": str(self.proxy),
                "X509_CERT_DIR": str(self.testbed.authority.certificates),
            },
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip


def _said(job: dict[str, Any]) -> Said:
    return Said(
        state=job["state"],
        exit_code=job.get("exitCode"),
        errors=tuple(job.get("jobError", ())),
    )

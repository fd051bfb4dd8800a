"""The client of ARC itself: its programs report the jobs of a user, and kill them."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.testbeds.arc.service import Testbed


@dataclass(frozen=True, kw_only=True)
class Report:
    """The report of `arcstat` about a job."""

    state: str
    exit_code: int | None
    errors: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Client:
    """The programs of ARC's client, as one user."""

    testbed: Testbed
    proxy: Path
    folder: Path

    def jobs(self) -> dict[str, Report]:
        """Return a report about each job of the user, by the id of the job."""
        self._run("arcsync", "--force", "--truncate", "--cluster", self.testbed.url)
        answer = json.loads(f"{{{self._run('arcstat', '--all', '--json')}}}")
        return {job["id"].rpartition("/")[2]: _report(job) for job in answer["jobs"]}

    def kill(self, job: str) -> bool:
        """Kill a job; return whether the CE accepts that. It may refuse while the state changes."""
        address = f"{self.testbed.url}/rest/1.0/jobs/{job}"
        return not self._result("arckill", "--keep", address).returncode

    def _run(self, program: str, *words: str) -> str:
        result = self._result(program, *words)
        if result.returncode:
            raise AssertionError(f"{program}: {result.stdout[-500:]}{result.stderr[-500:]}")
        return result.stdout

    def _result(self, program: str, *words: str) -> "subprocess.CompletedProcess[str]":
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


def _report(job: dict[str, Any]) -> Report:
    return Report(
        state=job["state"],
        exit_code=job.get("exitCode"),
        errors=tuple(job.get("jobError", ())),
    )

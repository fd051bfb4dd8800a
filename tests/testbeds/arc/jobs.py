"""The jobs at the CE as the files of A-REX show them, without a driver and without REST.

ARC 6 has all files of all jobs in one folder, ARC 7 a folder for each job.
"""

import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"<Name>([^<]*-)([0-9a-f]{32})(?:@[^<]*)?</Name>")
_FOLDERS = ("accepting", "processing", "restarting", "finished")
_THREE = 3


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job of A-REX."""

    id: str
    stamp: str
    state: str
    failure: str = ""


def jobs_by_stamp(control: Path) -> dict[str, list[Job]]:
    """Return the jobs of each stamp; more than one job with a stamp is an error."""
    by_stamp: dict[str, list[Job]] = {}
    for job in jobs(control):
        by_stamp.setdefault(job.stamp, []).append(job)
    return by_stamp


def jobs(control: Path) -> Iterator[Job]:
    """Yield all jobs with a stamp in their names."""
    for job in _ids(control):
        name = _NAME.search(_read(_file(control, job, "description")))
        state = next(filter(None, (_read(path).strip() for path in _statuses(control, job))), "")
        if name is not None and state:
            failure = _read(_file(control, job, "failed")).strip()
            yield Job(id=job, stamp=name[2], state=state, failure=failure)


def forget(control: Path, ids: Iterable[str]) -> None:
    """Remove all files of jobs."""
    for job in ids:
        for path in (*control.glob(f"job.{job}.*"), *_statuses(control, job)):
            path.unlink(missing_ok=True)
        shutil.rmtree(_own_folder(control, job), ignore_errors=True)


def local_pid(control: Path, job: str) -> int | None:
    """Return the process of a job that runs; it is the last process of the job to end."""
    text = _read(_file(control, job, "local"))
    match = re.search(r"^localid=(\d+)$", text, re.MULTILINE)
    return int(match[1]) if match else None


def _ids(control: Path) -> Iterator[str]:
    for path in control.glob("job.*.description"):
        yield path.name.removeprefix("job.").removesuffix(".description")
    for path in control.glob("jobs/**/description"):
        yield "".join(path.relative_to(control / "jobs").parts[:-1])


def _file(control: Path, job: str, what: str) -> Path:
    own = _own_folder(control, job) / what
    return own if own.exists() else control / f"job.{job}.{what}"


def _own_folder(control: Path, job: str) -> Path:
    parts = [job[n : n + _THREE] for n in range(0, len(job), _THREE)]
    return control.joinpath("jobs", *parts)


def _statuses(control: Path, job: str) -> list[Path]:
    names = (f"job.{job}.status", f"{job}.status")
    return [control / folder / name for folder in _FOLDERS for name in names]


def _read(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""

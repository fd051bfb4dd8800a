"""A batch system of one page and one program: each job is a folder and a process.

python batch.py FOLDER submit|list|kill|remove
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_RUN = """\
cd "$1" || exit 1
shift
date +%s.%N >started
case $(head -c 2 script) in "#!") ;; *) set -- /bin/sh ./script "$@" ;; esac
[ "$1" = /bin/sh ] || set -- ./script "$@"
"$@" >out 2>&1
echo "$? $(date +%s.%N)" >end.new
mv end.new end
"""


def submit(place: Path, jobs: list[dict[str, Any]]) -> list[str]:
    """Start jobs; return their ids."""
    return [_start(place, job) for job in jobs]


def _start(place: Path, job: dict[str, Any]) -> str:
    number = 1 + max((int(path.name) for path in place.glob("[0-9]*")), default=0)
    while True:
        folder = place / str(number)
        try:
            folder.mkdir(parents=True)
            break
        except FileExistsError:
            number += 1
    script = folder / "script"
    script.write_text(job["script"], encoding="utf-8")
    script.chmod(0o700)
    process = subprocess.Popen(
        ["/bin/sh", "-c", _RUN, "sh", str(folder), *job["arguments"]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, **job["environment"]},
    )
    (folder / "job.new").write_text(json.dumps({"name": job["name"], "pid": process.pid}))
    (folder / "job.new").rename(folder / "job")
    process.returncode = 0  # the process lives on after the end of this program
    return str(number)


def list_jobs(place: Path) -> list[dict[str, Any]]:
    """Return all jobs, also those that have ended."""
    return [
        _look(path.parent) for path in sorted(place.glob("*/job"), key=lambda p: int(p.parent.name))
    ]


def _look(folder: Path) -> dict[str, Any]:
    start, end = _read(folder / "started"), _read(folder / "end")
    code, _, end_time = end.partition(" ")
    state = "runs" if start else "waits"
    if end:
        state = "killed" if code == "killed" else "ended"
    return {
        "id": folder.name,
        "name": json.loads(_read(folder / "job"))["name"],
        "state": state,
        "code": int(code) if state == "ended" else None,
        "started": float(start) if start else None,
        "ended": float(end_time) if end_time else None,
    }


def _read(path: Path) -> str:
    with suppress(FileNotFoundError):
        return path.read_text().strip()
    return ""


def kill(place: Path, ids: list[str]) -> list[str]:
    """End jobs; return those that exist."""
    existing = [one for one in ids if one.isdecimal() and (place / one / "job").exists()]
    for one in existing:
        folder = place / one
        if (folder / "end").exists():
            continue
        with suppress(ProcessLookupError):
            os.killpg(json.loads((folder / "job").read_text())["pid"], signal.SIGKILL)
        if not (folder / "end").exists():
            (folder / "killed").write_text(f"killed {time.time()}")
            (folder / "killed").rename(folder / "end")
    return existing


def remove(place: Path, ids: list[str]) -> list[str]:
    """Remove jobs that have ended; return them."""
    ended_jobs = [one for one in ids if (place / one / "end").exists()]
    for one in ended_jobs:
        shutil.rmtree(place / one)
    return ended_jobs


def main(folder: str, verb: str) -> None:
    """Execute a verb, and print its answer as JSON."""
    place = Path(folder)
    verbs: dict[str, Callable[[Path, Any], list[Any]]] = {
        "submit": submit,
        "kill": kill,
        "remove": remove,
    }
    answer = list_jobs(place) if verb == "list" else verbs[verb](place, json.load(sys.stdin))
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])

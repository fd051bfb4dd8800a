"""A batch system of one page: each job is a folder and a process, and this is its one program.

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
    """Start jobs; their ids."""
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
    process.returncode = 0  # it lives on when this program has ended
    return str(number)


def listed(place: Path) -> list[dict[str, Any]]:
    """List all jobs, ended ones too."""
    return [
        _look(path.parent) for path in sorted(place.glob("*/job"), key=lambda p: int(p.parent.name))
    ]


def _look(folder: Path) -> dict[str, Any]:
    started, end = _read(folder / "started"), _read(folder / "end")
    code, _, ended = end.partition(" ")
    state = "runs" if started else "waits"
    if end:
        state = "killed" if code == "killed" else "ended"
    return {
        "id": folder.name,
        "name": json.loads(_read(folder / "job"))["name"],
        "state": state,
        "code": int(code) if state == "ended" else None,
        "started": float(started) if started else None,
        "ended": float(ended) if ended else None,
    }


def _read(path: Path) -> str:
    with suppress(FileNotFoundError):
        return path.read_text().strip()
    return ""


def kill(place: Path, ids: list[str]) -> list[str]:
    """End jobs; those that there are."""
    there = [one for one in ids if one.isdecimal() and (place / one / "job").exists()]
    for one in there:
        folder = place / one
        if (folder / "end").exists():
            continue
        with suppress(ProcessLookupError):
            os.killpg(json.loads((folder / "job").read_text())["pid"], signal.SIGKILL)
        if not (folder / "end").exists():
            (folder / "killed").write_text(f"killed {time.time()}")
            (folder / "killed").rename(folder / "end")
    return there


def remove(place: Path, ids: list[str]) -> list[str]:
    """Forget jobs that have ended."""
    gone = [one for one in ids if (place / one / "end").exists()]
    for one in gone:
        shutil.rmtree(place / one)
    return gone


def main(folder: str, verb: str) -> None:
    """Do what is asked, and answer as JSON."""
    place = Path(folder)
    verbs: dict[str, Callable[[Path, Any], list[Any]]] = {
        "submit": submit,
        "kill": kill,
        "remove": remove,
    }
    answer = listed(place) if verb == "list" else verbs[verb](place, json.load(sys.stdin))
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])

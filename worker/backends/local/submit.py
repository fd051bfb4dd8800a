"""Starting keepers: the worker's end of the pipe to `keeper.launch`.

One launcher at a time works in a CE's folder. It holds a lock that it inherits from the worker, and
its keepers hold the lock, too, until they have made their folders. So while the lock is free, no
pilot is being started: a pilot without a folder will not appear later from an earlier submission,
even if the worker that sent it was killed.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from worker.backends.local.keeper.files import DRAFT
from worker.backends.local.keeper.pilot import Start, Submission
from worker.backends.local.processes import try_lock
from worker.domain.errors import NotSent, Unavailable
from worker.domain.secrets import end_of

LOCK = ".launching"
TURN = 10.0
"""Seconds to wait for another submission to the same CE."""
PATIENCE = 30
"""Seconds that a launcher may take, and as many more for each thousand pilots."""

# `keeper` is imported as a package of its own, without any other module of ours, so that it starts
# quickly.
_PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from keeper.launch import main; main(int(sys.argv[2]))"
)
_FOLDER = Path(__file__).parent
# The variables that an interpreter may need to start, and no others: a keeper lives long and must
# not hold a secret of the worker.
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")


def patience(orders: int) -> int:
    """Return the seconds that a launcher may take for this number of pilots."""
    return PATIENCE + PATIENCE * orders // 1000


def launch(ce: str, submission: Submission, orders: Sequence[Start]) -> list[dict[str, Any]]:
    """Start pilots; return an answer for each pilot, except those about which nothing is known."""
    request = {**submission._asdict(), "orders": [order._asdict() for order in orders]}
    place = Path(submission.place)
    with _alone(ce, place) as lock:
        for draft in place.glob(f"{DRAFT}*"):
            shutil.rmtree(draft, ignore_errors=True)
        text, problem = _run(json.dumps(request).encode(), lock, submission.patience)
    answers = list(_parse(text))
    if not answers:
        raise Unavailable(ce, "the launcher did not answer", end_of(problem, 1000))
    return answers


def is_launching(place: Path) -> bool:
    """Return whether a launcher may be starting pilots in this folder."""
    try:
        lock = os.open(place / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)


@contextmanager
def _alone(ce: str, place: Path) -> Iterator[int]:
    lock = os.open(place / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        give_up = time.monotonic() + TURN
        while not try_lock(lock, fcntl.LOCK_EX):
            if time.monotonic() > give_up:
                raise Unavailable(ce, "another submission is under way")
            time.sleep(0.01)
        yield lock
    finally:
        os.close(lock)


def _run(request: bytes, lock: int, limit: int) -> tuple[bytes, str]:
    try:
        process = _launcher(lock)
    except OSError as error:
        raise NotSent("no process could be made", error.strerror) from error
    with process:
        try:
            text, problem = process.communicate(request, timeout=limit)
        except subprocess.TimeoutExpired as late:
            process.kill()
            return late.stdout or b"", f"it took longer than {limit} s"
    return text, problem.decode(errors="replace")


def _launcher(lock: int) -> "subprocess.Popen[bytes]":
    # A session of its own, so that a signal that ends the worker does not end the launcher halfway.
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-I", "-S", "-c", _PROGRAM, str(_FOLDER), str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(lock,),
        start_new_session=True,
        env=_environment(os.environ),
        cwd="/",
    )


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[name] for name in _PASSED_ON if name in environ}


def _parse(lines: bytes) -> Iterator[dict[str, Any]]:
    for line in lines.splitlines():
        # The last line may be half a line, if the launcher was stopped.
        with suppress(ValueError):
            yield json.loads(line)

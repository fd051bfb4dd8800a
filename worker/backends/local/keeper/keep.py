"""The keeper of one pilot."""

import fcntl
import json
import os
import signal
import time
from contextlib import suppress
from errno import EEXIST, ENOTEMPTY
from pathlib import Path

from .files import (
    CANCEL,
    DRAFT,
    END_ASKED,
    EXIT,
    LAUNCH,
    OUTPUT,
    OWN_SECRET,
    SCRIPT,
    WORK,
    now,
    write_script,
    write_secret,
    write_whole,
)
from .pilot import Start, Submission, adopt_orphans, start
from .process import boot_id, children_of, start_ticks

ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
WAKING = ENDING | {signal.SIGCHLD}
LONGEST_SLEEP = 3600.0
CLEARING = 10.0
"""Seconds to wait for killed processes to disappear; a process that hangs in the kernel may take
longer."""
DISK_PATIENCE = 600
"""Seconds to wait for room on a full disk; after that, the end of a pilot stays unrecorded."""


def open_folder(submission: Submission, order: Start) -> None:
    """Make the pilot's folder and change to it; `FileExistsError` if this stamp has one already.

    From then on its files have relative paths: the folder and its parents may be moved.
    """
    folder = Path(submission.place) / order.stamp
    draft = folder.with_name(f"{DRAFT}{order.stamp}-{os.getpid()}")
    record = {
        "stamp": order.stamp,
        "vo": order.vo,
        "host": submission.host,
        "boot_id": boot_id(),
        "pid": os.getpid(),
        "start_ticks": start_ticks(os.getpid()),
        "accepted_at": now(),
    }
    try:
        draft.mkdir()
        (draft / WORK).mkdir()
        os.chdir(draft)
        if order.script is not None:
            write_script(Path(SCRIPT), submission.scripts[order.script])
        if order.secret is not None:
            write_secret(Path(WORK, OWN_SECRET), order.secret)
        # We never close this file: the kernel releases the lock however the keeper ends.
        lock = os.open(LAUNCH, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(lock, json.dumps(record).encode())
        # The rename never replaces a folder of this name that has files. It replaces an empty one,
        # which belongs to no pilot.
        draft.rename(folder)
    except OSError as error:
        _discard(draft)
        if error.errno in (EEXIST, ENOTEMPTY):
            raise FileExistsError(EEXIST, "it was started before") from error
        raise


def _discard(draft: Path) -> None:
    with suppress(OSError):
        for name in (LAUNCH, SCRIPT):
            (draft / name).unlink(missing_ok=True)
        (draft / WORK / OWN_SECRET).unlink(missing_ok=True)
        (draft / WORK).rmdir()
        draft.rmdir()


def supervise(submission: Submission, order: Start) -> None:
    """Start the pilot, wait for its end, and record the end."""
    started_at = now()
    adopt_orphans()
    take_over_descriptors()
    try:
        pilot = start(submission, order)
    except OSError as error:
        os.write(2, f"no process could be made: {error}\n".encode())
        write_end(started_at, None, "never_started")
        return
    why = watch(submission, order, pilot)
    code = os.waitstatus_to_exitcode(clear_up(pilot))
    if order.grace is not None and has_finished(why, code):
        why = None  # it was asked to end, and its own exit code says how it ended
    write_end(started_at, code, why)


def has_finished(why: str | None, code: int) -> bool:
    """Return whether a pilot that was asked to end finished by itself within its grace."""
    return code == 0 if why == "walltime" else why == "cancelled" and code >= 0


def take_over_descriptors() -> None:
    """Close the worker's pipes; all further output goes to the pilot's output file."""
    output = os.open(OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)


def watch(submission: Submission, order: Start, pilot: int) -> str | None:
    """Wait for the end of the pilot; end it if that is asked for, or if its time is up.

    A pilot with a grace of its own is asked to end that long before its time is up. Return why the
    pilot was ended, or `None` if it ended by itself.
    """
    why = None
    grace = submission.grace if order.grace is None else order.grace
    act_at = float("inf")
    if submission.walltime is not None:
        act_at = time.monotonic() + max(submission.walltime - (order.grace or 0), 0)
    while not has_ended(pilot):
        wait = min(max(act_at - time.monotonic(), 0), LONGEST_SLEEP)
        received = signal.sigtimedwait(WAKING, wait)
        is_asked = received is not None and received.si_signo in ENDING
        is_late = time.monotonic() >= act_at
        if why is None and (is_asked or is_late):
            why = _reason(is_asked=is_asked)
            with suppress(OSError):
                Path(WORK, END_ASKED).touch()
            ask(pilot, order)
            act_at = time.monotonic() + grace
        elif is_late:
            signal_group(pilot, signal.SIGKILL)
            act_at = time.monotonic() + CLEARING
    return why


def _reason(*, is_asked: bool) -> str:
    if not is_asked:
        return "walltime"
    return "cancelled" if Path(CANCEL).exists() else "removed"


def ask(pilot: int, order: Start) -> None:
    """Ask a pilot to end.

    A pilot with a grace of its own gets the signal alone: it decides itself what its other
    processes do. Otherwise its whole process group gets the signal.
    """
    if order.grace is None:
        signal_group(pilot, signal.SIGTERM)
    else:
        with suppress(OSError):
            os.kill(pilot, signal.SIGTERM)


def signal_group(pilot: int, number: int) -> None:
    """Signal the pilot's process group.

    The pilot is not reaped yet, so its id is not reused: the group is certainly its own.
    """
    with suppress(OSError):
        os.killpg(pilot, number)


def has_ended(pilot: int) -> bool:
    """Return whether the pilot has ended. It is not reaped, so that its pid is not reused."""
    while True:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return False
        if ended.si_pid == pilot:
            return True
        # Another process of the pilot, which lost its parent: all such processes are ours to reap.
        os.waitpid(ended.si_pid, 0)


def clear_up(pilot: int) -> int:
    """Kill and reap the processes that the pilot left; return the pilot's wait status."""
    signal_group(pilot, signal.SIGKILL)
    status = os.waitpid(pilot, 0)[1]
    give_up = time.monotonic() + CLEARING
    while time.monotonic() < give_up:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            break
        # Processes that left the group are still our descendants: the children of each killed
        # process become our own children.
        for child in children_of(os.getpid()):
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
        signal.sigtimedwait({signal.SIGCHLD}, 0.05)
    return status


def write_end(started_at: str, code: int | None, why: str | None) -> None:
    """Record how the pilot ended: its exit code, or below zero the signal that ended it."""
    end = {
        "code": code,
        "why": why,
        "started_at": started_at,
        "ended_at": now(),
    }
    give_up = time.monotonic() + DISK_PATIENCE
    while time.monotonic() < give_up:
        try:
            write_whole(Path(EXIT), end)
        except FileNotFoundError:
            return  # the folder was removed: no one needs the record any more
        except IsADirectoryError:
            # The pilot made a folder of this name. It is kept, under a name that is never read.
            Path(EXIT).rename(f".{EXIT}-{os.urandom(8).hex()}")
        except OSError:
            time.sleep(5)  # no room on the disk: until there is some, the pilot counts as running
        else:
            return

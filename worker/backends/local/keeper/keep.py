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
"""Seconds that killed processes get to be gone; one that hangs in the kernel may take longer."""
DISK_PATIENCE = 600
"""Seconds to wait for room on a full disk before the end of a pilot stays unwritten."""


def open_folder(submission: Submission, order: Start) -> None:
    """Make the pilot's folder and go there; `FileExistsError` if this stamp has one already.

    From then on its files are named from within: the folder may be moved, and those above it.
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
        # Never closed by us: it goes with the keeper, however the keeper goes.
        lock = os.open(LAUNCH, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(lock, json.dumps(record).encode())
        # The draft is not empty, so an existing folder of this name is never replaced,
        # unless it is empty and so nobody's.
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
    """Start the pilot, wait for its end, write it down."""
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
        why = None  # it was asked, and its own code says how it ended
    write_end(started_at, code, why)


def has_finished(why: str | None, code: int) -> bool:
    """Return whether a pilot ended by itself in the time that it was given."""
    return code == 0 if why == "walltime" else why == "cancelled" and code >= 0


def take_over_descriptors() -> None:
    """Let go of the worker's pipes; what is written from now on is the pilot's output."""
    output = os.open(OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)


def watch(submission: Submission, order: Start, pilot: int) -> str | None:
    """Wait for the end of the pilot; bring it about when asked to, or when its time is up.

    A pilot with a grace of its own is asked so long before its time is up. Return why it was
    ended, or `None` if it ended by itself.
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
    """Ask a pilot to end. One that may finish says itself what its own processes are to do."""
    if order.grace is None:
        signal_group(pilot, signal.SIGTERM)
    else:
        with suppress(OSError):
            os.kill(pilot, signal.SIGTERM)


def signal_group(pilot: int, number: int) -> None:
    """Signal the pilot's group. The pilot is not reaped yet, so the group is surely its own."""
    with suppress(OSError):
        os.killpg(pilot, number)


def has_ended(pilot: int) -> bool:
    """Return whether the pilot has ended, leaving it unreaped so that its pid stays its own."""
    while True:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return False
        if ended.si_pid == pilot:
            return True
        # A grandchild that lost its parent: we are the reaper of all that the pilot starts.
        os.waitpid(ended.si_pid, 0)


def clear_up(pilot: int) -> int:
    """Kill what the pilot left behind and reap it; return the pilot's wait status."""
    signal_group(pilot, signal.SIGKILL)
    status = os.waitpid(pilot, 0)[1]
    give_up = time.monotonic() + CLEARING
    while time.monotonic() < give_up:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            break
        # Who left the group is still below us: the children of the killed become ours in turn.
        for child in children_of(os.getpid()):
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
        signal.sigtimedwait({signal.SIGCHLD}, 0.05)
    return status


def write_end(started_at: str, code: int | None, why: str | None) -> None:
    """Write down how the pilot ended: its exit code, or the signal that ended it below zero."""
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
            return  # somebody removed the folder: nobody asks any more
        except IsADirectoryError:
            # The pilot made it. What is in it stays, under a name that nobody reads.
            Path(EXIT).rename(f".{EXIT}-{os.urandom(8).hex()}")
        except OSError:
            time.sleep(5)  # no room on the disk: until there is some, the pilot counts as running
        else:
            return

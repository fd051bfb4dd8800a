"""The launcher: a program that reads a submission and forks a keeper for each of its pilots."""

import gc
import json
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

from .keep import open_folder, supervise
from .pilot import Start, Submission


def main(lock: int) -> None:
    """Read a submission and fork a keeper for each of its pilots."""
    _forget_the_worker()
    # The pipe closes early if the worker dies: half a request cannot be parsed and starts nothing.
    request = json.load(sys.stdin)
    orders = [Start(**order) for order in request.pop("orders")]
    submission = Submission(**request)
    # The worker stops waiting after this time; the alarm ends the launcher, which starts no more.
    signal.alarm(submission.patience)
    gc.freeze()
    for order in orders:
        try:
            child = os.fork()
        except OSError as error:
            reply(order.stamp, error)
            continue
        if child == 0:
            keep_and_exit(submission, order, lock)


def keep_and_exit(submission: Submission, order: Start, lock: int) -> NoReturn:
    """Become the keeper of one pilot; never return to the launcher's loop."""
    try:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        if _is_accepted(submission, order, lock):
            supervise(submission, order)
    except Exception:  # noqa: BLE001 - standard error is the pilot's output file by now
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(0)


def _is_accepted(submission: Submission, order: Start, lock: int) -> bool:
    try:
        open_folder(submission, order)
    except OSError as error:
        os.close(lock)
        reply(order.stamp, error)
        return False
    # The lock is released before the answer: after the last answer, no submission is under way.
    os.close(lock)
    reply(order.stamp, None)
    return True


def reply(stamp: str, error: OSError | None) -> None:
    """Write the answer about one pilot, in one piece.

    If the worker is gone, the error is ignored: the pilot does not need the worker.
    """
    answer = {
        "stamp": stamp,
        "errno": error.errno if error else None,
        "error": str(error)[:400] if error else None,
    }
    with suppress(OSError):
        os.write(1, json.dumps(answer).encode() + b"\n")


def _forget_the_worker() -> None:
    """Reset what a program inherits besides files: signal handlers and mask, folder and umask."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(0o077)
    os.chdir("/")

"""The pilot's own process, from its fork to its program."""

import ctypes
import os
import resource
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from .files import END_ASKED, OWN_SECRET, SCRIPT, WORK

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None)


class Start(NamedTuple):
    """One pilot to start, with the number of its script, if its VO has one."""

    stamp: str
    vo: str
    environment: dict[str, str]
    script: int | None = None
    arguments: Sequence[str] = ()
    secret: str | None = None
    grace: float | None = None


class Submission(NamedTuple):
    """What all pilots of one submission have in common."""

    place: str
    host: str
    command: list[str]
    grace: float
    nice: int
    walltime: float | None
    memory: int | None
    file_size: int | None
    patience: int
    scripts: Sequence[str] = ()


def adopt_orphans() -> None:
    """Become the parent of every descendant process that loses its own parent."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def start(submission: Submission, order: Start) -> int:
    """Start the pilot in a process group of its own; return its pid."""
    keeper = os.getpid()
    pilot = os.fork()
    if pilot:
        # Parent and child both set the group: it must exist before anybody signals it.
        with suppress(OSError):
            os.setpgid(pilot, pilot)
        return pilot
    try:
        become(submission, order, keeper)
    except (OSError, ValueError) as error:
        os.write(2, f"{command(submission, order)[0]} cannot be started: {error}\n".encode())
    finally:
        os._exit(127)


def command(submission: Submission, order: Start) -> list[str]:
    """Return the words that start the pilot. A script without `#!` is run by the shell."""
    if order.script is None:
        return submission.command
    script = os.path.realpath(SCRIPT)
    words = [script, *order.arguments]
    return words if submission.scripts[order.script].startswith("#!") else ["/bin/sh", *words]


def become(submission: Submission, order: Start, keeper: int) -> None:
    """Turn this process into the pilot."""
    # The kernel kills the pilot if its keeper dies: without one, it could run for ever unseen.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:
        return
    with suppress(OSError):
        os.setpgid(0, 0)
    words = command(submission, order)
    os.chdir(WORK)
    environment = {**order.environment, "PILOTAGE_END_FILE": os.path.realpath(END_ASKED)}
    if order.secret is not None:
        environment["PILOTAGE_SECRET_FILE"] = os.path.realpath(OWN_SECRET)
    os.nice(submission.nice)
    if submission.memory is not None:
        _limit(resource.RLIMIT_AS, submission.memory << 20)
    if submission.file_size is not None:
        _limit(resource.RLIMIT_FSIZE, submission.file_size << 20)
    # Python ignores these two; a program that inherited that would go on after them.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execvpe(words[0], words, environment)  # noqa: S606 - to run the command is the purpose


def _limit(what: int, size: int) -> None:
    most = resource.getrlimit(what)[1]
    size = size if most == resource.RLIM_INFINITY else min(size, most)
    resource.setrlimit(what, (size, size))


def _prctl(option: int, value: int) -> None:
    _libc.prctl(option, value, 0, 0, 0)

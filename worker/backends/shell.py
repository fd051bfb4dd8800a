"""The only place where back-ends run other programs.

No shell interprets the words of a command. A hard time limit ends the program and everything that
it started. The output is bounded, and an output that is too long is an error: it is never cut
short. Bytes that are not UTF-8 are replaced by replacement characters.
"""

import logging
import os
import pwd
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from worker.domain.errors import NotSent, NotSetUp, Unavailable, Unreadable
from worker.domain.secrets import end_of

log = logging.getLogger(__name__)

STANDARD_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

LIMIT = 16 * 2**20
"""Bytes that a program may write to its standard output and error together."""
_PIECE = 64 * 1024
_LOOK = 0.05
"""Seconds between checks whether a program has ended whose pipes other processes hold open."""
_NAP = 0.00005
"""Seconds until the first check of a program that has closed its pipes; each later check waits
twice as long."""
_REAP = 5.0
"""Seconds to wait for a killed program to disappear."""


_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
_OURS = ("PILOTAGE", "CELERY_", "_MP_FORK_")
_INSTALL = "install it on every worker host, or set its path in the options of the CE"


class Secret(str):
    """A word of a command line that must not be shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


@dataclass(frozen=True, kw_only=True)
class Completed:
    """The result of a program. An exit code below zero is the signal that ended it."""

    stdout: str
    stderr: str
    exit_code: int
    seconds: float


class _TooMuch(Exception):
    pass


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    input: str = "",  # noqa: A002 - as subprocess names it
    env: Mapping[str, str] | None = None,
    limit: int = LIMIT,
    umask: int = -1,
) -> Completed:
    """Run a program to its end; none of its processes outlives this call.

    Raise `NotSent` if the program cannot be started, `Unavailable` if it takes too long,
    `Unreadable` if it writes too much. The caller decides what an exit code other than 0 means.
    """
    start = time.monotonic()
    process: subprocess.Popen[bytes] | None = None
    try:
        with _signals_wait():
            process = _start(argv, env, umask)
        talk = _Talk(process, input.encode(errors="surrogateescape"), limit)
        talk.to_the_end(start + timeout)
    except TimeoutError:
        complaint = end_of(talk.stderr(), 500)
        details = [f"no answer within {round(timeout, 2):g} s", *([complaint] if complaint else [])]
        raise Unavailable(argv[0], *details) from None
    except _TooMuch:
        raise Unreadable(talk.beginning(2000), argv[0], f"more than {limit} bytes") from None
    finally:
        if process is not None:
            _end(process)
    seconds = time.monotonic() - start
    log.debug("%s: exit code %d after %.2f s", shown(argv), process.returncode, seconds)
    return Completed(
        stdout=talk.stdout(),
        stderr=talk.stderr(),
        exit_code=process.returncode,
        seconds=seconds,
    )


def clean_environment() -> dict[str, str]:
    """Return the environment of a fresh login, without any variable of the worker."""
    try:
        user = pwd.getpwuid(os.geteuid())
        who = {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}
    except KeyError:  # a user id without a name, as containers have it
        who = {"HOME": "/"}
    return {"PATH": STANDARD_PATH, "SHELL": "/bin/sh", **who}


def without_our_settings() -> dict[str, str]:
    """Return our environment without our settings and Celery's: their URLs hold passwords."""
    return {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}


def shown(argv: Sequence[str]) -> str:
    """Return a command line with its secret words hidden."""
    return " ".join("***" if isinstance(word, Secret) else word for word in argv)


def _start(
    argv: Sequence[str], env: Mapping[str, str] | None, umask: int
) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(  # noqa: S603 - a list of words; no shell reads it
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=None if env is None else dict(env),
            umask=umask,
        )
    except (OSError, ValueError) as error:
        # The text of the error may quote the words of the command; `strerror` does not.
        meaning = error.strerror if isinstance(error, OSError) else "a word holds a zero byte"
        path = (os.environ if env is None else env).get("PATH")
        if isinstance(error, FileNotFoundError) and shutil.which(argv[0], path=path) is None:
            raise NotSetUp(_INSTALL, f"{argv[0]} is not installed on this host") from None
        raise NotSent(argv[0], "it cannot be started", meaning) from None


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Delay the signals that would end this call, until the block has ended.

    A program that is just being started could not be killed: its process id is not known yet.
    """
    waiting: list[int] = []
    handlers = {number: signal.getsignal(number) for number in _ENDING}
    is_main = threading.current_thread() is threading.main_thread()
    ours = {n: one for n, one in handlers.items() if callable(one)} if is_main else {}
    for number in ours:
        signal.signal(number, lambda came, _: waiting.append(came))
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        for came in waiting:
            signal.raise_signal(came)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill and reap a program. A program that hangs in the kernel is left: we must not wait."""
    _kill(process.pid)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    try:
        process.wait(_REAP)
    except subprocess.TimeoutExpired:
        log.warning("process %d cannot be killed", process.pid)


def _kill(pid: int) -> None:
    # The program is not reaped yet, so its id is not reused: the group is certainly its own.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


class _Talk:
    """An exchange with a program: writes to it and reads from it until it has ended."""

    def __init__(self, process: "subprocess.Popen[bytes]", stdin: bytes, limit: int) -> None:
        self._pid = process.pid
        self._left = memoryview(stdin)
        self._bytes_left = limit
        self._nap = _NAP
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._outputs: dict[IO[bytes], bytearray] = {
            process.stdout: bytearray(),
            process.stderr: bytearray(),
        }
        self._stdin = process.stdin
        self._selector = selectors.DefaultSelector()
        for stream in self._outputs:
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ)
        os.set_blocking(self._stdin.fileno(), False)
        self._selector.register(self._stdin, selectors.EVENT_WRITE)

    def beginning(self, length: int) -> str:
        """Return the first characters of the program's standard output."""
        return self._written(0)[: 4 * length].decode(errors="replace")[:length]

    def stdout(self) -> str:
        """Return what the program wrote to its standard output."""
        return self._text(0)

    def stderr(self) -> str:
        """Return what the program wrote to its standard error."""
        return self._text(1)

    def to_the_end(self, give_up: float) -> None:
        """Exchange until the program has ended and all is read; `TimeoutError` if that is late."""
        with self._selector:
            while True:
                ended = self._has_ended()
                if ended:
                    _kill(self._pid)  # processes that it left behind would go on writing
                ready = self._ready(0 if ended else _LOOK)
                for stream in ready:
                    self._serve(stream)
                if ended and not any(stream in self._outputs for stream in ready):
                    return
                if time.monotonic() > give_up:
                    raise TimeoutError

    def _ready(self, patience: float) -> list[object]:
        """Wait for streams that can be read or written, at most `patience` seconds."""
        if self._selector.get_map():
            return [key.fileobj for key, _ in self._selector.select(patience)]
        # A program that closed its pipes is about to end, and nothing wakes us when it has ended.
        time.sleep(min(self._nap, patience))
        self._nap *= 2
        return []

    def _has_ended(self) -> bool:
        look = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._pid, look) is not None

    def _serve(self, stream: object) -> None:
        if stream is self._stdin:
            self._write()
            return
        for reader, output in self._outputs.items():
            if reader is stream:
                self._read(reader, output)

    def _write(self) -> None:
        try:
            self._left = self._left[os.write(self._stdin.fileno(), self._left[:_PIECE]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._left = self._left[:0]
        if not self._left:
            self._selector.unregister(self._stdin)
            self._stdin.close()

    def _read(self, stream: IO[bytes], output: bytearray) -> None:
        try:
            piece = os.read(stream.fileno(), _PIECE)
        except BlockingIOError:
            return
        if not piece:
            self._selector.unregister(stream)
        output += piece
        self._bytes_left -= len(piece)
        if self._bytes_left < 0:
            raise _TooMuch

    def _text(self, number: int) -> str:
        return self._written(number).decode(errors="replace")

    def _written(self, number: int) -> bytearray:
        return list(self._outputs.values())[number]

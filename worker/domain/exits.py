"""The meaning of an exit code: which signal ended a program, if any, and why a pilot failed."""

from contextlib import suppress
from signal import Signals

from worker.domain.pilot import Cause

LAST_SIGNAL = 64


def signal_of(code: int) -> int | None:
    """Return the signal in an exit code, if there is one.

    Python gives the signal that ended a process as a negative number. A shell whose command was
    ended by a signal exits with 128 plus the number of the signal.
    """
    number = -code if code < 0 else code - 128
    return number if 0 < number <= LAST_SIGNAL else None


def code_of(signal: int) -> int:
    """Return the exit code of a program that a signal ended, as shells write it."""
    return 128 + signal


def signal_name(number: int) -> str:
    """Write a signal: its number, and its name if this system has one."""
    with suppress(ValueError):
        return f"{number} ({Signals(number).name})"
    return str(number)


def meaning(code: int | None) -> tuple[Cause | None, str | None]:
    """Return why a pilot with this exit code failed, and a text about it.

    Both are `None` if the code is 0 or there is none.
    """
    if not code:
        return None, None
    signal = signal_of(code)
    if signal is not None:
        return Cause.SIGNAL, f"signal {signal_name(signal)}"
    return Cause.EXIT_CODE, f"exit code {code}"

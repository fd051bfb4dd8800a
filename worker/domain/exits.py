"""What an exit code says: which signal ended a program, if one did, and why a pilot failed."""

from contextlib import suppress
from signal import Signals

from worker.domain.pilot import Cause

LAST_SIGNAL = 64


def signal_of(code: int) -> int | None:
    """Return the signal in an exit code, if there is one.

    Python writes the signal that ended a process below zero. A shell whose command was ended by
    one passes it on as 128 and its number.
    """
    number = -code if code < 0 else code - 128
    return number if 0 < number <= LAST_SIGNAL else None


def code_of(signal: int) -> int:
    """Return the exit code of a program that a signal ended, as shells write it."""
    return 128 + signal


def signal_name(number: int) -> str:
    """Write a signal: its number, and its name if it has one here."""
    with suppress(ValueError):
        return f"{number} ({Signals(number).name})"
    return str(number)


def meaning(code: int | None) -> tuple[Cause | None, str | None]:
    """Return why a pilot with this exit code failed, and a word about it; nothing where it is 0."""
    if not code:
        return None, None
    signal = signal_of(code)
    if signal is not None:
        return Cause.SIGNAL, f"signal {signal_name(signal)}"
    return Cause.EXIT_CODE, f"exit code {code}"

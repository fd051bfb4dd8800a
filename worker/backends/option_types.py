"""Types of options that several back-ends have.

The values for a pilot end up in a script, on a command line or in an environment; a value that
cannot be written there is refused before it is stored. Every number has a lowest and a highest
value: an absurd number would otherwise fail later, in the middle of a call.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from worker.domain.checks import LARGEST

SLEEPER = (
    'echo "pilot $PILOTAGE_STAMP of $PILOTAGE_VO"; '
    "exec sleep $((5 + $(od -An -N2 -tu2 /dev/urandom) % 16))"
)
"""The default command of a pilot: it sleeps 5 to 20 seconds and does nothing else."""

URL_VARIABLE = "PILOTAGE_URL"
FILE_VARIABLE = "PILOTAGE_SECRET_FILE"
"""The variables in which a pilot that sends reports finds the server, and its secret's file."""

DAY = 86400
TEN_YEARS = 10 * 365 * DAY
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_text(value: str) -> str:
    """Refuse a text that no script can hold."""
    if "\0" in value or value.encode("utf-8", "replace").decode() != value:
        raise ValueError("it holds a zero byte, or is not UTF-8")
    return value


def check_printable(value: str) -> str:
    """Refuse a text that is empty or is not one printable line."""
    if not value.strip() or not value.isprintable():
        raise ValueError("it is empty, or holds a character that cannot be shown")
    return value


def _check_script(value: str) -> str:
    if not value.strip():
        raise ValueError("it is empty")
    return check_text(value)


def _check_program(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words or not words[0]:
        raise ValueError("it names no program")
    for word in words:
        check_text(word)
    return words


def _check_environment(environment: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"{name[:64]!r} is not the name of a variable")
        try:
            check_text(value)
        except ValueError as error:
            raise ValueError(f"the value of {name}: {error}") from None
    return environment


def _check_absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError(f"{str(path)!r} is not an absolute path")
    check_printable(str(path))
    return path


Printable = Annotated[str, AfterValidator(check_printable)]
Script = Annotated[str, AfterValidator(_check_script)]
Program = Annotated[tuple[str, ...], AfterValidator(_check_program)]
Environment = Annotated[dict[str, str], AfterValidator(_check_environment)]
Absolute = Annotated[Path, AfterValidator(_check_absolute)]
Seconds = Annotated[float, Field(ge=0, le=TEN_YEARS)]
SomeSeconds = Annotated[float, Field(gt=0, le=TEN_YEARS)]
WholeSeconds = Annotated[int, Field(gt=0, le=TEN_YEARS)]
Delay = Annotated[float, Field(ge=0, le=DAY)]
SomeDelay = Annotated[float, Field(gt=0, le=DAY)]
CallTime = Annotated[float, Field(gt=0, le=3600)]
Rate = Annotated[float, Field(gt=0, le=1_000_000)]
Cores = Annotated[int, Field(ge=1, le=100_000)]
MiB = Annotated[int, Field(ge=1, le=2**40)]
Count = Annotated[int, Field(ge=0, le=LARGEST)]


def argv(command: str | Sequence[str]) -> list[str]:
    """Return a command as a list of words: a single text is run by the shell."""
    return ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)

"""The options of a CE of the back-end local."""

from typing import Annotated

from pydantic import AfterValidator, Field

from worker.backends.contract import Options
from worker.backends.option_types import (
    SLEEPER,
    Environment,
    Program,
    Script,
    Seconds,
    SomeDelay,
    SomeSeconds,
    check_text,
)

LONGEST_WORD = 100_000
"""The most bytes of a word on a command line; the kernel's limit is 128 kB."""


def check_word(word: str) -> str:
    """Refuse a word that cannot be put on a command line."""
    check_text(word)
    if len(word.encode()) > LONGEST_WORD:
        raise ValueError(f"it is longer than {LONGEST_WORD} bytes")
    return word


def _check_words(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(check_word, words))


def _check_variables(environment: dict[str, str]) -> dict[str, str]:
    for name, value in environment.items():
        check_word(f"{name}={value}")
    return environment


LocalScript = Annotated[Script, AfterValidator(check_word)]
LocalProgram = Annotated[Program, AfterValidator(_check_words)]
LocalEnvironment = Annotated[Environment, AfterValidator(_check_variables)]


class LocalOptions(Options):
    """The options of a CE of this back-end."""

    command: LocalScript | LocalProgram = SLEEPER
    """What a pilot runs if its VO has no payload: a line for /bin/sh, or a list of words."""

    environment: LocalEnvironment = Field(default_factory=dict)
    """Variables that every pilot of the CE gets, besides a small clean environment."""

    walltime: SomeSeconds | None = None
    """Seconds that a pilot may run; if left out, it may run without limit."""

    grace: Seconds = 10
    """Seconds from asking a pilot to end until its remaining processes are killed."""

    nice: Annotated[int, Field(ge=0, le=19)] = 0
    """The nice value of a pilot, 0 to 19: how much its priority is lowered."""

    memory: Annotated[int, Field(ge=16, le=2**40)] | None = None
    """MiB of address space that each process of a pilot may have; if left out, without limit."""

    file_size: Annotated[int, Field(ge=1, le=2**40)] | None = None
    """MiB that a file which a pilot writes may have, its output too; a process that writes more is
    ended. If left out, without limit."""

    keep_output: Seconds = 6 * 3600
    """Seconds to keep the folder of a pilot after its end was first reported."""

    check_soonest: SomeDelay = 2
    """The shortest time from a change of a pilot to its next check, in seconds: checks are cheap
    here."""

    check_latest: SomeDelay = 30
    """The longest time until the next check of a pilot, in seconds."""

    host: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """The host that runs the pilots; if left out, the first host that is asked to start pilots."""

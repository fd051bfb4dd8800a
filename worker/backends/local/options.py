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
"""The kernel takes no longer word on a command line than 128 kB."""


def check_word(word: str) -> str:
    """Refuse what cannot stand on a command line."""
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
    """What a pilot runs whose VO has no payload: a line for /bin/sh, or a list of words."""

    environment: LocalEnvironment = Field(default_factory=dict)
    """Variables that every pilot of the CE gets, besides a small clean environment."""

    walltime: SomeSeconds | None = None
    """Seconds that a pilot may run; left out, it may run for ever."""

    grace: Seconds = 10
    """Seconds between asking a pilot to end and killing what is left of it."""

    nice: Annotated[int, Field(ge=0, le=19)] = 0
    """How far a pilot steps back behind other processes, 0 to 19."""

    memory: Annotated[int, Field(ge=16, le=2**40)] | None = None
    """MiB of address space that each process of a pilot may have; left out, all it can get."""

    keep_output: Seconds = 6 * 3600
    """Seconds to keep the folder of a pilot after its end was first reported."""

    check_soonest: SomeDelay = 2
    """Seconds after a change until a pilot is asked after again; to look into a folder is cheap."""

    check_latest: SomeDelay = 30
    """Seconds until a pilot is asked after again, at the latest."""

    host: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """The host that runs the pilots; left out, it is the first one that is asked to start some."""

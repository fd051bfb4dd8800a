"""What a CE of the back-end local may be told."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from worker.backends.contract import Options

# The pilots of a demonstration: each lives 5 to 20 seconds and harms nobody.
SLEEPER = (
    'echo "pilot $PILOTAGE_STAMP of $PILOTAGE_VO"; '
    "exec sleep $((5 + $(od -An -N2 -tu2 /dev/urandom) % 16))"
)
LONGEST_WORD = 100_000
"""The kernel takes no longer word on a command line than 128 kB."""


def check_word(word: str) -> str:
    """Refuse what cannot stand on a command line."""
    if "\0" in word:
        raise ValueError("it holds a zero byte")
    if len(word.encode(errors="surrogatepass")) > LONGEST_WORD:
        raise ValueError(f"it is longer than {LONGEST_WORD} bytes")
    return word


def _script(script: str) -> str:
    if not script.strip():
        raise ValueError("it is empty")
    return script


def _program(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words or not words[0]:
        raise ValueError("it names no program")
    return words


def check_environment(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Refuse what no process can have in its environment."""
    for name, value in environment.items():
        if not name or "=" in name:
            raise ValueError(f"{name!r} is not the name of a variable")
        check_word(name + "=" + value)
    return environment


Word = Annotated[str, AfterValidator(check_word)]
Script = Annotated[Word, AfterValidator(_script)]
Program = Annotated[tuple[Word, ...], AfterValidator(_program)]
Environment = Annotated[dict[str, str], AfterValidator(check_environment)]
Seconds = Annotated[float, Field(ge=0, le=10 * 365 * 86400, allow_inf_nan=False)]


class LocalOptions(Options):
    """What a CE of this back-end may be told."""

    command: Script | Program = SLEEPER
    """What a pilot runs whose VO has no payload: a line for /bin/sh, or a list of words."""

    environment: Environment = Field(default_factory=dict)
    """Variables that every pilot of the CE gets, besides a small clean environment."""

    walltime: Annotated[Seconds, Field(gt=0)] | None = None
    """Seconds that a pilot may run; left out, it may run for ever."""

    grace: Seconds = 10
    """Seconds between asking a pilot to end and killing what is left of it."""

    nice: Annotated[int, Field(ge=0, le=19)] = 0
    """How far a pilot steps back behind other processes, 0 to 19."""

    memory: Annotated[int, Field(ge=16, le=2**40)] | None = None
    """MiB of address space that each process of a pilot may have; left out, all it can get."""

    keep_output: Seconds = 6 * 3600
    """Seconds to keep the folder of a pilot after its end was first reported."""

    check_soonest: Annotated[float, Field(gt=0)] = 2
    """Seconds after a change until a pilot is asked after again; to look into a folder is cheap."""

    check_latest: Annotated[float, Field(gt=0)] = 30
    """Seconds until a pilot is asked after again, at the latest."""

    host: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """The host that runs the pilots; left out, it is the first one that is asked to start some."""

    def argv(self) -> list[str]:
        """Write the command as a list of words."""
        if isinstance(self.command, str):
            return ["/bin/sh", "-c", self.command]
        return list(self.command)

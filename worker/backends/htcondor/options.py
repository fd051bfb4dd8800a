"""The options of a CE of this back-end.

Values end up in a submit description, a ClassAd expression or the environment of a program. A value
that could become a second line or another word there is refused here.
"""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from worker.backends.contract import Options
from worker.backends.option_types import (
    SLEEPER,
    Absolute,
    CallTime,
    Cores,
    Delay,
    Environment,
    MiB,
    Program,
    Script,
    Seconds,
    WholeSeconds,
)
from worker.domain.credential import CredentialKind
from worker.domain.words import Described

_COMMAND = re.compile(r"(\+|MY\.)?[A-Za-z_][A-Za-z0-9_]*")
_DAEMON = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]*")
_KEYWORDS = ("queue", "include", "use", "if", "elif", "else", "endif", "error", "warning")
_OURS = (
    "executable", "transfer_executable", "copy_to_spool", "arguments", "environment", "env",
    "getenv", "initialdir", "initial_dir", "iwd", "input", "output", "error", "log", "batch_name",
    "description", "should_transfer_files", "when_to_transfer_output", "transfer_output_files",
    "transfer_input_files", "leave_in_queue", "jobbatchname", "jobdescription", "periodic_remove",
    "periodicremove", "periodicremovereason", "leavejobinqueue",
)  # fmt: skip


class HTCondorAuthentication(Described):
    """How a VO authenticates to the schedd."""

    NONE = "none", "As configured in HTCondor's client, the same for all VOs."
    IDTOKENS = "idtokens", "By each VO's token, issued by HTCondor itself."
    SCITOKENS = "scitokens", "By each VO's token, from an issuer that the schedd trusts."
    SSL = "ssl", "By each VO's X.509 proxy."


def _line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("it holds a line break or another control character")
    if value.rstrip().endswith("\\"):
        raise ValueError("it ends with a backslash, which would join the next line to it")
    return value


def _daemon(value: str) -> str:
    if not _DAEMON.fullmatch(value):
        raise ValueError(f"{value!r} is not a name or an address of a daemon")
    return value


def _commands(commands: dict[str, str]) -> dict[str, str]:
    for name in commands:
        word = name.lower().removeprefix("+").removeprefix("my.")
        if not _COMMAND.fullmatch(name) or word in _KEYWORDS or word.startswith("pilotage"):
            raise ValueError(f"{name!r} is not a command of a submit description")
        if word in _OURS:
            raise ValueError(f"{name!r} is set by pilotage itself")
    return commands


def _path(path: Path) -> Path:
    _line(str(path))
    return path


Line = Annotated[str, AfterValidator(_line)]
Daemon = Annotated[str, AfterValidator(_daemon)]
Commands = Annotated[dict[str, Line], AfterValidator(_commands)]

Place = Annotated[Absolute, AfterValidator(_path)]


class HTCondorOptions(Options):
    """The options of a CE of this back-end."""

    command: Script | Program = SLEEPER
    """What a pilot runs if its VO has no payload: a line for /bin/sh, or a program as a list."""

    environment: Environment = Field(default_factory=dict)
    """Variables that every pilot of the CE gets."""

    schedd: Daemon | None = None
    """The name of the schedd; for an HTCondor-CE its host. If left out, the schedd of this host."""

    pool: Daemon | None = None
    """The collector that knows the schedd; for an HTCondor-CE its host and port 9619."""

    spool: bool = False
    """Whether files are sent to the schedd and fetched from it; needed if it is on another host."""

    authentication: HTCondorAuthentication = HTCondorAuthentication.NONE
    """How a VO authenticates to the schedd: none, idtokens, scitokens or ssl."""

    config: Place | None = None
    """The configuration file of HTCondor's client; if left out, the configuration of this host."""

    programs: Place | None = None
    """The folder of HTCondor's client; if left out, its programs must be in PATH."""

    output_folder: Place | None = None
    """The folder where the output of pilots is kept; if left out, one in the state folder."""

    keep_output: Seconds = 6 * 3600
    """Seconds to keep output; with `spool`, also to keep an ended job at the schedd."""

    cpus: Cores | None = None
    """Processors to request; if left out, the schedd's default."""

    memory: MiB | None = None
    """MiB of memory to request; if left out, the schedd's default."""

    disk: MiB | None = None
    """MiB of disk to request; if left out, the schedd's default."""

    walltime: WholeSeconds | None = None
    """Seconds that a pilot may run before the schedd removes it; if left out, without limit."""

    submit: Commands = Field(default_factory=dict)
    """Further commands of the submit description, such as requirements or +maxWallTime."""

    held_patience: Seconds = 3600
    """Seconds to wait for the release of a pilot on hold, if its kind of hold may be released."""

    call_timeout: CallTime = 60
    """Seconds that the driver waits for an answer."""

    visibility_delay: Delay = 60
    """Seconds after which a job that the CE accepted is certainly in its listing."""

    @property
    def credential(self) -> CredentialKind | None:
        """Return the kind of credential that each VO needs at the CE, if any."""
        return _CREDENTIALS[self.authentication]

    def objection_to_secrets(self) -> str | None:
        # Without `spool` the schedd reads our files itself; as another user it may not.
        return None if self.spool else "set its option spool for that: --option spool=true"

    @classmethod
    def credential_kinds(cls) -> frozenset[CredentialKind]:
        """Return every kind of credential that a CE of this back-end may need."""
        return frozenset(kind for kind in _CREDENTIALS.values() if kind is not None)


_CREDENTIALS = {
    HTCondorAuthentication.NONE: None,
    HTCondorAuthentication.IDTOKENS: CredentialKind.TOKEN,
    HTCondorAuthentication.SCITOKENS: CredentialKind.TOKEN,
    HTCondorAuthentication.SSL: CredentialKind.PROXY,
}

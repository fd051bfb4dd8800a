"""The options of a CE of this back-end.

Every value becomes one word of a command line or one quoted word of a script; none can become
another option, directive or command.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from worker.backends.contract import Options
from worker.backends.option_types import (
    SLEEPER,
    CallTime,
    Cores,
    Environment,
    MiB,
    Printable,
    Program,
    Script,
    SomeSeconds,
    check_printable,
)
from worker.backends.slurm.names import OURS
from worker.domain.credential import CredentialKind

_EXTRA = re.compile(r"--([a-z][a-z0-9-]*)(=.*)?", re.DOTALL)
_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@%+:-]*")


def _extra(word: str) -> str:
    match = _EXTRA.fullmatch(check_printable(word))
    if match is None:
        raise ValueError(f"write {word!r} as --name or --name=value")
    # sbatch accepts the beginning of an option's name for the whole name.
    taken = [name for name in OURS if name.startswith(match[1])]
    if taken:
        raise ValueError(f"--{taken[0]} is set by Pilotage itself")
    return word


def _login(value: str) -> str:
    if not _LOGIN.fullmatch(value):
        raise ValueError("write it as host or user@host, or as a name of your ssh configuration")
    return value


Words = Annotated[Printable, Field(max_length=255)]
Place = Annotated[Printable, Field(max_length=1000)]
Extra = Annotated[str, Field(max_length=1000), AfterValidator(_extra)]
User = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", max_length=255)]


class SlurmOptions(Options):
    """The options of a CE of this back-end."""

    command: Script | Program = SLEEPER
    """What a pilot runs if its VO has no script of its own: a text for /bin/sh, a text that begins
    with #!, or a program and its arguments as a list."""

    environment: Environment = Field(default_factory=dict)
    """Variables that every pilot of the CE gets."""

    login_environment: bool = False
    """Whether a pilot gets the environment that its user's login shell sets on the node; Slurm then
    runs a login shell for each pilot. Otherwise a pilot gets a small clean environment."""

    partition: Words | None = None
    """The partition, or several partitions separated by commas."""

    account: Words | None = None
    """The account that is charged."""

    qos: Words | None = None
    """The quality of service."""

    constraint: Words | None = None
    """The features that a node must have."""

    reservation: Words | None = None
    """The reservation to run in."""

    gres: Words | None = None
    """Generic resources for each pilot, as Slurm writes them: gpu:1."""

    cpus: Cores | None = None
    """Processors for each pilot."""

    memory: MiB | None = None
    """MiB of memory for each pilot."""

    walltime: SomeSeconds | None = None
    """Seconds that a pilot may run; Slurm counts in whole minutes. If left out, the partition's
    default applies."""

    requeue: bool | None = None
    """Whether Slurm may start a pilot again after its node failed. If left out, Slurm's own setting
    applies."""

    nice: Annotated[int, Field(ge=0, le=2_147_483_645)] | None = None
    """How much the priority of the pilots is lowered against other jobs: Slurm's nice value."""

    cluster: Annotated[Words, Field(pattern=r"^\w[\w.-]*$")] | None = None
    """The name of another cluster than the default one, in a multi-cluster installation."""

    arguments: tuple[Extra, ...] = ()
    """More arguments of sbatch, each written as --name or --name=value."""

    array_size: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """The most elements in an array; with 0 or 1 every pilot is sent as a single job. If left out,
    the cluster's limit applies."""

    output_folder: Place | None = "pilotage"
    """The folder where pilots write their output and record their end. Nodes and login node must
    share it; a relative path is in the home of the user, an absolute one must be there."""

    keep_output: SomeSeconds = 7 * 86400
    """Seconds to keep the output of a pilot after its end."""

    programs: Annotated[Place, Field(pattern="^/")] | None = None
    """The folder of sbatch and Slurm's other programs, if they are not found in PATH."""

    slurm_conf: Annotated[Place, Field(pattern="^/")] | None = None
    """The configuration file of Slurm, if it is not in its usual place. If left out, SLURM_CONF in
    the environment of the workers is used; it is not passed over SSH."""

    ssh: Annotated[str, Field(max_length=255), AfterValidator(_login)] | None = None
    """The login node to reach over SSH: host, user@host, or a name in an ssh configuration."""

    ssh_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The SSH port of the login node."""

    ssh_key: Annotated[Place, Field(pattern="^/")] | None = None
    """The file of the private key. If left out, ssh uses the keys that it finds by itself."""

    vo_keys: bool = False
    """Whether each VO logs in with its own key, which is its credential, instead of with a key that
    all VOs share."""

    ssh_users: Annotated[dict[str, User], Field(max_length=1000)] = Field(default_factory=dict)
    """The user as which a VO logs in, by the name of the VO, if it differs from that in `ssh`."""

    ssh_known_hosts: Annotated[Place, Field(pattern="^/")] | None = None
    """The file with the keys of known hosts; a host that is not in it is never trusted."""

    ssh_config: Annotated[Place, Field(pattern="^/")] | None = None
    """An ssh configuration to read instead of the user's."""

    ssh_keep: Annotated[int, Field(ge=0, le=86400)] = 300
    """Seconds that an unused connection is kept for the next call; with 0 none is shared."""

    call_timeout: CallTime = 60
    """Seconds that a call may take, for all programs together that it runs."""

    @model_validator(mode="after")
    def _ssh_is_whole(self) -> "SlurmOptions":
        if self.ssh is None and (self.ssh_port or self.ssh_key or self.ssh_config):
            raise ValueError("ssh_port, ssh_key and ssh_config need the option ssh")
        if self.vo_keys and (self.ssh is None or self.ssh_key):
            raise ValueError("vo_keys needs the option ssh, and no ssh_key")
        if self.ssh_users and not self.vo_keys:
            raise ValueError("ssh_users needs the option vo_keys")
        return self

    @property
    def credential(self) -> CredentialKind | None:
        """Return `KEY` if each VO logs in with its own key; `None` if all share one login."""
        return CredentialKind.KEY if self.vo_keys else None

    @classmethod
    def credential_kinds(cls) -> frozenset[CredentialKind]:
        """Return every kind of credential that a CE of this back-end may need."""
        return frozenset({CredentialKind.KEY})

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
    # sbatch takes the beginning of a name for the name.
    taken = [name for name in OURS if name.startswith(match[1])]
    if taken:
        raise ValueError(f"--{taken[0]} is not for you to say")
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
    """What a pilot runs if its VO has no script of its own: a text for /bin/sh, or one that begins
    with #!, or a program and its arguments as a list."""

    environment: Environment = Field(default_factory=dict)
    """Variables that every pilot of the CE gets."""

    login_environment: bool = False
    """Whether a pilot starts with what its user's login shell sets on the node; otherwise with a
    small clean environment. Slurm runs a login shell for each pilot then."""

    partition: Words | None = None
    """The partition, or several of them, with commas between."""

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
    """Seconds that a pilot may run, in whole minutes. Left out, what the partition says."""

    requeue: bool | None = None
    """Whether Slurm may start a pilot again after its node failed. Left out, what Slurm says."""

    nice: Annotated[int, Field(ge=0, le=2_147_483_645)] | None = None
    """How far the pilots step back behind other jobs."""

    cluster: Annotated[Words, Field(pattern=r"^\w[\w.-]*$")] | None = None
    """Another cluster than the own one, by its name in a multi-cluster installation."""

    arguments: tuple[Extra, ...] = ()
    """More arguments of sbatch, each written as --name or --name=value."""

    array_size: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """Elements in an array at the most; 0 or 1 sends every pilot as a job of its own. Left out,
    what the cluster says."""

    output_folder: Place | None = "pilotage"
    """Where pilots write their output and how they ended: a folder that nodes and login node share;
    a relative one lies in the home of the user."""

    keep_output: SomeSeconds = 7 * 86400
    """Seconds to keep what a pilot wrote, counted from its end."""

    programs: Annotated[Place, Field(pattern="^/")] | None = None
    """The folder of sbatch and its sisters, if they are not found by themselves."""

    slurm_conf: Annotated[Place, Field(pattern="^/")] | None = None
    """The configuration of Slurm, if it is not in its usual place. Left out, what SLURM_CONF in the
    environment of the workers says; that does not travel over SSH."""

    ssh: Annotated[str, Field(max_length=255), AfterValidator(_login)] | None = None
    """The login node to go to by SSH: host, user@host, or a name of an ssh configuration."""

    ssh_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The port of its SSH."""

    ssh_key: Annotated[Place, Field(pattern="^/")] | None = None
    """The file of the private key. Left out, what ssh finds by itself."""

    vo_keys: bool = False
    """Whether each VO logs in with its own key, which is its credential, instead of with one that
    all share."""

    ssh_users: Annotated[dict[str, User], Field(max_length=1000)] = Field(default_factory=dict)
    """The user that a VO logs in as, by the name of the VO, if it is another than `ssh` says."""

    ssh_known_hosts: Annotated[Place, Field(pattern="^/")] | None = None
    """The file with the keys of known hosts; one that is not known is never trusted."""

    ssh_config: Annotated[Place, Field(pattern="^/")] | None = None
    """An ssh configuration to read instead of the user's."""

    ssh_keep: Annotated[int, Field(ge=0, le=86400)] = 300
    """Seconds that an unused connection is kept for the next call; 0 shares none."""

    call_timeout: CallTime = 60
    """Seconds that a call may take, all programs that it runs together."""

    @model_validator(mode="after")
    def _ssh_is_whole(self) -> "SlurmOptions":
        if self.ssh is None and (self.ssh_port or self.ssh_key or self.ssh_config):
            raise ValueError("say ssh as well")
        if self.vo_keys and (self.ssh is None or self.ssh_key):
            raise ValueError("with vo_keys, say ssh and no ssh_key")
        if self.ssh_users and not self.vo_keys:
            raise ValueError("with ssh_users, say vo_keys as well")
        return self

    @property
    def credential(self) -> CredentialKind | None:
        """Each VO has a key, or all share what the host has."""
        return CredentialKind.KEY if self.vo_keys else None

    @classmethod
    def credential_kinds(cls) -> frozenset[CredentialKind]:
        """Return every kind that a CE of this back-end may ask for."""
        return frozenset({CredentialKind.KEY})

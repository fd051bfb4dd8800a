"""The options of an ARC CE."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from worker.backends.contract import Options
from worker.backends.option_types import (
    SLEEPER,
    CallTime,
    Cores,
    Delay,
    Environment,
    MiB,
    Printable,
    Program,
    Script,
    Seconds,
    WholeSeconds,
    check_printable,
)
from worker.domain.credential import CredentialKind
from worker.domain.words import Described


class ArcAuthentication(Described):
    """How a VO authenticates to the CE."""

    PROXY = "proxy", "By its X.509 proxy certificate."
    TOKEN = "token", "By its bearer token."


def _url(text: str) -> str:
    """Return the address of a CE's A-REX; without a path, the usual one is added."""
    parts = urlsplit(check_printable(text))
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("it does not begin with https:// and the name of a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it holds a user or a password")
    if parts.query or parts.fragment or not re.fullmatch(r"[\w/.~-]*", parts.path, re.ASCII):
        raise ValueError("it has more than a host, a port and a path")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("its port is not a number below 65536") from None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    where = host if port is None else f"{host}:{port}"
    return f"https://{where}{parts.path.rstrip('/') or '/arex'}"


def _check_values(environment: dict[str, str]) -> dict[str, str]:
    """Refuse values that ARC would not pass to a job unchanged."""
    for name, value in environment.items():
        if not value.isprintable():
            raise ValueError(f"the value of {name} holds a character that cannot be shown")
    return environment


Url = Annotated[str, AfterValidator(_url)]
ArcEnvironment = Annotated[Environment, AfterValidator(_check_values)]


class ArcOptions(Options):
    """The options of a CE of this back-end."""

    url: Url
    """The address of the CE: `https://ce.example.org`, or with a port, or with the path of its
    A-REX."""

    authentication: ArcAuthentication = ArcAuthentication.PROXY
    """How a VO authenticates: `proxy`, an X.509 proxy certificate, or `token`, a bearer token."""

    ca: Path | None = None
    """The authorities that may issue the CE's certificate: a PEM file, or a folder with hashed
    names; if left out, the authorities that the system trusts."""

    check_revocation: bool | None = None
    """Whether the CE is refused if its authority has revoked its certificate; the folder `ca` must
    then have a revocation list of that authority that is not out of date. If left out, this is
    checked if the folder has such lists, in files like 0a1b2c3d.r0."""

    version: Literal["1.0", "1.1"] | None = None
    """The version of REST to use; if left out, the highest that both sides support."""

    queue: Printable | None = None
    """The queue to which jobs go; if left out, the CE chooses."""

    command: Script | Program = SLEEPER
    """What a pilot runs if its VO has no payload: a script for /bin/sh, or a program and its
    arguments as a list."""

    environment: ArcEnvironment = Field(default_factory=dict)
    """Variables that every pilot of the CE gets, besides those of the CE."""

    walltime: WholeSeconds | None = None
    """Seconds that a pilot may run; if left out, as long as the queue allows."""

    memory: MiB | None = None
    """MiB of memory for each core of a pilot; if left out, what the queue gives."""

    cores: Cores = 1
    """Cores of one host that a pilot gets."""

    runtime_environments: tuple[Printable, ...] = ()
    """Runtime environments of the CE that a pilot requests, such as `ENV/PROXY`."""

    delegate: bool = True
    """Whether a job gets a proxy of its own, made from the VO's proxy; tokens are not passed on."""

    keep_output: Seconds = 6 * 3600
    """Seconds to keep a job and its output at the CE after its end was first reported."""

    call_timeout: CallTime = 60
    """Seconds that one call of the driver may take, with all its requests."""

    connections: int = Field(default=8, ge=1, le=64)
    """Concurrent requests to the CE; each takes some 50 ms, whatever its content."""

    jobs_per_request: int = Field(default=200, ge=1, le=1000)
    """Jobs that are sent in one request."""

    information_delay: Delay = 300
    """Seconds after which a job that the CE calls RUNNING counts as running even if the CE's own
    information, which alone distinguishes queued from running jobs, does not say so yet."""

    @model_validator(mode="after")
    def _lists_have_a_folder(self) -> "ArcOptions":
        if self.check_revocation and self.ca is None:
            raise ValueError("check_revocation needs the option ca, the folder of the lists")
        return self

    @property
    def credential(self) -> CredentialKind:
        """Return the kind of credential that each VO needs at the CE."""
        return CredentialKind(self.authentication.value)

    @classmethod
    def credential_kinds(cls) -> frozenset[CredentialKind]:
        """Return every kind of credential that a CE of this back-end may need."""
        return frozenset(CredentialKind(way.value) for way in ArcAuthentication)

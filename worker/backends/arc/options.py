"""The options of an ARC CE."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from worker.backends.contract import Options
from worker.backends.option_types import (
    SLEEPER,
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
    """How a VO shows at the CE who it is."""

    PROXY = "proxy", "By its X.509 proxy certificate."
    TOKEN = "token", "By its bearer token."


def _url(text: str) -> str:
    """Return the address of the A-REX of a CE; the address of the CE will do."""
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
        raise ValueError("its port is no number below 65536") from None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    where = host if port is None else f"{host}:{port}"
    return f"https://{where}{parts.path.rstrip('/') or '/arex'}"


def _check_values(environment: dict[str, str]) -> dict[str, str]:
    """Refuse what ARC would not hand on to a job as it is."""
    for name, value in environment.items():
        if not value.isprintable():
            raise ValueError(f"the value of {name} holds a character that cannot be shown")
    return environment


Url = Annotated[str, AfterValidator(_url)]
ArcEnvironment = Annotated[Environment, AfterValidator(_check_values)]


class ArcOptions(Options):
    """The options of a CE of this back-end."""

    url: Url
    """Where the CE is: `https://ce.example.org`, or with a port, or with the path of its A-REX."""

    authentication: ArcAuthentication = ArcAuthentication.PROXY
    """How a VO shows who it is: `proxy`, an X.509 proxy certificate, or `token`, a bearer token."""

    ca: Path | None = None
    """The authorities that the CE's certificate may come from: a PEM file, or a folder with hashed
    names; left out, those that the system trusts."""

    check_revocation: bool | None = None
    """Whether a certificate of the CE that its authority revoked is refused; that authority must
    have a list that is not out of date in the folder `ca` then. Left out, where the folder has
    such lists, files like 0a1b2c3d.r0."""

    version: Literal["1.0", "1.1"] | None = None
    """The version of REST to speak; left out, the highest that both sides know."""

    queue: Printable | None = None
    """The queue that jobs go to; left out, the CE chooses."""

    command: Script | Program = SLEEPER
    """What a pilot runs where its VO has no payload: a script for /bin/sh, or a program and its
    arguments as a list."""

    environment: ArcEnvironment = Field(default_factory=dict)
    """Variables that every pilot of the CE gets, besides those of the CE."""

    walltime: WholeSeconds | None = None
    """Seconds that a pilot may run; left out, what the queue allows."""

    memory: MiB | None = None
    """MiB that each core of a pilot may have; left out, what the queue gives."""

    cores: Cores = 1
    """Cores of one host that a pilot gets."""

    runtime_environments: tuple[Printable, ...] = ()
    """Runtime environments of the CE that a pilot asks for, such as `ENV/PROXY`."""

    delegate: bool = True
    """Whether a job is given a proxy of its own, made from the VO's; tokens are not handed on."""

    keep_output: Seconds = 6 * 3600
    """Seconds to keep a job and its output at the CE after its end was first reported."""

    call_timeout: float = Field(default=60, gt=0, le=140)
    """Seconds that one call of the driver may take, with all its requests."""

    connections: int = Field(default=8, ge=1, le=64)
    """Requests to the CE at a time; each takes some 50 ms, whatever it asks."""

    jobs_per_request: int = Field(default=200, ge=1, le=1000)
    """Jobs that are sent in one request."""

    information_delay: Delay = 300
    """Seconds after which a job is taken as running though the CE's own information on it, which
    alone tells a queued job from a running one, does not say so yet."""

    @model_validator(mode="after")
    def _lists_have_a_folder(self) -> "ArcOptions":
        if self.check_revocation and self.ca is None:
            raise ValueError("with check_revocation, say ca as well, the folder of the lists")
        return self

    @property
    def credential(self) -> CredentialKind:
        """Return which credential of each VO the CE asks for."""
        return CredentialKind(self.authentication.value)

    @classmethod
    def credential_kinds(cls) -> frozenset[CredentialKind]:
        """Return every kind that a CE of this back-end may ask for."""
        return frozenset(CredentialKind(way.value) for way in ArcAuthentication)

"""The part of `apply` that is about what VOs show and what their pilots run.

    [vo.lhcb.credentials.arc]
    proxy = "/etc/pilotage/lhcb.pem"
    renew = ["renew-proxy", "lhcb"]

    [credentials.slurm]                  for all VOs that have none of their own
    key = { path = "/etc/pilotage/id", renew = ["fetch-key"] }

    [vo.lhcb.payload]                    as 'pilotage vo payload' takes it
    script = "pilot.sh"

A credential or a payload that the file does not name stays as it is.
"""

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from worker.backends import registry
from worker.backends.contract import Backend
from worker.db import credentials, payloads
from worker.db.uow import Transaction
from worker.domain.credential import Credential, CredentialKind, called
from worker.domain.errors import Invalid
from worker.domain.payload import Payload, plain
from worker.domain.variable import keys, table
from worker.services.operate.change import Change
from worker.services.payloads import put, read_told

KEYS = ("credentials", "payload")
"""What is told of a VO besides what it is."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a file says that VOs show, and what their pilots run."""

    credentials: list[Credential]
    payloads: Mapping[str, Payload]


def read(told: Mapping[str, Any], folder: Path, backends: Mapping[str, Backend]) -> Identity:
    """Read it, or refuse what cannot be. A script that is named lies in this folder."""
    credentials = list(_credentials(None, told.get("credentials", {}), backends))
    payloads = {}
    for vo, values in told.get("vo", {}).items():
        credentials += _credentials(vo, values.get("credentials", {}), backends)
        if "payload" in values:
            payload = table(f"VO {vo} payload", values["payload"])
            payloads[vo] = read_told(payload, folder)
    return Identity(credentials=credentials, payloads=payloads)


def changes(tx: Transaction, wanted: Identity) -> Iterator[Change]:
    """Find what differs. It is made after the VOs and CEs are as they should be."""
    present = {(one.vo, one.backend, one.kind): one for one in credentials.get_all(tx)}
    for one in wanted.credentials:
        yield from _credential(present.get((one.vo, one.backend, one.kind)), one)
    stored = payloads.of_vos(tx, wanted.payloads)
    for vo, payload in wanted.payloads.items():
        if stored.get(vo) != plain(payload):
            yield Change(
                what=f"VO {vo} payload",
                was=_shown(stored.get(vo)),
                becomes=_shown(plain(payload)),
                make=partial(put, vo=vo, payload=payload),
            )


def _credentials(
    vo: str | None, told: object, backends: Mapping[str, Backend]
) -> Iterator[Credential]:
    where = f"VO {vo} credentials" if vo else "credentials"
    for backend, values in table(where, told).items():
        registry.get(backends, backend)
        yield from _of_backend(f"{where} {backend}", vo, backend, table(where, values))


def _of_backend(
    where: str, vo: str | None, backend: str, values: Mapping[str, Any]
) -> Iterator[Credential]:
    kinds = [str(kind) for kind in CredentialKind]
    keys(where, values, [*kinds, "renew"])
    named = [kind for kind in kinds if kind in values]
    if not named:
        raise Invalid(where, f"say where it lies, by one of {', '.join(kinds)}")
    if "renew" in values and (len(named) > 1 or not isinstance(values[named[0]], str)):
        raise Invalid(where, 'say with each how it is renewed: proxy = { path = "…", renew = […] }')
    for kind in named:
        own = values[kind]
        if isinstance(own, str):
            own = {"path": own, "renew": values.get("renew")}
        own = table(f"{where} {kind}", own)
        keys(f"{where} {kind}", own, ("path", "renew"))
        yield Credential(
            vo=vo,
            backend=backend,
            kind=CredentialKind(kind),
            path=_path(f"{where} {kind}", own.get("path")),
            renew=_words(f"{where} {kind}", own.get("renew")),
        )


def _credential(was: Credential | None, wanted: Credential) -> Iterator[Change]:
    what = called(wanted)
    if was is None:
        make = partial(credentials.add, credential=wanted)
        yield Change(what=what, was="-", becomes="added", make=make)
        return
    for name in ("path", "renew"):
        old, new = getattr(was, name), getattr(wanted, name)
        if old != new:
            yield Change(
                what=f"{what}: {name}",
                was=_command(old),
                becomes=_command(new),
                make=partial(credentials.change, credential=wanted),
            )


def _command(value: str | tuple[str, ...] | None) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else shlex.join(value)


def _path(where: str, told: object) -> str:
    if not isinstance(told, str):
        raise Invalid(where, "it needs a path")
    return told


def _words(where: str, told: object) -> tuple[str, ...] | None:
    if told is None:
        return None
    if not isinstance(told, list) or not all(isinstance(word, str) for word in told):
        raise Invalid(f"{where} renew", "write the command as a list of words")
    return tuple(told)


def _shown(payload: Mapping[str, Any] | None) -> str:
    """Tell one payload from another, in a few words."""
    if payload is None:
        return "none"
    digest = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
    return f"a script of {len(payload['script'])} characters ({digest[:8]})"

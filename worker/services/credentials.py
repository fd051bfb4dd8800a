"""Credentials: where their files are, their state, and which VO can use a CE with them.

A decision uses the result of the last check, so that no file is read while a unit of work is open.
Before a call to a CE the file itself is checked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from worker.backends import credentials as files
from worker.backends import registry
from worker.backends.contract import Backend, Options
from worker.db import ces, credentials
from worker.db.uow import Transaction
from worker.domain.access import Role
from worker.domain.ce import CE
from worker.domain.credential import (
    Credential,
    CredentialKind,
    State,
    left,
    problem_of,
    state,
    used,
)
from worker.domain.errors import ConfirmationNeeded, CredentialProblem, PilotageError
from worker.domain.values import CredentialValues, NewCredential
from worker.domain.vo import ALL_VOS
from worker.services.allowed import allowed_to
from worker.services.runtime import Runtime


@dataclass(frozen=True, kw_only=True)
class CredentialStanding:
    """The state of a credential now."""

    vo: str
    backend: str
    kind: CredentialKind
    state: State
    seconds_left: int | None
    used: float | None
    expires_at: datetime | None
    checked_at: datetime | None
    renewed_at: datetime | None
    renew: tuple[str, ...] | None
    path: str
    problem: str | None


@allowed_to(Role.ADMIN)
def add(runtime: Runtime, new: NewCredential) -> CredentialStanding:
    """Add a credential, and check its file. A credential that cannot be used yet is added, too."""
    credential = Credential(**new)
    registry.get(runtime.backends, credential.backend)
    now = runtime.now()
    current = files.look(credential, now)
    with runtime.database.uow() as tx:
        credentials.add(tx, credential)
        return tx.answer(_stored(tx, current, now))


@allowed_to(Role.READ)
def useless(runtime: Runtime, backend: str, kind: CredentialKind) -> str | None:
    """Return why no CE of a back-end can use a credential of a kind; nothing if some can."""
    kinds = registry.get(runtime.backends, backend).options.credential_kinds()
    if kind in kinds:
        return None
    asks = " or ".join(f"a {kind}" for kind in sorted(kinds)) or "no credential"
    return f"CEs of back-end {backend} do not use a {kind}; they use {asks}"


@allowed_to(Role.ADMIN)
def change(
    runtime: Runtime,
    vo: str,
    backend: str,
    changes: CredentialValues,
    *,
    kind: CredentialKind | None = None,
) -> CredentialStanding:
    """Change where a credential's file is or how it is renewed, and check the file."""
    now = runtime.now()
    with runtime.database.uow() as tx:
        before = credentials.get(tx, _owner(vo), backend, kind)
    current = files.look(replace(before, **changes), now)
    with runtime.database.uow() as tx:
        credentials.change(tx, current)
        return _stored(tx, current, now)


@allowed_to(Role.ADMIN)
def remove(
    runtime: Runtime,
    vo: str,
    backend: str,
    *,
    kind: CredentialKind | None = None,
    yes: bool = True,
) -> None:
    """Forget a credential; its file stays."""
    with runtime.database.uow() as tx:
        credential = credentials.get(tx, _owner(vo), backend, kind)
        if not yes:
            what = f"this would forget the {credential.kind} of {vo} for {backend}"
            raise ConfirmationNeeded(what)
        credentials.remove(tx, credential)


@allowed_to(Role.READ)
def show(
    runtime: Runtime, vo: str, backend: str, *, kind: CredentialKind | None = None
) -> CredentialStanding:
    """Show the state of a credential, after a check of its file."""
    with runtime.database.uow() as tx:
        credential = credentials.get(tx, _owner(vo), backend, kind)
    now = runtime.now()
    return standing(files.look(credential, now), now)


@allowed_to(Role.READ)
def list_all(runtime: Runtime) -> list[CredentialStanding]:
    """List the credentials with their states, after a check of each file."""
    with runtime.database.uow() as tx:
        stored = credentials.get_all(tx)
    now = runtime.now()
    return [standing(files.look(credential, now), now) for credential in stored]


def _owner(vo: str) -> str | None:
    """Return the VO that owns a credential; `None` if it is for all VOs."""
    return None if vo == ALL_VOS else vo


def standings(tx: Transaction, now: datetime) -> list[CredentialStanding]:
    """Return the state of every credential, as the last check of its file found it."""
    return [standing(credential, now) for credential in credentials.get_all(tx)]


def standing(credential: Credential, now: datetime) -> CredentialStanding:
    remaining = left(credential, now)
    return CredentialStanding(
        vo=credential.vo or ALL_VOS,
        backend=credential.backend,
        kind=credential.kind,
        state=state(credential, now),
        seconds_left=None if remaining is None else int(remaining.total_seconds()),
        used=used(credential, now),
        expires_at=credential.expires_at,
        checked_at=credential.checked_at,
        renewed_at=credential.renewed_at,
        renew=credential.renew,
        path=credential.path,
        problem=problem_of(credential, now),
    )


def unusable_ces(
    tx: Transaction, runtime: Runtime, vos: Iterable[str]
) -> dict[str, dict[str, str]]:
    """Return, for each VO, the CEs for which it has no usable credential, and why.

    The state is that of the last check; no file is read.
    """
    asking = [backend.name for backend in runtime.backends.values() if _may_ask(backend)]
    if not asking:
        return {}
    stored = {
        (credential.vo, credential.backend, credential.kind): credential
        for credential in credentials.get_all(tx, asking)
    }
    requirements = [
        (ce.name, ce.backend, kind)
        for ce in ces.of_backends(tx, asking)
        if (kind := _required_kind(runtime, ce.backend, ce.options)) is not None
    ]
    now = runtime.now()
    kinds = {(backend, kind) for _, backend, kind in requirements}
    by_vo: dict[str, dict[str, str]] = {}
    for vo in vos:
        why = {(backend, kind): _why(stored, vo, backend, kind, now) for backend, kind in kinds}
        by_vo[vo] = {
            ce: reason for ce, of, kind in requirements if (reason := why[of, kind]) is not None
        }
    return by_vo


def _why(
    stored: Mapping[tuple[str | None, str, CredentialKind], Credential],
    vo: str,
    backend: str,
    kind: CredentialKind,
    now: datetime,
) -> str | None:
    """Return why a VO has no usable credential. Its own one precedes the one for all VOs."""
    credential = stored.get((vo, backend, kind)) or stored.get((None, backend, kind))
    return (
        files.unknown(vo, backend, kind) if credential is None else problem_of(credential, now, vo)
    )


def barred(runtime: Runtime, ce: CE, options: Options) -> dict[str, str]:
    """Return the VOs that cannot use a CE now, and why, after a check of the credentials' files."""
    kind = options.credential
    if kind is None:
        return {}
    usable = files.of_each_vo(runtime.database.uow, ce.backend, runtime.now, kind)
    return {
        vo: plain(answer) for vo, answer in usable.items() if isinstance(answer, CredentialProblem)
    }


def plain(problem: CredentialProblem) -> str:
    """Return what is wrong with a credential, without the general sentence of the error's class."""
    return ": ".join(map(str, problem.details)) or str(problem)


def _may_ask(backend: Backend) -> bool:
    return backend.options.credential is not Options.credential


def _required_kind(
    runtime: Runtime, backend: str, options: Mapping[str, Any]
) -> CredentialKind | None:
    """Return which kind of credential a CE asks for; `None` if its options cannot be read."""
    try:
        return registry.check_options(runtime.backends, backend, options).credential
    except PilotageError:
        return None


def _stored(tx: Transaction, current: Credential, now: datetime) -> CredentialStanding:
    stored = credentials.get(tx, current.vo, current.backend, current.kind)
    credentials.save_looks(tx, [replace(current, id=stored.id)])
    return standing(current, now)

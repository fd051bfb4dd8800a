"""Credentials: the path of each, and the result of the last look; never the content of a file."""

from collections.abc import Collection
from functools import cache
from typing import Any

from sqlalchemy import Executable, Integer, Select, Text, delete, func, select, update

from worker.db.changes import note
from worker.db.names import key_of
from worker.db.rows import encode, insert_new, rows
from worker.db.tables import credentials, vos
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.credential import Credential, CredentialKind
from worker.domain.errors import AlreadyExists, UnknownCredential
from worker.domain.nearest import nearest
from worker.domain.vo import ALL_VOS

STATE_COLUMNS = (
    "issued_at",
    "expires_at",
    "checked_at",
    "problem",
    "renewed_at",
    "retry_at",
    "failures",
)
"""The columns with what is known from looking at a credential and from renewing it."""


def add(tx: Transaction, credential: Credential) -> None:
    """Add a credential; a VO has at most one of a kind for a back-end."""
    vo_id = None if credential.vo is None else key_of(tx, vos, credential.vo)
    if insert_new(tx, credentials, vo_id=vo_id, **_settings(credential)) is None:
        raise AlreadyExists(
            f"{credential.kind} of {_named(credential.vo)} for {credential.backend}",
            "change it with 'pilotage credential set'",
        )
    _note(tx, "add", None, credential)


def get(
    tx: Transaction, vo: str | None, backend: str, kind: CredentialKind | None = None
) -> Credential:
    """Return a VO's own credential for a back-end. The kind is needed if there are several."""
    matches = _find(tx, vo, backend, kind)
    if not matches:
        raise _unknown(tx, vo, backend, kind)
    if len(matches) > 1:
        kinds = ", ".join(str(match.kind) for match in matches)
        raise UnknownCredential(f"of {_named(vo)} for {backend}", f"give the kind: {kinds}")
    return matches[0]


def change(tx: Transaction, credential: Credential) -> None:
    """Store the path and the command of a credential. If the path changed, delete what was seen of
    the old file.
    """
    before = get(tx, credential.vo, credential.backend, credential.kind)
    values = {**_settings(credential), "retry_at": None}
    if before.path != credential.path:
        values |= {**dict.fromkeys(STATE_COLUMNS), "failures": 0}
    tx.execute(update(credentials).where(credentials.c.id == before.id).values(values))
    _note(tx, "set", before, credential)


def remove(tx: Transaction, credential: Credential) -> None:
    """Delete a credential; its file stays."""
    tx.execute(delete(credentials).where(credentials.c.id == credential.id))
    _note(tx, "remove", credential, None)


def get_all(tx: Transaction, backends: Collection[str] | None = None) -> list[Credential]:
    """Read every credential, or those for some back-ends."""
    query = _CREDENTIALS
    if backends is not None:
        query = query.where(credentials.c.backend.in_(sorted(backends)))
    return _read(tx, query)


def of_each_vo(tx: Transaction, backend: str, kind: CredentialKind) -> dict[str, Credential | None]:
    """Return the credential that each VO uses: its own, else the one for all, else `None`."""
    by_vo = {
        credential.vo: credential
        for credential in _read(tx, _CREDENTIALS.where(credentials.c.backend == backend))
        if credential.kind is kind
    }
    names = tx.execute(select(vos.c.name).order_by(vos.c.name)).scalars()
    return {name: by_vo.get(name, by_vo.get(None)) for name in names}


def save_looks(tx: Transaction, looks: Collection[Credential]) -> None:
    """Store the results of looks at credentials, except those at a file that is no longer used."""
    if not looks:
        return
    data = (
        [look.id, look.path, *(getattr(look, name) for name in STATE_COLUMNS)] for look in looks
    )
    tx.execute(_save_looks(tx.dialect), encode(("id", "path", *STATE_COLUMNS), data))


def note_renewal(tx: Transaction, before: Credential, after: Credential) -> None:
    """Note in the audit that somebody had a credential renewed."""
    moments = ({_name_of(one): {"renewed_at": one.renewed_at}} for one in (before, after))
    note(tx, "vo", _named(after.vo), "credential renew", *moments)


def _note(tx: Transaction, verb: str, before: Credential | None, after: Credential | None) -> None:
    """Note a change of a credential as a change of its VO: the path, never the file's content."""
    credential = after or before
    assert credential is not None
    values = (
        {_name_of(credential): None if each is None else {"path": each.path, "renew": each.renew}}
        for each in (before, after)
    )
    note(tx, "vo", _named(credential.vo), f"credential {verb}", *values)


def _name_of(credential: Credential) -> str:
    return f"{credential.kind} for {credential.backend}"


@cache
def _save_looks(dialect: str) -> Executable:
    new = rows(
        dialect,
        id=Integer,
        path=Text,
        issued_at=UtcDateTime,
        expires_at=UtcDateTime,
        checked_at=UtcDateTime,
        problem=Text,
        renewed_at=UtcDateTime,
        retry_at=UtcDateTime,
        failures=Integer,
    )
    return (
        update(credentials)
        .where(credentials.c.id == new.c.id, credentials.c.path == new.c.path)
        .values({name: new.c[name] for name in STATE_COLUMNS})
    )


_CREDENTIALS: Select[Any] = (
    select(
        credentials.c.id,
        vos.c.name.label("vo"),
        *(credentials.c[name] for name in ("backend", "kind", "path", "renew", *STATE_COLUMNS)),
    )
    .select_from(credentials.outerjoin(vos, credentials.c.vo_id == vos.c.id))
    .order_by(func.coalesce(vos.c.name, ""), credentials.c.backend, credentials.c.kind)
)


def _unknown(
    tx: Transaction, vo: str | None, backend: str, kind: CredentialKind | None
) -> UnknownCredential:
    """Return the error about a credential that does not exist, with the nearest that does."""
    stored = [credential for credential in get_all(tx) if credential.vo == vo]
    kinds = [str(credential.kind) for credential in stored if credential.backend == backend]
    hint = nearest(str(kind), kinds) if kinds else nearest(backend, {c.backend for c in stored})
    return UnknownCredential(f"{kind or 'credential'} of {_named(vo)} for {backend}", hint)


def _find(
    tx: Transaction, vo: str | None, backend: str, kind: CredentialKind | None
) -> list[Credential]:
    key = None if vo is None else key_of(tx, vos, vo)
    whose = credentials.c.vo_id.is_(None) if key is None else credentials.c.vo_id == key
    query = _CREDENTIALS.where(whose, credentials.c.backend == backend)
    return _read(tx, query if kind is None else query.where(credentials.c.kind == kind))


def _read(tx: Transaction, query: Select[Any]) -> list[Credential]:
    return [Credential(**row) for row in tx.execute(query).mappings()]


def _settings(credential: Credential) -> dict[str, Any]:
    return {name: getattr(credential, name) for name in ("backend", "kind", "path", "renew")}


def _named(vo: str | None) -> str:
    return ALL_VOS if vo is None else vo

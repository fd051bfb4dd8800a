"""Credentials: where they lie, and what was seen of them last; never what is in their files."""

from collections.abc import Collection
from functools import cache
from typing import Any

from sqlalchemy import Executable, Integer, Select, Text, delete, func, select, update

from worker.db.names import key_of
from worker.db.rows import encode, insert_new, rows
from worker.db.tables import credentials, vos
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.credential import Credential, CredentialKind
from worker.domain.errors import AlreadyExists, UnknownCredential
from worker.domain.nearest import nearest
from worker.domain.vo import ALL_VOS

SEEN = (
    "issued_at",
    "expires_at",
    "checked_at",
    "problem",
    "renewed_at",
    "retry_at",
    "failures",
)
"""What looking at a credential and renewing it tells."""


def add(tx: Transaction, credential: Credential) -> None:
    """Add a credential; a VO has one of a kind for a back-end."""
    vo_id = None if credential.vo is None else key_of(tx, vos, credential.vo)
    if insert_new(tx, credentials, vo_id=vo_id, **_told(credential)) is None:
        raise AlreadyExists(
            f"{credential.kind} of {_named(credential.vo)} for {credential.backend}",
            "change it with 'pilotage credential set'",
        )


def get(
    tx: Transaction, vo: str | None, backend: str, kind: CredentialKind | None = None
) -> Credential:
    """Read a VO's own credential for a back-end; the kind may be left out where there is one."""
    found = _find(tx, vo, backend, kind)
    if not found:
        raise _unknown(tx, vo, backend, kind)
    if len(found) > 1:
        kinds = ", ".join(str(one.kind) for one in found)
        raise UnknownCredential(f"of {_named(vo)} for {backend}", f"say which kind: {kinds}")
    return found[0]


def change(tx: Transaction, credential: Credential) -> None:
    """Write down where a credential lies now; what was seen of another file is forgotten."""
    was = get(tx, credential.vo, credential.backend, credential.kind)
    values = {**_told(credential), "retry_at": None}
    if was.path != credential.path:
        values |= {**dict.fromkeys(SEEN), "failures": 0}
    tx.execute(update(credentials).where(credentials.c.id == was.id).values(values))


def remove(tx: Transaction, credential: Credential) -> None:
    """Forget a credential; its file stays where it is."""
    tx.execute(delete(credentials).where(credentials.c.id == credential.id))


def get_all(tx: Transaction, backends: Collection[str] | None = None) -> list[Credential]:
    """Read every credential, or those for some back-ends."""
    query = _CREDENTIALS
    if backends is not None:
        query = query.where(credentials.c.backend.in_(sorted(backends)))
    return _read(tx, query)


def of_each_vo(tx: Transaction, backend: str, kind: CredentialKind) -> dict[str, Credential | None]:
    """Return the credential that each VO uses: its own, else the one for all, else none."""
    found = {
        one.vo: one
        for one in _read(tx, _CREDENTIALS.where(credentials.c.backend == backend))
        if one.kind is kind
    }
    names = tx.execute(select(vos.c.name).order_by(vos.c.name)).scalars()
    return {name: found.get(name, found.get(None)) for name in names}


def saw(tx: Transaction, seen: Collection[Credential]) -> None:
    """Write down what was seen, unless another file is meant by now."""
    if not seen:
        return
    data = ([one.id, one.path, *(getattr(one, name) for name in SEEN)] for one in seen)
    tx.execute(_saw(tx.dialect), encode(("id", "path", *SEEN), data))


@cache
def _saw(dialect: str) -> Executable:
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
        .values({name: new.c[name] for name in SEEN})
    )


_CREDENTIALS: Select[Any] = (
    select(
        credentials.c.id,
        vos.c.name.label("vo"),
        *(credentials.c[name] for name in ("backend", "kind", "path", "renew", *SEEN)),
    )
    .select_from(credentials.outerjoin(vos, credentials.c.vo_id == vos.c.id))
    .order_by(func.coalesce(vos.c.name, ""), credentials.c.backend, credentials.c.kind)
)


def _unknown(
    tx: Transaction, vo: str | None, backend: str, kind: CredentialKind | None
) -> UnknownCredential:
    """Return the error about a credential that does not exist, with what is nearest."""
    stored = [one for one in get_all(tx) if one.vo == vo]
    kinds = [str(one.kind) for one in stored if one.backend == backend]
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


def _told(credential: Credential) -> dict[str, Any]:
    return {name: getattr(credential, name) for name in ("backend", "kind", "path", "renew")}


def _named(vo: str | None) -> str:
    return ALL_VOS if vo is None else vo

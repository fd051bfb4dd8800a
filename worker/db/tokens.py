"""Tokens, by which programs and people may use the API. Only the hash of a secret is stored."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, or_, select, update

from worker.db.changes import note
from worker.db.names import key_of
from worker.db.pages import FIRST, Page, PageRequest, contains, read_page
from worker.db.rows import insert_new
from worker.db.tables import tokens, vos
from worker.db.uow import Transaction
from worker.domain.errors import AlreadyExists, UnknownToken
from worker.domain.nearest import nearest
from worker.domain.token import Token, TokenKind

NOTED_EVERY = timedelta(minutes=10)
"""How much earlier than the last use the stored last use may be."""

SORTS = {
    "name": tokens.c.name,
    "id": tokens.c.id,
    "made_at": tokens.c.made_at,
    "expires_at": tokens.c.expires_at,
}
_TOKENS: Select[Any] = select(
    *(
        vos.c.name.label("vo") if name == "vo" else tokens.c[name]
        for name in Token.__dataclass_fields__
    )
).select_from(tokens.outerjoin(vos, tokens.c.vo_id == vos.c.id))
_IS_TOKEN = tokens.c.kind == TokenKind.TOKEN


def add(tx: Transaction, token: Token, secret_hash: str) -> Token:
    """Add a token; return it with its id."""
    made = insert_new(
        tx,
        tokens,
        vo_id=None if token.vo is None else key_of(tx, vos, token.vo),
        secret_hash=secret_hash,
        **{
            name: getattr(token, name)
            for name in Token.__dataclass_fields__
            if name not in ("id", "vo")
        },
    )
    if made is None:
        raise AlreadyExists(
            "token", token.name, "the name of a revoked token stays in use for a while"
        )
    if token.kind is TokenKind.TOKEN:
        after = {"role": token.role, "vo": token.vo, "expires_at": token.expires_at}
        note(tx, "token", token.name, "create", after=after)
    return replace(token, id=made)


def find_by_hash(tx: Transaction, secret_hash: str) -> Token | None:
    return _one(tx, _TOKENS.where(tokens.c.secret_hash == secret_hash))


def take_link(tx: Transaction, secret_hash: str, now: datetime) -> Token | None:
    """Use a link and return it; `None` if it was used before, has expired, or does not exist.

    If two requests use it at the same moment, only one gets it: the other finds it revoked.
    """
    taken = tx.execute(
        update(tokens)
        .where(
            tokens.c.secret_hash == secret_hash,
            tokens.c.kind == TokenKind.LINK,
            tokens.c.revoked_at.is_(None),
            tokens.c.expires_at > now,
        )
        .values(revoked_at=now, used_at=now)
        .returning(tokens.c.id)
    ).scalar_one_or_none()
    return None if taken is None else _one(tx, _TOKENS.where(tokens.c.id == taken))


def revoke(tx: Transaction, name: str, now: datetime) -> Token:
    """Revoke the token of a program. A token that was revoked before stays as it is."""
    of_name = tokens.c.name == name, _IS_TOKEN
    not_revoked = update(tokens).where(*of_name, tokens.c.revoked_at.is_(None))
    revoked = tx.execute(not_revoked.values(revoked_at=now).returning(tokens.c.id)).all()
    token = _one(tx, _TOKENS.where(*of_name))
    if token is None:
        raise UnknownToken(name, nearest(name, names(tx)))
    if revoked:
        note(tx, "token", name, "revoke", {"revoked_at": None}, {"revoked_at": now})
    return token


def end_session(tx: Transaction, secret_hash: str, now: datetime) -> None:
    """End a session. Nothing happens if it is unknown or has already ended."""
    tx.execute(
        update(tokens)
        .where(
            tokens.c.secret_hash == secret_hash,
            tokens.c.kind == TokenKind.SESSION,
            tokens.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )


def find(
    tx: Transaction,
    *,
    search: str | None = None,
    valid_at: datetime | None = None,
    asked: PageRequest = FIRST,
) -> Page[Token]:
    """List the tokens for programs: with this text in the name and valid at a moment, if given."""
    query = _TOKENS.where(_IS_TOKEN)
    if search is not None:
        query = query.where(contains(tokens.c.name, search))
    if valid_at is not None:
        query = query.where(tokens.c.revoked_at.is_(None), tokens.c.expires_at > valid_at)
    return read_page(tx, query, tokens.c.id, SORTS, asked, lambda row: Token(**row))


def names(tx: Transaction) -> list[str]:
    """Return the names of the tokens for programs that were not revoked."""
    query = select(tokens.c.name).where(_IS_TOKEN, tokens.c.revoked_at.is_(None))
    return list(tx.execute(query.order_by(tokens.c.name)).scalars())


def note_use(tx: Transaction, token_id: int, now: datetime) -> None:
    """Store the last use, unless the stored one is nearly as late: so most uses write nothing."""
    is_old = or_(tokens.c.used_at.is_(None), tokens.c.used_at < now - NOTED_EVERY)
    tx.execute(update(tokens).where(tokens.c.id == token_id, is_old).values(used_at=now))


def _one(tx: Transaction, query: Select[Any]) -> Token | None:
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else Token(**row)

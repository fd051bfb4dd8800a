"""tokens: create, list and revoke the tokens of programs; sign people in by links and sessions."""

from dataclasses import dataclass
from datetime import timedelta

from worker.db import tokens
from worker.db.uow import Transaction
from worker.domain.access import Role, require_for
from worker.domain.errors import ConfirmationNeeded, NotSignedIn
from worker.domain.pages import FIRST, Page, PageRequest
from worker.domain.token import (
    LIFE_OF_LINK,
    LIFE_OF_SESSION,
    USUAL_LIFE,
    Token,
    TokenKind,
    check_life,
    hash_of,
    make_secret,
)
from worker.domain.values import Seconds
from worker.services.allowed import allowed_to
from worker.services.runtime import Runtime

ADVICE = "it is unknown, has expired, or was revoked"
"""One message for every invalid secret, so that it does not reveal which case it is."""


@dataclass(frozen=True, kw_only=True)
class NewToken:
    """A new token, and its secret, which cannot be read again."""

    token: Token
    secret: str


@allowed_to(Role.ADMIN)
def create(
    runtime: Runtime, name: str, role: Role, vo: str | None = None, life: Seconds | None = None
) -> NewToken:
    """Make a token for a program."""
    life = USUAL_LIFE if life is None else life
    check_life(life)
    return _make(runtime, life, kind=TokenKind.TOKEN, name=name, role=role, vo=vo)


@allowed_to(Role.ADMIN)
def list_tokens(
    runtime: Runtime,
    *,
    all: bool = False,  # noqa: A002 - the word of the command
    search: str | None = None,
    page: PageRequest = FIRST,
) -> Page[Token]:
    """List the tokens for programs that are valid, or all."""
    valid_at = None if all else runtime.now()
    with runtime.database.uow() as tx:
        return tokens.find(tx, search=search, valid_at=valid_at, asked=page)


@allowed_to(Role.ADMIN)
def token_names(runtime: Runtime) -> list[str]:
    """Return the names of the tokens for programs that were not revoked."""
    with runtime.database.uow() as tx:
        return tokens.names(tx)


@allowed_to(Role.ADMIN)
def revoke(runtime: Runtime, name: str, *, yes: bool = True) -> Token:
    """End the token of a program at once."""
    if not yes:
        raise ConfirmationNeeded(f"this would revoke token {name}")
    with runtime.database.uow() as tx:
        return tx.answer(tokens.revoke(tx, name, runtime.now()))


def make_link(runtime: Runtime, who: str, role: Role, vo: str | None = None) -> NewToken:
    """Make a link with which a person can sign in once, within a few minutes."""
    return _make(runtime, LIFE_OF_LINK, kind=TokenKind.LINK, name=who, role=role, vo=vo)


def begin_session(runtime: Runtime, who: str, role: Role, vo: str | None) -> NewToken:
    """Begin the session of a person whose identity was proven."""
    return _make(runtime, LIFE_OF_SESSION, kind=TokenKind.SESSION, name=who, role=role, vo=vo)


def use_link(runtime: Runtime, secret: str) -> NewToken:
    """Begin the session of the person for whom a link was made. The link cannot be used again."""
    now = runtime.now()
    with runtime.database.uow() as tx:
        link = tokens.take_link(tx, hash_of(secret), now)
        if link is None:
            token = tokens.find_by_hash(tx, hash_of(secret))
            if token is not None and token.kind is TokenKind.TOKEN:
                raise NotSignedIn("this is a token, for programs: pilotage token link makes a link")
            raise NotSignedIn("this link was used before, or has expired; make another")
        session = Token(
            name=link.name,
            kind=TokenKind.SESSION,
            role=link.role,
            vo=link.vo,
            made_at=now,
            made_by=link.made_by,
            expires_at=now + LIFE_OF_SESSION,
        )
        return _add(tx, session)


def identify(runtime: Runtime, secret: str) -> Token:
    """Return the token or session to which a secret belongs: that of a program or of a person."""
    now = runtime.now()
    with runtime.database.uow() as tx:
        token = tokens.find_by_hash(tx, hash_of(secret))
        if token is None or token.kind is TokenKind.LINK or not token.is_valid(now):
            refusal = NotSignedIn(ADVICE)
            refusal.is_guess = token is None or token.kind is TokenKind.LINK
            raise refusal
        if token.used_at is None or token.used_at < now - tokens.NOTED_EVERY:
            tokens.note_use(tx, token.id, now)
    return token


def end_session(runtime: Runtime, secret: str) -> None:
    """Sign a person out. A session that has ended stays ended."""
    with runtime.database.uow() as tx:
        tokens.end_session(tx, hash_of(secret), runtime.now())


def _make(
    runtime: Runtime, life: timedelta, *, kind: TokenKind, name: str, role: Role, vo: str | None
) -> NewToken:
    """Make a token whose rights do not exceed those of its maker."""
    actor, now = runtime.database.actor, runtime.now()
    require_for(actor.who, actor.access, role, vo)
    token = Token(
        kind=kind,
        name=name,
        role=role,
        vo=vo,
        made_at=now,
        made_by=actor.who,
        expires_at=now + life,
    )
    with runtime.database.uow() as tx:
        return _add(tx, token)


def _add(tx: Transaction, token: Token) -> NewToken:
    """Store a token with a new secret."""
    secret = make_secret()
    return NewToken(token=tokens.add(tx, token, hash_of(secret)), secret=secret)

"""Tokens: who may sign in, and for how long."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.expectations import refused, statements
from tests.factories import MINUTE, NOW, a_vo
from worker.db import changes, retention, tokens, vos
from worker.db.pages import PageRequest
from worker.db.tables import tokens as table
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.access import Access, Role
from worker.domain.errors import AlreadyExists, Invalid, UnknownToken, UnknownVO
from worker.domain.token import Token, TokenKind, hash_of, make_secret

DAY = timedelta(days=1)
TOKEN = Token(name="ci", role=Role.READ, made_at=NOW, made_by="me@here", expires_at=NOW + DAY)
LINK = replace(TOKEN, kind=TokenKind.LINK, name="me@here (for alice)")
SESSION = replace(LINK, kind=TokenKind.SESSION)


def store(tx: Transaction, token: Token) -> tuple[Token, str]:
    """Store a token; return it and the hash of its secret."""
    secret_hash = hash_of(make_secret())
    return tokens.add(tx, token, secret_hash), secret_hash


@pytest.mark.parametrize("kind", TokenKind)
def test_a_token_is_read_back_as_it_was_added(uow: UnitOfWork, kind: TokenKind) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        token = replace(TOKEN, kind=kind, role=Role.OPERATE, vo=vo.name)
        answer, secret_hash = store(tx, token)
    with uow() as tx:
        result = tokens.find_by_hash(tx, secret_hash)
        assert tokens.find_by_hash(tx, hash_of(make_secret())) is None

    assert result == token == answer
    assert result.id == answer.id
    assert isinstance(result.kind, TokenKind)
    assert result.access == Access(role=Role.OPERATE, vo=vo.name)


@pytest.mark.parametrize("role", Role)
def test_every_role_can_be_stored(uow: UnitOfWork, role: Role) -> None:
    with uow() as tx:
        _, secret_hash = store(tx, replace(TOKEN, role=role))
        result = tokens.find_by_hash(tx, secret_hash)

    assert result is not None
    assert result.access == Access(role=role)


def test_one_is_found_by_one_statement(uow: UnitOfWork) -> None:
    with uow() as tx:
        _, secret_hash = store(tx, TOKEN)
    with uow() as tx, statements(uow.engine) as sql:
        tokens.find_by_hash(tx, secret_hash)

    assert len(sql) == 1


def test_the_name_of_a_program_is_its_own_and_a_person_has_several(uow: UnitOfWork) -> None:
    with uow() as tx:
        for token in (TOKEN, SESSION, SESSION, LINK, LINK, replace(SESSION, name="ci")):
            store(tx, token)
        tokens.revoke(tx, "ci", NOW)
    with refused(AlreadyExists, "token: ci", "stays in use"), uow() as tx:
        store(tx, TOKEN)


def test_a_token_is_for_a_vo_that_exists_and_goes_with_it(uow: UnitOfWork) -> None:
    with refused(UnknownVO, "nobody"), uow() as tx:
        store(tx, replace(TOKEN, role=Role.OPERATE, vo="nobody"))
    with uow() as tx:
        vo = a_vo().create(tx)
        _, secret_hash = store(tx, replace(TOKEN, role=Role.OPERATE, vo=vo.name))
        vos.remove(tx, vo.name)
        assert tokens.find_by_hash(tx, secret_hash) is None


def test_no_token_is_made_that_means_nothing() -> None:
    with refused(Invalid, "the role admin is not for one VO"):
        replace(TOKEN, role=Role.ADMIN, vo="lhcb")
    with refused(Invalid, "token name"):
        replace(TOKEN, name="a b")


def test_a_link_is_used_up_once(uow: UnitOfWork) -> None:
    with uow() as tx:
        link, secret_hash = store(tx, LINK)
        assert tokens.take_link(tx, secret_hash, LINK.expires_at) is None
        assert tokens.take_link(tx, secret_hash, NOW) == replace(link, revoked_at=NOW, used_at=NOW)
    with uow() as tx:
        assert tokens.take_link(tx, secret_hash, NOW) is None


@pytest.mark.parametrize("token", [TOKEN, SESSION])
def test_only_a_link_is_used_up(uow: UnitOfWork, token: Token) -> None:
    with uow() as tx:
        _, secret_hash = store(tx, token)
        assert tokens.take_link(tx, secret_hash, NOW) is None
        assert tokens.find_by_hash(tx, secret_hash) == token


def test_a_revoked_token_stays_as_it_was_revoked_first(uow: UnitOfWork) -> None:
    with uow() as tx:
        _, secret_hash = store(tx, TOKEN)
        for later in range(2):
            assert tokens.revoke(tx, "ci", NOW + later * MINUTE).revoked_at == NOW
        result = tokens.find_by_hash(tx, secret_hash)
        assert result is not None
        assert not result.is_valid(NOW)
    with refused(UnknownToken, "known: none"), uow() as tx:
        tokens.revoke(tx, "cj", NOW)


def test_a_mistyped_name_is_answered_with_the_nearest(uow: UnitOfWork) -> None:
    with uow() as tx:
        store(tx, replace(TOKEN, name="nightly"))
        store(tx, SESSION)
        with refused(UnknownToken, "did you mean 'nightly'?"):
            tokens.revoke(tx, "nigthly", NOW)
        with refused(UnknownToken):
            tokens.revoke(tx, SESSION.name, NOW)


def test_a_session_ends_and_nothing_else_does(uow: UnitOfWork) -> None:
    with uow() as tx:
        hashes = [store(tx, one)[1] for one in (TOKEN, LINK, SESSION)]
        for secret_hash in hashes:
            tokens.end_session(tx, secret_hash, NOW)
            tokens.end_session(tx, secret_hash, NOW + MINUTE)
        result = [tokens.find_by_hash(tx, secret_hash) for secret_hash in hashes]

    assert result == [TOKEN, LINK, replace(SESSION, revoked_at=NOW)]


def test_the_last_use_is_written_when_it_is_ten_minutes_later(uow: UnitOfWork) -> None:
    def used_after(minutes: int) -> int:
        with uow() as tx:
            tokens.note_use(tx, token.id, NOW + minutes * MINUTE)
        with uow() as tx:
            result = tokens.find_by_hash(tx, secret_hash)
        assert result is not None
        assert result.used_at is not None
        return (result.used_at - NOW) // MINUTE

    with uow() as tx:
        token, secret_hash = store(tx, TOKEN)

    assert [used_after(minutes) for minutes in (0, 9, 11, 20, 22)] == [0, 0, 11, 11, 22]


def test_tokens_of_programs_are_listed_and_others_are_not(uow: UnitOfWork) -> None:
    with uow() as tx:
        for token in (
            TOKEN,
            replace(TOKEN, name="short", expires_at=NOW + MINUTE),
            replace(TOKEN, name="gone"),
            LINK,
            SESSION,
        ):
            store(tx, token)
        tokens.revoke(tx, "gone", NOW)

        def names(**filters: object) -> list[str]:
            return [token.name for token in tokens.find(tx, **filters).items]  # type: ignore[arg-type]

        assert names() == ["ci", "gone", "short"]
        assert names(valid_at=NOW) == ["ci", "short"]
        assert names(valid_at=NOW + MINUTE) == ["ci"]
        assert names(search="SH") == ["short"]
        first = tokens.find(tx, asked=PageRequest(sort="expires_at", limit=1))
        assert [token.name for token in first.items] == ["short"]
        assert first.next is not None
        assert tokens.names(tx) == ["ci", "short"]


def test_what_is_made_and_revoked_leaves_a_row_without_the_hash(uow: UnitOfWork) -> None:
    with uow() as tx:
        hashes = [store(tx, one)[1] for one in (TOKEN, LINK, SESSION)]
    with uow() as tx:
        tokens.revoke(tx, "ci", NOW)
    with uow() as tx:
        tokens.revoke(tx, "ci", NOW + MINUTE)
        rows = changes.find(tx, NOW - 1000 * DAY).items

    assert [(one.kind, one.name, one.what) for one in rows] == [
        ("token", "ci", "token create"),
        ("token", "ci", "token revoke"),
    ]
    assert rows[0].after == {"role": "read", "expires_at": TOKEN.expires_at.isoformat()}
    assert not any(secret_hash in repr(rows) for secret_hash in hashes)


def test_what_is_over_for_long_is_pruned(uow: UnitOfWork) -> None:
    with uow() as tx:
        for number in range(3):
            store(tx, replace(TOKEN, name=f"t{number}", expires_at=NOW + number * DAY))
        store(tx, replace(SESSION, expires_at=NOW + 9 * DAY))
        tokens.revoke(tx, "t2", NOW)
    with uow() as tx:
        assert retention.count(tx, "tokens", NOW + MINUTE) == 2
        assert retention.remove(tx, "tokens", NOW + MINUTE, limit=1) == 1
        assert retention.remove(tx, "tokens", NOW + MINUTE, limit=9) == 1
    with uow() as tx:
        names = list(tx.execute(select(table.c.name).order_by(table.c.id)).scalars())
    assert names == ["t1", SESSION.name]
